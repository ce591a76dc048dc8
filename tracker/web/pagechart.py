"""The charts on the page of a project: spans of time become the bars of an SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tracker.store.reading import Span
from tracker.text import number, plural, size

WIDTH, HEIGHT = 1000, 100
"""Size of the drawing in its own units; the page stretches it."""

GAP = 0.2
"""Part of a bar's place that stays empty."""

LEAST = 1.5
"""Least height of a bar that stands for anything."""


@dataclass(frozen=True)
class Period:
    """A period that people can look at: *bars* bars of *step* seconds each."""

    label: str
    step: int
    bars: int
    each: str
    """What one bar stands for."""


PERIODS: Mapping[str, Period] = {
    "hour": Period("Last hour", 60, 60, "a minute"),
    "day": Period("Last 24 hours", 1800, 48, "half an hour"),
    "month": Period("Last 30 days", 86400, 30, "a day"),
}
DEFAULT_PERIOD = "day"


@dataclass(frozen=True)
class Bar:
    """One bar: *at* is when its time began, *says* what it stands for."""

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
        most=f"at most {say(most)} in {period.each}" if most else "none in this time",
        bars=tuple(bars),
        start=start,
        place=WIDTH / period.bars,
    )
