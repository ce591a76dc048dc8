"""The items that survive the process: sealed, uploaded, acknowledged.

SQLite, on a thread of its own; what comes while a commit is written goes into the next one
together. Awaiting a change waits until it is on the disk. Where it could not be brought there, that
raises: then nothing of it happened, and it may be tried again.
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

#: What this program writes; a higher number is of a newer program.
VERSION = 1
#: Seconds that a commit waits for another process that writes.
BUSY_TIMEOUT = 20.0
#: Changes in one commit at most.
MOST_TOGETHER = 256

_SCHEMA = """CREATE TABLE IF NOT EXISTS items (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, next INTEGER NOT NULL,
    trouble TEXT NOT NULL, record TEXT NOT NULL)"""

Work = Callable[[sqlite3.Connection], Any]


class JournalTooNew(Exception):
    """A newer program has written the journal; ``str()`` says what to do."""


class JournalUnusable(Exception):
    """The journal cannot be opened now; ``str()`` says why and what to do."""


class _Corrupt(Exception):
    """The file is there and cannot be read as a journal."""


class Journal(WorkerThread):
    """The journal in the file ``path``, which is made with the first seal.

    ``records`` are the sealed items of this process and those that :meth:`open` found, as
    they are on the disk. ``item_folders()`` names, on the thread, the folders in which
    a journal that was lost is looked for. ``trouble`` is a sentence for people. With
    ``shared`` several processes may use it; the last one removes it when it is empty.
    """

    def __init__(
        self, path: str, item_folders: Callable[[], Iterable[str]],
        loop: asyncio.AbstractEventLoop | None = None, *, shared: bool = False,
    ) -> None:
        super().__init__("journal", loop)
        self.path = path
        self.records: dict[str, Sealed] = {}
        self.trouble = ""
        #: Item folders whose record nobody can read any more; they are kept.
        self.unreadable: tuple[str, ...] = ()
        self._item_folders = item_folders
        self._use = SharedFile(path) if shared else None
        self._database: sqlite3.Connection | None = None
        self.closed = asyncio.Event()

    # -- on the loop ---------------------------------------------------------------
    async def open(self) -> None:
        """Read what earlier processes have left. Raises JournalTooNew or JournalUnusable.

        A corrupt journal is moved aside; it and one that is missing are made anew from
        what lies in the items' folders, and so is a record that could not be written.
        """
        found: dict[str, Sealed] = {}
        try:
            await self._ask((functools.partial(self._open, found),))
        except (JournalTooNew, JournalUnusable):
            raise
        except Exception as error:
            raise JournalUnusable(
                f"The journal {self.path} cannot be read: {error}. Finished downloads are "
                "noted in it: let this user read and write it, or make room on the disk."
            ) from error
        self.records.update(found)

    async def read(self) -> dict[str, Sealed]:
        """All that is in it now, also what other processes have sealed. Raises as open()."""
        self.records.clear()
        await self.open()
        return dict(self.records)

    def seal(self, sealed: Sealed) -> asyncio.Future[None]:
        """Note an item as sealed; one that is noted is sealed anew."""
        return self._write(sealed.item_id, sealed, _insert(sealed))

    def advance(self, item_id: str, state: State, next: int) -> asyncio.Future[None]:
        """Note how far an item is, and the task that it enters next."""
        sealed = dataclasses.replace(self.records[item_id], state=state, next=next, trouble="")
        return self._write(item_id, sealed, lambda database: database.execute(
            "UPDATE items SET state = ?, next = ?, trouble = '' WHERE id = ?",
            (state.value, next, item_id)))

    def note_trouble(self, item_id: str, trouble: str) -> None:
        """Note why an item has failed. A power cut may forget it."""
        sealed = dataclasses.replace(self.records[item_id], trouble=trouble)
        self._write(item_id, sealed, lambda database: database.execute(
            "UPDATE items SET trouble = ? WHERE id = ?", (trouble, item_id)), durable=False)

    def forget(self, item_id: str) -> None:
        """Nothing is left of the item. A power cut may bring it back; its folder is gone then."""
        self._write(item_id, None, lambda database: database.execute(
            "DELETE FROM items WHERE id = ?", (item_id,)), durable=False)

    def _write(
        self, item_id: str, sealed: Sealed | None, work: Work, *, durable: bool = True
    ) -> asyncio.Future[None]:
        """Write a change; ``records`` follow when it is written. Whoever does not wait for it is
        not told of an error: the log is."""
        written = self._ask((work, durable))

        def note(written: asyncio.Future[None]) -> None:
            error = None if written.cancelled() else written.exception()
            if error is not None:
                if not durable:
                    logger.warning("The journal %s cannot be written: %s", self.path, error)
            elif sealed is not None:
                self.records[item_id] = sealed
            else:
                self.records.pop(item_id, None)

        written.add_done_callback(note)
        return written

    def _ask(self, job: tuple[Any, ...]) -> asyncio.Future[Any]:
        ready: asyncio.Future[Any] = self.loop.create_future()
        self._put((*job, functools.partial(settle, ready, None)))
        return ready

    async def finish(self, patience: float) -> None:
        """Write what is under way, for so many seconds at most, and close."""
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
            writes = [job for job in jobs if job is not None and len(job) == 3]
            # Nobody writes and reads at once: what was asked first need not come first.
            for work, ended in (job for job in jobs if job is not None and len(job) == 2):
                self.post(ended, _attempt(work))
            if writes:
                durable = any(durable for _, durable, _ in writes)
                works = [work for work, _, _ in writes]
                error = _attempt(functools.partial(self._commit, works, durable))
                for _, _, ended in writes:
                    self.post(ended, error)
            if None in jobs:
                self._let_go()
                self.post(self.closed.set)
                return

    def _commit(self, works: list[Work], durable: bool) -> None:
        if self._database is None:
            self._database = self._connect()
        database = self._database
        # In WAL a commit that is not "full" survives the process, if not a power cut.
        database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        database.execute("BEGIN IMMEDIATE")
        try:
            for work in works:
                work(database)
            database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise

    def _open(self, found: dict[str, Sealed]) -> None:
        if was_there := self._database is not None or self._is_there():
            try:
                found.update(self._read_all())
            except _Corrupt as error:
                was_there = False
                self._let_go()
                aside = self._move_aside()
                self.trouble = (
                    f"The journal of finished items could not be read ({error}). It was moved to "
                    f"{aside}, and made anew from what lies in the items' folders.")
                logger.error("%s", self.trouble)
        # Others may be about to note what lies there. Where there are none, it is of an item
        # whose files were complete, and whose record could not be written any more.
        if not was_there or self._use is None:
            self._take_in(found)

    def _is_there(self) -> bool:
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
            raise  # locked, or the disk is full: that may pass
        except (sqlite3.DatabaseError, NotARecord, ValueError) as error:
            raise _Corrupt(str(error)) from error

    def _take_in(self, found: dict[str, Sealed]) -> None:
        """Add what is sealed by its manifest alone."""
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
            # Another process may just have made it, and know better.
            self._commit([_insert(sealed, "IGNORE") for sealed in new.values()], True)
            found.update(new)

    def _connect(self) -> sqlite3.Connection:
        new = not self._is_there()
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
                    f"(its number is {version}, and {VERSION} is known here). Update this "
                    "program: finished downloads are noted in it.")
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

    def _let_go(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        if self._use is not None:
            self._use.end(self._is_empty)

    def _is_empty(self) -> bool:
        """Whether nothing is noted in it; asked while nobody else can use it."""
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=1.0)) as database:
                return database.execute("SELECT 1 FROM items").fetchone() is None
        except sqlite3.Error:
            return False


def _insert(sealed: Sealed, or_else: str = "REPLACE") -> Work:
    values = (sealed.item_id, sealed.state.value, sealed.next, sealed.trouble, to_json(sealed))
    return lambda database: database.execute(
        f"INSERT OR {or_else} INTO items VALUES (?, ?, ?, ?, ?)", values)


def _attempt(work: Callable[[], Any]) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None
