"""What is missing is named at once, in one sentence, before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "programs.sh"

INSTALL = "apt-get update && apt-get install -y --no-install-recommends"

#: A Python whose modules are there, but no library beside it.
PYTHON = 'case "$*" in *libatomic*) exit 1;; esac'

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Machine:
    """A path with nothing on it but what the script itself takes, and stubs."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.calls = folder / "calls"
        for name in ("sh", "sed", "env"):
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.stub("python3", PYTHON)
        self.stub("uname", "echo Linux")
        self.user()

    def stub(self, name: str, code: str = "") -> None:
        """A program that does this; what it is called with is kept."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{code}\n")
        path.chmod(0o755)

    def user(self, number: int = 1000) -> None:
        self.stub("id", f"echo {number}")

    def apt_get(self) -> None:
        self.stub("apt-get", f'echo "apt-get $*" >> "{self.calls}"')

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def run(self, *packages: str) -> subprocess.CompletedProcess[str]:
        return self.command("sh", str(SCRIPT), *packages)

    def command(self, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=cwd, env={"PATH": str(self.bin), "LC_ALL": "C"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_user_is_told_what_an_administrator_has_to_run(machine: Machine) -> None:
    """One line with all of it and the one command; nothing is installed, sudo is not looked for."""
    machine.apt_get()
    done = machine.run("wget", "chromium", "libatomic1")
    assert (done.returncode, done.stdout) == (
        1, "Missing: wget, chromium, libatomic1. Ask an administrator to run this, then try again: "
        f"{INSTALL} wget chromium libatomic1\n")
    assert machine.called() == []


@pytest.mark.parametrize("user", [0, 1000])
def test_root_and_sudo_install_it_at_once(machine: Machine, user: int) -> None:
    """It is named first, and one apt-get installs all of it."""
    machine.user(user)
    machine.apt_get()
    if user:
        machine.stub("sudo", f'echo sudo >> "{machine.calls}"; exec "$@"')
    machine.stub("curl")
    done = machine.run("wget", "curl", "libatomic1")
    assert (done.returncode, done.stdout) == (
        0, "Missing: wget, libatomic1. Installing that with apt-get.\n")
    assert [line for line in machine.called() if line != "sudo"] == [
        "apt-get update -qq",
        "apt-get install -y --no-install-recommends wget libatomic1 -qq"]
    assert machine.called().count("sudo") == (2 if user else 0)


def test_who_may_not_use_sudo(machine: Machine) -> None:
    """It is tried, and then said what an administrator has to run."""
    machine.apt_get()
    machine.stub("sudo", "exit 1")
    done = machine.run("wget")
    assert (done.returncode, done.stdout.splitlines()) == (1, [
        "Missing: wget. Installing that with apt-get.",
        f"That has failed. Ask an administrator to run this, then try again: {INSTALL} wget"])
    assert machine.called() == []


def test_where_there_is_no_apt_get(machine: Machine) -> None:
    """The names alone, also for root."""
    machine.user(0)
    machine.stub("python3", "exit 1")
    done = machine.run("wget", "rsync")
    assert done.returncode == 1
    assert done.stdout.startswith("Missing: python3-venv, wget, rsync. Please install that")
    assert len(done.stdout.splitlines()) == 1


def test_all_is_there(machine: Machine) -> None:
    """Nothing is said, and nothing is done."""
    machine.apt_get()
    machine.stub("wget")
    machine.stub("python3")
    done = machine.run("wget", "libatomic1")
    assert (done.returncode, done.stdout, machine.called()) == (0, "", [])


@pytest.mark.parametrize(("target", "packages"), [
    ("run", "wget rsync curl git"), ("test", "wget rsync curl git chromium libatomic1"),
    ("suite", "wget rsync curl git chromium libatomic1")])
def test_make_names_all_of_it_first(
    machine: Machine, tmp_path: Path, target: str, packages: str
) -> None:
    """Whatever the target needs stands in the first line, and nothing was made before it."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copy(ROOT / "Makefile", checkout)
    shutil.copytree(ROOT / "tools", checkout / "tools")
    before = sorted(os.listdir(checkout))
    make = shutil.which("make")
    assert make is not None
    machine.apt_get()
    done = machine.command(make, "--no-print-directory", target, cwd=checkout)
    first, *rest = done.stdout.splitlines()
    assert first == (f"Missing: {packages.replace(' ', ', ')}. Ask an administrator to run this, "
                     f"then try again: {INSTALL} {packages}")
    assert done.returncode != 0 and all(line.startswith("make: ***") for line in rest), rest
    assert sorted(os.listdir(checkout)) == before
