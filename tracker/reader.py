"""One thread that reads the database for pages, beside the one that writes it.

In WAL mode neither waits for the other: a slow page delays no claim.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tracker.errors import StoreTrouble
from tracker.reading import Reading

T = TypeVar("T")


class Reader:
    """Runs questions to a Reading, one after another, off the loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "tracker-reader")
        self._reading: Reading | None = None

    async def start(self) -> None:
        """Open the database, which must be there; raises FolderUnusable."""
        loop = asyncio.get_running_loop()
        self._reading = await loop.run_in_executor(self._thread, self._open)

    def _open(self) -> Reading:
        return Reading.open(self._path)

    async def run(self, question: Callable[[Reading], T]) -> T:
        """Return what *question* returns; its errors come back. Raises StoreTrouble."""
        reading = self._reading
        if reading is None:
            raise StoreTrouble("The tracker is stopping.")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: question(reading))
        except sqlite3.Error as error:
            raise StoreTrouble(f"The tracker cannot read its database now: {error}.") from error

    async def close(self) -> None:
        """Let what is asked be answered, then close."""
        reading, self._reading = self._reading, None
        loop = asyncio.get_running_loop()
        if reading is not None:
            await loop.run_in_executor(self._thread, reading.close)
        self._thread.shutdown(wait=False)
