"""The charts of a project's page: from spans of time to bars of an SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tracker.pagetext import number, plural, size
from tracker.reading import Span

WIDTH, HEIGHT = 1000, 100
"""The drawing's own units; it is stretched to the page."""

GAP = 0.2
"""Part of a bar's place that stays empty."""

LEAST = 1.5
"""A bar that stands for something is at least so high."""


@dataclass(frozen=True)
class Period:
    """A stretch of time that can be looked at: *bars* of *step* seconds each."""

    label: str
    step: int
    bars: int
    each: str
    """What one bar stands for."""


PERIODS: Mapping[str, Period] = MappingProxyType(
    {
        "hour": Period("Last hour", 60, 60, "a minute"),
        "day": Period("Last 24 hours", 1800, 48, "half an hour"),
        "month": Period("Last 30 days", 86400, 30, "a day"),
    }
)
DEFAULT_PERIOD = "day"


@dataclass(frozen=True)
class Bar:
    """One bar, in the drawing's units; *at* is when its time began, *says* what it stands for."""

    x: float
    y: float
    width: float
    height: float
    at: int
    says: str


@dataclass(frozen=True)
class Chart:
    """One drawing: *total* and *most* are for people, *times* are at the left and the right."""

    name: str
    kind: str
    total: str
    most: str
    bars: tuple[Bar, ...]
    place: float
    """Width of a bar with its gap."""
    times: tuple[int, int]


def since(period: Period, now: float) -> int:
    """Return when the first bar begins, so that the last one holds *now*."""
    return (int(now) // period.step - period.bars + 1) * period.step


def charts(spans: Sequence[Span], period: Period, now: float) -> tuple[Chart, Chart]:
    """Return the charts of items and of bytes."""
    start = since(period, now)
    items, held = [0] * period.bars, [0] * period.bars
    for span in spans:
        index = int(span.start - start) // period.step
        if 0 <= index < period.bars:
            items[index] += span.items
            held[index] += span.bytes
    return (
        _chart("Items done", "items", items, start, period),
        _chart("Bytes", "bytes", held, start, period),
    )


def _chart(name: str, kind: str, values: list[int], start: int, period: Period) -> Chart:
    say = size if kind == "bytes" else number
    place, most = WIDTH / period.bars, max(values)
    bars = []
    for index, value in enumerate(values):
        height = max(LEAST, value / most * HEIGHT) if value else 0.0
        bars.append(
            Bar(
                x=round((index + GAP / 2) * place, 2),
                y=round(HEIGHT - height, 2),
                width=round(place * (1 - GAP), 2),
                height=round(height, 2),
                at=start + index * period.step,
                says=size(value) if kind == "bytes" else plural(value, "item"),
            )
        )
    return Chart(
        name=name,
        kind=kind,
        total=say(sum(values)),
        most=f"at most {say(most)} in {period.each}" if most else "none in this time",
        bars=tuple(bars),
        place=round(place, 2),
        times=(start, start + (period.bars - 1) * period.step),
    )
