"""Archive Team's choice: by weight at random, and sticky."""

from __future__ import annotations

import collections
import random

import pytest

from warrior.choice import Choice, choose


def drawn(weights: dict[str, float], times: int = 3000) -> collections.Counter[str]:
    source = random.Random(7)
    return collections.Counter(
        choose(Choice(), weights, "", source).project for _ in range(times))


def test_follows_the_weights() -> None:
    """Many warriors together divide as the weights do."""
    counts = drawn({"a": 1, "b": 2, "c": 7})
    assert counts["a"] / 3000 == pytest.approx(0.1, abs=0.03)
    assert counts["b"] / 3000 == pytest.approx(0.2, abs=0.03)
    assert counts["c"] / 3000 == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize("weights", [
    {"a": 1, "b": 1}, {"a": 3, "b": 1}, {"a": 0.1, "b": 0.1}, {"a": 500, "b": 500}, {"a": 1}])
def test_stays_while_the_share_has_not_fallen(weights: dict[str, float]) -> None:
    """Equal and risen shares, in whatever units, keep the project, however often it is asked."""
    source = random.Random(1)
    choice = Choice("a", 0.5)
    for _ in range(100):
        choice = choose(choice, weights, "b", source)
        assert choice.project == "a"
    assert choice.share == pytest.approx(weights["a"] / sum(weights.values()))


def test_is_drawn_anew_when_the_share_falls() -> None:
    """As many stay as the new weights want."""
    source = random.Random(2)
    after = collections.Counter(
        choose(Choice("a", 0.5), {"a": 1, "b": 3}, "", source).project for _ in range(2000))
    assert after["a"] / 2000 == pytest.approx(0.25, abs=0.04)


def test_a_fall_after_a_rise_counts() -> None:
    """The share is compared with the last one, not with that of the day it was drawn."""
    source = random.Random(3)
    choices = [choose(choose(Choice("a", 0.3), {"a": 9, "b": 1}, "", source),
                      {"a": 1, "b": 1}, "", source) for _ in range(100)]
    assert {choice.project for choice in choices} == {"a", "b"}


def test_the_same_share_in_other_numbers_is_no_fall() -> None:
    """Rounding does not make a warrior change its project."""
    source = random.Random(4)
    choice = choose(Choice("a", 1 / 3), {"a": 0.1, "b": 0.1, "c": 0.1}, "", source)
    assert choice.project == "a"


def test_a_project_without_weight_is_left() -> None:
    """What is not among the weights any more is nobody's choice."""
    assert choose(Choice("a", 0.5), {"b": 1}, "a", random.Random(5)) == Choice("b", 1.0)


def test_auto_project_where_there_are_no_weights() -> None:
    """auto_project is everybody's; when weights come, it has fallen from the whole."""
    source = random.Random(6)
    assert choose(Choice("a", 0.5), {}, "b", source) == Choice("b", 1.0)
    assert choose(Choice("a", 0.5), {}, "", source) == Choice()
    after = {choose(Choice("b", 1.0), {"b": 1, "c": 1}, "", source).project for _ in range(100)}
    assert after == {"b", "c"}
