"""The journal itself: what is in it survives; what is wrong with it is said or mended."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.recovery.journal import Journal, JournalTooNew, JournalUnusable
from pipeline_core.recovery.sealed_item import (
    MANIFEST,
    NotARecord,
    Sealed,
    SealedFile,
    State,
    from_json,
    to_json,
    write_manifest,
)


def record(folder: Path, number: int = 1) -> Sealed:
    """A sealed item in a folder that is there."""
    item = folder / f"item-{number}"
    item.mkdir(parents=True, exist_ok=True)
    return Sealed(
        item_id=item.name, number=number, name="a\0b \U0001F600", project="one", version="c" * 40,
        folder=os.path.realpath(item), position=3, steps=("Get", "Work", "Stats", "Up", "Done"),
        downloader="tester", upload={"kind": "tracker", "names": ["a"]},
        done={"tracker_url": "http://t/", "stats": {"bytes": {"data": 7}, "1": 0.1}}, plain=True,
        files=(SealedFile("/x/a", 7, 1, "00"), SealedFile("/x/b", None, 0, "")),
        properties={"item_name": "a\0b"}, lost=("cookie",), lost_attributes=(), sealed_at=1.5, next=3)


def run(folder: Path, script: Callable[[Journal], Awaitable[Any]]) -> Any:
    """Run the script with an opened journal; then close it."""
    async def main() -> Any:
        journal = Journal(str(folder / "journal.db"), lambda: [
            str(path) for path in sorted(folder.iterdir()) if path.is_dir()])
        try:
            await journal.open()
            return await script(journal)
        finally:
            await journal.finish(20)

    return asyncio.run(main())


def states(folder: Path) -> dict[str, tuple[State, int]]:
    async def look(journal: Journal) -> Any:
        return {key: (sealed.state, sealed.next) for key, sealed in journal.records.items()}

    return dict(run(folder, look))


def seal(folder: Path, *records: Sealed) -> None:
    async def script(journal: Journal) -> None:
        for sealed in records:
            await journal.seal(sealed)

    run(folder, script)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    """Through JSON and through the journal."""
    sealed = record(tmp_path)
    assert from_json(to_json(sealed)) == sealed
    seal(tmp_path, sealed)

    async def look(journal: Journal) -> Any:
        return journal.records

    assert run(tmp_path, look) == {"item-1": sealed}
    assert os.stat(tmp_path / "journal.db").st_mode & 0o777 == 0o600


def test_states_go_on(tmp_path: Path) -> None:
    """Each change is there at the next start."""
    seal(tmp_path, record(tmp_path))
    for state, position in ((State.UPLOADED, 4), (State.ACKNOWLEDGED, 5)):
        async def advance(journal: Journal, state: State = state, position: int = position) -> None:
            await journal.advance("item-1", state, position)

        run(tmp_path, advance)
        assert states(tmp_path) == {"item-1": (state, position)}

    async def forget(journal: Journal) -> None:
        journal.forget("item-1")

    run(tmp_path, forget)
    assert states(tmp_path) == {}


def test_nothing_is_made_before_there_is_something_to_note(tmp_path: Path) -> None:
    """Opening a journal that is not there makes no file."""
    assert states(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_many_go_into_few_commits(tmp_path: Path) -> None:
    """What comes while a commit is written goes into the next one together."""
    async def script(journal: Journal) -> int:
        await journal.seal(record(tmp_path, 0))
        commits = 0
        commit = journal._commit

        def counted(*args: Any) -> None:
            nonlocal commits
            commits += 1
            commit(*args)

        journal._commit = counted  # type: ignore[method-assign]
        records = [record(tmp_path, n) for n in range(1, 201)]
        await asyncio.gather(*map(journal.seal, records))
        return commits

    assert run(tmp_path, script) < 20
    assert len(states(tmp_path)) == 201


@pytest.mark.logs_errors("could not be read")
@pytest.mark.parametrize("damage", ["garbage", "truncated", "row", "state"])
def test_a_corrupt_journal_is_made_anew(tmp_path: Path, damage: str) -> None:
    """It is moved aside, and rebuilt from what lies in the items' folders."""
    sealed = record(tmp_path)
    seal(tmp_path, sealed)
    write_manifest(sealed)
    path = tmp_path / "journal.db"
    if damage == "garbage":
        path.write_bytes(b"no database at all" * 1000)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE items SET record = '{'" if damage == "row" else
                             "UPDATE items SET state = 'lost'")
        database.close()
    old = path.read_bytes()

    async def look(journal: Journal) -> tuple[Any, str]:
        return journal.records, journal.trouble

    records, trouble = run(tmp_path, look)
    assert records == {"item-1": sealed}
    assert "moved to" in trouble
    aside, = (one for one in tmp_path.glob("journal.db.corrupt-*") if one.suffix[-4:] not in ("-wal", "-shm"))
    assert aside.read_bytes()[:4000] == old[:4000]
    assert states(tmp_path) == {"item-1": (State.SEALED, 3)}


def test_a_journal_that_was_lost_is_made_anew(tmp_path: Path) -> None:
    """As after an update of a container that keeps only the data."""
    sealed = record(tmp_path)
    write_manifest(sealed)
    other = record(tmp_path, 2)
    (tmp_path / other.item_id / MANIFEST).write_text("half a re")

    async def look(journal: Journal) -> Any:
        return journal.records, journal.unreadable

    records, unreadable = run(tmp_path, look)
    assert records == {"item-1": sealed}
    assert [os.path.basename(folder) for folder in unreadable] == ["item-2"]


def test_a_record_that_could_not_be_written(tmp_path: Path) -> None:
    """Its copy in the item's folder counts; what is noted counts more."""
    first, second = record(tmp_path), record(tmp_path, 2)
    seal(tmp_path, dataclasses.replace(first, state=State.UPLOADED, next=4))
    write_manifest(first)
    write_manifest(second)
    assert states(tmp_path) == {"item-1": (State.UPLOADED, 4), "item-2": (State.SEALED, 3)}
    (tmp_path / "item-2" / MANIFEST).unlink()
    assert len(states(tmp_path)) == 2


def test_a_manifest_counts_only_in_its_own_folder(tmp_path: Path) -> None:
    """A copy of another item's record is none."""
    sealed = record(tmp_path)
    other = record(tmp_path, 2)
    (tmp_path / other.item_id / MANIFEST).write_text(to_json(sealed))

    async def look(journal: Journal) -> Any:
        return journal.records

    assert run(tmp_path, look) == {}


def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    """Not a byte of it changes, and the sentence says what to do."""
    seal(tmp_path, record(tmp_path))
    path = tmp_path / "journal.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA user_version = 7")
    database.close()
    before = path.read_bytes()
    with pytest.raises(JournalTooNew, match=r"newer version .*7.*Update"):
        states(tmp_path)
    assert path.read_bytes() == before


def test_a_journal_that_cannot_be_opened(tmp_path: Path) -> None:
    """The sentence names it."""
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(JournalUnusable, match=r"journal\.db"):
        states(tmp_path)


def test_what_could_not_be_written_did_not_happen(tmp_path: Path) -> None:
    """The error is told, and it may be tried again."""
    async def script(journal: Journal) -> None:
        await journal.seal(record(tmp_path))
        database = sqlite3.connect(tmp_path / "journal.db")
        database.execute("DROP TABLE items")
        database.close()
        with pytest.raises(sqlite3.OperationalError):
            await journal.advance("item-1", State.UPLOADED, 4)
        assert journal.records["item-1"].state is State.SEALED

    run(tmp_path, script)


@pytest.mark.parametrize("change", [
    {"item_id": "other"}, {"position": "x"}, {"folder": "/a/b"}, {"upload": []},
    {"steps": [1]}, {"position": -1}, {"files": 7},
])
def test_what_is_no_record(tmp_path: Path, change: dict[str, Any]) -> None:
    """Values of the wrong kind are noticed when they are read."""
    text = to_json(dataclasses.replace(record(tmp_path), **change)) if "files" not in change else \
        to_json(record(tmp_path)).replace('"files": [', '"files": 7, "x": [')
    with pytest.raises(NotARecord):
        from_json(text)
