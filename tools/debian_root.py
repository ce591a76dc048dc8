"""Makes minimal Debian roots, and runs commands inside them as on a separate machine.

The registries are reached as from this machine: the configuration of apt, pip and npm, the
certificates, and the environment variables for them are copied.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_MIRROR = "http://deb.debian.org/debian"

#: The files that configure access to registries, for all users.
SHARED_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/npmrc",
                "/etc/ssl/certs/ca-certificates.crt")
#: The same in a user's home.
HOME_FILES = (".config/pip/pip.conf", ".pip/pip.conf", ".npmrc")
SHARED_FOLDERS = ("/etc/xdg/pip", "/etc/apt/auth.conf.d", "/usr/local/share/ca-certificates")
VARIABLES = re.compile(
    r"(PIP|NPM|npm|NODE|SSL|CURL|REQUESTS|GIT_SSL)_\w+|(https?|no|all)_proxy", re.IGNORECASE)

#: Mounts what programs expect, and stays as the first process, which reaps orphans.
INSIDE = """
mount -t proc proc "$1/proc"
mount -t sysfs -o ro sysfs "$1/sys"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$1/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
at_terminal=$([ ! -t 0 ] || echo setsid --ctty --wait)
$at_terminal chroot --userspec="$2" "$1" /usr/bin/env -i -C "$3" "${@:4}" || exit $?
exit 0
"""
ISOLATED = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork",
            "--kill-child=KILL", "--"]


class Failed(Exception):
    """A check has failed; ``str()`` says why, with the end of the output."""


def head() -> str:
    """Return the commit that is tested."""
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def mirror() -> str:
    """Return the mirror from which this machine gets Debian's packages."""
    with contextlib.suppress(OSError):
        said = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)",
             "Created-By: Packages"], stdout=subprocess.PIPE, text=True, check=False).stdout
        for line in said.splitlines():
            if line.startswith("Debian Debian "):
                return line.split()[2]
    return DEFAULT_MIRROR


def prerequisites() -> str:
    """Return the command at the top of the README that installs the prerequisites."""
    found = re.search(r"^ +(?:sudo )?(apt-get install .*)$",
                      (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise Failed("the README does not say what to install first")
    return found[1]


def remove(folder: Path) -> None:
    """Remove a root. Raises Failed while anything is mounted in it."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            if line.split()[4].startswith(f"{folder}/"):
                raise Failed(f"{line.split()[4]} is mounted: unmount it first")
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


class DebianRoot:
    """The machine of ``user`` with a suite: a copy of the suite's base, in ``folder``."""

    def __init__(self, folder: Path, suite: str, user: str) -> None:
        self.folder = folder
        self.suite = suite
        self.user = user
        self.base = folder / "base"
        self.path = folder / user
        self.home = "/root" if user == "root" else f"/home/{user}"
        self.checkout = self.path / self.home[1:] / "warrior"
        self.log = folder / f"{user}.log"
        self._kept = self.path / "kept-for"

    # -- making it ---------------------------------------------------------------------
    def prepare(self, commit: str, fresh: bool, timeout: float) -> None:
        """Make the machine with a clone of the commit, unless it was kept and not ``fresh``."""
        self._make_base(timeout)
        if not fresh and self._kept.exists() and self._kept.read_text() == commit:
            self._kept.unlink()
            return
        remove(self.path)
        subprocess.run(["cp", "-a", str(self.base), str(self.path)], check=True)
        if self.user != "root":
            self.must(f"useradd --create-home --shell /bin/sh {self.user}", timeout)
        take_along(self.path, self.home)
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT),
                        str(self.checkout)], check=True)
        self.must(f"chown -R {self.user}:{self.user} {self.home}", timeout)

    def keep(self, commit: str) -> None:
        """Let the next part use this machine, because this part was not interrupted."""
        self._kept.write_text(commit)

    def _make_base(self, timeout: float) -> None:
        ready, wanted = self.folder / "base-made-with", prerequisites()
        if ready.exists() and ready.read_text() == wanted:
            return
        print(f"   debootstrap makes {self.base} ...", flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        remove(self.base)
        unfinished = self.folder / "unfinished"
        remove(unfinished)
        with open(self.folder / "debootstrap.log", "wb") as log:
            done = subprocess.run(
                [*ISOLATED, "debootstrap", "--variant=minbase", self.suite, str(unfinished),
                 mirror()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=timeout)
        if done.returncode:
            raise Failed(f"debootstrap ended with {done.returncode}; see {log.name}")
        acquire = subprocess.run(["apt-config", "dump", "Acquire"], stdout=subprocess.PIPE,
                                 check=False) if shutil.which("apt-config") else None
        if acquire:
            (unfinished / "etc/apt/apt.conf.d/99acquire").write_bytes(acquire.stdout)
        take_along(unfinished, "/root")
        unfinished.rename(self.base)
        asbase = DebianRoot(self.folder, self.suite, "root")
        asbase.path = self.base
        asbase.must(f"cd / && apt-get update && {wanted} -y --no-install-recommends", timeout)
        ready.write_text(wanted)

    # -- running commands there --------------------------------------------------------
    def command(self, words: str, user: str) -> list[str]:
        """Return the command line that runs ``words`` there."""
        home = "/root" if user == "root" else self.home
        path = "/usr/local/bin:/usr/bin:/bin"
        if user == "root":
            path = f"/usr/local/sbin:/usr/sbin:/sbin:{path}"
        folder = self.home + "/warrior" if self.checkout.exists() else "/"
        variables = [f"{name}={value}" for name, value in os.environ.items()
                     if VARIABLES.fullmatch(name)]
        return [*ISOLATED, "bash", "-ceu", INSIDE, "inside", str(self.path), f"{user}:{user}",
                folder, *variables, f"HOME={home}", f"USER={user}", f"PATH={path}",
                "TERM=xterm", "/bin/sh", "-c", words]

    def run(self, words: str, timeout: float, user: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and write its output to the log."""
        self.note(f"$ {words}\n")
        with open(self.log, "ab") as log:
            before = log.tell()
            status = subprocess.run(
                self.command(words, user or self.user), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, timeout=timeout, start_new_session=True).returncode
        self.note(f"[{status}]\n")
        with open(self.log, "rb") as log:
            log.seek(before)
            said = log.read().decode("utf-8", errors="replace")
        return subprocess.CompletedProcess(words, status, said.rpartition("[")[0])

    def must(self, words: str, timeout: float) -> None:
        """Run a command as root. Raises Failed if it fails."""
        done = self.run(words, timeout, user="root")
        if done.returncode:
            raise Failed(f"{words}: {done.stdout[-3000:]}")

    def note(self, text: str) -> None:
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(text)

    @contextlib.contextmanager
    def terminal(self, words: str) -> Iterator[Terminal]:
        """Run a command at its own terminal; kill it when the block ends."""
        terminal = Terminal(self.command(words, self.user))
        try:
            yield terminal
        finally:
            terminal.close()
            self.note(f"$ {words}\n{terminal.said()}\n")


class Terminal:
    """A command at a pseudo-terminal."""

    def __init__(self, command: list[str]) -> None:
        self._screen = b""
        # The session that owns the terminal is created inside, where its processes are visible.
        self._end, screen = os.openpty()
        self._process = subprocess.Popen(command, stdin=screen, stdout=screen, stderr=screen,
                                         start_new_session=True)
        os.close(screen)

    def said(self) -> str:
        return self._screen.decode("utf-8", errors="replace").replace("\r\n", "\n")

    def ended(self) -> bool:
        """Read the available output; return whether the command has ended."""
        if select.select([self._end], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):  # the other end is closed
                self._screen += os.read(self._end, 65536)
        return self._process.poll() is not None

    def wait_line(self, pattern: str, timeout: float) -> str:
        """Wait until the last line matches, and return it. Raises Failed."""
        ends = time.monotonic() + timeout
        while True:
            ended = self.ended()
            last = self.said().rpartition("\n")[0].rpartition("\n")[2]
            if re.fullmatch(pattern, last) and self.said().endswith("\n"):
                return last
            if ended or time.monotonic() > ends:
                raise Failed(f"it did not start:\n{self.said()[-3000:]}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._end, b"\x03")

    def wait_end(self, timeout: float) -> int:
        """Wait for the end, and return the exit status. Raises Failed."""
        ends = time.monotonic() + timeout
        while not self.ended():
            if time.monotonic() > ends:
                raise Failed(f"it did not end:\n{self.said()[-3000:]}")
        return self._process.wait()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._end)


def take_along(root: Path, home: str) -> None:
    """Copy the configuration for registries into a root."""
    named = {value for name, value in os.environ.items()
             if VARIABLES.fullmatch(name) and value.startswith("/") and os.path.isfile(value)}
    for name in sorted({*SHARED_FILES, *named}):
        copy(Path(name), root / name[1:])
    for name in SHARED_FOLDERS:
        if os.path.isdir(name):
            shutil.copytree(name, root / name[1:], dirs_exist_ok=True)
    for name in HOME_FILES:
        copy(Path.home() / name, root / home[1:] / name)


def copy(source: Path, target: Path) -> None:
    """Copy a file if it exists, and make its folder."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(source, target)
