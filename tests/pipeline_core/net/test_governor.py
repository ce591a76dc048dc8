"""The governor: who may ask whom, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net import governor as module
from pipeline_core.net.endpoints import Endpoint
from pipeline_core.net.governor import Governor, host_of
from pipeline_core.net.turns import Turn

DRY = Waiting("The tracker has no items for us right now.", Fault.NOBODY, None, "no-items")
DOWN = Waiting("The tracker cannot be reached.", Fault.TRACKER, None, "tracker-trouble")


class Clock:
    """The time that the governor reads and the loop waits for: it moves when nothing else does."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Loop(asyncio.SelectorEventLoop):
    """A loop whose time leaps to the next timer instead of passing."""

    clock: Clock

    def time(self) -> float:
        return self.clock.now

    def _run_once(self) -> None:
        times = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        if not self._ready and times:  # type: ignore[attr-defined]
            self.clock.now = max(self.clock.now, min(times))
        super()._run_once()  # type: ignore[misc]


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def run(clock: Clock) -> Iterator[Run]:
    loop = Loop()
    loop.clock = clock
    yield loop.run_until_complete
    loop.close()


async def settle() -> None:
    """Let everything run that need not wait for time."""
    for _ in range(10):
        await asyncio.sleep(0)


class Asker:
    """One who wants a turn, as an item does."""

    def __init__(
        self, endpoint: Endpoint, concern: object = None, own: Waiting | None = None
    ) -> None:
        self.shown: list[Waiting] = []
        self.task = asyncio.ensure_future(
            endpoint.turn(self.shown.append, own=own, concern=concern))

    @property
    def turn(self) -> Turn | None:
        return self.task.result() if self.task.done() else None


def take(endpoint: Endpoint) -> Turn:
    turn = endpoint.try_turn()
    assert turn is not None
    return turn


def test_the_first_request_goes_alone(run: Run) -> None:
    """Nobody knows whether the tracker has anything: one asks, nineteen wait for its answer."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        askers = [Asker(endpoint) for _ in range(20)]
        await settle()
        assert [asker.turn is not None for asker in askers] == [True] + [False] * 19
        assert {asker.shown[-1].code for asker in askers[1:]} == {"queue"}
        for asker in askers[1:]:
            asker.task.cancel()

    run(script())


def test_a_success_lets_the_next_one_ask_at_once_and_then_ever_more(run: Run) -> None:
    """One success: one more may ask. Then as many side by side as have succeeded, doubled."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        askers = [Asker(endpoint) for _ in range(20)]
        let_in = []
        while not all(asker.task.done() for asker in askers):
            await settle()
            running = [asker.turn for asker in askers if asker.turn and asker.turn.open]
            let_in.append(len(running))
            for turn in running:
                turn.succeeded()
        assert let_in[:3] == [1, 1, 2] and let_in[-1] >= 4 and sum(let_in) == 20

    run(script())


def test_twenty_at_a_dry_tracker_ask_as_one(run: Run, clock: Clock) -> None:
    """One request a delay in all, whoever's turn it is; each waits with the reason and the time."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        asked: list[float] = []
        shown: list[Waiting] = []

        async def slot() -> None:
            while True:
                turn = await endpoint.turn(shown.append)
                asked.append(clock.now)
                delay = max(60.0, turn.inherited_delay("another"))
                await asyncio.sleep(0.05)
                turn.failed(DRY, delay, next_delay=min(delay + 10, 300))

        slots = [asyncio.ensure_future(slot()) for _ in range(20)]
        await asyncio.sleep(3600)
        for task in slots:
            task.cancel()
        gaps = [later - earlier for earlier, later in zip(asked, asked[1:])]
        assert 15 <= len(asked) <= 25
        assert gaps == sorted(gaps) and gaps[0] >= 60 and gaps[-1] <= 300.1
        assert any(one.reason == DRY.reason and one.next_try and one.next_try > clock.now - 3600
                   for one in shown)

    run(script())


def test_an_answer_holds_back_that_endpoint_alone(run: Run) -> None:
    """A tracker without items can still take reports, and another project's items."""
    async def script() -> None:
        governor = Governor()
        take(governor.tracker("http://t/p/request")).failed(DRY, 60)
        assert governor.tracker("http://t/p/request").try_turn() is None
        take(governor.tracker("http://t/p/done")).succeeded()
        take(governor.tracker("http://t/q/request")).succeeded()

    run(script())


def test_a_host_that_does_not_answer_is_probed_by_one_for_all(run: Run, clock: Clock) -> None:
    """After nobody answered, one request of all endpoints goes; its answer frees the others."""
    async def script() -> None:
        governor = Governor()
        begun = clock.now
        one, other = governor.tracker("http://t/p/request"), governor.tracker("http://t/q/done")
        take(one).failed(DOWN, 60, answered=False)
        first, second = Asker(other), Asker(one)
        await settle()
        assert first.turn is None and first.shown[-1].reason == DOWN.reason
        await asyncio.sleep(61)
        assert first.turn is not None and second.turn is None
        first.turn.failed(DOWN, 70, answered=False)
        await asyncio.sleep(69)
        assert second.turn is None
        await asyncio.sleep(2)
        assert second.turn is not None and second.turn.started >= begun + 130
        third = Asker(other)
        await settle()
        assert third.turn is None
        second.turn.failed(DRY, 60)  # it answers, so the others may ask it
        await settle()
        assert third.turn is not None

    run(script())


def test_retry_after_holds_for_everybody_and_against_hurry(run: Run, clock: Clock) -> None:
    """What the server asks for cannot be cut short; a delay of ours can."""
    async def script() -> None:
        governor = Governor()
        quiet, ours = governor.tracker("http://t/p/request"), governor.repository("https://g/p")
        start = clock.now
        take(quiet).failed(DRY, 60, silence=100.0)
        take(ours).failed(DRY, 60)
        quiet.hurry()
        ours.hurry()
        waits, goes = Asker(quiet), Asker(ours)
        await asyncio.sleep(200)
        assert waits.turn is not None and waits.turn.started >= start + 100
        assert goes.turn is not None and start + 1 <= goes.turn.started < start + 2

    run(script())


def test_at_most_once_a_second_after_a_failure(run: Run, clock: Clock) -> None:
    """A delay of nothing is a second all the same."""
    async def script() -> None:
        endpoint = Governor().target("rsync://target/module/")
        asked = []
        for _ in range(10):
            turn = await endpoint.turn(lambda waiting: None)
            asked.append(clock.now)
            turn.failed(DOWN, 0.0)
        assert all(later - earlier >= 1.0 for earlier, later in zip(asked, asked[1:]))

    run(script())


@pytest.mark.parametrize("answered", [True, False])
def test_a_request_that_is_abandoned_keeps_the_distance(
    run: Run, clock: Clock, answered: bool
) -> None:
    """After a failure one asks, and its item ends before the answer: the next one asks a second
    later, not at once."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        take(endpoint).failed(DOWN, 5.0, answered=answered)
        turn = await endpoint.turn(lambda waiting: None)
        asked = clock.now
        turn.spend()
        turn.abandoned()
        await endpoint.turn(lambda waiting: None)
        assert clock.now - asked >= 1.0

    run(script())


def test_what_fails_together_counts_once(run: Run, clock: Clock) -> None:
    """Ten were on their way when the tracker ran dry: the delay grows once, not ten times."""
    async def script() -> None:
        endpoint = Governor().target("http://target/")
        for _ in range(5):
            take(endpoint).succeeded()
        turns = [take(endpoint) for _ in range(10)]
        held = [turn.refused("No.", Fault.TARGET, "upload") for turn in turns]
        assert max(one.next_try or 0 for one in held) <= clock.now + module.FIRST_TARGET_DELAY * 1.2
        assert endpoint.schedule.failures == 1

    run(script())


def test_a_long_upload_does_not_keep_the_others_back(run: Run) -> None:
    """What has run for two minutes shows that somebody is there: the next begins beside it."""
    async def script() -> None:
        endpoint = Governor().target("rsync://target/module/")
        take(endpoint).failed(DOWN, 1.0)
        await asyncio.sleep(2)
        long = take(endpoint)
        asker = Asker(endpoint)
        await asyncio.sleep(module.TARGET_PATIENCE - 1)
        assert asker.turn is None
        await asyncio.sleep(2)
        assert asker.turn is not None and long.open

    run(script())


def test_who_gives_up_passes_the_turn_on(run: Run) -> None:
    """A cancelled asker, whether it waits or has just been let in, keeps nobody back."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        first, second, third = Asker(endpoint), Asker(endpoint), Asker(endpoint)
        await settle()
        second.task.cancel()
        assert first.turn is not None
        first.turn.abandoned()  # lets the third one in, whose task has not run yet
        third.task.cancel()
        await settle()
        assert third.task.cancelled()
        take(endpoint)

    run(script())


def test_only_those_who_are_out_of_date_wait_for_it(run: Run, clock: Clock) -> None:
    """A tracker refuses old code: the new version may ask after a second, the old one not."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        start = clock.now
        take(endpoint).failed(DRY, 60)
        endpoint.only_for("old")
        old, new = Asker(endpoint, "old"), Asker(endpoint, "new")
        await asyncio.sleep(5)
        assert old.turn is None
        assert new.turn is not None and new.turn.started - start < 1.1
        new.turn.failed(DRY, 60)
        endpoint.only_for("new")
        others = [Asker(endpoint, "new"), Asker(endpoint, "old")]
        await asyncio.sleep(50)
        # Both are refused now: neither frees the other.
        assert all(one.turn is None for one in [old, *others])
        for one in [old, *others]:
            one.task.cancel()

    run(script())


def test_one_that_is_not_accepted_lets_the_others_pass(run: Run) -> None:
    """A reason of its own keeps one back, not those behind it, and it is what is shown."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/done")
        own = Waiting("Not accepted.", Fault.TRACKER, time.monotonic() + 300, "tracker-trouble")
        late = Asker(endpoint, own=own)
        next_one = Asker(endpoint)
        await settle()
        assert next_one.turn is not None and late.turn is None
        next_one.turn.succeeded()
        await asyncio.sleep(301)
        assert late.turn is not None and set(late.shown) == {own}

    run(script())


def test_a_turn_is_for_one_request(run: Run) -> None:
    """A second request with the same turn is a fault of ours, and raises."""
    async def script() -> None:
        turn = take(Governor().tracker("http://t/p/request"))
        turn.spend()
        with pytest.raises(RuntimeError):
            turn.spend()

    run(script())


def test_the_delay_survives_who_asked(run: Run) -> None:
    """The next one to ask goes on where the last one's delays were, until there is a success."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        take(endpoint).failed(DRY, 60, next_delay=70, asker="a")
        turn = await endpoint.turn(lambda waiting: None)
        assert turn.inherited_delay("b") == 70
        assert turn.inherited_delay("a") == 0.0  # it has a delay of its own
        turn.succeeded()
        assert take(endpoint).inherited_delay("b") == 0.0

    run(script())


def test_showing_a_reason_may_end_the_waiting(run: Run) -> None:
    """An item that is told why it waits may be cancelled for that, there and then."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        first = take(endpoint)
        tasks: list[asyncio.Task[Turn]] = []
        tasks += [asyncio.ensure_future(endpoint.turn(lambda waiting: tasks[0].cancel()))
                  for _ in range(3)]
        await settle()
        assert tasks[0].cancelled()
        first.succeeded()
        await settle()
        assert tasks[1].done() and not tasks[2].done()
        tasks[2].cancel()

    run(script())


@pytest.mark.parametrize(("url", "host"), [
    ("http://Tracker.example/p", "tracker.example:80"),
    ("https://tracker.example:8443/p", "tracker.example:8443"),
    ("rsync://target.example/m/:downloader/", "target.example:873"),
    ("https://[2001:db8::1]/x", "2001:db8::1:443"),
    ("git@code.example:group/project", "code.example:22"),
    ("http://bad:port/", "http://bad:port/"), ("/a/folder", "/a/folder"),
])
def test_the_host_of_an_address(url: str, host: str) -> None:
    """Host and port, however they are written; what has none stands for itself."""
    assert host_of(url) == host


def test_endpoints_are_not_kept_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracker may name new targets all day: those that nobody has used for an hour go."""
    async def script() -> None:
        governor = Governor()
        monkeypatch.setattr(module, "MOST_ENDPOINTS", 10)
        held = governor.target("http://held/")
        take(held).failed(DOWN, 100_000)
        for number in range(50):
            take(governor.target(f"http://host{number}/")).succeeded()
            await asyncio.sleep(600)
        assert len(governor._endpoints) <= 11
        assert governor.target("http://held/") is held

    run(script())


def test_what_is_told_provisionally_counts_until_more_is_known(run: Run, clock: Clock) -> None:
    """A project's hook may make the delay of a failure shorter, or never come to it."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        turn, start = take(endpoint), clock.now
        turn.provisional(DRY, 60, silence=None, next_delay=70, answered=True, asker="a")
        assert endpoint.opens_at == start + 60 and endpoint.try_turn() is None
        turn.failed(DRY, 5, next_delay=6, asker="a")
        assert endpoint.opens_at == start + 5 and endpoint.schedule.failures == 1
        turn = await endpoint.turn(lambda waiting: None)
        assert turn.inherited_delay("b") == 6
        turn.provisional(DRY, 60, silence=100.0, next_delay=70, answered=True, asker="b")
        turn.succeeded()  # told once
        assert endpoint.opens_at >= start + 105

    run(script())


def test_a_silent_host_is_asked_once_at_a_time(run: Run) -> None:
    """A request that takes all of its minute keeps the others back that long."""
    async def script() -> None:
        endpoint = Governor().tracker("http://t/p/request")
        first, second = Asker(endpoint), Asker(endpoint)
        await asyncio.sleep(61)
        assert first.turn is not None and second.turn is None
        first.turn.failed(DOWN, 60, answered=False)
        second.task.cancel()

    run(script())
