"""Plans what ``make install-service`` does, before anything is changed."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import warrior  # noqa: E402
from warrior.config.config import ConfigurationError, WarriorOptions, read_options  # noqa: E402
from warrior.process.command_line import Parser  # noqa: E402

#: Where systemd makes the folders of services; see StateDirectory in systemd.exec(5).
STATE_ROOT = "/var/lib"
STATE_DIR = f"{STATE_ROOT}/warrior"
#: The folders that the unit hides from the warrior, or replaces.
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")

_PLAIN = re.compile(r"/[\w.,:@+/-]*", re.ASCII)


class InstallError(Exception):
    """The installation is not possible; ``str()`` says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to install where. The paths are those of the running machine, without the prefix."""

    user: str
    config: str
    state_dir: str
    #: Other folders of the configuration that the warrior writes to.
    writable: tuple[str, ...]
    #: Whether the configuration file must be written.
    new_config: bool
    wheel: Path
    python: str
    prefix: str

    def real(self, path: str) -> Path:
        """Return where a path of the running machine is now."""
        return Path(self.prefix + path)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; exit with 64 if it is wrong."""
    parser = Parser(
        prog="install_service.py", description="Install the warrior as a systemd service.")
    add = parser.add_argument
    add("--user", default="warrior", help="the user that it runs as (made if missing)")
    add("--state-dir", metavar="DIR", help=f"its state folder (default: {STATE_DIR})")
    add("--config", metavar="FILE", default="/etc/warrior.conf", help="its configuration")
    add("--python", metavar="FILE", help="the Python that runs it (default: the best one found)")
    add("--wheel", metavar="FILE", type=Path, help="what to install (default: the one in dist/)")
    add("--prefix", metavar="DIR", default="", help="put everything below this folder")
    return parser.parse_args(arguments)


def make_plan(given: argparse.Namespace) -> Plan:
    """Check everything before anything is changed. Raises InstallError."""
    prefix = os.path.abspath(given.prefix).rstrip("/") if given.prefix else ""
    if not prefix and os.geteuid() != 0:
        raise InstallError("this requires root. Run: sudo " + shlex.join(
            [sys.executable, "-B", *sys.argv]))
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", given.user):
        raise InstallError(f"{given.user!r} is not a valid user name: use lower-case letters, "
                           "digits, '_' and '-'.")
    wheel = given.wheel.resolve() if given.wheel else find_wheel()
    config = plain_path("--config", given.config)
    there = os.path.lexists(prefix + config)
    wanted = None if given.state_dir is None else plain_path("--state-dir", given.state_dir)
    if there:
        state_dir, writable = from_config(prefix, config, wanted)
    else:
        state_dir, writable = wanted or STATE_DIR, ()
    for path in (config, state_dir, *writable):
        plain_path(config, path)
        if is_hidden(path):
            raise InstallError(f"the service cannot use {path}: it cannot see {', '.join(HIDDEN)}. "
                               "Choose another folder.")
    return Plan(
        user=given.user, config=config, state_dir=state_dir, writable=writable,
        new_config=not there, wheel=wheel, python=find_python(given.python), prefix=prefix)


def plain_path(what: str, path: str) -> str:
    """Return an absolute path without special characters of systemd. Raises InstallError."""
    if not _PLAIN.fullmatch(path):
        raise InstallError(f"{what}: {path!r} must start with / and contain only letters, digits "
                           "and . , : @ + - _.")
    return os.path.normpath(path)


def is_hidden(path: str) -> bool:
    """Return whether the service cannot see this path."""
    return any(path == hidden or path.startswith(hidden + "/") for hidden in HIDDEN)


def find_wheel() -> Path:
    """Return the wheel of this version that ``make wheel`` has made. Raises InstallError."""
    found = sorted((ROOT / "dist").glob(f"archive_warrior-{warrior.__version__}-*.whl"))
    if not found:
        raise InstallError("there is no wheel of this version in dist/. Run: make wheel")
    return found[-1]


def from_config(
    prefix: str, config: str, wanted: str | None
) -> tuple[str, tuple[str, ...]]:
    """Return the state folder, and other folders to write to, from the existing configuration."""
    default = wanted or STATE_DIR
    said = options_of(prefix + config, default)
    if wanted is not None and said.state_dir != wanted:
        raise InstallError(f"{config} sets the state folder to {said.state_dir}. Change it there, "
                           "or leave out --state-dir.")
    if options_of(prefix + config, default + "-").state_dir != said.state_dir:
        print(f"{config} does not name the state folder, so warrior-ctl cannot find it. Add this "
              f"to its section [warrior]:\n    state_dir = {said.state_dir}")
    others = {said.data_dir, os.path.dirname(said.settings_file)}
    return said.state_dir, tuple(sorted(
        path for path in others
        if path != said.state_dir and not path.startswith(said.state_dir + "/")))


def options_of(path: str, state_dir: str) -> WarriorOptions:
    """Return the options of a configuration, with this folder as systemd's state folder."""
    try:
        return read_options(["--config", path],
                            {"STATE_DIRECTORY": state_dir, "HOME": state_dir})
    except ConfigurationError as error:
        raise InstallError(str(error)) from None


# -- the Python ------------------------------------------------------------------------
def find_python(named: str | None) -> str:
    """Return a Python that the service can use: new enough, and not in a home folder."""
    reasons = []
    for candidate in [named] if named else list(candidates()):
        trouble = unusable(candidate)
        if not trouble:
            return candidate
        reasons.append(f"{candidate}: {trouble}")
    raise InstallError("there is no Python that the service can use. Install one for all users "
                       "(Debian: apt install python3), or name one with --python.\n  "
                       + "\n  ".join(reasons))


def candidates() -> Iterator[str]:
    """Yield the Pythons of this machine, the best first."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    paths = [base, "/usr/bin/python3", "/usr/local/bin/python3"]
    paths += [f"/usr/bin/python3.{minor}" for minor in range(14, 9, -1)]
    seen = set()
    for path in paths:
        real = os.path.realpath(path)
        if os.path.exists(real) and real not in seen:
            seen.add(real)
            yield path


def unusable(python: str) -> str:
    """Return why the service cannot use this Python; '' if it can."""
    code = "import sys, venv; print(sys.base_prefix); print(sys.version_info >= (3, 10))"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True,
                              timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode or len(done.stdout.splitlines()) != 2:
        return (done.stderr.strip().splitlines() or ["it does not run"])[-1]
    base, new_enough = done.stdout.splitlines()
    if new_enough != "True":
        return "it is older than 3.10"
    for path in (os.path.realpath(python), os.path.realpath(base)):
        if is_hidden(path):
            return f"the service cannot see {path}"
        closed = closed_to_others(Path(path))
        if closed:
            return f"{closed} is closed to other users"
    return ""


def closed_to_others(path: Path) -> str:
    """Return the part of a path that other users cannot enter; '' for none."""
    for part in (path, *path.parents):
        if not part.stat().st_mode & stat.S_IXOTH:
            return str(part)
    return ""
