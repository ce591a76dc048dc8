"""The journal of the items that survive the process: sealed, uploaded, acknowledged.

It is an SQLite database, used on its own thread. Changes that arrive during a commit go into the
next commit together. Awaiting a change waits until it is on the disk. If that fails, the await
raises, nothing was changed, and the change may be tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import os
import queue
import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any

from pipeline_core.engine.files import sync_folder
from pipeline_core.engine.worker_thread import WorkerThread, settle
from pipeline_core.recovery.sealed_item import (
    NotARecord,
    Sealed,
    State,
    find_manifests,
    from_json,
    to_json,
)
from pipeline_core.recovery.shared_file import SharedFile

logger = logging.getLogger(__name__)

#: The version of the journal that this program writes; newer programs write a higher one.
VERSION = 1
#: Seconds that a commit waits while another process writes.
BUSY_TIMEOUT = 20.0
#: The most changes in one commit.
MOST_TOGETHER = 256

_SCHEMA = """CREATE TABLE IF NOT EXISTS items (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, next INTEGER NOT NULL,
    trouble TEXT NOT NULL, record TEXT NOT NULL)"""

#: SQL, and its values.
Statement = tuple[str, tuple[Any, ...]]
#: A change, the item's id, its record after the change (None: removed), and the future of the
#: caller. Without a future nobody waits, and a power cut may lose the change.
Write = tuple[Statement, str, "Sealed | None", "asyncio.Future[None] | None"]


class JournalTooNew(Exception):
    """A newer version of this program has written the journal; ``str()`` says what to do."""


class JournalUnusable(Exception):
    """The journal cannot be opened now; ``str()`` says why and what to do."""


class _Corrupt(Exception):
    """The file exists, but is not a readable journal."""


class Journal(WorkerThread):
    """The journal in the file ``path``, which is created with the first seal.

    ``records`` are the sealed items of this process and those that :meth:`open` found, as
    stored on the disk. ``item_folders()`` returns, on the thread, the folders from whose
    manifests a lost journal is rebuilt. ``trouble`` is a sentence for people. With ``shared``,
    several processes may use the journal; the last one removes it when it is empty.
    """

    def __init__(
        self, path: str, item_folders: Callable[[], Iterable[str]],
        loop: asyncio.AbstractEventLoop | None = None, *, shared: bool = False,
    ) -> None:
        super().__init__("journal", loop)
        self.path = path
        self.records: dict[str, Sealed] = {}
        self.trouble = ""
        #: Item folders whose record can no longer be read; they are kept.
        self.unreadable: tuple[str, ...] = ()
        self._item_folders = item_folders
        self._use = SharedFile(path) if shared else None
        self._database: sqlite3.Connection | None = None
        self.closed = asyncio.Event()

    # -- on the loop ---------------------------------------------------------------
    async def open(self) -> None:
        """Read what earlier processes have left. Raises JournalTooNew or JournalUnusable.

        A corrupt journal is moved aside. A corrupt or missing journal, or a record that could
        not be written, is rebuilt from the manifests in the items' folders.
        """
        ready: asyncio.Future[dict[str, Sealed]] = self.loop.create_future()
        self._put((ready,))
        try:
            self.records.update(await ready)
        except (JournalTooNew, JournalUnusable):
            raise
        except Exception as error:
            raise JournalUnusable(
                f"The journal {self.path} cannot be read: {error}. It lists finished downloads: "
                "let this user read and write it, or make room on the disk."
            ) from error

    async def read(self) -> dict[str, Sealed]:
        """Return all current records, also those of other processes. Raises like open()."""
        self.records.clear()
        await self.open()
        return dict(self.records)

    def seal(self, sealed: Sealed) -> asyncio.Future[None]:
        """Record an item as sealed, replacing an earlier record of it."""
        ready: asyncio.Future[None] = self.loop.create_future()
        self._put((_insert(sealed), sealed.item_id, sealed, ready))
        return ready

    def advance(self, item_id: str, state: State, next: int) -> asyncio.Future[None]:
        """Record an item's state, and the task that it enters next."""
        sealed = dataclasses.replace(self.records[item_id], state=state, next=next, trouble="")
        ready: asyncio.Future[None] = self.loop.create_future()
        self._put((("UPDATE items SET state = ?, next = ?, trouble = '' WHERE id = ?",
                    (state.value, next, item_id)), item_id, sealed, ready))
        return ready

    def note_trouble(self, item_id: str, trouble: str) -> None:
        """Record why an item has failed. A power cut may lose this."""
        sealed = dataclasses.replace(self.records[item_id], trouble=trouble)
        self._put((("UPDATE items SET trouble = ? WHERE id = ?", (trouble, item_id)),
                   item_id, sealed, None))

    def forget(self, item_id: str) -> None:
        """Remove the record of an item whose folder is gone. A power cut may bring it back."""
        self._put((("DELETE FROM items WHERE id = ?", (item_id,)), item_id, None, None))

    def _written(self, writes: list[Write], error: Exception | None) -> None:
        """Update ``records`` with what is on the disk now, and tell the callers."""
        for _, item_id, sealed, ready in writes:
            if error is None:
                if sealed is None:
                    self.records.pop(item_id, None)
                else:
                    self.records[item_id] = sealed
            if ready is not None:
                settle(ready, None, error)
            elif error is not None:
                logger.warning("The journal %s cannot be written: %s", self.path, error)

    async def finish(self, patience: float) -> None:
        """Finish pending writes, for at most ``patience`` seconds, and close."""
        if self.alive:
            self.close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.closed.wait(), patience)

    # -- on the thread ---------------------------------------------------------------
    def _main(self) -> None:
        while True:
            jobs = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while len(jobs) < MOST_TOGETHER:
                    jobs.append(self._jobs.get_nowait())
            # No caller reads and writes at the same time, so the order of both does not matter.
            for job in jobs:
                if job is not None and len(job) == 1:
                    self._run((self._open, (), functools.partial(settle, *job)))
            writes: list[Write] = [job for job in jobs if job is not None and len(job) > 1]
            if writes:
                error = None
                try:
                    self._commit([statement for statement, *_ in writes],
                                 any([ready is not None for *_, ready in writes]))
                except Exception as raised:
                    error = raised
                self.post(self._written, writes, error)
            if None in jobs:
                self._close_database()
                self.post(self.closed.set)
                return

    def _commit(self, statements: list[Statement], durable: bool) -> None:
        if self._database is None:
            self._database = self._connect()
        database = self._database
        # In WAL mode, a commit with NORMAL survives the end of the process, but not a power cut.
        database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        database.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                database.execute(*statement)
            database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise

    def _open(self) -> dict[str, Sealed]:
        found: dict[str, Sealed] = {}
        if existed := self._database is not None or self._exists():
            try:
                found.update(self._read_all())
            except _Corrupt as error:
                existed = False
                self._close_database()
                aside = self._move_aside()
                self.trouble = (
                    f"The journal of finished items could not be read ({error}). It was moved to "
                    f"{aside}, and rebuilt from the items' folders.")
                logger.error("%s", self.trouble)
        # In a shared folder, a manifest without a record may belong to a process that is about
        # to write the record. Otherwise it belongs to an item whose files were complete, and
        # whose record could not be written.
        if not existed or self._use is None:
            self._add_manifests(found)
        return found

    def _exists(self) -> bool:
        return os.path.exists(self.path) and os.path.getsize(self.path) > 0

    def _read_all(self) -> dict[str, Sealed]:
        try:
            if self._database is None:
                self._database = self._connect()
                if self._database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    raise _Corrupt("its pages are damaged")
            rows = self._database.execute("SELECT * FROM items").fetchall()
            return {row[0]: from_json(row[4], State(row[1]), row[2], row[3]) for row in rows}
        except sqlite3.OperationalError:
            raise  # locked, or the disk is full: this is temporary
        except (sqlite3.DatabaseError, NotARecord, ValueError) as error:
            raise _Corrupt(str(error)) from error

    def _add_manifests(self, found: dict[str, Sealed]) -> None:
        """Add the items that have a manifest, but no record."""
        new, unreadable = {}, []
        for folder, sealed in find_manifests(self._item_folders()):
            if os.path.basename(folder) in found:
                continue
            if sealed is None:
                unreadable.append(folder)
            else:
                new[sealed.item_id] = sealed
        self.unreadable = tuple(unreadable)
        if new:
            # IGNORE: another process may just have written a newer record.
            self._commit([_insert(sealed, "IGNORE") for sealed in new.values()], True)
            found.update(new)

    def _connect(self) -> sqlite3.Connection:
        new = not self._exists()
        if self._use is not None:
            self._use.begin()
        elif new:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT, isolation_level=None)
        try:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise JournalTooNew(
                    f"The journal {self.path} was written by a newer version of this program "
                    f"(the journal has version {version}; this program knows version {VERSION}). "
                    "Update this program: the journal lists finished downloads.")
            database.execute("PRAGMA journal_mode = WAL")
            if version < VERSION:
                database.execute("BEGIN IMMEDIATE")
                database.execute(_SCHEMA)
                database.execute(f"PRAGMA user_version = {VERSION}")
                database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        if new:
            sync_folder(os.path.dirname(self.path))
        return database

    def _move_aside(self) -> str:
        aside = f"{self.path}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}"
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path + suffix, aside + suffix)
        return aside

    def _close_database(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        if self._use is not None:
            self._use.end(self._is_empty)

    def _is_empty(self) -> bool:
        """Return whether the journal has no records. Called while no other process can use it."""
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=1.0)) as database:
                return database.execute("SELECT 1 FROM items").fetchone() is None
        except sqlite3.Error:
            return False


def _insert(sealed: Sealed, or_else: str = "REPLACE") -> Statement:
    return f"INSERT OR {or_else} INTO items VALUES (?, ?, ?, ?, ?)", (
        sealed.item_id, sealed.state.value, sealed.next, sealed.trouble, to_json(sealed))
