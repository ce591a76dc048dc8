#!/usr/bin/env python3
"""``make install-service``: installs the warrior as a systemd service.

    install_service.py [--user NAME] [--state-dir DIR] [--config FILE] [--python FILE]
                       [--wheel FILE] [--prefix DIR]

Makes the user, an environment with the wheel in /opt/archive-warrior, the configuration (unless it
exists) and the unit. Run again, it updates: it makes a new environment beside the current one,
which is kept until the next update.

With ``--prefix`` everything is put below DIR, for packages and tests. Then root is not needed, no
user is made, and systemd is not reloaded.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from service_plan import (
    ROOT,
    STATE_ROOT,
    InstallError,
    Plan,
    make_plan,
    options_of,
    parse,
)

import warrior  # found by service_plan
from warrior.process import resources

TEMPLATE = ROOT / "tools" / "warrior.service.in"
PROGRAM = "/opt/archive-warrior"
UNIT = "/etc/systemd/system/warrior.service"
COMMAND = "/usr/local/bin/warrior-ctl"
#: The group of packages that project files import. None of them is required.
OPTIONAL = "archiveteam"


def make_user(plan: Plan) -> None:
    """Make a system user that cannot log in, unless the user exists."""
    if plan.prefix:
        return
    with contextlib.suppress(KeyError):
        pwd.getpwnam(plan.user)
        return
    run("useradd", "--system", "--user-group", "--home-dir", plan.state_dir, "--no-create-home",
        "--shell", "/usr/sbin/nologin", plan.user)


def make_program(plan: Plan) -> str:
    """Make a new environment with the wheel; return its path on the running machine."""
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
            raise InstallError(f"{plan.wheel} has no run-warrior. Run: make wheel")
        if plan.prefix:
            take_out_of_prefix(target, plan.prefix)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return f"{PROGRAM}/versions/{name}"


def install_optional(target: Path) -> None:
    """Install the packages that project files import, if there are ready-made ones."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = config["options.extras_require"][OPTIONAL].split()
    ready_made = ("--only-binary", ":all:")
    if pip(target, *ready_made, *packages, check=False):
        return
    for package in packages:
        if not pip(target, *ready_made, package, check=False):
            print(f"There is no ready-made {package} for this Python. Projects that need it will "
                  "report that.")


def take_out_of_prefix(target: Path, prefix: str) -> None:
    """Change the path of Python in the commands to that on the running machine."""
    for path in (target / "bin").iterdir():
        if not path.is_symlink():
            content = path.read_bytes()
            path.write_bytes(content.replace((prefix + PROGRAM).encode(), PROGRAM.encode()))


def use_program(plan: Plan, program: str) -> None:
    """Make the new environment the current one, and remove all but the previous one."""
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
        print(f"{COMMAND} is not a link and is left alone. The command is "
              f"{PROGRAM}/current/bin/warrior-ctl")


def make_config(plan: Plan) -> None:
    """Copy the example as the configuration, private to the warrior because it holds passwords."""
    path = plan.real(plan.config)
    if not plan.new_config:
        if not plan.prefix and not may(pwd.getpwnam(plan.user), path, 4):
            print(f"The user {plan.user} cannot read {plan.config}. Run: chgrp {plan.user} "
                  f"{plan.config} && chmod 640 {plan.config}")
        return
    example = Path(resources.conf_example()).read_text(encoding="utf-8")
    text, count = re.subn(r"(?m)^state_dir *=.*$", lambda found: f"state_dir = {plan.state_dir}",
                          example)
    if count != 1:
        raise InstallError("warrior.conf.example has no line for state_dir.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text, 0o640, group=None if plan.prefix else pwd.getpwnam(plan.user).pw_gid)


def make_folders(plan: Plan) -> None:
    """Make the folders that systemd does not make."""
    if plan.prefix:
        return
    user = pwd.getpwnam(plan.user)
    folders = plan.writable if in_state_root(plan.state_dir) else (plan.state_dir, *plan.writable)
    for folder in map(Path, folders):
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
        elif not may(user, folder, 7):
            print(f"The user {plan.user} cannot write to {folder}. Run: chown -R {plan.user}: "
                  f"{folder}")


def may(user: pwd.struct_passwd, path: Path, wanted: int) -> bool:
    """Return whether the mode gives the user these rights (the bits of an octal digit)."""
    facts = path.stat()
    shift = 6 if facts.st_uid == user.pw_uid else 3 if facts.st_gid == user.pw_gid else 0
    return facts.st_mode >> shift & wanted == wanted


def in_state_root(state_dir: str) -> bool:
    return state_dir.startswith(STATE_ROOT + "/")


def make_unit(plan: Plan) -> None:
    """Write the unit from the template."""
    lines = []
    writable = list(plan.writable)
    if in_state_root(plan.state_dir):
        lines += [f"StateDirectory={plan.state_dir[len(STATE_ROOT) + 1:]}",
                  "StateDirectoryMode=0700"]
    else:
        writable.insert(0, plan.state_dir)
    # With the dash, the service also starts if the folder is missing (not mounted).
    lines += [f"ReadWritePaths=-{path}" for path in writable]
    values = {"USER": plan.user, "PROGRAM": f"{PROGRAM}/current", "CONFIG": plan.config,
              "STATE_DIR": plan.state_dir, "STATE": "\n".join(lines)}
    text = re.sub("@([A-Z_]+)@", lambda found: values[found[1]],
                  TEMPLATE.read_text(encoding="utf-8"))
    path = plan.real(UNIT)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text, 0o644)


def write_whole(path: Path, text: str, mode: int, group: int | None = None) -> None:
    """Write a file completely or not at all."""
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
    """Run a program. Raises InstallError if it fails."""
    words = list(map(str, command))
    try:
        done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, cwd="/")
    except OSError as error:
        raise InstallError(f"{words[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        raise InstallError(f"this command failed (see its output above): {shlex.join(words)}")


def pip(target: Path, *packages: str | Path, check: bool = True) -> bool:
    """Install into an environment with this environment's pip; return whether that succeeded."""
    try:
        run(sys.executable, "-m", "pip", f"--python={target / 'bin' / 'python'}", "install",
            "--disable-pip-version-check", "--no-input", "--quiet",
            "--root-user-action=ignore", *packages)
    except InstallError:
        if check:
            raise
        return False
    return True


def reload_systemd(plan: Plan) -> None:
    """Let systemd, if it runs, read the unit."""
    if not plan.prefix and os.path.isdir("/run/systemd/system"):
        run("systemctl", "daemon-reload")


HOW_TO = """
The warrior is installed. It runs as the user {user}, keeps its data in {state_dir}, and is
configured in {config}.

  start it now, and at each boot:    sudo systemctl enable --now warrior
  after an update or a new option:   sudo systemctl restart warrior
  show its status:                   systemctl status warrior
                                     sudo warrior-ctl status
  read its log:                      sudo journalctl -u warrior
  open its page:                     http://127.0.0.1:{port}/"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, and return the exit status."""
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
        reload_systemd(plan)
        said = options_of(str(plan.real(plan.config)), plan.state_dir)
    except (InstallError, OSError) as error:
        print(f"install-service: {error}", file=sys.stderr)
        return 1
    print(HOW_TO.format(user=plan.user, state_dir=plan.state_dir, config=plan.config,
                        port=said.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
