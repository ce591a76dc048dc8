"""Who gets the slots, tried in numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from warrior.projects.slots import Allotment, Demand, allot


def caps(slots: int, *demands: Demand) -> list[int]:
    return [allotment.cap for allotment in allot(slots, demands)]


def test_the_first_with_work_gets_all() -> None:
    """The next one gets nothing while the first has work, whether it asks yet or not."""
    assert caps(6, Demand(True), Demand(True)) == [6, 0]
    assert caps(6, Demand(True, working=6), Demand(True)) == [6, 0]


def test_one_that_cannot_start_gets_none_and_lends_none_of_what_it_still_uses() -> None:
    """Items of a project that is being dropped keep their slots until they end."""
    assert caps(3, Demand(False), Demand(True)) == [0, 3]
    assert caps(3, Demand(False, working=2), Demand(True)) == [0, 1]
    assert caps(3, Demand(True), Demand(False, working=2)) == [1, 0]


def test_what_only_waits_is_lent() -> None:
    """A dry project keeps one item that asks, beyond the number; the rest is the next one's."""
    assert allot(6, [Demand(True, asking=6, dry=True), Demand(True)]) == [
        Allotment(1, 1), Allotment(6, 6)]
    assert allot(6, [Demand(True, working=2, asking=4, dry=True), Demand(True)]) == [
        Allotment(3, 1), Allotment(4, 4)]


def test_with_nobody_to_lend_to_all_wait() -> None:
    """A single project keeps all its waiting items: the page shows them."""
    assert allot(4, [Demand(True, asking=4, dry=True)]) == [Allotment(4, 4)]
    assert allot(4, [Demand(True, asking=4, dry=True), Demand(False)])[0] == Allotment(4, 4)


def test_when_there_is_work_again_the_slots_come_back_as_they_get_free() -> None:
    """The first starts no item while the borrowers hold all slots; the borrowers start none."""
    assert caps(6, Demand(True, working=1), Demand(True, working=6)) == [0, 0]
    assert caps(6, Demand(True, working=1), Demand(True, working=5)) == [1, 0]
    assert caps(6, Demand(True, working=1), Demand(True, working=4)) == [2, 0]
    assert caps(6, Demand(True, working=5), Demand(True, working=0)) == [6, 0]


def test_a_preferred_one_that_comes_late_may_look_for_work() -> None:
    """Others hold every slot: one item beyond the number asks, and no more than that."""
    assert caps(2, Demand(True), Demand(True, working=2)) == [1, 0]
    assert caps(2, Demand(True, working=1), Demand(True, working=2)) == [0, 0]


def test_borrowers_that_only_ask_end_at_once() -> None:
    """Waiting items of the borrower may not go on asking when the first has work again."""
    assert allot(2, [Demand(True, working=1), Demand(True, asking=2, dry=True)])[1] == Allotment(0, 0)


def test_of_two_dry_ones_only_one_asks_beyond_the_number() -> None:
    """The second one asks within the number, and not with the last slot."""
    dry = Demand(True, asking=1, dry=True)
    assert allot(3, [dry, dry, Demand(True)]) == [Allotment(1, 1), Allotment(1, 1), Allotment(2, 2)]
    assert allot(1, [dry, dry, Demand(True)]) == [Allotment(1, 1), Allotment(0, 0), Allotment(1, 1)]


def test_no_slots_means_no_new_items_at_all() -> None:
    """With the disk low nobody starts or asks, whatever is at work."""
    assert allot(0, [Demand(True, working=2, asking=1, dry=True), Demand(True, working=1)]) == [
        Allotment(0, 0), Allotment(0, 0)]


def test_fewer_slots_than_items_start_nothing() -> None:
    """From 6 to 1: those at work go on, no new one starts until all but none have ended."""
    assert caps(1, Demand(True, working=6)) == [1]


@given(st.integers(0, 8), st.lists(st.builds(
    Demand, st.booleans(), st.integers(0, 8), st.integers(0, 3), st.booleans()), max_size=6))
def test_never_more_than_one_over_the_number(slots: int, demands: list[Demand]) -> None:
    """What may be started, added to what is at work, exceeds the number by one at most."""
    allotments = allot(slots, demands)
    started = sum(max(0, a.cap - d.working) for a, d in zip(allotments, demands))
    working = sum(d.working for d in demands)
    assert started + working <= max(slots + 1, working + 1)
    assert sum(a.asking for a in allotments) <= slots + 1


@given(st.integers(1, 8), st.lists(st.builds(
    Demand, st.booleans(), st.just(0), st.just(0), st.just(False)), min_size=1, max_size=6))
def test_nothing_idles_while_somebody_can_start(slots: int, demands: list[Demand]) -> None:
    """With nothing at work, the first that can start gets every slot."""
    allotments = allot(slots, demands)
    if any(demand.can_start for demand in demands):
        assert sum(allotment.cap for allotment in allotments) == slots
