"""The state of the daemon, and the legal moves between states.

                 ready          stop            all done
    STARTING ──────────► RUNNING ────► DRAINING ────────► PAUSED
        │                 ▲ │ ▲           │ │                │
        │ keep running    │ │ └───────────┘ │ (keep running) │
        │                 │ └────► ENDING ◄─┴────────────────┘
        └─────────────────┼──────────► │   (shut down, restart, signals)
                          └────────────┤
                                       ▼ all done
                                     ENDED
"""

from __future__ import annotations

import enum

from pipeline_core.event import Event


class State(enum.Enum):
    """What the warrior does."""

    #: Reads its state and opens its page.
    STARTING = "starting"
    #: Runs items of the chosen projects.
    RUNNING = "running"
    #: Starts no new items and finishes those at work; the daemon stays.
    DRAINING = "draining"
    #: Runs no items until somebody resumes it.
    PAUSED = "paused"
    #: Like DRAINING, but the process ends afterwards.
    ENDING = "ending"
    #: All items are finished; the process ends.
    ENDED = "ended"


class Ending(enum.Enum):
    """What follows when the last item is finished."""

    NONE = ""
    SHUT_DOWN = "shut-down"
    RESTART = "restart"


_MOVES: dict[State, frozenset[State]] = {
    State.STARTING: frozenset({State.RUNNING, State.ENDING}),
    State.RUNNING: frozenset({State.DRAINING, State.ENDING}),
    State.DRAINING: frozenset({State.RUNNING, State.PAUSED, State.ENDING}),
    State.PAUSED: frozenset({State.RUNNING, State.ENDING}),
    State.ENDING: frozenset({State.RUNNING, State.ENDED}),
    State.ENDED: frozenset(),
}


class IllegalMove(Exception):
    """A move between two states that is not legal."""


class Lifecycle:
    """The state and its reason. ``on_change(lifecycle)`` is called after each move.

    ``reason`` is a sentence that says who asked to stop; '' while it runs.
    """

    def __init__(self) -> None:
        self.state = State.STARTING
        self.ending = Ending.NONE
        self.reason = ""
        self.on_change = Event()

    @property
    def takes_items(self) -> bool:
        return self.state is State.RUNNING

    def may(self, state: State) -> bool:
        """Return whether the move to ``state`` is legal."""
        return state in _MOVES[self.state]

    def move(self, state: State, reason: str = "", ending: Ending = Ending.NONE) -> None:
        """Move to ``state``. Raises IllegalMove."""
        if not self.may(state):
            raise IllegalMove(f"The warrior is {self.state.value}; it cannot become {state.value}.")
        self.state, self.reason = state, reason
        if state is not State.ENDED:
            self.ending = ending
        self.on_change(self)

    def begin(self) -> None:
        """Move to RUNNING, unless somebody has already asked to end."""
        if self.state is State.STARTING:
            self.move(State.RUNNING)

    def change_ending(self, reason: str, ending: Ending) -> None:
        """While it is ending, change what follows: the last request counts."""
        if self.state is State.ENDING and self.ending is not ending:
            self.reason, self.ending = reason, ending
            self.on_change(self)

    def all_done(self) -> None:
        """The last item has ended: move to PAUSED or ENDED if that was requested."""
        if self.state is State.DRAINING:
            self.move(State.PAUSED, self.reason)
        elif self.state is State.ENDING:
            self.move(State.ENDED, self.reason)
