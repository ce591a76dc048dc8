"""The reading thread beside the writing one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tracker.errors import FolderUnusable, StoreTrouble, UnknownProject
from tracker.reader import Reader
from tracker.store import Store
from tracker.writer import Writer


def test_reads_what_was_answered_and_waits_for_no_writer(tmp_path: Path) -> None:
    """What the writer answered is read; a lock that holds up writing does not hold up reading."""

    async def scenario() -> None:
        writer, reader = Writer(tmp_path / "t"), Reader(tmp_path / "t")
        await writer.start()
        await reader.start()
        await writer.run(lambda store: store.add("p", ["a"]))
        other = Store.open(tmp_path / "t")
        other.connection.execute("BEGIN IMMEDIATE")
        summary = await reader.run(lambda reading: reading.summary("p"))
        other.connection.rollback()
        other.close()
        assert summary.todo == 1
        with pytest.raises(UnknownProject):
            await reader.run(lambda reading: reading.summary("q"))
        with pytest.raises(StoreTrouble, match="no_such_table"):
            await reader.run(lambda reading: reading.connection.execute("SELECT * FROM no_such_table"))
        await reader.close()
        with pytest.raises(StoreTrouble, match="stopping"):
            await reader.run(lambda reading: reading.summary("p"))
        await writer.close()

    asyncio.run(scenario())


def test_start_tells_why_it_cannot(tmp_path: Path) -> None:
    """A database that is not there is told at the start."""

    async def scenario() -> None:
        reader = Reader(tmp_path / "t")
        with pytest.raises(FolderUnusable):
            await reader.start()
        await reader.close()

    asyncio.run(scenario())
