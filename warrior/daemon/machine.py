"""Samples bandwidth, disk, memory and processor of the machine, only while somebody looks."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import errno
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from pipeline_core.engine.worker_thread import WorkerThread
from pipeline_core.event import Event

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

#: Seconds until the first sample: rates need two readings.
FIRST_AFTER = 0.25
#: Seconds until a disk that does not answer (a dead network mount) counts as an error.
DISK_DEADLINE = 10.0

_LOOPBACK = re.compile(r"lo\d*")


@dataclasses.dataclass(frozen=True)
class Sample:
    """What the machine did between two readings.

    ``at`` is a monotonic time. ``received`` and ``sent`` are bytes a second, summed over all
    network interfaces except the loopback. Disk (that of the data folder, as far as we may use
    it) and memory are bytes; a total of 0 means unknown. ``own_memory`` is that of this process;
    ``cpu`` is the busy part of all processors, 0 to 1.
    """

    at: float
    received: float
    sent: float
    disk_free: int
    disk_total: int
    memory_used: int
    memory_total: int
    own_memory: int
    cpu: float


@dataclasses.dataclass(frozen=True)
class _Reading:
    """The counters at one moment."""

    at: float
    #: Interface -> bytes received and sent.
    interfaces: Mapping[str, tuple[int, int]]
    #: Seconds of all processors: busy, and in total.
    cpu: tuple[float, float]
    disk: tuple[int, int]
    memory: tuple[int, int]
    own_memory: int


class MachineMonitor:
    """Takes samples ``interval`` seconds apart and keeps the newest ``kept`` in ``samples``.

    ``on_sample(sample)`` gets each of them, on the loop. The readings may be slow, so they are
    made in a separate thread, which is never joined.
    """

    def __init__(self, data_dir: str, *, interval: float = 1.0, kept: int = 300) -> None:
        self.data_dir = data_dir
        self.interval = interval
        self.samples: collections.deque[Sample] = collections.deque(maxlen=kept)
        self.on_sample = Event()
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._reported: set[str] = set()
        self._thread: WorkerThread | None = None
        self._free: asyncio.Future[int] | None = None

    def watch(self) -> None:
        """Take samples until :meth:`unwatch` has been called as often as this."""
        self._watchers += 1
        if self._task is None:
            oldest = time.monotonic() - self.interval * (self.samples.maxlen or 0)
            while self.samples and self.samples[0].at < oldest:
                self.samples.popleft()
            self._task = asyncio.ensure_future(self._sample())

    def unwatch(self) -> None:
        """Balance one call of :meth:`watch`."""
        self._watchers = max(0, self._watchers - 1)
        if not self._watchers and self._task is not None:
            self._task.cancel()
            self._task = None

    async def free_disk(self) -> int:
        """Return the free bytes on the disk of the data folder.

        Raises OSError if the folder cannot be read, and TimeoutError if the disk does not answer
        within ten seconds.
        """
        if self._free is None:
            self._free = self._in_thread(lambda: _disk(self.data_dir)[0])
            self._free.add_done_callback(lambda done: setattr(self, "_free", None))
        try:
            return await asyncio.wait_for(asyncio.shield(self._free), DISK_DEADLINE)
        except asyncio.TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, "The disk does not answer", self.data_dir) from None

    def close(self) -> None:
        """Stop; the thread ends when it can. Idempotent."""
        self._watchers = 0
        self.unwatch()
        if self._thread is not None:
            self._thread.close()
            self._thread = None

    def _in_thread(self, function: Callable[[], Value]) -> asyncio.Future[Value]:
        if self._thread is None:
            self._thread = WorkerThread("machine")
        return self._thread.run(function)

    async def _sample(self) -> None:
        before = await self._in_thread(self._read)
        wait = min(FIRST_AFTER, self.interval)
        while True:
            await asyncio.sleep(wait)
            after = await self._in_thread(self._read)
            sample = _between(before, after)
            self.samples.append(sample)
            try:
                self.on_sample(sample)
            except Exception:
                logger.exception("A handler of a sample of the machine failed")
            before, wait = after, self.interval

    # -- on the thread -----------------------------------------------------------
    def _read(self) -> _Reading:
        """Read the counters; those that cannot be read (a container may hide them) are 0."""
        return _Reading(
            at=time.monotonic(),
            interfaces=self._part("network", _interfaces, {}),
            cpu=self._part("processors", _cpu, (0.0, 0.0)),
            disk=self._part("disk", lambda: _disk(_existing(self.data_dir)), (0, 0)),
            memory=self._part("memory", _memory, (0, 0)),
            own_memory=self._part("memory of this program", _own_memory, 0))

    def _part(self, name: str, function: Callable[[], Value], otherwise: Value) -> Value:
        import psutil

        try:
            return function()
        except (OSError, psutil.Error, NotImplementedError) as error:
            if name not in self._reported:
                self._reported.add(name)
                logger.warning("The %s of this machine cannot be read: %s.", name, error)
            return otherwise


def _between(before: _Reading, after: _Reading) -> Sample:
    seconds = max(after.at - before.at, 1e-6)
    rates = [0.0, 0.0]
    # Ignore interfaces that have appeared, disappeared or reset their counters.
    for name, counts in after.interfaces.items():
        for way, count in enumerate(counts):
            rates[way] += max(0, count - before.interfaces.get(name, counts)[way]) / seconds
    busy, total = (new - old for new, old in zip(after.cpu, before.cpu))
    return Sample(
        at=after.at, received=rates[0], sent=rates[1],
        disk_free=after.disk[0], disk_total=after.disk[1],
        memory_used=after.memory[0], memory_total=after.memory[1], own_memory=after.own_memory,
        cpu=min(1.0, max(0.0, busy / total)) if total > 0 else 0.0)


def _interfaces() -> dict[str, tuple[int, int]]:
    import psutil

    counters = psutil.net_io_counters(pernic=True, nowrap=False)
    return {name: (one.bytes_recv, one.bytes_sent) for name, one in counters.items()
            if not _LOOPBACK.fullmatch(name)}


def _cpu() -> tuple[float, float]:
    import psutil

    times = psutil.cpu_times()._asdict()
    # On Linux, user and nice include the time of guests.
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return total - times["idle"] - times.get("iowait", 0.0), total


def _memory() -> tuple[int, int]:
    import psutil

    memory = psutil.virtual_memory()
    return memory.total - memory.available, memory.total


def _own_memory() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _disk(folder: str) -> tuple[int, int]:
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize


def _existing(folder: str) -> str:
    """Return the folder, or the nearest existing one above it."""
    while not os.path.exists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder
