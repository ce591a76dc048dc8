"""The values that the page and the control socket show of the warrior."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_core.project import Project


@dataclasses.dataclass(frozen=True)
class Status:
    """The sentence at the top: what the program does, or why it does nothing.

    ``whose`` says who has to act ('' for nobody); ``next_try`` is monotonic or None; ``tone``
    is working, waiting, trouble, stopping or stopped. ``note`` is a second sentence.
    """

    text: str
    whose: str = ""
    next_try: float | None = None
    tone: str = "working"
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why a project or its new version does not run.

    ``code`` is git, install, load, timeout, disk, refused, settings, or needs (a program or module
    is missing). ``next_try`` is monotonic, or None if only a person can help. ``output`` is the
    end of what a program printed.
    """

    reason: str
    advice: str = ""
    traceback: str = ""
    output: str = ""
    code: str = "load"
    next_try: float | None = None


@dataclasses.dataclass(frozen=True)
class ProjectCard:
    """What is shown of a project that is on offer or still runs.

    ``order`` is its place in the volunteer's order (None: not chosen); ``auto`` says that it runs
    as Archive Team's choice. ``state`` is idle, fetching, loading, running, draining, broken or
    gone. ``slots`` is the number of items that it may run. ``description`` is HTML from others,
    not sanitized.
    """

    name: str
    title: str
    description: str = ""
    source: str = "hq"
    repository: str = ""
    logo: str = ""
    leaderboard: str = ""
    deadline: datetime.datetime | None = None
    order: int | None = None
    auto: bool = False
    state: str = "idle"
    sentence: str = ""
    slots: int = 0
    active: int = 0
    version: str = ""
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    problem: Problem | None = None
    #: The loaded project (its HTML, its deadline); None until it is loaded.
    project: Project | None = None
    has_log: bool = False


@dataclasses.dataclass(frozen=True)
class Notice:
    """A notice that is shown until it has been read or no longer applies.

    ``html`` is from others, not sanitized; if it is '', ``text`` is shown. ``kind`` is
    announcement, update, hq, settings, disk, insecure, catalogue or kept; ``tone`` is info,
    waiting or trouble.
    """

    id: str
    kind: str
    text: str = ""
    html: str = ""
    tone: str = "info"
    new: bool = True


class UnknownProject(Exception):
    """There is no such project; ``str()`` is a sentence."""
