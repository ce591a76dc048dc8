"""What the daemon as a whole is doing: one state, and the moves that are legal.

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

    #: It reads its state and opens its page.
    STARTING = "starting"
    #: It takes items of the chosen projects.
    RUNNING = "running"
    #: It takes no new items; those at work are finished, and the daemon stays.
    DRAINING = "draining"
    #: No item is at work, and none is taken until somebody says so.
    PAUSED = "paused"
    #: As DRAINING, but the process ends afterwards.
    ENDING = "ending"
    #: Nothing is at work any more; the process ends.
    ENDED = "ended"


class Ending(enum.Enum):
    """What follows when the last item is done."""

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
    """The daemon cannot go from one of these states to the other."""


class Lifecycle:
    """The state and why it is so. ``on_change(lifecycle)`` follows each move.

    ``reason`` is a sentence for people: who asked to stop; '' while it runs.
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
        """Whether the move to ``state`` is legal."""
        return state in _MOVES[self.state]

    def move(self, state: State, reason: str = "", ending: Ending = Ending.NONE) -> None:
        """Go on to ``state``. Raises IllegalMove."""
        if not self.may(state):
            raise IllegalMove(f"The warrior is {self.state.value}; it cannot become {state.value}.")
        self.state, self.reason = state, reason
        if state is not State.ENDED:
            self.ending = ending
        self.on_change(self)

    def begin(self) -> None:
        """All is ready: to RUNNING, unless somebody has asked meanwhile to end it."""
        if self.state is State.STARTING:
            self.move(State.RUNNING)

    def end_differently(self, reason: str, ending: Ending) -> None:
        """While it is ending: the last who asked decides what follows."""
        if self.state is State.ENDING and self.ending is not ending:
            self.reason, self.ending = reason, ending
            self.on_change(self)

    def all_done(self) -> None:
        """The last item has ended: to PAUSED or ENDED, where that was asked for."""
        if self.state is State.DRAINING:
            self.move(State.PAUSED, self.reason)
        elif self.state is State.ENDING:
            self.move(State.ENDED, self.reason)
