"""What stands on the pages: values of the database, made ready for the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracker.pagechart import PERIODS, Chart, charts, since
from tracker.pagetext import number, plural, roughly, size, visible
from tracker.reading import Rank, Reading, Recent, Summary

LEADERS = 30
LATEST = 20
NAMES_SHOWN = 3
"""Names of one report that are shown."""

PACE_SECONDS = 3600
PACE_ITEMS = 5
"""With fewer items in that time nothing is said of when the rest will be done."""

QUEUES = ("for one downloader", "normal", "secondary", "redo")


@dataclass(frozen=True)
class Standing:
    """A project in short: its counts, a bar of them (in thousandths) and a sentence."""

    name: str
    title: str
    todo: str
    out: str
    done: str
    bytes: str
    percent: str
    queues: tuple[str, ...]
    bar: tuple[tuple[str, float, float], ...]
    """Parts of the bar: kind, where it begins, and its width."""
    sentence: str
    tone: str
    empty: bool


@dataclass(frozen=True)
class Latest:
    """One report: the first of its *names*, ready to be shown, and its *count* if it has more
    than one."""

    id: int
    at: float
    downloader: str
    names: tuple[str, ...]
    count: str
    bytes: str


@dataclass(frozen=True)
class ProjectView:
    """All of a project's page."""

    standing: Standing
    notes: tuple[str, ...]
    period: str
    charts: tuple[Chart, Chart]
    leaders: tuple[tuple[str, str, str, float], ...]
    latest: tuple[Latest, ...]


def read_home(reading: Reading) -> list[Standing]:
    """Return what stands on the page of all projects."""
    return [standing(summary) for summary in reading.project_summaries()]


def read_project(reading: Reading, project: str, period: str, now: float) -> ProjectView:
    """Return the page of *project*; raises UnknownProject. Reads only as much as it shows."""
    summary, chosen = reading.summary(project), PERIODS[period]
    last_hour = reading.over_time(project, now - PACE_SECONDS, 60)
    spans = reading.over_time(project, since(chosen, now), chosen.step)
    return ProjectView(
        standing=standing(summary, sum(span.items for span in last_hour)),
        notes=_notes(summary, reading.groups(project)),
        period=period,
        charts=charts(spans, chosen, now),
        leaders=tuple(map(_leader, reading.leaderboard(project, LEADERS))),
        latest=tuple(map(_latest, reading.recent(project, LATEST))),
    )


def standing(summary: Summary, pace: int = 0) -> Standing:
    """Return a project in short; *pace* is how many items were done in the last hour."""
    todo, out, done = summary.todo, summary.out, summary.done
    total = todo + out + done
    tone, sentence = _sentence(summary, pace)
    return Standing(
        name=summary.name,
        title=visible(summary.title or summary.name),
        todo=number(todo),
        out=number(out),
        done=number(done),
        bytes=size(summary.bytes),
        percent=_percent(done, total),
        queues=_queues(summary),
        bar=_bar(done, out, todo),
        sentence=sentence,
        tone=tone,
        empty=total == 0,
    )


def _sentence(summary: Summary, pace: int) -> tuple[str, str]:
    """Return what the project does now: a tone and a sentence."""
    todo, out = summary.todo, summary.out
    if not todo + out + summary.done:
        return "stopped", "It has no items yet."
    if summary.paused:
        return "waiting", "Paused: no items are given out; what is out may be finished."
    if not todo + out:
        return "running", "Everything is done."
    if not todo:
        held = f"{plural(out, 'item is', 'items are')} being worked on"
        return "running", f"All items are given out: {held}."
    waiting = f"{plural(todo, 'item waits', 'items wait')}."
    if pace < PACE_ITEMS:
        return "running" if out or pace else "waiting", waiting
    rest = roughly((todo + out) / pace * PACE_SECONDS)
    return "running", f"{waiting} At the pace of the last hour that takes {rest}."


def _bar(done: int, out: int, todo: int) -> tuple[tuple[str, float, float], ...]:
    """Return the parts of the bar; what there is of anything can be seen."""
    total = done + out + todo
    if not total:
        return ()
    widths = [max(4.0, count / total * 1000) if count else 0.0 for count in (done, out, todo)]
    scale, parts, x = 1000 / sum(widths), [], 0.0
    for kind, width in zip(("done", "out", "todo"), widths):
        if width:
            parts.append((kind, round(x, 2), round(width * scale, 2)))
            x += width * scale
    return tuple(parts)


def _percent(done: int, total: int) -> str:
    """Return how much is done; 100% is all, and 0% nothing."""
    if not total:
        return ""
    tenths = done * 1000 // total
    if done and not tenths:
        return "under 0.1%"
    return f"{tenths / 10:.0f}%" if tenths % 10 == 0 else f"{tenths / 10:.1f}%"


def _queues(summary: Summary) -> tuple[str, ...]:
    """Return how many wait in each queue, when they are not all in the normal one."""
    waiting = summary.queues
    if not any(count for index, count in enumerate(waiting) if index != 1):
        return ()
    return tuple(
        f"{number(count)} {name}" for name, count in zip(QUEUES, waiting, strict=True) if count
    )


def _notes(summary: Summary, groups: dict[str, int]) -> tuple[str, ...]:
    """Return what else is worth knowing of a project."""
    notes = []
    if summary.min_version:
        notes.append(f"Needs version {visible(summary.min_version, 60)} or later.")
    if summary.requests_per_minute is not None:
        per_minute = plural(summary.requests_per_minute, "request")
        notes.append(f"At most {per_minute} a minute.")
    if len(groups) > 1:
        largest = sorted(groups.items(), key=lambda pair: -pair[1])[:6]
        parts = ", ".join(f"{visible(name, 30)} {size(held)}" for name, held in largest)
        notes.append(f"Of the bytes: {parts}.")
    return tuple(notes)


def _leader(rank: Rank) -> tuple[str, str, str, float]:
    return visible(rank.downloader, 60), number(rank.items), size(rank.bytes), rank.last_at


def _latest(recent: Recent) -> Latest:
    names: Sequence[str] = recent.items[:NAMES_SHOWN]
    return Latest(
        id=recent.id,
        at=recent.at,
        downloader=visible(recent.downloader or "", 60),
        names=tuple(visible(name) for name in names),
        count=plural(recent.count, "item") if recent.count > 1 else "",
        bytes=size(recent.bytes),
    )
