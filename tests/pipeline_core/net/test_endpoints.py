"""What may be asked when, of the endpoints of one host."""

from __future__ import annotations

import asyncio

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.governor import Governor
from tests.support.engine import run

DOWN = Waiting("It does not answer.", Fault.TRACKER, None, "tracker-trouble")


def test_a_host_that_has_never_answered_gets_one_request() -> None:
    """Several projects that start at the same moment do not ask it side by side; after the first
    answer each of its endpoints is its own."""
    async def main() -> None:
        governor = Governor()
        one, two = (governor.tracker(f"http://tracker.example/{name}/request")
                    for name in ("one", "two"))
        first = one.try_turn()
        assert first is not None and two.try_turn() is None
        waiting = asyncio.ensure_future(two.turn(lambda why: None))
        first.spend()
        await asyncio.sleep(0)
        assert not waiting.done()
        first.succeeded()
        second = await waiting
        assert one.try_turn() is not None
        second.abandoned()

    run(main())


def test_an_answer_that_is_of_no_use_is_an_answer() -> None:
    """A 404 says that the host is there; a refused connection does not."""
    async def main() -> None:
        for answered in (True, False):
            governor = Governor()
            one, two = (governor.tracker(f"http://tracker.example/{name}/request")
                        for name in ("one", "two"))
            first = one.try_turn()
            assert first is not None
            first.spend()
            first.failed(DOWN, 60.0, answered=answered)
            assert (two.try_turn() is not None) is answered

    run(main())
