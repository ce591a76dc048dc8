"""The machine's figures, measured only while a page is open."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from warrior.web import messages
from warrior.web.messages import Json, Since

if TYPE_CHECKING:
    from warrior.daemon.machine import MachineMonitor, Sample


class MachineFeed:
    """Makes a message of each sample; ``tell(frame)`` sends it to all pages."""

    def __init__(self, machine: MachineMonitor | None, tell: Callable[[str], None]) -> None:
        self._machine = machine
        self._tell = tell
        self._watching = False

    def begin(self) -> None:
        """The first page is open."""
        if self._machine is not None and not self._watching:
            self._watching = True
            self._machine.on_sample += self._came
            self._machine.watch()

    def end(self) -> None:
        """The last page is closed."""
        if self._machine is not None and self._watching:
            self._watching = False
            self._machine.unwatch()
            self._machine.on_sample -= self._came

    def opening(self) -> list[str]:
        """For a page that has just been opened: all samples that are kept."""
        samples = [] if self._machine is None else list(self._machine.samples)
        return [_frame(samples, start=True)] if samples else []

    def _came(self, sample: Sample) -> None:
        self._tell(_frame([sample]))


def _frame(samples: Sequence[Sample], start: bool = False) -> str:
    last = samples[-1]
    message: Json = {
        "type": "machine",
        "latest": {
            "received": round(last.received), "sent": round(last.sent),
            "disk_free": last.disk_free, "disk_total": last.disk_total,
            "memory_used": last.memory_used, "memory_total": last.memory_total,
            "own_memory": last.own_memory, "cpu": round(last.cpu, 3)},
        "samples": [[Since(one.at), round(one.received), round(one.sent)] for one in samples],
    }
    if start:
        message["start"] = True
    return messages.frame(message, time.monotonic())
