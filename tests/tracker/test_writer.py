"""Group commit: many at once, each durable, each on its own."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from tracker.errors import FolderUnusable, StoreTrouble, UnknownProject
from tracker.schema import connect
from tracker.store import Counts, Store
from tracker.writer import Writer


def test_a_failing_operation_leaves_the_others(tmp_path: Path) -> None:
    """What one operation raises comes back to its asker alone, its changes undone."""

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


def test_database_trouble_changes_nothing_and_passes(tmp_path: Path) -> None:
    """An error of SQLite fails its batch with a sentence; the next one works again."""

    def trouble(store: Store) -> None:
        store.add("p", ["half"])
        store.connection.execute("SELECT * FROM no_such_table")

    async def scenario() -> None:
        writer = Writer(tmp_path / "t")
        await writer.start()
        with pytest.raises(StoreTrouble, match="no_such_table"):
            await writer.run(trouble)
        assert await writer.run(lambda store: store.projects()) == {}
        await writer.close()
        with pytest.raises(StoreTrouble, match="stopping"):
            await writer.run(lambda store: store.projects())

    asyncio.run(scenario())


def test_answered_means_durable(tmp_path: Path) -> None:
    """When run() returns, another connection sees the change: it was committed."""

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
        assert await writer.run(lambda store: store.counts("p")) == Counts(300, 0, 0)
        await writer.close()

    asyncio.run(scenario())
    assert 1 <= batches < 100


def test_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    """A lock held elsewhere delays an operation; it does not fail it."""

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


def test_start_tells_why_it_cannot(tmp_path: Path) -> None:
    """A database that cannot be opened is told at the start."""
    (tmp_path / "t").mkdir()

    async def scenario() -> None:
        with pytest.raises(FolderUnusable):
            await Writer(tmp_path / "t").start()

    asyncio.run(scenario())
