"""Spans of time become bars."""

from __future__ import annotations

import pytest

from tracker.store.reading import Span
from tracker.web.pageview import HEIGHT, LEAST, PERIODS, WIDTH, charts, since

HOUR = PERIODS["hour"]
NOW = 1_800_000_000.0 + 30


@pytest.mark.parametrize("name", sorted(PERIODS))
def test_the_last_bar_holds_now(name: str) -> None:
    """The last bar contains the present; all bars begin at multiples of the step."""
    period = PERIODS[name]
    start = since(period, NOW)
    last = start + (period.bars - 1) * period.step
    assert start % period.step == 0
    assert last <= NOW < last + period.step


def test_bars() -> None:
    """The highest bar fills the drawing, gaps stay empty, and small values can be seen."""
    start = since(HOUR, NOW)
    spans = [Span(start, 1000, 10), Span(start + 60, 1, 0), Span(start + 59 * 60, 500, 20)]
    items, held = charts(spans, HOUR, NOW)
    assert len(items.bars) == 60
    assert [bar.height for bar in items.bars if bar.height] == [HEIGHT, LEAST, HEIGHT / 2]
    assert items.place * len(items.bars) == pytest.approx(WIDTH)
    assert [bar.at for bar in items.bars[:2]] == [start, start + 60]
    assert items.bars[1].says == "1 item" and held.bars[59].says == "20 B"
    assert items.total == "1,501" and items.most == "at most 1,000 in a minute"
    assert held.total == "30 B" and held.bars[1].height == 0


def test_spans_outside_are_left_out() -> None:
    """Spans outside the period are left out, because the clock may have changed."""
    start = since(HOUR, NOW)
    items, _ = charts([Span(start - 60, 5, 5), Span(start + 3600, 5, 5)], HOUR, NOW)
    assert items.total == "0"


def test_nothing_done() -> None:
    """There are no bars, and the chart says so in words."""
    items, held = charts([], HOUR, NOW)
    assert not any(bar.height for bar in (*items.bars, *held.bars))
    assert items.most == "none in this period"
