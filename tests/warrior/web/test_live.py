"""What open pages are told, by real sockets and by a channel that does not move."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from typing import Any

import pytest

from pipeline_core.externalprocess import ExternalProcess
from pipeline_core.task import SimpleTask
from tests.support.waiting import until
from tests.warrior.web.conftest import MakeConsole, RunningConsole, WarriorRunning
from tests.warrior.web.talking import Page
from warrior.daemon.machine import Sample
from warrior.web import sections
from warrior.web.board import ItemView
from warrior.web.live import Hub, hub, logs
from warrior.web.live.logs import BATCH_CHARACTERS, LogFeed
from warrior.web.program import PipelineProgram

LINE = "x" * 99 + "\n"


def shell(script: str) -> ExternalProcess:
    return ExternalProcess("Shell", ["sh", "-c", script])


def first_item(page: Page) -> str:
    """The id of the item that is at work."""
    snapshot = page.until(lambda m: m["type"] == "snapshot")
    if snapshot["state"]["items"]:
        return str(snapshot["state"]["items"][0]["id"])
    change = page.until(lambda m: m["type"] == "change" and m["items"])
    return str(change["items"][0]["id"])


def test_snapshot_then_numbered_changes(make_running: MakeConsole) -> None:
    """States and results come in order, and none is missing."""
    console = make_running([shell("echo hello"), shell("exit 0")])
    console.runner.max_items = 3
    page = console.open_page()
    assert page.next()["type"] == "snapshot"
    console.start()
    sequence, states, runner = 0, {}, {}
    while runner.get("status") != "stopped":
        message = page.next()
        if message["type"] == "snapshot":
            sequence = message["seq"]
            states.update({i["number"]: i["state"] for i in message["state"]["items"]})
        elif message["type"] == "change":
            assert message["seq"] == sequence + 1
            sequence = message["seq"]
            states.update({i["number"]: i["state"] for i in message["items"]})
            assert message["set"] or message["items"] or message["gone"]
            runner = message["set"].get("runner", runner)
    assert states == dict.fromkeys((1, 2, 3), "completed")
    assert runner["counts"] == {"completed": 3, "failed": 0, "canceled": 0}


def test_log_comes_only_to_pages_that_show_it(make_running: MakeConsole) -> None:
    """An open log gives the old text, then the new; other pages get none of it."""
    console = make_running([shell("echo first; cat; echo last; sleep 30")])
    console.start()
    cookie = console.session()["Cookie"]
    reader, other = console.open_page(cookie), console.open_page(cookie)
    item_id = first_item(reader)
    first_item(other)
    reader.say(type="watch", item=item_id)
    text = ""
    while "last\n" not in text:
        message = reader.until(lambda m: m["type"] == "log")
        assert message["item"] == item_id
        text += message["text"]
    assert text.index("Starting Shell") < text.index("first\n") < text.index("last\n")
    other.say(type="watch", item="no such item")
    assert other.until(lambda m: m["type"] == "log") == {
        "type": "log", "item": "no such item", "gone": True}


def test_last_lines_come_for_items_in_view(make_running: MakeConsole) -> None:
    """The list shows a last line for the rows that are on the screen."""
    console = make_running([shell("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done")])
    console.start()
    page = console.open_page()
    item_id = first_item(page)
    page.say(type="view", items=[item_id])
    seen = page.until(lambda m: m["type"] == "lines" and "line " in m["lines"].get(item_id, ""))
    again = page.until(lambda m: m["type"] == "lines" and m != seen)
    assert re.fullmatch(r"line \d+", again["lines"][item_id])


def test_flood_is_windowed_and_says_what_is_missing(
        make_running: MakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 30 MB a page gets some, with the number of lines that it did not get: together all,
    in one message a batch, and there are at most ten batches a second."""
    batches: list[Hub] = []
    send = Hub._send_batch
    monkeypatch.setattr(Hub, "_send_batch", lambda self: (batches.append(self), send(self)))
    assert hub.INTERVAL >= 0.1
    console = make_running([shell(
        f"sleep 0.5; yes {LINE.strip()} | head -c 30000000; sleep 30")])
    console.start()
    page = console.open_page()
    item_id = first_item(page)
    page.say(type="watch", item=item_id)
    lines = messages = 0
    while lines < 300_000:
        message = page.until(lambda m: m["type"] == "log", 30)
        messages += 1
        assert len(message["text"]) <= logs.FIRST_CHARACTERS
        lines += (message["text"].count(LINE) + message.get("skipped", 0)
                  + message.get("before", 0))
    assert 300_000 <= lines <= 300_004
    assert messages <= len(batches) + 1


def test_page_that_never_reads_costs_no_memory_and_is_let_go(
        make_running: MakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its unread messages are not kept, others are served, and later it is closed."""
    monkeypatch.setattr(hub, "PATIENCE", 1.0)
    console = make_running([shell(f"sleep 0.5; yes {LINE.strip()}")])
    console.start()
    cookie = console.session()["Cookie"]
    good = console.open_page(cookie)
    item_id = first_item(good)
    good.say(type="watch", item=item_id)
    stuck = console.open_page(cookie, 4096)
    stuck.say(type="watch", item=item_id)
    board_hub = console.console._parts.hub
    good.until(lambda m: len(board_hub.readers) == 2, 5)
    largest = 0
    while len(board_hub.readers) == 2:
        good.until(lambda m: m["type"] == "log", 5)
        feeds = console.on_loop(lambda: sum(feed._size for feed in board_hub.logs._feeds.values()))
        largest = max(largest, feeds)
    assert largest <= 2 * BATCH_CHARACTERS + 65536
    assert len(board_hub.readers) == 1
    good.until(lambda m: m["type"] == "log", 5)


def test_nonsense_closes_the_page(console: RunningConsole) -> None:
    """Neither unexpected JSON nor other text raises anywhere."""
    for message in ({"type": "unknown"}, {"type": "watch", "item": 7}, {"type": "view"}):
        page = console.open_page()
        page.next()
        page.say(**message)
        with pytest.raises(ConnectionError):
            page.next()


def test_sockets_are_not_compressed(console: RunningConsole) -> None:
    """Browsers always offer compression; it would cost the loop too much."""
    page = console.open_page()
    assert b"permessage-deflate" not in page.head.lower()


def test_pages_without_websocket_get_the_same(console: RunningConsole) -> None:
    """xhr polling: opened, then the snapshot; commands go by xhr_send."""
    session = console.session()
    path = "/sockjs/000/polling1"
    assert console.ask("POST", f"{path}/xhr", session, b"").text == "o\n"
    answer = console.ask("POST", f"{path}/xhr", session, b"")
    assert json.loads(json.loads(answer.text[1:])[0])["type"] == "snapshot"
    body = json.dumps([json.dumps({"type": "resync"})]).encode()
    assert console.ask("POST", f"{path}/xhr_send", session, body).status == 204
    answer = console.ask("POST", f"{path}/xhr", session, b"")
    assert json.loads(json.loads(answer.text[1:])[0])["type"] == "snapshot"


def test_nothing_runs_while_nobody_looks(make_running: MakeConsole) -> None:
    """Before the first page and after the last, no timer of the console is set."""
    console = make_running()
    board_hub = console.console._parts.hub
    page = console.open_page()
    page.next()
    assert console.on_loop(lambda: board_hub._look) is not None
    page.close()
    end = time.monotonic() + 20
    while board_hub.readers and time.monotonic() < end:
        time.sleep(0.01)
    assert not board_hub.readers
    assert board_hub._look is None
    assert board_hub._tick is None


def test_a_page_that_stops_polling_is_let_go(console: RunningConsole) -> None:
    """It counts as open while a request of it waits, and some seconds longer; then it is closed,
    and its timer rests."""
    session = console.session()
    assert console.ask("GET", "/sockjs/info", session).status == 200
    server = console.console.application._sockets._server
    server.settings.update(disconnect_delay=0.2, session_check_interval=0.05)
    hub = console.console._parts.hub
    path = "/sockjs/000/a-page"
    assert console.ask("POST", f"{path}/xhr", session, b"").text == "o\n"
    waiting = threading.Thread(target=console.ask, args=("POST", f"{path}/xhr", session, b""))
    console.ask("POST", f"{path}/xhr", session, b"")  # the snapshot
    waiting.start()
    page = next(iter(server._polling.values()))
    until(lambda: page.handler is not None, "the request waits")
    begun = time.time()
    until(lambda: (page.promoted or 0) > begun + 1, "it lives longer than it may be silent")
    assert console.on_loop(lambda: len(hub.readers)) == 1
    console.on_loop(lambda: hub.changed("status", "runner"))
    console.on_loop(lambda: hub._send_extra('"wake up"'))
    waiting.join(20)
    until(lambda: not server._polling and not hub.readers, "the page is let go")


def test_closing_says_goodbye(make_running: MakeConsole) -> None:
    """The last words reach an open page, then its socket ends."""
    console = make_running()
    page = console.open_page()
    console.on_loop(console.console.close)
    console.on_loop(console.console.close)
    assert "0 items completed" in page.until(lambda m: m["type"] == "bye")["text"]
    with pytest.raises(ConnectionError):
        page.next()


class Sleeps(SimpleTask):
    """Project code that does not return until it is released."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.may_go = threading.Event()

    def process(self, item: Any) -> None:
        self.may_go.wait()


def test_project_code_that_does_not_return_is_shown(
        make_running: MakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and age, while the console answers; when it returns, the note disappears."""
    monkeypatch.setattr(sections, "BUSY_SHOWN_AFTER", 0.5)
    monkeypatch.setattr(hub, "LOOK_INTERVAL", 0.3)
    task = Sleeps("Sleeps")
    console = make_running([task])
    console.runner.max_items = 1
    console.start()
    page = console.open_page()
    item_id = first_item(page)
    shown = page.until(lambda m: m["type"] == "change" and m["set"].get("workers"))
    [worker] = shown["set"]["workers"]
    assert (worker["project"], worker["label"], worker["item"]) == ("pipeline", "Sleeps", item_id)
    assert worker["age"] >= 0.5
    assert console.ask("GET", "/healthz").status == 200
    task.may_go.set()
    page.until(lambda m: m["type"] == "change" and m["set"].get("workers") == [])


# -- the warrior -------------------------------------------------------------------------
def sections_of(message: dict[str, Any]) -> set[str]:
    return set(message["set"]) if message["type"] == "change" else set()


def test_only_changed_sections_are_sent(warrior: WarriorRunning) -> None:
    """A section that looks the same is not sent again."""
    small = warrior.warrior
    page = warrior.open_page()
    assert set(page.next()["state"]) == {
        "program", "status", "runner", "workers", "projects", "pipelines", "settings", "notices",
        "items"}
    warrior.on_loop(small.on_change, "projects")
    warrior.on_loop(small.on_change, "pipelines")
    warrior.on_loop(small.add_card, "one")
    change = page.until(lambda m: m["type"] == "change" and "projects" in m["set"])
    assert "pipelines" not in change["set"]
    assert "settings" not in change["set"]
    assert [project["id"] for project in change["set"]["projects"]] == ["auto", "one"]


def test_settings_that_change_are_told_everywhere(warrior: WarriorRunning) -> None:
    """In the form, in the runner's facts, and in the order of the projects."""
    page = warrior.open_page()
    page.next()
    warrior.on_loop(warrior.settings.save, {"concurrent_items": "5"})
    change = page.until(lambda m: "settings" in sections_of(m))
    fields = {field["name"]: field["value"] for field in change["set"]["settings"]["fields"]}
    assert fields["concurrent_items"] == "5"
    assert change["set"]["runner"]["concurrent"] == 5
    warrior.on_loop(warrior.settings.select, ["auto"])
    page.until(lambda m: "projects" in sections_of(m) and m["set"]["projects"][0]["order"] == 0)


def test_items_of_several_projects(warrior: WarriorRunning) -> None:
    """Each with its project and its steps, which the page knows no later than the item; their
    code that does not return is named with its project."""
    small = warrior.warrior
    page = warrior.open_page()
    state = page.next()["state"]
    known, items = set(state["pipelines"]), {}

    def start(name: str) -> None:
        small.add_card(name)
        small.add_runner(name, [shell("echo hello"), shell("sleep 30")]).start()

    for name in ("one", "two"):
        warrior.on_loop(start, name)
    while {item["project"] for item in items.values()} != {"one", "two"}:
        message = page.until(lambda m: m["type"] == "change")
        known |= set(message["set"].get("pipelines", {}))
        items.update({item["id"]: item for item in message["items"]})
        assert {item["pipeline"] for item in items.values()} <= known
    assert known == {"one@1234567", "two@1234567"}


def test_machine_is_watched_while_a_page_is_open(warrior: WarriorRunning) -> None:
    """The kept samples, then one by one; without an open page nothing is measured."""
    machine = warrior.machine

    def sample(received: float) -> Sample:
        return Sample(time.monotonic() - 1, received, 2.4, 10, 20, 30, 40, 50, 0.25)

    assert machine.watchers == 0
    warrior.on_loop(machine.sample, sample(1.0))
    page, other = warrior.open_page(), warrior.open_page()
    first = page.until(lambda m: m["type"] == "machine")
    assert first["latest"] == {"received": 1, "sent": 2, "disk_free": 10, "disk_total": 20,
                               "memory_used": 30, "memory_total": 40, "own_memory": 50, "cpu": 0.25}
    [[ago, received, sent]] = first["samples"]
    assert (received, sent, first["start"]) == (1, 2, True)
    assert 1 <= ago < 5
    other.until(lambda m: m["type"] == "machine")
    assert machine.watchers == 1
    warrior.on_loop(machine.sample, sample(7.0))
    for one in (page, other):
        assert one.until(lambda m: m["type"] == "machine")["samples"][0][1] == 7
        one.close()
    end = time.monotonic() + 20
    while machine.watchers and time.monotonic() < end:
        time.sleep(0.01)
    assert machine.watchers == 0
    assert len(machine.on_sample) == 0


class Busy(SimpleTask):
    """A step that takes a moment."""

    async def process(self, item: Any) -> None:
        item.log_output("at work")
        await asyncio.sleep(0.2)


def test_many_items_and_many_pages(warrior: WarriorRunning) -> None:
    """200 items that all change, 20 pages that read: the console answers meanwhile, and each
    page is told of it."""
    small = warrior.warrior
    for number in range(60):
        warrior.on_loop(lambda number=number: small.add_card(
            f"project-{number}", description=f"<b>{number}</b> " + "text " * 200))
    runner = warrior.on_loop(lambda: small.add_runner(
        "project-0", [Busy(f"Step {n}") for n in range(4)], concurrent_items=200))
    pages = [warrior.open_page() for _ in range(20)]
    warrior.on_loop(runner.start)
    session = warrior.session()
    while runner.counts["completed"] < 200:
        assert warrior.ask("GET", "/healthz", session).status == 200
        for page in pages:
            page.next()


# -- without sockets --------------------------------------------------------------------
class Channel:
    """A channel whose readiness the test controls."""

    def __init__(self) -> None:
        self.is_ready = True
        self.sent: list[dict[str, Any]] = []
        self.aborted = False

    def ready(self) -> bool:
        return self.is_ready

    def send(self, frame: str) -> None:
        self.sent.append(json.loads(json.loads(frame)))

    def close(self, reason: str) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


def test_slow_page_gets_a_snapshot_and_the_number_of_lines(console: RunningConsole) -> None:
    """While it is behind nothing is queued for it; then it gets the state as it is, and how
    many lines it has missed."""
    def scenario() -> list[dict[str, Any]]:
        program = PipelineProgram(console.runner, None, "", lambda: False)
        board, live = program.board, Hub(program)
        board.items["a"] = ItemView("a", 1, "name", time.monotonic())
        channel = Channel()
        reader = live.join(channel)
        live.received(reader, {"type": "watch", "item": "a"})
        live._on_tick()
        channel.is_ready = False
        for _ in range(1000):
            board.logs.append("a", "line\n")
            live.output_came("a", "line\n")
            live.item_changed("a")
            live._send_batch()
        assert len(channel.sent) == 2
        assert len(reader.skipped) == 1
        board.items["a"].state = "failed"
        channel.is_ready = True
        live._on_tick()
        live.leave(reader)
        program.close()
        return channel.sent[2:]

    snapshot, gap = console.on_loop(scenario)
    assert snapshot["type"] == "snapshot"
    assert snapshot["state"]["items"][0]["state"] == "failed"
    assert gap == {"type": "log", "item": "a", "text": "", "skipped": 1000}


def test_feed_keeps_the_newest_whole_lines() -> None:
    """A window's worth, from the start of a line; the rest is counted."""
    feed = LogFeed("a")
    for number in range(100_000):
        feed.add(f"{number}\n")
    text, skipped, lines = feed.take()
    assert len(text) <= BATCH_CHARACTERS
    assert text.endswith("99999\n")
    assert text.startswith(f"{100_000 - lines}\n")
    assert skipped + lines == 100_000
    assert feed.take() == ("", 0, 0)
