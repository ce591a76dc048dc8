"""Moments, and how close they lie together."""

from __future__ import annotations

from tests.support.world.conversation import Moments


def test_numbers_and_gaps() -> None:
    """Sorted, counted from the first, in the fullest span wherever it begins, and apart."""
    moments = Moments([10, 0, 11, 11.5, 40])
    assert list(moments) == [0, 10, 11, 11.5, 40]
    assert list(moments.first(11)) == [0, 10]
    assert moments.most_within(2) == 3
    assert list(moments.between(10, 11.5)) == [10, 11]
    assert moments.smallest_gap == 0.5 and moments.gaps[0] == 10


def test_nothing_was_asked() -> None:
    """No moments are no trouble."""
    nothing = Moments([])
    assert not nothing.first(10) and nothing.most_within(10) == 0
    assert nothing.smallest_gap == float("inf")
