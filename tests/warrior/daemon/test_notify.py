"""The service manager is told what it should be, by real datagram sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline_core.event import Event
from warrior.daemon.lifecycle import Ending, Lifecycle, State
from warrior.daemon.notify import Notifier, runs_as_service
from warrior.daemon.view_models import Status

DEADLINE = 20.0


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.setblocking(False)
        self.heard: list[dict[str, str]] = []

    def listen(self) -> list[dict[str, str]]:
        """All that has been said so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.socket.recv(8192).decode()
                self.heard.append(dict(line.split("=", 1) for line in text.splitlines()))
        return self.heard

    def count(self, name: str, value: str) -> int:
        return sum(message.get(name) == value for message in self.listen())

    async def hears(self, name: str, value: str, times: int = 1) -> None:
        """Wait until it was told so."""
        until = time.monotonic() + DEADLINE
        while self.count(name, value) < times:
            assert time.monotonic() < until, (name, value, self.heard)
            await asyncio.sleep(0.01)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """One with a socket in the file system, and one in Linux's abstract namespace."""
    if request.param == "abstract" and not sys.platform.startswith("linux"):
        pytest.skip("abstract sockets are Linux's")
    name = str(tmp_path / "n") if request.param == "path" else f"@warrior-test-{tmp_path}"
    made = Manager(name)
    yield made
    made.socket.close()


def talk(
    environment: dict[str, str], conversation: Callable[[Notifier], Awaitable[None]]
) -> dict[str, str]:
    """Run a conversation on a loop; what the environment is afterwards."""
    async def main() -> None:
        notifier = Notifier(environment, asyncio.get_running_loop())
        try:
            await conversation(notifier)
        finally:
            notifier.close()
            notifier.close()

    asyncio.run(main())
    return environment


def test_the_manager_hears_of_the_whole_life(manager: Manager) -> None:
    """Ready, a sentence, more time wanted, stopping: in the words of sd_notify(3)."""
    async def conversation(notifier: Notifier) -> None:
        notifier.ready()
        notifier.status("Working on\n2 items: ü.")
        notifier.extend_timeout(1.5)
        notifier.stopping()

    talk({"NOTIFY_SOCKET": manager.name}, conversation)
    assert manager.listen() == [
        {"READY": "1"}, {"STATUS": "Working on 2 items: ü."}, {"EXTEND_TIMEOUT_USEC": "1500000"},
        {"STOPPING": "1"}]


def test_it_follows_the_warrior(manager: Manager) -> None:
    """Each new sentence is told, and the end as soon as it begins; other news is not."""
    async def conversation(notifier: Notifier) -> None:
        commander = SimpleNamespace(on_change=Event(), status=lambda: Status("Working."))
        lifecycle = Lifecycle()
        notifier.follow(commander, lifecycle)
        commander.on_change("projects")
        commander.on_change("status")
        lifecycle.begin()
        lifecycle.move(State.ENDING, "Asked to end.", Ending.SHUT_DOWN)

    talk({"NOTIFY_SOCKET": manager.name}, conversation)
    assert manager.listen() == [{"STATUS": "Working."}, {"STOPPING": "1"}]


def test_nothing_without_a_manager() -> None:
    """All calls are allowed and do nothing."""
    async def conversation(notifier: Notifier) -> None:
        notifier.ready()
        notifier.status("Working.")
        notifier.extend_timeout(10)
        notifier.stopping()

    assert talk({"WATCHDOG_USEC": "1000000", "PATH": "/bin"}, conversation) == {"PATH": "/bin"}


def test_children_inherit_nothing_of_it(manager: Manager) -> None:
    """A child must not be able to speak in our name."""
    given = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "60000000",
             "WATCHDOG_PID": str(os.getpid())}

    async def conversation(notifier: Notifier) -> None:
        notifier.ready()

    assert talk({**given, "INVOCATION_ID": "1"}, conversation) == {"INVOCATION_ID": "1"}


def test_only_the_last_of_many_sentences_is_sent(manager: Manager) -> None:
    """The manager is woken once a second at most, hears the last sentence, and none twice."""
    async def conversation(notifier: Notifier) -> None:
        for number in range(100):
            notifier.status(f"Sentence {number}.")
        await manager.hears("STATUS", "Sentence 99.")
        notifier.status("Sentence 99.")
        notifier.status("x" * 10_000)
        await manager.hears("STATUS", "x" * 499 + "…")

    talk({"NOTIFY_SOCKET": manager.name}, conversation)
    assert [message["STATUS"][:12] for message in manager.listen()] == [
        "Sentence 0.", "Sentence 99.", "x" * 12]


def test_the_watchdog_is_fed(manager: Manager) -> None:
    """From ready on, again and again."""
    async def conversation(notifier: Notifier) -> None:
        await asyncio.sleep(0)
        assert manager.count("WATCHDOG", "1") == 0
        notifier.ready()
        notifier.ready()
        await manager.hears("WATCHDOG", "1", times=5)

    talk({"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "600000",
          "WATCHDOG_PID": str(os.getpid())}, conversation)


def test_a_loop_that_is_held_up_does_not_feed_the_watchdog(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    """While each turn takes half the period nothing is said; afterwards it is."""
    async def conversation(notifier: Notifier) -> None:
        notifier.ready()
        for _ in range(4):
            time.sleep(0.3)  # what must not be done on the loop
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert manager.count("WATCHDOG", "1") == 1
        await manager.hears("WATCHDOG", "1", times=2)

    talk({"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "600000"}, conversation)
    assert "The loop was blocked for" in caplog.text


@pytest.mark.parametrize("environment", [
    {}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "9" * 400},
    {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}])
def test_a_watchdog_that_does_not_look_at_us(
    environment: dict[str, str], manager: Manager
) -> None:
    """Unset, off, not understood or another process's: it is not fed."""
    async def conversation(notifier: Notifier) -> None:
        notifier.ready()
        await asyncio.sleep(0.05)

    talk({"NOTIFY_SOCKET": manager.name, **environment}, conversation)
    assert manager.listen() == [{"READY": "1"}]


def test_a_full_queue_is_tried_again(tmp_path: Path) -> None:
    """READY is not lost, nor the newest sentence, because the manager was busy for a while."""
    manager = Manager(str(tmp_path / "n"))

    async def conversation(notifier: Notifier) -> None:
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        filler.setblocking(False)
        with filler, contextlib.suppress(BlockingIOError):
            while True:
                filler.sendto(b"X=1", manager.name)
        notifier.ready()
        notifier.status("Working.")
        await manager.hears("READY", "1")
        await manager.hears("STATUS", "Working.")

    try:
        talk({"NOTIFY_SOCKET": manager.name}, conversation)
    finally:
        manager.socket.close()


@pytest.mark.parametrize(("name", "sentence"), [
    ("/nowhere/at/all", "cannot be reached: No such file or directory"),
    ("/" + "x" * 300, "cannot be reached: AF_UNIX path too long"),
    ("vsock:2:1234", "'vsock:2:1234': neither a path nor an abstract name")])
def test_a_manager_that_cannot_be_told(
    name: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, and never an error in the daemon."""
    async def conversation(notifier: Notifier) -> None:
        for _ in range(3):
            notifier.ready()
            notifier.extend_timeout(1)
        notifier.stopping()

    talk({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"}, conversation)
    assert [sentence in record.getMessage() for record in caplog.records] == [True]


def test_what_systemd_started() -> None:
    """Its own process, but not the shell in a terminal that a desktop's service opened."""
    assert runs_as_service({"NOTIFY_SOCKET": "/run/systemd/notify"})
    assert runs_as_service({"INVOCATION_ID": "1"})
    assert runs_as_service({"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": str(os.getpid())})
    assert not runs_as_service({"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "1"})
    assert not runs_as_service({"PATH": "/bin"})
