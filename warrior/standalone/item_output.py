"""Copies the items' output to standard output. A slow reader slows down the programs that print."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.terminal import shown_name, shown_output
from warrior.process.stdout import StdoutWriter

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.runner import Runner


class ItemOutput:
    """The output of a runner's items. ``fault`` is a sentence if some of it is missing; then
    ``on_fault()`` is called. Used on the loop."""

    def __init__(self, runner: Runner, on_fault: Callable[[], object]) -> None:
        self.fault = ""
        self._on_fault = on_fault
        self._runner = runner
        self._loop = asyncio.get_running_loop()
        self.writer = StdoutWriter(
            on_closed=self._from_thread(self._closed),
            on_drained=self._from_thread(self._drained),
            on_trouble=self._from_thread(self._in_trouble))
        runner.on_create_item += self._item_created

    async def flush(self, patience: Callable[[], float]) -> None:
        """Wait for a slow reader, until it has read nothing for ``patience()`` seconds."""
        while not self.writer.close(timeout=0.1):
            await asyncio.sleep(0)  # let an interrupt be handled
            if self.writer.stuck_for > patience():
                logging.warning("Nobody reads standard output, so the rest of it is dropped.")
                return

    def _item_created(self, runner: Runner, item: Item) -> None:
        names: set[str] = set()
        self._note_name(names, item, item.properties.get("item_name"))
        item.on_name += functools.partial(self._note_name, names)
        item.on_output += functools.partial(self._item_output, names)

    def _note_name(self, names: set[str], item: Item, name: Any) -> None:
        """Remember a name that must be escaped: the output may be older than the item's name."""
        if shown_name(str(name)) != str(name):
            names.add(str(name))

    def _item_output(self, names: set[str], item: Item, data: str) -> None:
        for name in names:
            data = shown_output(data, name)
        self.writer.write(data)
        if self.writer.full and not item.scope.ending:
            for child in item.scope.children:
                child.pause(self)

    def _drained(self) -> None:
        for item in self._runner.active_items:
            for child in item.scope.children:
                child.resume(self)

    def _closed(self, reason: str) -> None:
        self._drained()
        self._faulty(
            f"Standard output is closed ({reason}). The items continue; their output is now only "
            "on the page.")

    def _in_trouble(self, reason: str) -> None:
        self._faulty(
            f"Standard output cannot be written at the moment ({reason}), so some of the items' "
            "output is missing there. The items continue.")

    def _faulty(self, sentence: str) -> None:
        self.fault = sentence
        logging.error("%s", sentence)
        self._on_fault()

    def _from_thread(self, function: Callable[..., object]) -> Callable[..., None]:
        def call(*args: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(function, *args)

        return call
