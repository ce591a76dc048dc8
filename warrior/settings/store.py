"""The data of the settings file in memory, and the one way to change them: write first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pipeline_core.engine.worker_thread import WorkerThread
from warrior.settings.data import Data
from warrior.settings.settings_file import Loaded, SettingsFile

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class CannotWrite(Exception):
    """The settings file could not be written; ``str()`` is a sentence."""


class SettingsStore:
    """What the file holds. Made and used on the loop; the slow parts have a thread.

    ``trouble`` is a sentence when the file could not be used or written, else ''.
    """

    def __init__(self, file: SettingsFile) -> None:
        self.data: Data = {}
        self.trouble = ""
        self._file = file
        self._thread = WorkerThread("settings")
        self._lock = asyncio.Lock()

    def close(self) -> None:
        """Let the thread go; nothing can be written afterwards."""
        self._thread.close()

    async def load(self) -> Loaded:
        """Read the file; whatever it holds, that does not raise."""
        loaded = await self.in_thread(self._file.read)
        self.data, self.trouble = dict(loaded.data), loaded.trouble
        return loaded

    async def confirm(self) -> None:
        """The data as they are lie in the file, and are good."""
        await self.in_thread(self._file.keep_good, self.data)

    async def write(self, new: Data) -> None:
        """Write these values with all others; they count only then. Raises CannotWrite."""
        data = self.data | new
        try:
            await self.in_thread(self._file.write, data)
        except OSError as error:
            raise CannotWrite(f"The settings cannot be written to {self._file.path}: "
                              f"{error.strerror or error}.") from None
        self.data = data

    async def write_if_possible(self, new: Data) -> None:
        """The same, but they count in any case; the next change writes them too."""
        try:
            await self.write(new)
        except CannotWrite as error:
            self.data = self.data | new
            self.trouble = f"{self.trouble} {error}".strip()
            logger.warning("%s", error)

    async def change(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do one change after the other, each to its end.

        Who asked for it may go away meanwhile.
        """
        async def locked() -> None:
            async with self._lock:
                await step()

        await asyncio.shield(asyncio.ensure_future(locked()))

    async def in_thread(self, function: Callable[..., _T], *args: Any) -> _T:
        """What the function returns or raises; it runs on the thread, one at a time."""
        return await self._thread.run(function, *args)
