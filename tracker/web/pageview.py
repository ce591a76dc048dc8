"""What the pages show: numbers from the database, and sentences about them."""

from __future__ import annotations

from dataclasses import dataclass

from tracker.store.projects import Project, Projects
from tracker.store.reading import Rank, Reading, Recent
from tracker.store.store import Store
from tracker.text import duration, number, plural, size, visible
from tracker.web.pagechart import PERIODS, Chart, charts, since

LEADERS = 30
LATEST = 20

PACE_SECONDS = 3600
PACE_ITEMS = 5
"""If fewer items were done in PACE_SECONDS, the page does not say when the rest will be."""

QUEUES = ("for one downloader", "normal", "secondary", "redo")


@dataclass(frozen=True)
class Overview:
    """A project in short; *pace* is how many items were done in the last PACE_SECONDS."""

    project: Project
    pace: int = 0

    @property
    def title(self) -> str:
        """What people call the project."""
        return self.project.title or self.project.name

    @property
    def total(self) -> int:
        """How many items the project has."""
        return sum(self.project.counts.values())

    @property
    def state(self) -> tuple[str, str]:
        """What the project does now: a tone (for colours) and a sentence."""
        todo, out = self.project.todo, self.project.out
        if not self.total:
            return "stopped", "It has no items yet."
        if self.project.paused:
            return "waiting", "Paused: no items are handed out. Items that are out may be finished."
        if not todo + out:
            return "running", "Everything is done."
        if not todo:
            being = plural(out, "item is", "items are")
            return "running", f"All items are handed out: {being} being worked on."
        waiting = f"{plural(todo, 'item waits', 'items wait')}."
        if self.pace < PACE_ITEMS:
            return "running" if out or self.pace else "waiting", waiting
        rest = duration((todo + out) / self.pace * PACE_SECONDS)
        return "running", f"{waiting} At the pace of the last hour that takes {rest}."

    @property
    def bar(self) -> tuple[tuple[str, float, float], ...]:
        """The parts of the progress bar, in thousandths: kind, start and width.

        Every part that is not empty is wide enough to be seen.
        """
        counts = (self.project.done, self.project.out, self.project.todo)
        widths = [max(4.0, count / self.total * 1000) if count else 0.0 for count in counts]
        parts, x = [], 0.0
        for kind, width in zip(("done", "out", "todo"), widths):
            if width:
                width *= 1000 / sum(widths)
                parts.append((kind, round(x, 2), round(width, 2)))
                x += width
        return tuple(parts)

    @property
    def percent(self) -> str:
        """How much is done: 100% only if everything is, and 0% only if nothing is."""
        if not self.total:
            return ""
        tenths = self.project.done * 1000 // self.total
        if self.project.done and not tenths:
            return "under 0.1%"
        return f"{tenths / 10:.0f}%" if tenths % 10 == 0 else f"{tenths / 10:.1f}%"

    @property
    def queues(self) -> tuple[str, ...]:
        """How many items wait in each queue; () if all of them are in the normal queue."""
        waiting = self.project.queues
        if waiting[1] == sum(waiting):
            return ()
        return tuple(f"{number(count)} {name}" for name, count in zip(QUEUES, waiting) if count)


@dataclass(frozen=True)
class ProjectView:
    """What the page of a project shows."""

    overview: Overview
    notes: tuple[str, ...]
    period: str
    charts: tuple[Chart, Chart]
    leaders: list[Rank]
    latest: list[Recent]


def read_home(store: Store) -> list[Overview]:
    """Return what the page of all projects shows."""
    return [Overview(project) for project in Projects(store).list()]


def read_project(store: Store, name: str, period: str, now: float) -> ProjectView:
    """Return what the page of a project shows; raises UnknownProject."""
    project, reading, chosen = Projects(store).get(name), Reading(store), PERIODS[period]
    last_hour = reading.over_time(name, now - PACE_SECONDS, 60)
    return ProjectView(
        overview=Overview(project, sum(span.items for span in last_hour)),
        notes=_notes(project, reading.groups(name)),
        period=period,
        charts=charts(reading.over_time(name, since(chosen, now), chosen.step), chosen, now),
        leaders=reading.leaderboard(name, LEADERS),
        latest=reading.recent(name, LATEST),
    )


def _notes(project: Project, groups: dict[str, int]) -> tuple[str, ...]:
    """Return what else people may want to know about a project."""
    notes = []
    if project.min_version:
        notes.append(f"Needs version {visible(project.min_version, 60)} or later.")
    if project.requests_per_minute is not None:
        notes.append(f"At most {plural(project.requests_per_minute, 'request')} a minute.")
    if len(groups) > 1:
        largest = list(groups.items())[:6]
        parts = ", ".join(f"{visible(name, 30)} {size(held)}" for name, held in largest)
        notes.append(f"Bytes by group: {parts}.")
    return tuple(notes)
