"""What the pages show, read from real databases."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracker.errors import UnknownProject
from tracker.store.items import queue_of
from tracker.store.projects import Project
from tracker.store.store import Store
from tracker.web.page import templates
from tracker.web.pageview import Overview, read_home, read_project


@pytest.fixture
def fill(tmp_path: Path) -> Iterator[Callable[..., tuple[Store, Store]]]:
    """Return a function that makes a database whose project ``p`` has a number of items."""
    with contextlib.ExitStack() as closing:

        def make(items: int) -> tuple[Store, Store]:
            path = tmp_path / f"{items}.sqlite3"
            store = Store(path)
            closing.callback(store.close)
            store.connection.execute("BEGIN IMMEDIATE")
            store.add("p", [f"item:{number}" for number in range(items)])
            store.connection.execute("COMMIT")
            reader = Store(path, read_only=True)
            closing.callback(reader.close)
            return store, reader

        yield make


def finish(
    store: Store, items: list[str], downloader: str | None = "SOMEONE", size: int = 1
) -> None:
    """Report items done."""
    stats = {"item": "\0".join(items), "downloader": downloader, "bytes": {"data": size}}
    store.done("p", downloader, items, stats)


def test_the_page_of_a_project(fill: Callable[..., tuple[Store, Store]]) -> None:
    """The page has counts, charts, leaders and the latest reports, newest first."""
    store, reader = fill(10)
    store.claim("p", "SOMEONE", 5)
    finish(store, ["item:0"], size=2048)
    finish(store, ["item:1", "item:2", "item:3", "item:4"], "OTHER")
    view = read_project(reader, "p", "hour", time.time())
    assert [rank.downloader for rank in view.leaders] == ["SOMEONE", "OTHER"]
    newest, first = view.latest
    assert newest.items == ("item:1", "item:2", "item:3") and newest.count == 4
    assert first.items == ("item:0",) and first.count == 1
    assert view.charts[0].total == "5" and view.charts[1].total == "2.0 KiB"
    page = templates().get_template("project.html").render(view=view, faults=None)
    tiles = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    assert tiles == [("Done", "5"), ("Out", "0"), ("To do", "5"), ("Bytes", "2.0 KiB")]
    assert "50% of all" in page
    rows = re.findall(r'<p class="soft figures">(.*?)<bdi>(.*?)</bdi> · (.*?) · ', page)
    assert rows == [("4 items · ", "OTHER", "1 B"), ("", "SOMEONE", "2.0 KiB")]


def test_a_report_without_a_downloader(fill: Callable[..., tuple[Store, Store]]) -> None:
    """A report without a downloader is among the latest."""
    store, reader = fill(1)
    finish(store, ["item:0"], None)
    assert read_project(reader, "p", "day", time.time()).latest[0].downloader is None


def test_an_unknown_project(fill: Callable[..., tuple[Store, Store]]) -> None:
    """An unknown project is an error."""
    _, reader = fill(1)
    with pytest.raises(UnknownProject):
        read_project(reader, "q", "day", time.time())


def test_a_large_project_costs_no_more(
    fill: Callable[..., tuple[Store, Store]], tmp_path: Path
) -> None:
    """No query reads all items: a hundred times the items cost the same work."""
    steps = {}
    for items in (300, 30_000):
        store, _ = fill(items)
        store.claim("p", "SOMEONE", 100)
        for number in range(50):
            finish(store, [f"item:{number}"])
        count = [0]

        def step(count: list[int] = count) -> int:
            count[0] += 1
            return 0

        reader = Store(tmp_path / f"{items}.sqlite3", read_only=True)
        reader.connection.set_progress_handler(step, 10)
        read_project(reader, "p", "day", time.time())
        read_home(reader)
        reader.close()
        steps[items] = count[0]
    assert 0 < steps[30_000] < 2 * steps[300], steps


def test_queues_are_counted(fill: Callable[..., tuple[Store, Store]]) -> None:
    """The counts of the queues are exact, whatever happens to an item."""
    store, reader = fill(3)
    for names, queue in (
        (["r"], queue_of(None, "SOMEONE")), (["s", "t"], queue_of("secondary", None)),
        (["u"], queue_of("redo", None)),
    ):  # fmt: skip
        store.add("p", names, queue)
    assert reader.project("p").queues == (1, 3, 2, 1)
    assert len(store.claim("p", "SOMEONE", 5)) == 5  # all but one secondary and the one to redo
    assert reader.project("p").queues == (0, 0, 1, 1)
    store.release("p", "SOMEONE", ["r", "s", "item:0"])
    assert reader.project("p").queues == (1, 1, 2, 1)
    finish(store, ["item:1"])
    finish(store, ["u"])
    row = store.connection.execute("SELECT id FROM items WHERE name = 'item:2'").fetchone()
    store.put_back("p", [row[0]], queue_of("redo", None))
    assert reader.project("p").queues == (1, 1, 2, 1)
    waiting = store.connection.execute(
        "SELECT queue, count(*) FROM items WHERE state = 'todo' GROUP BY queue"
    ).fetchall()
    assert dict(waiting) == {0: 1, 1: 1, 2: 2, 3: 1}
    assert read_project(reader, "p", "day", time.time()).overview.queues == (
        "1 for one downloader", "1 normal", "2 secondary", "1 redo",
    )  # fmt: skip


def overview(pace: int = 0, **changes: Any) -> Overview:
    """The overview of a project with these counts."""
    values: dict[str, Any] = {
        "name": "p", "title": "", "min_version": None, "requests_per_minute": None,
        "max_items": None, "paused": False, "created_at": 0.0, "todo": 0, "out": 0, "done": 0,
        "bytes": 0, "reserved": 0, "secondary": 0, "redo": 0,
    }  # fmt: skip
    return Overview(Project(**{**values, **changes}), pace)


@pytest.mark.parametrize(
    ("changes", "tone", "sentence"),
    [
        ({}, "stopped", "It has no items yet."),
        ({"todo": 1}, "waiting", "1 item waits."),
        ({"todo": 2, "out": 1}, "running", "2 items wait."),
        ({"todo": 2, "paused": True}, "waiting", "Paused: no items are handed out. Items that are out can still be reported."),
        ({"out": 1}, "running", "All items are handed out: 1 item is being worked on."),
        ({"out": 2, "done": 7}, "running", "All items are handed out: 2 items are being worked on."),
        ({"done": 7}, "running", "Everything is done."),
        ({"todo": 90, "out": 10, "pace": 50}, "running",
         "90 items wait. At the pace of the last hour, they take about 2 hours."),
        ({"todo": 90, "pace": 4}, "running", "90 items wait."),
    ],
)  # fmt: skip
def test_the_sentence(changes: dict[str, Any], tone: str, sentence: str) -> None:
    """The sentence says what the project does now."""
    assert overview(**changes).state == (tone, sentence)


@pytest.mark.parametrize(
    ("done", "todo", "percent"),
    [
        (0, 0, ""), (0, 5, "0%"), (1, 999_999, "under 0.1%"), (1, 2, "33.3%"), (1, 1, "50%"),
        (999_999, 1, "99.9%"), (5, 0, "100%"),
    ],
)  # fmt: skip
def test_percent(done: int, todo: int, percent: str) -> None:
    """100% means everything, and 0% nothing."""
    assert overview(done=done, todo=todo).percent == percent


def test_the_bar_shows_all_there_is() -> None:
    """One item in a million can be seen, and the parts fill the bar."""
    bar = overview(done=1, out=1, todo=10**6).bar
    assert [kind for kind, _, _ in bar] == ["done", "out", "todo"]
    assert all(width > 3 for _, _, width in bar)
    assert sum(width for _, _, width in bar) == pytest.approx(1000, abs=0.1)
    assert [kind for kind, _, _ in overview(done=3).bar] == ["done"]
    assert overview().bar == ()


def test_queues_are_shown_if_there_are_several() -> None:
    """The queues are not mentioned if all items wait in the normal one."""
    assert overview(todo=5).queues == ()
    assert overview(todo=7, reserved=1, redo=1).queues == (
        "1 for one downloader",
        "5 normal",
        "1 redo",
    )


def test_titles_are_text() -> None:
    """A project without a title has its name; a title is text."""
    assert overview().title == "p"
    page = templates().get_template("home.html")
    text = page.render(projects=[overview(title="A\x1b[1m<b>")], faults=None)
    assert r"<h2>A\x1b[1m&lt;b&gt;</h2>" in text
