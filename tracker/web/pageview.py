"""What the pages show: numbers from the database, sentences about them, and charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tracker.store.projects import Project
from tracker.store.reading import Rank, Recent, Span
from tracker.store.store import Store
from tracker.text import duration, number, plural, size, visible

LEADERS = 30
LATEST = 20

PACE_SECONDS = 3600
PACE_ITEMS = 5
"""If fewer items were done in PACE_SECONDS, the page does not estimate the time for the rest."""

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
            sentence = "Paused: no items are handed out. Items that are out can still be reported."
            return "waiting", sentence
        if not todo + out:
            return "running", "Everything is done."
        if not todo:
            being = plural(out, "item is", "items are")
            return "running", f"All items are handed out: {being} being worked on."
        waiting = f"{plural(todo, 'item waits', 'items wait')}."
        if self.pace < PACE_ITEMS:
            return "running" if out or self.pace else "waiting", waiting
        rest = duration((todo + out) / self.pace * PACE_SECONDS)
        return "running", f"{waiting} At the pace of the last hour, they take {rest}."

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
    return [Overview(project) for project in store.projects()]


def read_project(store: Store, name: str, period: str, now: float) -> ProjectView:
    """Return what the page of a project shows; raises UnknownProject."""
    project, chosen = store.project(name), PERIODS[period]
    last_hour = store.over_time(name, now - PACE_SECONDS, 60)
    return ProjectView(
        overview=Overview(project, sum(span.items for span in last_hour)),
        notes=_notes(project, store.groups(name)),
        period=period,
        charts=charts(store.over_time(name, since(chosen, now), chosen.step), chosen, now),
        leaders=store.leaderboard(name, LEADERS),
        latest=store.recent(name, LATEST),
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


WIDTH, HEIGHT = 1000, 100
"""Size of the drawing in its own units; the page stretches it."""

GAP = 0.2
"""The empty part of a bar's place."""

LEAST = 1.5
"""Least height of a bar that is not empty."""


@dataclass(frozen=True)
class Period:
    """A period that people can look at: *bars* bars of *step* seconds each."""

    label: str
    step: int
    bars: int
    each: str
    """What one bar covers."""


PERIODS: Mapping[str, Period] = {
    "hour": Period("Last hour", 60, 60, "a minute"),
    "day": Period("Last 24 hours", 1800, 48, "half an hour"),
    "month": Period("Last 30 days", 86400, 30, "a day"),
}
DEFAULT_PERIOD = "day"


@dataclass(frozen=True)
class Bar:
    """One bar: *at* is when its time began, *says* its value in words."""

    height: float
    """In the drawing's units."""
    at: int
    says: str


@dataclass(frozen=True)
class Chart:
    """One drawing, with its *total* and its highest bar (*most*) in words."""

    name: str
    kind: str
    total: str
    most: str
    bars: tuple[Bar, ...]
    start: int
    place: float
    """Width of a bar with its gap, in the drawing's units."""


def since(period: Period, now: float) -> int:
    """Return when the first bar begins, so that *now* is in the last one."""
    return (int(now) // period.step - period.bars + 1) * period.step


def charts(spans: Sequence[Span], period: Period, now: float) -> tuple[Chart, Chart]:
    """Return the charts of items and of bytes."""
    start = since(period, now)
    items, sizes = [0] * period.bars, [0] * period.bars
    for span in spans:
        index = int(span.start - start) // period.step
        if 0 <= index < period.bars:
            items[index] += span.items
            sizes[index] += span.bytes
    return (
        _chart("Items done", "items", items, start, period, number),
        _chart("Bytes", "bytes", sizes, start, period, size),
    )


def _chart(
    name: str, kind: str, values: list[int], start: int, period: Period, say: Callable[[int], str]
) -> Chart:
    most = max(values)
    bars = []
    for index, value in enumerate(values):
        height = max(LEAST, value / most * HEIGHT) if value else 0.0
        says = size(value) if kind == "bytes" else plural(value, "item")
        bars.append(Bar(round(height, 2), start + index * period.step, says))
    return Chart(
        name=name,
        kind=kind,
        total=say(sum(values)),
        most=f"at most {say(most)} in {period.each}" if most else "none in this period",
        bars=tuple(bars),
        start=start,
        place=WIDTH / period.bars,
    )
