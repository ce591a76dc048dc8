"""What the warrior says of itself, and what may be asked of it: values, and one protocol.

The console, the control socket and the service manager see the warrior through these alone.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pipeline_core.event import Event

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import Busy
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.project import Project
    from pipeline_core.runner import Runner
    from warrior.settings.settings import Settings

#: The name that stands for "Archive Team's choice" among the chosen projects.
AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Status:
    """One sentence: what it does, or why it does not.

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


class WarriorFacade(Protocol):
    """The warrior as the console sees it. All on the loop.

    ``on_change(section)`` names what has changed: status, runner, projects, pipelines,
    settings or notices. ``on_runner(name, runner)`` comes before the runner starts an item.
    """

    settings: Settings
    on_change: Event
    on_runner: Event

    @property
    def state(self) -> str:
        """starting, running, draining, paused, ending or ended."""

    @property
    def ending(self) -> str:
        """'' or what follows when the items are done: shut-down, restart."""

    def facts(self) -> Mapping[str, Any]:
        """For the about page: ``build``, ``max_concurrent``, ``real_shutdown``."""

    def runners(self) -> Mapping[str, Runner]: ...

    def pipelines(self) -> Iterable[tuple[str, str, Pipeline]]:
        """``(project, version, pipeline)`` of all that are loaded, draining ones too."""

    def status(self) -> Status: ...

    def cards(self) -> Sequence[ProjectCard]:
        """In the order of the catalogue; the chosen ones know their ``order``."""

    def choice(self) -> str:
        """The project that is Archive Team's choice now; '' when there is none."""

    def notices(self) -> Sequence[Notice]: ...

    def busy(self) -> Iterable[tuple[str, Busy]]:
        """``(project, what its code does now)`` for each worker that is busy."""

    def project_log(self, name: str) -> str:
        """What fetching, installing and loading printed. Raises UnknownProject."""

    async def daemon_log(self) -> bytes:
        """The newest part of the daemon's own log."""

    async def select(self, names: Sequence[str]) -> None:
        """Choose projects, in order. Raises UnknownProject."""

    async def save_settings(self, values: Mapping[str, Any]) -> None:
        """All or nothing. Raises SettingsError."""

    async def read_notice(self, notice_id: str) -> None: ...

    def retry(self, name: str) -> None:
        """Try a broken project again now. Raises UnknownProject, as do the next two."""

    def update(self, name: str) -> None:
        """Look for new code now."""

    def install_anyway(self, name: str) -> None:
        """Go on although the project's installer failed."""

    def stop(self) -> None:
        """No new items; the daemon stays."""

    def stop_now(self) -> None: ...

    def keep_running(self) -> None: ...

    def shut_down(self, now: bool = False) -> None: ...

    def restart(self, now: bool = False) -> None: ...
