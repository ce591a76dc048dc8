"""run-pipeline: the one place that makes its parts and hands them to each other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline_core.loader import LoadedPipeline, LoadError, load_pipeline
from pipeline_core.runner import Runner
from warrior import exits
from warrior.stdout import StdoutWriter

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from warrior.cli import PipelineOptions
    from warrior.web.app import Console

#: A second interrupt within so many seconds stops at once.
SECOND_INTERRUPT = 5.0

#: Characters waiting for a slow standard output; above this no child is read.
STDOUT_BACKLOG = 1 << 22


def run(options: PipelineOptions) -> int:
    """Run the pipeline to its end; the exit status.

    Ends the process itself where a thread is left that does not return.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # A page is answered while a project computes: hand the interpreter over sooner.
    sys.setswitchinterval(0.002)
    status = asyncio.run(_main(options))
    sys.stderr.flush()
    if any(thread is not threading.main_thread() and not thread.daemon
           for thread in threading.enumerate()):
        os._exit(status)
    return status


async def _main(options: PipelineOptions) -> int:
    return await Standalone(options).main()


class Standalone:
    """The parts of one run. Made and used on the loop."""

    def __init__(self, options: PipelineOptions) -> None:
        self.options = options
        self.loop = asyncio.get_running_loop()
        self.runner = Runner(
            stop_file=options.stop_file, concurrent_items=options.concurrent,
            max_items=options.max_items, keep_data=options.keep_data)
        self.console: Console | None = None
        self.stdout = StdoutWriter(
            on_closed=self._from_thread(self._stdout_closed),
            on_drained=self._from_thread(self._stdout_drained))
        self.finished = asyncio.Event()
        self.interrupts: list[float] = []
        self.runner.on_create_item += self._item_created
        self.runner.on_finish += lambda runner: self.finished.set()

    async def main(self) -> int:
        """The whole run; the exit status."""
        if self.options.web_server and not self._open_console():
            return exits.CANNOT_BIND
        for number in (signal.SIGINT, signal.SIGTERM):
            self.loop.add_signal_handler(number, self._interrupted)
        try:
            loaded = await self._load()
            if loaded is None:
                return exits.OK if self.interrupts else exits.NOT_LOADED
            logging.info("Running %s as %s.", loaded.project.title, self.options.downloader)
            if self.console is not None:
                self.console.project_loaded(loaded.project)
            self.runner.set_current_pipeline(loaded.pipeline)
            self.runner.start()
            await self.finished.wait()
            assert loaded.pipeline.worker is not None
            loaded.pipeline.worker.children.kill_all()
            logging.info("Done: %(completed)d completed, %(failed)d failed, "
                         "%(canceled)d cancelled.", self.runner.counts)
        finally:
            if self.console is not None:
                self.console.close()
            self.stdout.close(timeout=5.0)
        return exits.OK

    def _open_console(self) -> bool:
        from warrior.web.app import ConsoleOptions, make_console

        options = self.options
        self.console = make_console(
            self.runner, None, downloader=options.downloader, stop=self.runner.stop_gracefully, stop_now=self.runner.stop_now,
            keep_running=self.runner.keep_running,
            options=ConsoleOptions(
                address=options.address, port=options.port, username=options.http_username,
                password=options.http_password))
        try:
            urls = self.console.listen()
        except OSError as error:
            logging.error(
                "The page cannot be opened: %s. Choose another --port, or "
                "--disable-web-server.", error.strerror or error)
            return False
        logging.info("The page is at %s", urls[0])
        return True

    async def _load(self) -> LoadedPipeline | None:
        load = asyncio.ensure_future(load_pipeline(
            self.options.pipeline, self.options.downloader,
            context_values=self.options.context_values, on_output=self.stdout.write))
        stop = asyncio.ensure_future(self.finished.wait())
        await asyncio.wait({load, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not load.done():
            load.cancel()
            return None
        try:
            return load.result()
        except LoadError as error:
            if error.traceback:
                logging.error("%s", error.traceback.rstrip())
            logging.error("%s", error)
            if error.advice:
                logging.error("%s", error.advice)
            return None

    # -- stopping ----------------------------------------------------------------
    def _interrupted(self) -> None:
        now = time.monotonic()
        soon = bool(self.interrupts) and now - self.interrupts[-1] < SECOND_INTERRUPT
        self.interrupts.append(now)
        if self.runner.status == "idle":
            logging.info("Stopped before the pipeline was loaded.")
            self.finished.set()
        elif not soon:
            logging.info("Stopping when the %d current items are done. Interrupt again within "
                         "5 seconds to stop at once.", len(self.runner.active_items))
            self.runner.stop_gracefully()
        else:
            third = len(self.interrupts) > 2
            logging.info("Stopping at once.")
            self.runner.stop_now(kill_after=0.0 if third else 3.0)

    # -- standard output ---------------------------------------------------------
    def _item_created(self, runner: Runner, item: Item) -> None:
        item.on_output += self._item_output

    def _item_output(self, item: Item, data: str) -> None:
        self.stdout.write(data)
        if self.stdout.backlog > STDOUT_BACKLOG:
            for child in item.life.children:
                child.pause(self)

    def _stdout_drained(self) -> None:
        for item in self.runner.active_items:
            for child in item.life.children:
                child.resume(self)

    def _stdout_closed(self, reason: str) -> None:
        logging.error("Standard output is closed (%s). The items go on; their output is on "
                      "the page only.", reason)
        self._stdout_drained()

    def _from_thread(self, function: Callable[..., object]) -> Callable[..., None]:
        def call(*args: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(function, *args)

        return call
