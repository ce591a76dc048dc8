"""The threads through which the server uses the database.

One thread writes. A durable commit costs a disk flush, so requests that arrive during a commit
share the next one: fifty clients cost one flush, not fifty. A client is answered only when the
commit of its change has returned. Another thread reads for pages; in WAL mode neither waits
for the other, so a slow page delays no claim.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from tracker.errors import StoreUnavailable
from tracker.store.store import Store

P = ParamSpec("P")
T = TypeVar("T")

MAX_BATCH = 500
"""Most operations in one transaction: limits how long the first of them waits."""


class _DatabaseThread:
    """One thread with a Store of its own, which ``start`` opens and ``close`` closes."""

    def __init__(self, path: Path, read_only: bool) -> None:
        self._thread = ThreadPoolExecutor(1, "tracker-reader" if read_only else "tracker-writer")
        self._opener = partial(Store, path, read_only=read_only)
        self._store: Store | None = None

    async def start(self) -> None:
        """Open the database; raises FolderUnusable."""
        self._store = await self._in_thread(self._opener)

    async def close(self) -> None:
        """Finish what was asked for, then close the database."""
        store, self._store = self._store, None
        if store is not None:
            await self._in_thread(store.close)
        self._thread.shutdown(wait=False)

    def _opened(self) -> Store:
        if self._store is None:
            raise StoreUnavailable("The tracker is stopping.")
        return self._store

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


class Reader(_DatabaseThread):
    """Answers questions to a Store that cannot write, one after another."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_only=True)

    async def run(
        self, question: Callable[Concatenate[Store, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Return what *question* (of a Store and the arguments) returns, or raise what it raises.

        Raises StoreUnavailable if the database cannot be read.
        """
        try:
            return await self._in_thread(partial(question, self._opened(), *args, **named))
        except sqlite3.Error as error:
            raise _unavailable(error) from error


@dataclass
class _Job:
    operation: Callable[[], Any]
    answer: Future[Any] = field(default_factory=Future)
    value: Any = None
    error: Exception | None = None

    def deliver(self) -> None:
        """Answer the caller."""
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.value)


class Writer(_DatabaseThread):
    """Runs operations on a Store in order of arrival, each in its own savepoint."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_only=False)
        self._jobs: deque[_Job] = deque()

    async def run(
        self, operation: Callable[Concatenate[Store, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Return what *operation* (of a Store and the arguments) returns, once it is durable.

        If it raises, its own changes are undone, and only its caller gets the error. Raises
        StoreUnavailable if the database cannot be written; then nothing was changed.
        """
        store = self._opened()
        job = _Job(partial(operation, store, *args, **named))
        self._jobs.append(job)
        self._thread.submit(self._commit_waiting, store)
        answer: T = await asyncio.wrap_future(job.answer)
        return answer

    def _commit_waiting(self, store: Store) -> None:
        """Commit the jobs that wait now; an earlier call may have taken them all."""
        batch = [self._jobs.popleft() for _ in range(min(len(self._jobs), MAX_BATCH))]
        batch = [job for job in batch if job.answer.set_running_or_notify_cancel()]
        if batch:
            _commit(store, batch)
        for job in batch:
            job.deliver()


class _TransactionEnded(Exception):
    """SQLite rolled back the whole transaction when *job* failed."""

    def __init__(self, job: _Job) -> None:
        super().__init__()
        self.job = job


def _commit(store: Store, batch: list[_Job]) -> None:
    """Run *batch* in one transaction; if that cannot begin or commit, all of it fails.

    SQLite ends the whole transaction for a few errors, such as a full disk. The job that met
    the error fails then, and each of the others is run again in a transaction of its own.
    """
    try:
        with store.transaction():
            for job in batch:
                _run(store, job)
    except _TransactionEnded as ended:
        for job in batch:
            if job is not ended.job:
                job.error = None
                _commit(store, [job])
    except Exception as error:  # every caller gets it
        for job in batch:
            job.error = _unavailable(error)


def _run(store: Store, job: _Job) -> None:
    """Run one job in a savepoint, so that its failure leaves the others' changes alone."""
    store.execute("SAVEPOINT job")
    try:
        job.value = job.operation()
    except Exception as error:  # its caller gets it
        job.error = _unavailable(error)
        if not store.connection.in_transaction:
            raise _TransactionEnded(job) from error
        store.execute("ROLLBACK TO job")
    store.execute("RELEASE job")


def _unavailable(error: Exception) -> Exception:
    """Return *error*, or StoreUnavailable if it is the database's."""
    if not isinstance(error, sqlite3.Error):
        return error
    found = StoreUnavailable(f"The tracker cannot use its database now: {error}.")
    found.__cause__ = error
    return found
