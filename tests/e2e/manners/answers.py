"""What a tracker, Warrior HQ or an upload target can answer instead of work, and what the page
has to say then."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tests.support.scripted_tracker import HANG, NOTHING, RESET, Answer, ScriptedTracker
from tests.support.world import Clock, port_of

#: What Retry-After asks for here, in seconds of the world.
SILENCE = 100.0

#: What the page may say while nobody has answered yet.
BEGINNING = r"Starting|Loading|Fetching|Asking|No project is running yet|No project is chosen"

_EMPTY = r"no items? for us|gave no item|has no item"
_BUSY = r"limits how often"
_TROUBLE = r"has trouble|Unexpected answer"
_AWAY = r"cannot be reached|does not answer|no (whole )?answer|did not answer"


@dataclasses.dataclass(frozen=True)
class Kind:
    """One way not to give work.

    ``says`` is a pattern of the reason on the page, ``whose`` who has the turn then.
    ``least_gap``: seconds of the world after a try in which none may follow.
    ``answer(clock)`` is what a server has to give; None: there is no server.
    """

    name: str
    answer: Callable[[Clock], Answer] | None
    says: str
    whose: tuple[str, ...] = ("the tracker",)
    least_gap: float = 1.0

    def __str__(self) -> str:
        return self.name

    def install(self, server: ScriptedTracker, clock: Clock, *commands: str) -> None:
        """Let the server answer these commands so from now on."""
        if self.answer is None:
            server.down()
            return
        make = self.answer
        for command in commands:
            server.always(command, lambda request: make(clock))

    @property
    def answers(self) -> bool:
        """Whether the server gets to see a request at all."""
        return self.answer is not None


def _always(answer: Answer) -> Callable[[Clock], Answer]:
    return lambda clock: answer


def _status(status: int, **headers: str) -> Callable[[Clock], Answer]:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return _always(Answer(status, b"<h1>No</h1>", pairs))


def _body(body: bytes) -> Callable[[Clock], Answer]:
    return _always(Answer(200, body))


def _dated(status: int) -> Callable[[Clock], Answer]:
    return lambda clock: Answer(status, b"", (("Retry-After", clock.http_date(SILENCE)),))


#: A byte every hundredth of a real second, and more of them than anybody waits for.
SLOW = Answer(200, b" " * 100000, byte_delay=0.01)

#: How a tracker can fail to give an item, in answer to ``request``.
NO_ITEMS = [
    Kind("empty", _always(NOTHING), _EMPTY, ("", "the tracker")),
    Kind("no item name", _body(b"{}"), _EMPTY, ("", "the tracker")),
    Kind("refused", None, _AWAY),
    Kind("reset", _always(RESET), _AWAY),
    Kind("420", _status(420), _BUSY),
    Kind("429", _status(429), _BUSY),
    Kind("429, seconds", _status(429, Retry_After=str(int(SILENCE))), _BUSY, least_gap=SILENCE),
    Kind("429, a date", _dated(429), _BUSY, least_gap=SILENCE),
    Kind("455", _status(455), r"out of date", ("you", "the project", "the tracker")),
    Kind("500", _status(500), _TROUBLE),
    Kind("503, seconds", _status(503, Retry_After=str(int(SILENCE))), _TROUBLE,
         least_gap=SILENCE),
    Kind("html", _body(b"<html><body>Please sign in</body></html>"), _TROUBLE),
    Kind("null", _body(b"null"), _TROUBLE),
    Kind("list", _body(b"[1, 2]"), _TROUBLE),
    Kind("slow", _always(SLOW), _AWAY),
    Kind("silent", _always(HANG), _AWAY),
]

#: How the other commands of a tracker, an upload target or Warrior HQ can fail.
FAILURES = [kind for kind in NO_ITEMS
            if kind.name not in ("empty", "no item name", "420", "455", "slow")]


def named(*names: str) -> list[Kind]:
    """Those of these names, in this order."""
    by_name = {kind.name: kind for kind in NO_ITEMS}
    return [by_name[name] for name in names]


def port(server: ScriptedTracker) -> int:
    """Where the server listens."""
    return port_of(server.url)
