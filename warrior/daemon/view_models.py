"""What the warrior says of itself, as values for the page and the control socket."""

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

    ``whose`` is whose turn it is ('' nobody's), ``next_try`` a time of ``time.monotonic()``
    or None, ``tone`` one of working, waiting, trouble, stopping, stopped. ``note`` is
    a second sentence, such as why it stops.
    """

    text: str
    whose: str = ""
    next_try: float | None = None
    tone: str = "working"
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why a project does not run, or why its new version does not.

    ``code`` is git, install, load, timeout, disk, refused, gone, or needs (a program or
    module is not here); ``next_try`` a time of
    ``time.monotonic()``, or None when only a person can do something. ``output`` is
    the tail of what a program printed.
    """

    reason: str
    advice: str = ""
    traceback: str = ""
    output: str = ""
    code: str = "load"
    next_try: float | None = None


@dataclasses.dataclass(frozen=True)
class ProjectCard:
    """All that is shown of one project on offer, or of one that still runs.

    ``order`` is its place in the volunteer's order (None: not chosen); ``auto`` says that
    it runs because it is Archive Team's choice. ``state`` is idle, fetching, loading,
    running, draining, broken or gone. ``slots`` are the items that it may have at work.
    ``description`` is HTML of strangers, not cleaned.
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
    """Something to tell, until it has been read or is over.

    ``html`` is of strangers, not cleaned; where it is '' the ``text`` counts. ``kind`` is
    announcement, update, hq, settings, disk, insecure, catalogue or kept; ``tone`` info,
    waiting or trouble.
    """

    id: str
    kind: str
    text: str = ""
    html: str = ""
    tone: str = "info"
    new: bool = True


class UnknownProject(Exception):
    """There is no project of this name; ``str()`` is a sentence."""
