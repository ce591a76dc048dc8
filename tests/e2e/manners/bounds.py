"""The bounds that hold for everything we ask others for, whatever they answer."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.e2e.manners.answers import BEGINNING, Kind
from tests.support.world import Clock, Command, Moments, Pipeline, Told

#: The most requests to one endpoint that gives nothing: in the first 15 seconds, and in an hour.
MOST_AT_FIRST, MOST_IN_AN_HOUR = 12, 200
#: A first minute like this and an hour like that leave so many for the first five minutes.
MOST_IN_FIVE_MINUTES = 40
#: A timer may be early by the resolution of its clock, in seconds.
_RESOLUTION = 0.01


def assert_few(asked: Moments, what: object) -> None:
    """An endpoint that gives nothing is asked a bounded number of times."""
    assert asked, f"{what}: it was never asked"
    assert asked.most_within(15) <= MOST_AT_FIRST, f"{what}: {asked}"
    assert asked.first(300).most_within(300) <= MOST_IN_FIVE_MINUTES, f"{what}: {asked}"
    assert asked.most_within(3600) <= MOST_IN_AN_HOUR, f"{what}: {asked}"


def settled(clock: Clock, asked: Moments) -> Moments:
    """Those that were asked when the first failure was certainly known.

    Uploads, reports and looks go out side by side until the first of them has failed. For that
    they get half a second of the machine's.
    """
    return asked.between(asked[0] + 10 + clock.factor / 2) if asked else asked


def assert_apart(asked: Moments, least: float, what: object) -> None:
    """From each try, all of which fail, to the next so many seconds pass: who waits asks as one."""
    assert asked.smallest_gap >= least - _RESOLUTION, f"{what}: {asked}"


def assert_nothing_else(command: Command, ports: Iterable[int]) -> None:
    """It has asked nobody but these."""
    assert command.ports() <= set(ports), command.ports()


def assert_told(command: Command, kind: Kind, start: float) -> None:
    """What the page said since ``start``, when the first failure was known already.

    It named the reason, whose turn it was and a next try that was still to come, and never
    that it worked, or anything that is neither this reason nor the asking.
    """
    told = [one for one in list(command.told) if one.at >= start]
    reasons = [one for one in told if re.search(kind.says, one.text)]
    assert reasons, f"{kind}: {_shown(told)}"
    assert_not_working(command, start)
    for one in reasons:
        assert one.whose in kind.whose, f"{kind}: {one}"
        assert one.next_in is None or one.next_in >= 0, f"{kind}: {one}"
    # While it is being asked there is no next try to name, which with one that is silent is long.
    assert any(one.next_in is not None for one in list(command.told)
               if re.search(kind.says, one.text)), f"{kind}: {_shown(reasons)}"
    others = [one for one in told if one not in reasons and not re.match(BEGINNING, one.text)]
    assert not others, f"{kind}: {_shown(others)}"


def assert_not_working(command: Command, start: float = 0.0) -> None:
    """Nothing that only waits was ever called work, from ``start`` on."""
    for one in command.sentences(start):
        assert not re.search(r"Working on", one.text), one
        assert one.tone != "working" or one.text.startswith("Starting"), one


def assert_nothing_was_work(command: Command) -> None:
    """Items that only waited are not counted, listed or logged, while it runs."""
    for one in list(command.told):
        assert not any(one.counts.values()), one
    state = command.state()
    assert state is not None
    assert [one for one in state["items"] if one["state"] != "running"] == []
    assert not re.search(r"ancel", command.said()), command.said()


def assert_ended_with_nothing(command: Command) -> None:
    """The last word of a run-pipeline that has ended counts nothing that was no work."""
    if isinstance(command, Pipeline):
        assert "Done: 0 completed, 0 failed" in command.said(), command.said()
        assert not re.search(r"Done:.*[1-9]\d* cancelled", command.said()), command.said()


def _shown(told: Iterable[Told]) -> str:
    """Each sentence once."""
    found = {(one.text, one.whose, one.tone): one for one in told}
    return "\n".join(map(str, found.values()))
