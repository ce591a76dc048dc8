"""One thread that owns the database, and commits for many clients at once.

A durable commit costs a disk flush. Requests that arrive while one is under way wait together
and share the next: with fifty clients that is one flush, not fifty. Nobody is answered before
the commit that holds its change has returned.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tracker.errors import StoreTrouble
from tracker.store import Store

T = TypeVar("T")

MAX_BATCH = 500
"""Most requests in one transaction: bounds how long the first of them waits."""


@dataclass
class _Job:
    operation: Callable[[Store], Any]
    answer: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = field(default=None)


class Writer:
    """Runs operations on the Store, in order of arrival, each in its own savepoint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="tracker-store", daemon=True)

    async def start(self) -> None:
        """Start the thread; returns when the database is open. Raises FolderUnusable."""
        self._thread.start()
        await self._opened

    async def run(self, operation: Callable[[Store], T]) -> T:
        """Return what *operation* returns, once its changes are durable.

        What it raises comes back with its changes undone, and those of others kept. Raises
        StoreTrouble when the database cannot be written; then nothing was changed.
        """
        if self._closed:
            raise StoreTrouble("The tracker is stopping.")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(operation, answer))
        return await answer

    async def close(self) -> None:
        """Finish what was asked for, then close the database."""
        self._closed = True
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        """Body of the thread: open, then take and commit batches until the None comes."""
        try:
            store = Store.open(self._path)
        except Exception as error:  # goes to whoever awaits start()
            self._loop.call_soon_threadsafe(self._opened.set_exception, error)
            return
        self._loop.call_soon_threadsafe(self._opened.set_result, None)
        last = False
        while not last:
            batch, last = self._next_batch()
            if batch:
                self._commit(store, batch)
                self._loop.call_soon_threadsafe(_deliver, batch)
        store.close()

    def _next_batch(self) -> tuple[list[_Job], bool]:
        """Wait for a job, and take with it all that came meanwhile; True when told to end."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == MAX_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    @staticmethod
    def _commit(store: Store, batch: list[_Job]) -> None:
        """Run *batch* in one transaction; if that cannot begin or commit, all of it fails.

        SQLite ends the whole transaction for a few errors, such as a full disk. The job that
        met the error fails, and each of the others is run again in a transaction of its own.
        """
        try:
            with store.transaction():
                for job in batch:
                    _run(store, job)
        except _TransactionEnded as ended:
            others = [job for job in batch if job is not ended.job]
            for job in others:
                job.error = None
                Writer._commit(store, [job])
        except sqlite3.Error as error:
            for job in batch:
                job.error = _trouble(error)


class _TransactionEnded(Exception):
    """SQLite rolled back the transaction when *job* failed."""

    def __init__(self, job: _Job) -> None:
        super().__init__()
        self.job = job


def _run(store: Store, job: _Job) -> None:
    """Run one job in a savepoint, so that a failing one leaves the others' changes alone."""
    connection = store.connection
    connection.execute("SAVEPOINT job")
    try:
        job.value = job.operation(store)
    except Exception as error:  # goes to whoever asked, see _deliver
        job.error = _trouble(error) if isinstance(error, sqlite3.Error) else error
        if not connection.in_transaction:
            raise _TransactionEnded(job) from error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _trouble(error: sqlite3.Error) -> StoreTrouble:
    trouble = StoreTrouble(f"The tracker cannot use its database now: {error}.")
    trouble.__cause__ = error
    return trouble


def _deliver(batch: list[_Job]) -> None:
    """Answer a committed batch, on the loop."""
    for job in batch:
        if job.answer.done():  # its asker was cancelled
            continue
        if job.error is not None:
            job.answer.set_exception(job.error)
        else:
            job.answer.set_result(job.value)
