"""The writing thread, which commits for many callers at once, and the reading thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.tracker_server import counts
from tracker.errors import FolderUnusable, StoreUnavailable, UnknownProject
from tracker.store.items import Added
from tracker.store.schema import connect
from tracker.store.store import Store
from tracker.store.threads import Reader, Writer


def test_a_failing_operation_leaves_the_others(tmp_path: Path) -> None:
    """An operation that raises is undone, and only its caller gets the error."""

    def half(store: Store) -> None:
        store.add("p", ["half"])
        store.claim("nowhere", "ONE", 1)

    async def scenario() -> None:
        writer = Writer(tmp_path / "t")
        await writer.start()
        results = await asyncio.gather(
            writer.run(lambda store: store.add("p", ["a"])),
            writer.run(half),
            writer.run(lambda store: store.add("p", ["b"])),
            return_exceptions=True,
        )
        assert isinstance(results[1], UnknownProject)
        claimed = await writer.run(lambda store: store.claim("p", "ONE", 9))
        assert [one.name for one in claimed] == ["a", "b"]
        await writer.close()

    asyncio.run(scenario())


def test_an_error_of_sqlite_changes_nothing(tmp_path: Path) -> None:
    """An error of SQLite changes nothing and is explained; the next operation works."""

    def trouble(store: Store) -> None:
        store.add("p", ["half"])
        store.connection.execute("SELECT * FROM no_such_table")

    async def scenario() -> None:
        writer = Writer(tmp_path / "t")
        await writer.start()
        with pytest.raises(StoreUnavailable, match="no_such_table"):
            await writer.run(trouble)
        assert await writer.run(lambda store: store.projects()) == []
        await writer.close()
        with pytest.raises(StoreUnavailable, match="stopping"):
            await writer.run(lambda store: store.projects())

    asyncio.run(scenario())


def together(path: Path, operations: list[Callable[[Store], Any]]) -> list[Any]:
    """Run operations in one group; return the result of each, and the items at the end."""

    held, go = threading.Event(), threading.Event()

    def hold(store: Store) -> None:
        store.add("p", ["first"])
        held.set()
        go.wait(20)

    async def scenario() -> list[Any]:
        writer = Writer(path)
        await writer.start()
        first = asyncio.ensure_future(writer.run(hold))
        await asyncio.to_thread(held.wait, 20)
        rest = asyncio.gather(*map(writer.run, operations), return_exceptions=True)
        await asyncio.sleep(0)  # they are all asked for, and wait together for the first
        go.set()
        await first
        results = await rest
        claimed = await writer.run(lambda store: store.claim("p", "ONE", 99))
        await writer.close()
        return [*results, [one.name for one in claimed]]

    return asyncio.run(scenario())


@pytest.mark.parametrize("ends", [False, True])
def test_an_error_of_sqlite_fails_one_operation_only(tmp_path: Path, ends: bool) -> None:
    """The others of its group are committed, even if SQLite rolls back the whole transaction."""

    def trouble(store: Store) -> None:
        store.add("p", ["half"])
        if not ends:
            store.connection.execute("SELECT * FROM no_such_table")
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        try:
            store.connection.execute("UPDATE projects SET title = ? WHERE id = 1", ("x" * 999_999,))
        finally:
            assert not store.connection.in_transaction  # SQLite has undone everything
            store.connection.execute("PRAGMA max_page_count = 1000000")

    adds = [partial(Store.add, project="p", names=[name]) for name in "abc"]
    *results, names = together(tmp_path / "t", [*adds[:2], trouble, adds[2]])
    assert [type(result) for result in results] == [Added, Added, StoreUnavailable, Added]
    assert names == ["first", "a", "b", "c"]


def test_a_commit_that_fails_fails_its_group(tmp_path: Path) -> None:
    """Every caller gets the error of the commit; the next group is committed."""

    def orphan(store: Store) -> None:
        store.connection.execute("PRAGMA defer_foreign_keys = ON")
        store.connection.execute("INSERT INTO items (project_id, position, name) VALUES (9, 1, 'x')")

    add = partial(Store.add, project="p", names=["a"])
    *results, names = together(tmp_path / "t", [add, orphan])
    assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable]
    assert names == ["first"]


def test_answered_means_durable(tmp_path: Path) -> None:
    """When run() returns, another connection sees the change."""

    async def scenario() -> None:
        writer = Writer(tmp_path / "t")
        await writer.start()
        await writer.run(lambda store: store.add("p", ["a"]))
        other = sqlite3.connect(tmp_path / "t")
        assert other.execute("SELECT name FROM items").fetchall() == [("a",)]
        other.close()
        await writer.close()

    asyncio.run(scenario())


def test_many_share_a_commit(tmp_path: Path) -> None:
    """Operations that arrive during a commit are committed together."""
    batches = 0

    def count(statement: str) -> None:
        nonlocal batches
        batches += statement.startswith("COMMIT")

    async def scenario() -> None:
        writer = Writer(tmp_path / "t")
        await writer.start()
        await writer.run(lambda store: store.connection.set_trace_callback(count))
        adds = [partial(Store.add, project="p", names=[str(n)]) for n in range(300)]
        await asyncio.gather(*map(writer.run, adds))
        assert await writer.run(lambda store: counts(store, "p")) == (300, 0, 0)
        await writer.close()

    asyncio.run(scenario())
    assert 1 <= batches < 100


def test_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    """Another process's lock delays an operation, but does not fail it."""

    async def scenario() -> None:
        writer = Writer(tmp_path / "t")
        await writer.start()
        other = connect(tmp_path / "t")
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.ensure_future(writer.run(lambda store: store.add("p", ["a"])))
        done, _ = await asyncio.wait([task], timeout=0.2)
        assert not done
        other.execute("ROLLBACK")
        assert (await task).new == 1
        other.close()
        await writer.close()

    asyncio.run(scenario())


def test_the_start_fails_with_a_reason(tmp_path: Path) -> None:
    """The writer's start fails if the database cannot be opened."""
    (tmp_path / "t").mkdir()

    async def scenario() -> None:
        with pytest.raises(FolderUnusable):
            await Writer(tmp_path / "t").start()

    asyncio.run(scenario())


def test_reads_what_was_answered_and_waits_for_no_writer(tmp_path: Path) -> None:
    """The reader sees what the writer has answered, and does not wait for a writer's lock."""

    async def scenario() -> None:
        writer, reader = Writer(tmp_path / "t"), Reader(tmp_path / "t")
        await writer.start()
        await reader.start()
        await writer.run(lambda store: store.add("p", ["a"]))
        other = Store(tmp_path / "t")
        other.connection.execute("BEGIN IMMEDIATE")
        summary = await reader.run(lambda store: store.project("p"))
        other.connection.rollback()
        other.close()
        assert summary.todo == 1
        with pytest.raises(UnknownProject):
            await reader.run(lambda store: store.project("q"))
        with pytest.raises(StoreUnavailable, match="no_such_table"):
            await reader.run(lambda store: store.connection.execute("SELECT * FROM no_such_table"))
        await reader.close()
        with pytest.raises(StoreUnavailable, match="stopping"):
            await reader.run(lambda store: store.project("p"))
        await writer.close()

    asyncio.run(scenario())


def test_the_reader_makes_no_database(tmp_path: Path) -> None:
    """The reader's start fails if there is no database."""

    async def scenario() -> None:
        reader = Reader(tmp_path / "t")
        with pytest.raises(FolderUnusable):
            await reader.start()
        await reader.close()

    asyncio.run(scenario())
