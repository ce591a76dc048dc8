"""The machine's numbers, read from the real machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from warrior.daemon import machine
from warrior.daemon.machine import MachineMonitor, Sample

DEADLINE = 20.0


async def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def look(
    conversation: Callable[[MachineMonitor], Awaitable[None]], data_dir: Path | str = ".",
    interval: float = 0.02, kept: int = 300,
) -> MachineMonitor:
    """Talk with a MachineMonitor on a loop, then close it."""
    async def main() -> MachineMonitor:
        looked = MachineMonitor(str(data_dir), interval=interval, kept=kept)
        try:
            await conversation(looked)
        finally:
            looked.close()
            looked.close()
        return looked

    return asyncio.run(main())


def test_a_sample_tells_of_this_machine(tmp_path: Path) -> None:
    """Disk and memory are those that the system itself reports, in bytes."""
    async def conversation(looked: MachineMonitor) -> None:
        looked.watch()
        await until(lambda: looked.samples)

    before = time.monotonic()
    sample = look(conversation, tmp_path).samples[0]
    usage, memory = shutil.disk_usage(tmp_path), psutil.virtual_memory()
    assert before < sample.at <= time.monotonic()
    assert sample.disk_total == usage.total
    assert abs(sample.disk_free - usage.free) < usage.total / 10
    assert sample.memory_total == memory.total
    assert 0 < sample.own_memory < sample.memory_used < memory.total
    assert 0 <= sample.cpu <= 1
    assert sample.received >= 0 and sample.sent >= 0


def test_samples_only_while_somebody_looks(tmp_path: Path) -> None:
    """Two lookers need two goodbyes; before, and after the last, nothing is read."""
    async def conversation(looked: MachineMonitor) -> None:
        heard: list[Sample] = []
        looked.on_sample += heard.append
        await asyncio.sleep(0.1)
        assert not heard
        looked.watch()
        looked.watch()
        await until(lambda: heard)
        looked.unwatch()
        so_far = len(heard)
        await until(lambda: len(heard) > so_far + 2)
        looked.unwatch()
        looked.unwatch()
        so_far = len(heard)
        await asyncio.sleep(0.1)
        assert len(heard) == so_far
        looked.watch()
        await until(lambda: len(heard) > so_far)
        assert list(looked.samples) == heard

    look(conversation, tmp_path)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    """And what is older than they could be is dropped when somebody looks again."""
    async def conversation(looked: MachineMonitor) -> None:
        looked.watch()
        await until(lambda: len(looked.samples) == 3)
        first = looked.samples[0]
        await until(lambda: looked.samples[0] is not first)
        assert len(looked.samples) == 3
        looked.unwatch()
        await asyncio.sleep(0.1)
        looked.watch()
        assert not looked.samples

    look(conversation, tmp_path, kept=3)


@pytest.mark.logs_errors("A handler of a sample")
def test_a_handler_that_fails_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its error is in the log; the next sample comes."""
    async def conversation(looked: MachineMonitor) -> None:
        def fail(sample: Sample) -> None:
            raise ValueError("cannot show it")
        looked.on_sample += fail
        looked.watch()
        await until(lambda: len(looked.samples) > 2)

    look(conversation, tmp_path)
    assert "A handler of a sample of the machine failed" in caplog.text


def test_rates_are_bytes_a_second() -> None:
    """Over all interfaces; one that came, went or counts anew does not leap."""
    def reading(at: float, **interfaces: tuple[int, int]) -> machine._Reading:
        return machine._Reading(at, interfaces, (at / 2, at * 2), (1, 2), (3, 4), 5)

    sample = machine._between(
        reading(10, eth0=(1000, 50), wlan0=(0, 0), tun0=(9, 9), ppp0=(7000, 7000)),
        reading(12, eth0=(3000, 50), wlan0=(500, 20), usb0=(10**9, 10**9), ppp0=(1, 1)))
    assert (sample.received, sample.sent) == (1250, 10)
    assert sample.cpu == 0.25


def test_the_loopback_does_not_count() -> None:
    """What programs of this machine tell each other is no bandwidth."""
    before = psutil.net_io_counters(pernic=True, nowrap=False)["lo"].bytes_sent
    one, other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM)
    with one, other:
        other.bind(("127.0.0.1", 0))
        for _ in range(20):
            one.sendto(b"x" * 50_000, other.getsockname())
    assert psutil.net_io_counters(pernic=True, nowrap=False)["lo"].bytes_sent - before >= 1_000_000
    assert "lo" not in machine._interfaces()
    assert set(machine._interfaces()) < set(psutil.net_io_counters(pernic=True))


def test_free_disk(tmp_path: Path) -> None:
    """The same number as df has; several that ask at once share one answer."""
    async def conversation(looked: MachineMonitor) -> None:
        answers = await asyncio.gather(*(looked.free_disk() for _ in range(5)))
        facts = os.statvfs(tmp_path)
        assert len(set(answers)) == 1
        assert abs(answers[0] - facts.f_bavail * facts.f_frsize) < 1 << 30

    look(conversation, tmp_path)


def test_a_data_folder_that_is_not_there(tmp_path: Path) -> None:
    """An unmounted folder has no room; the chart still shows the disk above it."""
    async def conversation(looked: MachineMonitor) -> None:
        for _ in range(2):
            with pytest.raises(FileNotFoundError):
                await looked.free_disk()
        looked.watch()
        await until(lambda: looked.samples)

    assert look(conversation, tmp_path / "a" / "b").samples[0].disk_total > 0


def test_a_disk_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An OSError after the deadline, no second thread for it, and the loop goes on."""
    answer = threading.Event()

    def hang(folder: str) -> tuple[int, int]:
        assert answer.wait(DEADLINE)
        return 7, 8

    async def conversation(looked: MachineMonitor) -> None:
        monkeypatch.setattr(machine, "_disk", hang)
        monkeypatch.setattr(machine, "DISK_DEADLINE", 0.05)
        for _ in range(2):
            with pytest.raises(OSError, match="The disk does not answer"):
                await looked.free_disk()
        monkeypatch.setattr(machine, "DISK_DEADLINE", DEADLINE)
        answer.set()
        assert await looked.free_disk() == 7

    look(conversation, tmp_path)


def test_what_cannot_be_read_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A container may hide the counters of the network: the rest is still shown."""
    def refuse() -> dict[str, tuple[int, int]]:
        raise PermissionError(13, "Permission denied", "/proc/net/dev")

    async def conversation(looked: MachineMonitor) -> None:
        monkeypatch.setattr(machine, "_interfaces", refuse)
        looked.watch()
        await until(lambda: len(looked.samples) > 2)

    sample = look(conversation, tmp_path).samples[-1]
    assert (sample.received, sample.sent) == (0, 0)
    assert sample.memory_total > 0
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and said[0].startswith("The network of this machine cannot be read")
