"""Why an item waits, as a value that the console can show."""

from __future__ import annotations

import dataclasses
import enum


class Fault(enum.Enum):
    """Who has to act so that the wait ends."""

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
    ``time.monotonic()``, or None when the wait has no set time (a queue). ``code`` is a
    stable word for programs: ``starting``, ``asking``, ``no-items``, ``rate-limit``,
    ``outdated``, ``blocked``, ``tracker-trouble``, ``retry``, ``upload``, ``queue``,
    ``resources``, ``hq``.
    """

    reason: str
    fault: Fault
    next_try: float | None
    code: str


#: The state of a new item until its first task starts or asks the tracker for work.
STARTING = Waiting("Starting the next item.", Fault.NOBODY, None, "starting")
