"""The data of the settings file in memory, and on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from pipeline_core.engine.worker_thread import WorkerThread
from warrior.settings.data import Data
from warrior.settings.settings_file import Loaded, SettingsFile
from warrior.settings.validation import SettingsError

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class SettingsStore:
    """What the file holds. Made and used on the loop; the slow parts run on a thread.

    ``trouble`` is a sentence if the file could not be used or written, else ''.
    """

    def __init__(self, file: SettingsFile) -> None:
        self.data: Data = {}
        self.trouble = ""
        self._file = file
        self._thread = WorkerThread("settings")

    def close(self) -> None:
        """End the thread; nothing can be written afterwards."""
        self._thread.close()

    async def load(self) -> Loaded:
        """Read the file; bad content does not raise."""
        loaded = await self.in_thread(self._file.read)
        self.data, self.trouble = dict(loaded.data), loaded.trouble
        return loaded

    async def confirm(self) -> None:
        """Note that the file holds these data, and that they are good."""
        await self.in_thread(self._file.keep_good, self.data)

    async def write(self, new: Data) -> None:
        """Write these values with all others. Raises SettingsError: then nothing has changed."""
        if trouble := await self._write(new):
            raise SettingsError({"": f"{trouble} Nothing was changed."})
        self.data = self.data | new

    async def write_if_possible(self, new: Data) -> None:
        """Set these values even if they cannot be written now; the next change writes them."""
        trouble = await self._write(new)
        self.data = self.data | new
        if trouble:
            self.trouble = f"{self.trouble} {trouble}".strip()
            logger.warning("%s", trouble)

    async def _write(self, new: Data) -> str:
        try:
            await self.in_thread(self._file.write, self.data | new)
        except OSError as error:
            return (f"The settings cannot be written to {self._file.path}: "
                    f"{error.strerror or error}.")
        return ""

    async def in_thread(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call the function on the thread, which runs one at a time."""
        return await self._thread.run(function, *args)
