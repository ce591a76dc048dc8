"""Warrior HQ: the protocol, its faults, and how often it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import random
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pipeline_core
from pipeline_core.engine.waiting import Fault
from pipeline_core.net.governor import Governor
from tests.support.scripted_hq import (
    GARBAGE,
    HANG,
    REGISTER,
    SLOW,
    UPDATE,
    Answer,
    ScriptedHQ,
    json_answer,
    project,
)
from tests.support.scripted_tracker import redirect
from warrior.projects.catalogue import Catalogue
from warrior.projects.hq import HQ
from warrior.settings.settings import Settings


@dataclasses.dataclass
class Stage:
    """An HQ, what it is handed, and how it went."""

    server: ScriptedHQ
    settings: Settings
    catalogue: Catalogue
    hq: HQ
    #: The ids that were saved.
    ids: list[str] = dataclasses.field(default_factory=list)
    reasons: list[str] = dataclasses.field(default_factory=list)
    task: asyncio.Task[None] | None = None

    async def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.task is None or not self.task.done(), self.task
            assert time.monotonic() < deadline, f"not within {seconds} s; {self.reasons}"
            await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.task = task = asyncio.ensure_future(self.hq.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.settings.close()

    def note_settings(self, names: frozenset[str]) -> None:
        if "warrior_id" in names:
            self.ids.append(self.settings.warrior_id)

    def note(self, hq: HQ) -> None:
        self.reasons.append("" if hq.trouble is None else hq.trouble.reason)


@pytest.fixture
def server() -> Iterator[ScriptedHQ]:
    with ScriptedHQ([project("a"), project("b")]) as server:
        yield server
        assert server.violations == []


def play(
    folder: Path, server: ScriptedHQ, script: Callable[[Stage], Awaitable[None]], *,
    known: str = "", settings: str = "settings.json", **options: Any,
) -> Stage:
    """Run against the server while the script does; ``known``: registered before.

    Tries again after 0.02 s.
    """
    async def main() -> Stage:
        seeds = {"warrior_id": known} if known else {}
        if known:
            server.know(known)
        own = await Settings.open(str(folder / settings), max_concurrent_items=6, seeds=seeds)
        catalogue = Catalogue(str(folder / "catalogue.json"), random=random.Random(1))
        await catalogue.load()
        hq = HQ(server.url, own, catalogue, **{
            "first_delay": 0.02, "wake_pause": 0.0, "governor": Governor(shortest_delay=0.0),
            **options})
        one = Stage(server, own, catalogue, hq)
        hq.on_change += one.note
        own.on_change += one.note_settings
        async with one.running():
            await script(one)
        return one
    return asyncio.run(main())


async def listed(one: Stage) -> None:
    """Until there is a list."""
    await one.until(lambda: one.catalogue.entries)


async def failed(one: Stage) -> None:
    """Until something went wrong."""
    await one.until(lambda: one.reasons)


def test_registers_once_and_updates(
    tmp_path: Path, server: ScriptedHQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Register, keep the id, and tell what the contract says, to the letter."""
    monkeypatch.setattr(pipeline_core, "runner_type", "Warrior")
    monkeypatch.setattr(pipeline_core, "warrior_build", "image-7")

    async def script(one: Stage) -> None:
        await one.until(lambda: len(server.told()) >= 3)
    one = play(tmp_path, server, script, interval=0.1)
    (registered,) = server.requests(REGISTER)
    assert registered.path == "/hq/api/register.json"
    assert registered.json == {"warrior": {"version": "0.10.3"}}
    assert registered.headers["user-agent"] == "ArchiveTeam Warrior/0.10.3 Warrior image-7"
    first = server.requests(UPDATE)[0]
    assert first.path == "/hq/api/update.json"
    assert first.headers["user-agent"] == "ArchiveTeam Warrior/0.10.3 Warrior image-7"
    assert first.json == {"warrior": {"warrior_id": "warrior-1", "lat_lng": None,
                                      "downloader": None, "selected_project": None}}
    assert one.ids == ["warrior-1"]
    assert list(one.catalogue.entries) == ["a", "b"]
    assert one.hq.trouble is None and one.hq.unreachable_since is None and one.reasons == []
    play(tmp_path, server, listed)
    assert len(server.requests(REGISTER)) == 1


def test_a_known_id_is_used(tmp_path: Path, server: ScriptedHQ) -> None:
    """A warrior that has an id never registers; the first of the order is told, or 'auto'."""
    server.know("old-id")
    (tmp_path / "settings.json").write_text(json.dumps({
        "warrior_id": "old-id", "downloader": "nick", "projects": ["auto", "b"],
        "selected_project": "auto"}))
    play(tmp_path, server, listed)
    assert server.requests(REGISTER) == []
    assert server.told() == [{"warrior_id": "old-id", "lat_lng": None, "downloader": "nick",
                              "selected_project": "auto"}]


def test_no_url(tmp_path: Path, server: ScriptedHQ) -> None:
    """Without HQ there is nothing to do."""
    async def script(one: Stage) -> None:
        await HQ("", one.settings, one.catalogue).run()
    play(tmp_path, server, script)


@pytest.mark.parametrize("name", sorted(GARBAGE))
def test_garbage_leaves_the_last_good_list(tmp_path: Path, server: ScriptedHQ, name: str) -> None:
    """A sentence says what is wrong and since when; the list stays; it is asked again."""
    async def script(one: Stage) -> None:
        await listed(one)
        before = datetime.datetime.now(datetime.timezone.utc)
        server.always(UPDATE, GARBAGE[name])
        one.hq.wake()
        await failed(one)
        assert one.hq.trouble is not None and one.hq.unreachable_since is not None
        assert one.hq.trouble.fault is Fault.HQ and one.hq.trouble.code == "hq"
        assert one.hq.trouble.next_try is not None
        assert abs((one.hq.unreachable_since - before).total_seconds()) < 10
        reason = one.hq.trouble.reason
        assert re.match(r"Warrior HQ (cannot be reached|has not given a useful answer) since "
                        r"(\d+ \w+, )?\d\d:\d\d: .+\. The projects that it last offered are kept\.$", reason)
        assert len(reason) < 400 and "Traceback" not in reason
        assert list(one.catalogue.entries) == ["a", "b"]
        server.offer(project("c"))
        server.behave(UPDATE)
        await one.until(lambda: one.hq.trouble is None)
        assert list(one.catalogue.entries) == ["c"]
        assert one.hq.unreachable_since is None
    one = play(tmp_path, server, script, known="id")
    assert one.reasons[-1] == ""
    assert ("it is over 4 MiB" in one.reasons[0]) == (
        name in ("gigabyte", "over 4 MiB", "length of digits"))
    assert server.requests(REGISTER) == []


@pytest.mark.parametrize("name", ["html", "null", "500", "reset", "list", "over 4 MiB", "403"])
def test_garbage_for_a_registration(tmp_path: Path, server: ScriptedHQ, name: str) -> None:
    """It is tried again until there is an id; nothing is told without one."""
    server.queue(REGISTER, GARBAGE[name], json_answer({"warrior_id": 5}),
                 json_answer({"warrior_id": ""}), json_answer({"warrior_id": None}))
    one = play(tmp_path, server, listed)
    assert len(server.requests(REGISTER)) == 5
    assert one.ids == ["warrior-1"]
    assert {told["warrior_id"] for told in server.told()} == {"warrior-1"}
    assert "It has not offered any projects yet." in one.reasons[0]


def test_down_at_boot(tmp_path: Path, server: ScriptedHQ) -> None:
    """The list of the last run is there; when HQ is back all goes on by itself."""
    play(tmp_path, server, listed, known="id")
    server.down()

    async def down(one: Stage) -> None:
        await one.until(lambda: len(one.reasons) >= 3)
        assert one.hq.trouble is not None
        assert "cannot be reached since" in one.hq.trouble.reason
        assert "Connection refused" in one.hq.trouble.reason
        assert list(one.catalogue.entries) == ["a", "b"]
        server.offer(project("c"))
        server.up()
        await one.until(lambda: "c" in one.catalogue.entries)
        await one.until(lambda: one.hq.trouble is None)
    play(tmp_path, server, down, known="id")


@pytest.mark.parametrize("answer", [HANG, SLOW], ids=["hang", "slow"])
def test_slow(tmp_path: Path, server: ScriptedHQ, answer: Answer) -> None:
    """An answer that does not end is given up after the deadline, and asked for again."""
    server.queue(UPDATE, answer)

    async def script(one: Stage) -> None:
        await failed(one)
        await listed(one)
    one = play(tmp_path, server, script, known="id", deadline=0.5)
    assert "no complete answer within" in one.reasons[0]


def test_no_such_name(tmp_path: Path, server: ScriptedHQ) -> None:
    """A name that cannot be looked up is told as that."""
    async def script(one: Stage) -> None:
        one.hq.url = "http://hq.invalid"
        await failed(one)
    one = play(tmp_path, server, script, known="id")
    assert "its name cannot be looked up" in one.reasons[0]


def test_redirects(tmp_path: Path, server: ScriptedHQ) -> None:
    """Followed with the same request to where HQ has moved; a circle ends."""
    server.queue(UPDATE, redirect("/hq/api/moved/update.json", 307))

    async def script(one: Stage) -> None:
        await listed(one)
        server.queue(UPDATE, *[redirect(server.url + "/api/update.json")] * 4)
        one.hq.wake()
        await failed(one)
    one = play(tmp_path, server, script, known="id")
    assert "more than 3 redirects" in one.reasons[0]
    assert [request.path for request in server.requests(UPDATE)[:2]] == [
        "/hq/api/update.json", "/hq/api/moved/update.json"]
    assert server.told()[0] == server.told()[1]


def test_a_lost_id(tmp_path: Path, server: ScriptedHQ) -> None:
    """An HQ that has lost its data gets this warrior anew, at once, and the new id is kept."""
    async def script(one: Stage) -> None:
        server.forget()
        await listed(one)
    one = play(tmp_path, server, script, known="old")
    assert [told["warrior_id"] for told in server.told()] == ["old", "warrior-1"]
    assert one.ids == ["warrior-1"]
    assert one.reasons == []
    play(tmp_path, server, listed)
    assert server.told()[-1]["warrior_id"] == "warrior-1"


@pytest.mark.parametrize("status", [400, 404, 422])
def test_an_hq_that_refuses_all_updates(tmp_path: Path, server: ScriptedHQ, status: int) -> None:
    """It is not filled with warriors: registered once more, then only waited for."""
    server.always(UPDATE, Answer(status))

    async def script(one: Stage) -> None:
        await one.until(lambda: len(one.reasons) >= 4)
    one = play(tmp_path, server, script, known="old")
    assert len(server.requests(REGISTER)) == 1
    assert f"it answered {status}" in one.reasons[-1]


@pytest.mark.parametrize("status", [401, 403, 420, 429, 500, 503])
def test_refusals_that_are_not_about_the_id(
    tmp_path: Path, server: ScriptedHQ, status: int
) -> None:
    """Blocked, too often, or in trouble: the id is kept."""
    server.queue(UPDATE, Answer(status), Answer(status))
    one = play(tmp_path, server, listed, known="old")
    assert server.requests(REGISTER) == [] and one.settings.warrior_id == "old"


def test_a_lost_id_while_registering_fails(tmp_path: Path, server: ScriptedHQ) -> None:
    """The old id is not given up before there is a new one."""
    server.queue(REGISTER, Answer(500), Answer(500))

    async def script(one: Stage) -> None:
        server.forget()
        await one.until(lambda: len(one.reasons) >= 2)
        assert one.settings.warrior_id == "old"
        await listed(one)
    one = play(tmp_path, server, script, known="old")
    assert one.settings.warrior_id == "warrior-1"


def test_an_id_that_cannot_be_saved(tmp_path: Path, server: ScriptedHQ) -> None:
    """The id is used all the same, and HQ is not asked for another."""
    async def script(one: Stage) -> None:
        await one.until(lambda: len(server.told()) >= 3)
    play(tmp_path, server, script, interval=0.05, settings="nowhere/settings.json")
    assert len(server.requests(REGISTER)) == 1
    assert {told["warrior_id"] for told in server.told()} == {"warrior-1"}


def test_delays_grow_and_begin_anew(tmp_path: Path, server: ScriptedHQ) -> None:
    """Each failure doubles the delay, jittered, up to the interval; a success begins anew."""
    server.always(UPDATE, Answer(500))
    planned: list[float] = []

    def note(hq: HQ) -> None:
        if hq.trouble is not None and hq.trouble.next_try is not None:
            planned.append(hq.trouble.next_try - time.monotonic())

    async def script(one: Stage) -> None:
        one.hq.on_change += note
        await one.until(lambda: len(planned) >= 6)
        server.behave(UPDATE)
        await one.until(lambda: one.hq.trouble is None)
        planned.append(0)
        server.always(UPDATE, Answer(500))
        await one.until(lambda: planned[-1])
    play(tmp_path, server, script, known="id", interval=0.2)
    for delay, expected in zip(planned[:6], [0.02, 0.04, 0.08, 0.16, 0.2 / 1.2, 0.2 / 1.2]):
        assert expected * 0.8 < delay <= expected * 1.21
    assert planned[-1] < 0.03


def test_retry_after(tmp_path: Path, server: ScriptedHQ) -> None:
    """HQ's wish is honoured, also when somebody presses the button."""
    server.queue(UPDATE, Answer(503, b"", (("Retry-After", "2"),)))

    async def script(one: Stage) -> None:
        await failed(one)
        one.hq.wake()
        await listed(one)
    play(tmp_path, server, script, known="id")
    first, second = server.requests(UPDATE)
    assert 1.9 < second.time - first.time < 8


def test_a_retry_after_of_years(tmp_path: Path, server: ScriptedHQ) -> None:
    """An hour is the most that is believed."""
    server.queue(UPDATE, Answer(429, b"", (("Retry-After", "99999999"),)))

    async def script(one: Stage) -> None:
        await failed(one)
        assert one.hq.trouble is not None and one.hq.trouble.next_try is not None
        assert 3500 < one.hq.trouble.next_try - time.monotonic() < 3700
    play(tmp_path, server, script, known="id")


def test_wake(tmp_path: Path, server: ScriptedHQ) -> None:
    """A change is told soon, many changes together, and never more often than allowed."""
    times: list[float] = []

    async def script(one: Stage) -> None:
        await listed(one)
        times.append(one.hq._asked_at)
        for name in ("a", "b", "a", "b"):
            await one.settings.select([name])
            one.hq.wake()
        await one.until(lambda: len(server.told()) == 2)
        times.append(one.hq._asked_at)
        one.hq.wake()
        await one.until(lambda: len(server.told()) == 3)
        times.append(one.hq._asked_at)
    play(tmp_path, server, script, known="id", wake_pause=1.0)
    assert [told["selected_project"] for told in server.told()] == [None, "b", "b"]
    assert all(later - earlier > 0.99 for earlier, later in zip(times, times[1:]))


def test_wake_while_failing(tmp_path: Path, server: ScriptedHQ) -> None:
    """The button asks before the next try is due, and the page is told when."""
    server.queue(UPDATE, Answer(500))

    async def script(one: Stage) -> None:
        await failed(one)
        assert one.hq.trouble is not None
        assert (one.hq.trouble.next_try or 0) > time.monotonic() + 300
        one.hq.wake()
        await one.until(lambda: len(one.reasons) >= 2)
        await listed(one)
    play(tmp_path, server, script, known="id", first_delay=400.0, wake_pause=0.1)


def test_a_change_while_asking_is_told(tmp_path: Path, server: ScriptedHQ) -> None:
    """What changes while an answer is on its way is told afterwards."""
    async def script(one: Stage) -> None:
        server.always(UPDATE, hang_until_told)
        await one.until(lambda: len(server.told()) == 1)
        await one.settings.select(["b"])
        one.hq.wake()
        server.behave(UPDATE)
        go_on.set()
        await one.until(lambda: len(server.told()) >= 2)
    go_on = threading.Event()

    def hang_until_told(request: Any) -> Answer:
        assert go_on.wait(20)
        return json_answer({"projects": [project("a")]})
    play(tmp_path, server, script, known="id")
    assert [told["selected_project"] for told in server.told()][:2] == [None, "b"]


@pytest.mark.logs_errors("could not be")
def test_faults_of_handlers(tmp_path: Path, server: ScriptedHQ) -> None:
    """A handler that raises is logged; the asking goes on."""
    def raise_it(who: Any) -> None:
        raise RuntimeError("a fault")

    async def script(one: Stage) -> None:
        one.hq.on_change += raise_it
        one.catalogue.on_change += raise_it
        await one.until(lambda: one.hq.trouble)
        await one.until(lambda: len(server.told()) >= 3)
        assert list(one.catalogue.entries) == ["a", "b"]
    play(tmp_path, server, script, known="id", interval=0.1)


def test_since_survives_a_clock_that_is_set(
    tmp_path: Path, server: ScriptedHQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small computer boots in 1970 and learns the year later: 'since' follows."""
    years = 50

    def clock() -> datetime.datetime:
        return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=365 * years)
    monkeypatch.setattr("warrior.projects.hq._wall_clock", clock)
    server.always(UPDATE, Answer(500))

    async def script(one: Stage) -> None:
        nonlocal years
        await failed(one)
        assert one.hq.unreachable_since is not None and one.hq.unreachable_since.year < 2000
        years = 0
        await one.until(lambda: one.hq.unreachable_since and one.hq.unreachable_since.year > 2000)
    play(tmp_path, server, script, known="id", interval=0.1)


def test_a_date_is_told_when_it_is_not_today(tmp_path: Path, server: ScriptedHQ) -> None:
    """'since 14:05' would be wrong after midnight."""
    server.always(UPDATE, Answer(500))

    async def script(one: Stage) -> None:
        one.hq._failing_since = time.monotonic() - 3 * 86400
        await failed(one)
    one = play(tmp_path, server, script, known="id")
    assert re.search(r"since \d+ \w+, \d\d:\d\d: it answered 500", one.reasons[0])


def test_cancelled_while_asking(tmp_path: Path, server: ScriptedHQ) -> None:
    """A shutdown does not wait for HQ, and leaves no connection."""
    server.always(UPDATE, HANG)

    async def script(one: Stage) -> None:
        await one.until(lambda: server.requests(UPDATE))
    play(tmp_path, server, script, known="id", deadline=3600)


def test_the_scripted_hq_is_down_and_up(server: ScriptedHQ) -> None:
    """Down refuses connections, up listens on the same port; what breaks the protocol is noted."""
    server.down()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 5)
    server.up()
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(b"POST /hq/api/update.json HTTP/1.1\r\nContent-Length: 15\r\n\r\n"
                       b'{"warrior": {}}')
        assert client.recv(100).startswith(b"HTTP/1.1 404")
    assert len(server.violations) == 3
    server.violations.clear()


def test_an_hq_that_knows_nothing_is_asked_less_and_less(
    tmp_path: Path, server: ScriptedHQ
) -> None:
    """It answers 404 to an id that is known here, and to registering: the delays grow all the same."""
    server.always(UPDATE, Answer(404))
    server.always(REGISTER, Answer(404))
    planned: list[float] = []

    async def script(one: Stage) -> None:
        one.hq.on_change += lambda hq: planned.append((hq.trouble.next_try or 0) - time.monotonic())
        await one.until(lambda: len(planned) >= 5)
    play(tmp_path, server, script, known="id", interval=0.5)
    assert planned[4] > 4 * planned[0]
