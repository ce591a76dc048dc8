"""Why an item waits: a value that can be shown, not only a line in a log."""

from __future__ import annotations

import dataclasses
import enum


class Fault(enum.Enum):
    """Whose turn it is to change something."""

    TRACKER = "the tracker"
    TARGET = "the upload target"
    PROJECT = "the project"
    HQ = "Warrior HQ"
    MACHINE = "this machine"
    YOU = "you"
    NOBODY = "nobody"


@dataclasses.dataclass(frozen=True)
class Waiting:
    """One reason to wait.

    ``reason`` is a sentence for people. ``next_try`` is a time of
    ``time.monotonic()``, or None where no clock decides (a queue). ``code`` is a
    stable word for programs: ``starting``, ``asking``, ``no-items``, ``rate-limit``,
    ``outdated``, ``blocked``, ``tracker-trouble``, ``retry``, ``upload``, ``queue``,
    ``resources``, ``hq``.
    """

    reason: str
    fault: Fault
    next_try: float | None
    code: str


#: What a new item waits for until its first task begins, or asks for something to do.
STARTING = Waiting("Starting the next item.", Fault.NOBODY, None, "starting")
