#!/usr/bin/env python3
"""Puts the warrior in place as a service of systemd: what ``make install-service`` calls.

    install_service.py [--user NAME] [--state-dir DIR] [--config FILE] [--python FILE]
                       [--wheel FILE] [--prefix DIR]

Makes the user, an environment with the wheel in /opt/archive-warrior, the configuration (if
there is none yet) and the unit. Done again it updates: the new environment is made beside
the one that runs, which is kept until the update after that.

With ``--prefix`` everything lies below DIR, for packages and tests: no root is needed, no
user is made, and systemd is told nothing.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import dataclasses
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import warrior  # noqa: E402
from warrior import exits, resources  # noqa: E402
from warrior.conf import ConfigurationError, WarriorOptions, read_options  # noqa: E402

TEMPLATE = ROOT / "tools" / "warrior.service.in"
#: Where systemd makes a service's folder; see StateDirectory in systemd.exec(5).
STATE_ROOT = "/var/lib"
STATE_DIR = f"{STATE_ROOT}/warrior"
PROGRAM = "/opt/archive-warrior"
UNIT = "/etc/systemd/system/warrior.service"
COMMAND = "/usr/local/bin/warrior-ctl"
#: The unit hides these from the warrior, or has others in their place.
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
#: Packages that project files import; they do without one that cannot be had.
OPTIONAL = "archiveteam"

_PLAIN = re.compile(r"/[\w.,:@+/-]*", re.ASCII)


class InstallError(Exception):
    """Why it cannot be installed, and what to do about it."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What goes where. The paths are those of the running machine, without the prefix."""

    user: str
    config: str
    state_dir: str
    #: Other folders that the configuration lets the warrior write to.
    writable: tuple[str, ...]
    #: Whether the configuration file has to be made.
    new_config: bool
    wheel: Path
    python: str
    prefix: str

    def real(self, path: str) -> Path:
        """Where a path of the running machine lies now."""
        return Path(self.prefix + path)


# -- looking before anything is done -------------------------------------------------
def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 64 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="install_service.py", allow_abbrev=False,
        description="Put the warrior in place as a service of systemd.")
    add = parser.add_argument
    add("--user", default="warrior", help="the user that it runs as (made if there is none)")
    add("--state-dir", metavar="DIR", help=f"its state folder (default: {STATE_DIR})")
    add("--config", metavar="FILE", default="/etc/warrior.conf", help="its configuration")
    add("--python", metavar="FILE", help="the Python to run it with (default: one is looked for)")
    add("--wheel", metavar="FILE", type=Path, help="what to install (default: the one in dist/)")
    add("--prefix", metavar="DIR", default="", help="put everything below this folder")
    parser.exit_on_error = False
    try:
        return parser.parse_args(arguments)
    except argparse.ArgumentError as error:
        parser.print_usage(sys.stderr)
        parser.exit(exits.USAGE, f"{parser.prog}: {error}\n")


def make_plan(given: argparse.Namespace) -> Plan:
    """Look at everything first. Raises InstallError while nothing has been changed."""
    prefix = os.path.abspath(given.prefix).rstrip("/") if given.prefix else ""
    if not prefix and os.geteuid() != 0:
        raise InstallError("this needs root. Run: sudo " + shlex.join([sys.executable, *sys.argv]))
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", given.user):
        raise InstallError(f"{given.user!r} cannot be the name of a user: small letters, digits, "
                           "'_' and '-' are allowed.")
    wheel = given.wheel or find_wheel()
    config = plain_path("--config", given.config)
    there = os.path.lexists(prefix + config)
    wanted = None if given.state_dir is None else plain_path("--state-dir", given.state_dir)
    if there:
        state_dir, writable = from_config(prefix, config, wanted)
    else:
        state_dir, writable = wanted or STATE_DIR, ()
    for path in (state_dir, *writable):
        plain_path(f"{config} or --state-dir", path)
        if is_hidden(path):
            raise InstallError(f"{path} cannot hold what the warrior keeps: the service sees "
                               f"nothing of {', '.join(HIDDEN)}. Choose a folder elsewhere.")
    return Plan(
        user=given.user, config=config, state_dir=state_dir, writable=writable,
        new_config=not there, wheel=wheel, python=find_python(given.python), prefix=prefix)


def plain_path(what: str, path: str) -> str:
    """An absolute path that means the same to systemd. Raises InstallError for others."""
    if not _PLAIN.fullmatch(path):
        raise InstallError(f"{what}: {path!r} is no path that starts with / and has only letters, "
                           "digits and . , : @ + - _ in it.")
    return os.path.normpath(path)


def is_hidden(path: str) -> bool:
    """Whether the service cannot see this path."""
    return any(path == hidden or path.startswith(hidden + "/") for hidden in HIDDEN)


def find_wheel() -> Path:
    """The wheel of this version that ``make wheel`` has made."""
    found = sorted((ROOT / "dist").glob(f"archive_warrior-{warrior.__version__}-*.whl"))
    if not found:
        raise InstallError("there is no wheel of this version in dist/. Run: make wheel")
    return found[-1]


def from_config(
    prefix: str, config: str, wanted: str | None
) -> tuple[str, tuple[str, ...]]:
    """The state folder, and others to write to, as the configuration that is there says."""
    default = wanted or STATE_DIR
    said = options_of(prefix + config, default)
    if wanted is not None and said.state_dir != wanted:
        raise InstallError(f"{config} says that the state folder is {said.state_dir}. Change it "
                           "there, or leave --state-dir out.")
    if options_of(prefix + config, default + "-").state_dir != said.state_dir:
        print(f"{config} does not name the state folder, so warrior-ctl cannot find it. Put this "
              f"into its section [warrior]:\n    state_dir = {said.state_dir}")
    others = {said.data_dir, os.path.dirname(said.settings_file)}
    return said.state_dir, tuple(sorted(
        path for path in others
        if path != said.state_dir and not path.startswith(said.state_dir + "/")))


def options_of(path: str, state_dir: str) -> WarriorOptions:
    """What a configuration says where systemd makes this state folder."""
    try:
        return read_options(["--config", path],
                            {"STATE_DIRECTORY": state_dir, "HOME": state_dir})
    except ConfigurationError as error:
        raise InstallError(str(error)) from None


# -- the Python ------------------------------------------------------------------------
def find_python(named: str | None) -> str:
    """A Python that the service can use: new enough, and not hidden in somebody's home."""
    reasons = []
    for candidate in [named] if named else list(candidates()):
        trouble = unusable(candidate)
        if not trouble:
            return candidate
        reasons.append(f"{candidate}: {trouble}")
    raise InstallError("there is no Python that the service could use. Install one for all users "
                       "(Debian: apt install python3), or name one with --python.\n  "
                       + "\n  ".join(reasons))


def candidates() -> Iterator[str]:
    """Pythons that may do, the best first."""
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
    """Why the service could not use this Python; '' when it can."""
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
        return "3.10 or later is needed"
    for path in (os.path.realpath(python), os.path.realpath(base)):
        if is_hidden(path):
            return f"the service sees nothing of {path}"
        closed = closed_to_others(Path(path))
        if closed:
            return f"{closed} is closed to other users"
    return ""


def closed_to_others(path: Path) -> str:
    """What of a path keeps other users from it; '' when nothing does."""
    for part in (path, *path.parents):
        if not part.stat().st_mode & stat.S_IXOTH:
            return str(part)
    return ""


# -- doing it --------------------------------------------------------------------------
def make_user(plan: Plan) -> None:
    """A user of the system that cannot log in; one that is there is taken as it is."""
    if plan.prefix:
        return
    with contextlib.suppress(KeyError):
        pwd.getpwnam(plan.user)
        return
    run("useradd", "--system", "--user-group", "--home-dir", plan.state_dir, "--no-create-home",
        "--shell", "/usr/sbin/nologin", plan.user)


def make_program(plan: Plan) -> str:
    """A new environment with the wheel; its path on the running machine."""
    versions = plan.real(f"{PROGRAM}/versions")
    versions.mkdir(parents=True, exist_ok=True)
    numbers = [int(path.name.rpartition("-")[2]) for path in versions.iterdir()
               if path.name.rpartition("-")[2].isdigit()]
    name = f"{warrior.__version__}-{max(numbers, default=0) + 1}"
    target = versions / name
    print(f"Installing into {target} …", flush=True)
    try:
        run(plan.python, "-m", "venv", "--without-pip", target)
        pip(target, plan.wheel)
        install_optional(target)
        if not (target / "bin" / "run-warrior").exists():
            raise InstallError(f"{plan.wheel} holds no run-warrior. Run: make wheel")
        if plan.prefix:
            take_out_of_prefix(target, plan.prefix)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return f"{PROGRAM}/versions/{name}"


def install_optional(target: Path) -> None:
    """What project files import, as far as it can be had without a compiler."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = config["options.extras_require"][OPTIONAL].split()
    ready_made = ("--only-binary", ":all:")
    if pip(target, *ready_made, *packages, check=False):
        return
    for package in packages:
        if not pip(target, *ready_made, package, check=False):
            print(f"There is no ready-made {package} for this Python: projects that need it will "
                  "say so.")


def take_out_of_prefix(target: Path, prefix: str) -> None:
    """Let the commands name their Python by its path on the running machine."""
    start = f"#!{prefix}/".encode()
    for path in (target / "bin").iterdir():
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if content.startswith(start):
            path.write_bytes(b"#!/" + content[len(start):])


def use_program(plan: Plan, program: str) -> None:
    """Let the new environment be the current one; drop those before the last."""
    current = plan.real(f"{PROGRAM}/current")
    before = os.path.basename(os.readlink(current)) if current.is_symlink() else ""
    replace_link(current, f"versions/{os.path.basename(program)}")
    for path in plan.real(f"{PROGRAM}/versions").iterdir():
        if path.name not in (before, os.path.basename(program)):
            shutil.rmtree(path)
    command = plan.real(COMMAND)
    if command.is_symlink() or not command.exists():
        command.parent.mkdir(parents=True, exist_ok=True)
        replace_link(command, f"{PROGRAM}/current/bin/warrior-ctl")
    else:
        print(f"{COMMAND} is not ours and stays; the command is {PROGRAM}/current/bin/warrior-ctl")


def make_config(plan: Plan) -> None:
    """The example as the configuration, readable for the warrior alone: for passwords."""
    if not plan.new_config:
        return
    example = Path(resources.conf_example()).read_text(encoding="utf-8")
    text, count = re.subn(r"(?m)^state_dir *=.*$", lambda found: f"state_dir = {plan.state_dir}",
                          example)
    if count != 1:
        raise InstallError("warrior.conf.example has no line of its own for state_dir.")
    path = plan.real(plan.config)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text, 0o640, group=None if plan.prefix else pwd.getpwnam(plan.user).pw_gid)


def make_folders(plan: Plan) -> None:
    """The folders that systemd does not make."""
    if plan.prefix:
        return
    user = pwd.getpwnam(plan.user)
    folders = plan.writable if in_state_root(plan.state_dir) else (plan.state_dir, *plan.writable)
    for folder in map(Path, folders):
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            os.chown(folder, user.pw_uid, user.pw_gid)


def in_state_root(state_dir: str) -> bool:
    return state_dir.startswith(STATE_ROOT + "/")


def make_unit(plan: Plan) -> None:
    """The unit, from the template."""
    lines = []
    writable = list(plan.writable)
    if in_state_root(plan.state_dir):
        lines += [f"StateDirectory={plan.state_dir[len(STATE_ROOT) + 1:]}",
                  "StateDirectoryMode=0700"]
    else:
        writable.insert(0, plan.state_dir)
    # With the dash, one that is not there (not mounted) does not keep it from starting.
    lines += [f"ReadWritePaths=-{path}" for path in writable]
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in (("USER", plan.user), ("PROGRAM", f"{PROGRAM}/current"),
                        ("CONFIG", plan.config), ("STATE_DIR", plan.state_dir),
                        ("STATE", "\n".join(lines))):
        text = text.replace(f"@{name}@", value)
    path = plan.real(UNIT)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text, 0o644)


def write_whole(path: Path, text: str, mode: int, group: int | None = None) -> None:
    """Write a file so that it is there whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text)
        if group is not None:
            os.fchown(file.fileno(), -1, group)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def replace_link(path: Path, target: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


# -- running programs --------------------------------------------------------------------
def run(*command: str | Path) -> None:
    """Run a program. Raises InstallError when it fails; what it says stands above that."""
    words = list(map(str, command))
    try:
        done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, cwd="/")
    except OSError as error:
        raise InstallError(f"{words[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        raise InstallError(f"this failed, and what it said stands above: {shlex.join(words)}")


def pip(target: Path, *packages: str | Path, check: bool = True) -> bool:
    """Install into an environment with this environment's pip; whether it succeeded."""
    try:
        run(sys.executable, "-m", "pip", f"--python={target / 'bin' / 'python'}", "install",
            "--disable-pip-version-check", "--no-input", "--quiet",
            "--root-user-action=ignore", *packages)
    except InstallError:
        if check:
            raise
        return False
    return True


def tell_systemd(plan: Plan) -> None:
    """Let systemd read the unit, where it runs."""
    if not plan.prefix and os.path.isdir("/run/systemd/system"):
        run("systemctl", "daemon-reload")


HOW_TO = """
The warrior is in place. It runs as the user {user}, keeps everything in {state_dir}, and is
configured in {config}.

  start it now, and at each boot:    sudo systemctl enable --now warrior
  after an update or a new option:   sudo systemctl restart warrior
  look how it is:                    systemctl status warrior
                                     sudo warrior-ctl status
  read its log:                      sudo journalctl -u warrior
  open its page:                     http://127.0.0.1:{port}/"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Install; the exit status."""
    try:
        os.umask(0o022)
        given = parse(arguments)
        plan = make_plan(given)
        make_user(plan)
        program = make_program(plan)
        make_config(plan)
        make_folders(plan)
        make_unit(plan)
        use_program(plan, program)
        tell_systemd(plan)
        said = options_of(str(plan.real(plan.config)), plan.state_dir)
    except (InstallError, OSError) as error:
        print(f"install-service: {error}", file=sys.stderr)
        return 1
    print(HOW_TO.format(user=plan.user, state_dir=plan.state_dir, config=plan.config,
                        port=said.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
