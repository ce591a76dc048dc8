"""The states of the daemon and the moves between them."""

from __future__ import annotations

import pytest

from warrior.daemon.lifecycle import Ending, IllegalMove, Lifecycle, State


def test_stop_and_keep_running() -> None:
    """A stop drains, then pauses; both can be taken back."""
    lifecycle = Lifecycle()
    lifecycle.move(State.RUNNING)
    lifecycle.move(State.DRAINING, "Asked to stop.")
    assert not lifecycle.takes_items and lifecycle.reason == "Asked to stop."
    lifecycle.move(State.RUNNING)
    assert lifecycle.takes_items and lifecycle.reason == ""
    lifecycle.move(State.DRAINING, "Asked to stop.")
    lifecycle.all_done()
    assert lifecycle.state is State.PAUSED
    lifecycle.move(State.RUNNING)
    assert lifecycle.takes_items


def test_the_end_remembers_what_follows() -> None:
    """Who asked for a restart gets one, unless somebody decides otherwise before the end."""
    lifecycle = Lifecycle()
    lifecycle.move(State.RUNNING)
    lifecycle.move(State.ENDING, "Asked to restart.", Ending.RESTART)
    lifecycle.change_ending("Asked to shut down.", Ending.SHUT_DOWN)
    lifecycle.all_done()
    assert (lifecycle.state, lifecycle.ending) == (State.ENDED, Ending.SHUT_DOWN)


def test_what_makes_no_sense_is_refused() -> None:
    """After the end nothing moves any more, and nothing pauses that has not drained."""
    lifecycle = Lifecycle()
    with pytest.raises(IllegalMove, match="it cannot become paused"):
        lifecycle.move(State.PAUSED)
    lifecycle.move(State.ENDING, "", Ending.SHUT_DOWN)
    lifecycle.all_done()
    with pytest.raises(IllegalMove):
        lifecycle.move(State.RUNNING)


def test_nothing_ends_by_itself() -> None:
    """That all items are done ends nothing while nobody has asked for an end."""
    lifecycle = Lifecycle()
    lifecycle.move(State.RUNNING)
    lifecycle.all_done()
    assert lifecycle.state is State.RUNNING


def test_each_move_is_told() -> None:
    """Who listens hears of every move, with the new state already there."""
    lifecycle = Lifecycle()
    heard = []
    lifecycle.on_change += lambda lifecycle: heard.append(lifecycle.state)
    lifecycle.move(State.RUNNING)
    lifecycle.move(State.ENDING, "", Ending.SHUT_DOWN)
    lifecycle.all_done()
    assert heard == [State.RUNNING, State.ENDING, State.ENDED]


def test_a_stop_during_the_start_counts() -> None:
    """A signal that comes before all is ready is not taken back by the end of the start."""
    lifecycle = Lifecycle()
    lifecycle.move(State.ENDING, "Asked to terminate.", Ending.SHUT_DOWN)
    lifecycle.begin()
    assert lifecycle.state is State.ENDING
    lifecycle = Lifecycle()
    lifecycle.begin()
    assert lifecycle.state is State.RUNNING
