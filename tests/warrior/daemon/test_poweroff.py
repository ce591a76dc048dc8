"""Switching the machine off, with programs of the test in place of the machine's own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import lives
from warrior.daemon.poweroff import Order, PowerOffError, give_order, refusal


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The folder of the only programs that are found; what they were asked goes to ``asked``."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


@pytest.fixture
def markers(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def program(programs: Path) -> Callable[..., None]:
    def make(name: str, ending: str = "exit 0") -> None:
        path = programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{programs}/asked"\n{ending}\n')
        path.chmod(0o755)
    return make


def order(
    what: Order, programs: Path, markers: Path, *, timeout: float = 20.0,
    environment: dict[str, str] | None = None,
) -> str:
    """Give the order where none but the test's programs can be reached."""
    return asyncio.run(give_order(
        what, {"PATH": "/bin:/usr/bin"} if environment is None else environment,
        marker_folder=str(markers), search_path=str(programs), timeout=timeout))


def asked(programs: Path) -> list[str]:
    path = programs / "asked"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(("what", "name"), [
    (Order.POWER_OFF, "poweroff"), (Order.REBOOT, "reboot")])
def test_the_note_comes_first(
    what: Order, name: str, programs: Path, markers: Path, program: Callable[..., None]
) -> None:
    """When the machine's program runs, the host's note is there already, and only that one."""
    program(name, f'ls "{markers}" >> "{programs}/asked"')
    said = order(what, programs, markers)
    assert asked(programs) == [f"{name} ", f"warrior_{name}_required"]
    assert said.endswith(f"({name}).")
    assert (markers / f"warrior_{name}_required").read_bytes() == b""


def test_with_sudo_when_not_root(
    programs: Path, markers: Path, program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a question for a password."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program("sudo")
    program("reboot")
    assert "sudo -n reboot" in order(Order.REBOOT, programs, markers)
    assert asked(programs) == ["sudo -n reboot"]


def test_one_after_the_other(
    programs: Path, markers: Path, program: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where sudo is refused, the programs themselves are asked, and shutdown last."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program("sudo", "echo sudo: a password is required; exit 1")
    program("poweroff", "exit 3")
    program("shutdown")
    assert "(shutdown -h now)" in order(Order.POWER_OFF, programs, markers)
    assert asked(programs) == ["sudo -n poweroff", "sudo -n shutdown -h now", "poweroff ",
                               "shutdown -h now"]


def test_only_the_host_can(programs: Path, markers: Path, program: Callable[..., None]) -> None:
    """In a container nothing works: the sentence says who does it, and what was tried."""
    program("poweroff", "echo Access denied.; exit 1")
    said = order(Order.POWER_OFF, programs, markers)
    assert f"watches for {markers / 'warrior_poweroff_required'}" in said
    assert said.endswith("poweroff: Access denied.")


def test_a_program_that_hangs(
    programs: Path, markers: Path, program: Callable[..., None]
) -> None:
    """It is ended after the time-out, with what it started, and the next one is tried."""
    program("reboot", f'sleep 600 & echo $! > "{programs}/child"; wait')
    program("shutdown")
    assert "(shutdown -r now)" in order(Order.REBOOT, programs, markers, timeout=0.5)
    child = int((programs / "child").read_text())
    until = time.monotonic() + 20
    while lives(child):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_nothing_works(programs: Path, tmp_path: Path, program: Callable[..., None]) -> None:
    """The error names all that was tried, and says what to do."""
    program("shutdown", "exit 2")
    with pytest.raises(PowerOffError) as refused:
        order(Order.POWER_OFF, programs, tmp_path / "nowhere")
    assert "nowhere/warrior_poweroff_required: No such file or directory" in str(refused.value)
    assert "shutdown -h now: it ended with status 2" in str(refused.value)
    assert "run poweroff with sudo" in str(refused.value)


def test_a_note_that_is_there_or_a_link(
    programs: Path, markers: Path, tmp_path: Path, program: Callable[..., None]
) -> None:
    """/tmp is everybody's: what lies there is not written to."""
    program("poweroff")
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (markers / "warrior_poweroff_required").symlink_to(precious)
    order(Order.POWER_OFF, programs, markers)
    order(Order.POWER_OFF, programs, markers)
    assert precious.read_text() == "kept"


@pytest.mark.parametrize("environment", [
    {"NOTIFY_SOCKET": "/run/systemd/notify"}, {"INVOCATION_ID": "0123"}])
def test_refused_under_systemd(
    environment: dict[str, str], programs: Path, markers: Path, program: Callable[..., None]
) -> None:
    """With a sentence that says why and how else; nothing is written or started."""
    program("poweroff")
    assert "systemctl poweroff" in refusal(environment)
    with pytest.raises(PowerOffError, match="that systemd runs cannot"):
        order(Order.POWER_OFF, programs, markers, environment={"PATH": "/bin", **environment})
    assert not asked(programs) and not list(markers.iterdir())


def test_allowed_elsewhere() -> None:
    """Started by a shell or a container's script it may."""
    assert refusal({"PATH": "/bin"}) == ""
