"""Archive Team's choice: by weight at random, and sticky."""

from __future__ import annotations

import collections
import random

import pytest

from warrior.projects.choice import Choice, choose


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


class Scripted(random.Random):
    """Gives the one number that it was told to."""

    def __init__(self, number: float) -> None:
        super().__init__(1)
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize(("number", "stays"), [
    (0.0, True), (0.89, True), (0.9 - 1e-6, True), (0.9 + 1e-6, False), (0.999999, False)])
def test_a_fall_is_followed_in_part(number: float, stays: bool) -> None:
    """From 50 to 45 %: the project is kept with probability 0.9 exactly."""
    before = Choice("a", 0.5, {"b": 0.5})
    after = choose(before, {"a": 45, "b": 55}, "", Scripted(number))
    assert after.project == ("a" if stays else "b")
    assert after == (Choice("a", 0.45, {"b": 0.55}) if stays else Choice("b", 0.55, {"a": 0.45}))


def test_who_leaves_goes_where_a_share_rose() -> None:
    """Never to a project whose share fell or stayed; to those that rose, as much as they did."""
    source = random.Random(2)
    before = Choice("a", 0.5, {"b": 0.2, "c": 0.1, "d": 0.2})
    weights = {"a": 10, "b": 20, "c": 40, "d": 10, "e": 20}
    after = collections.Counter(choose(before, weights, "", source).project for _ in range(5000))
    assert set(after) == {"a", "c", "e"}
    assert after["a"] / 5000 == pytest.approx(0.2, abs=0.02)  # a fifth of its share is left
    assert after["c"] / (after["c"] + after["e"]) == pytest.approx(0.6, abs=0.03)  # 30 % : 20 %


@pytest.mark.parametrize("steps", [
    [{"a": 50, "b": 50}, {"a": 45, "b": 55}], [{"a": 1}, {"a": 1, "b": 1}, {"b": 1}],
    [{"a": 5, "b": 3, "c": 2}, {"a": 2, "b": 3, "c": 5}, {"a": 4, "b": 4, "d": 2}],
    [{"a": 1, "b": 9}, {"a": 9, "b": 1}, {"a": 1, "b": 9}]])
def test_all_together_divide_as_the_weights_do(steps: list[dict[str, float]]) -> None:
    """After every change of the weights; and no more change their project than have to."""
    source, many = random.Random(5), 6000
    choices = [Choice()] * many
    before: dict[str, float] = {}
    for weights in steps:
        after = [choose(choice, weights, "", source) for choice in choices]
        counts = collections.Counter(choice.project for choice in after)
        total = sum(weights.values())
        for name, weight in weights.items():
            assert counts[name] / many == pytest.approx(weight / total, abs=0.025)
        if before:
            moved = sum(old.project != new.project for old, new in zip(choices, after)) / many
            fallen = sum(max(share - weights.get(name, 0) / total, 0)
                         for name, share in before.items())
            assert moved == pytest.approx(fallen, abs=0.025)
        choices, before = after, {name: weight / total for name, weight in weights.items()}


def test_a_fall_after_a_rise_counts() -> None:
    """The share is compared with the last one, not with that of the day it was drawn."""
    risen = choose(Choice("a", 0.3, {"b": 0.7}), {"a": 9, "b": 1}, "", Scripted(0.99))
    assert risen == Choice("a", 0.9, {"b": 0.1})
    assert choose(risen, {"a": 1, "b": 1}, "", Scripted(0.55)).project == "a"  # 5/9 stay
    assert choose(risen, {"a": 1, "b": 1}, "", Scripted(0.56)).project == "b"


def test_the_same_share_in_other_numbers_is_no_fall() -> None:
    """Rounding does not make a warrior change its project."""
    source = random.Random(4)
    choice = choose(Choice("a", 1 / 3), {"a": 0.1, "b": 0.1, "c": 0.1}, "", source)
    assert choice.project == "a"


def test_a_project_without_weight_is_left() -> None:
    """What is not among the weights any more is nobody's choice."""
    assert choose(Choice("a", 0.5), {"b": 1}, "a", random.Random(5)) == Choice("b", 1.0)


def test_a_fall_that_rounding_hides_elsewhere() -> None:
    """When no share has risen by more than rounding, somebody is chosen all the same."""
    before = Choice("a", 0.5, {"b": 0.5})
    assert choose(before, {"b": 1e-12, "c": 1}, "", random.Random(1)).project == "c"
    tiny = Choice("a", 2e-9, {"b": 1 - 2e-9})
    assert choose(tiny, {"b": 1}, "", random.Random(1)).project == "b"


def test_auto_project_where_there_are_no_weights() -> None:
    """auto_project is everybody's; when weights come, it has fallen from the whole."""
    source = random.Random(6)
    assert choose(Choice("a", 0.5), {}, "b", source) == Choice("b", 1.0)
    assert choose(Choice("a", 0.5), {}, "", source) == Choice()
    after = {choose(Choice("b", 1.0), {"b": 1, "c": 1}, "", source).project for _ in range(100)}
    assert after == {"b", "c"}
