"""run-pipeline: the one place that makes its parts and connects them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import warrior
from pipeline_core.engine.loader import LoadedPipeline, LoadError, load_pipeline
from pipeline_core.recovery.journal import JournalTooNew
from pipeline_core.runner import Runner
from warrior.process import exits
from warrior.process.descendants import end_descendants
from warrior.process.interrupts import QUICK_ITEM_KILL_DELAY, Interrupts
from warrior.process.main_loop import leave, run_to_end
from warrior.process.reexec import Reexec
from warrior.process.stdout import StdoutWriter, WriterHandler
from warrior.settings import api_keys
from warrior.settings.access import INSECURE
from warrior.standalone.auto_update import AutoUpdate
from warrior.standalone.item_output import ItemOutput
from warrior.standalone.recovery import PipelineRecovery

if TYPE_CHECKING:
    from warrior.standalone.options import PipelineOptions
    from warrior.web.app import PipelineConsole

#: More concurrent items than this cause a warning. It is the warrior's default limit.
MOST_CONCURRENT = 6

#: Seconds to wait at the end for a reader of standard output that reads nothing: after a normal
#: run, and after one that was stopped at once.
FLUSH, FLUSH_IN_HASTE = 30.0, 2.0


def run(options: PipelineOptions, environment: Mapping[str, str]) -> int:
    """Run the pipeline to its end, and return the exit status.

    This ends the process itself if a thread does not return, and executes it again after an
    update. ``environment`` is the one that the process was started with.
    """
    handler = WriterHandler(StdoutWriter(2))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    reexec = Reexec(environment)

    async def main() -> int:
        return await Standalone(options, reexec).main()

    status = run_to_end(main, handler.close)
    return leave(reexec.execute() if status == exits.RESTART else status)


class Standalone:
    """The parts of one run, on the loop."""

    def __init__(self, options: PipelineOptions, reexec: Reexec) -> None:
        self.options = options
        self.reexec = reexec
        self.loop = asyncio.get_running_loop()
        self.runner = Runner(
            stop_file=options.stop_file, concurrent_items=options.concurrent,
            max_items=options.max_items, keep_data=options.keep_data)
        self.console: PipelineConsole | None = None
        self.output = ItemOutput(self.runner, lambda: self._show_note(self.reason))
        self.interrupts = Interrupts(self.stop, self.stop_now)
        self.finished = asyncio.Event()
        #: Set when it must end before the pipeline is loaded.
        self.given_up = asyncio.Event()
        self.hasty = False
        #: Why it stops; '' while it runs.
        self.reason = ""
        self.updates = None if options.update_interval is None else AutoUpdate(
            options.pipeline, self.runner, interval=options.update_interval,
            environment=reexec.environment, say=lambda line: self.output.writer.write(line + "\n"),
            on_note=lambda: self._show_note(self.reason), restart=self._restart)
        self.runner.on_status += self._status_changed
        self.runner.on_finish += lambda runner: self.finished.set()

    async def main(self) -> int:
        """Run to the end, and return the exit status."""
        if self.options.web_server and not self._open_console():
            return exits.CANNOT_BIND
        if self.options.concurrent > MOST_CONCURRENT:
            logging.warning(
                "--concurrent %d: with more than %d items at once you may send the tracker too "
                "many requests, and trackers ban clients for that. Use a lower number unless the "
                "project recommends a higher one.", self.options.concurrent, MOST_CONCURRENT)
        self.interrupts.install(self.loop)
        try:
            if self.updates is not None:
                await self.updates.remember()
            loaded = await self._load()
            if loaded is None:
                return await self._not_loaded()
            keeping = PipelineRecovery(loaded, self.runner, self.options.downloader, self.loop)
            try:
                await keeping.look(self.options.resume)
            except JournalTooNew as error:
                logging.error("%s", error)
                return exits.BAD_CONFIGURATION
            if self.given_up.is_set():
                return exits.OK
            self._begin(loaded)
            keeping.begin()
            await self.finished.wait()
            await keeping.close()
            self._end(loaded)
        finally:
            if self.updates is not None:
                await self.updates.close()
            if self.console is not None:
                self.console.close()
            left = end_descendants()
            if left:
                logging.info("Ended processes that the project had left running: %s.",
                             ", ".join(left))
            await self.output.flush(lambda: FLUSH_IN_HASTE if self.hasty else FLUSH)
        return exits.RESTART if self.reexec.wanted else exits.OK

    async def _not_loaded(self) -> int:
        """After an update, wait for the next one, which may load; else end."""
        if self.updates is not None and self.reexec.after_update and not self.given_up.is_set():
            logging.info("The update cannot be loaded. Waiting for the next one.")
            self.updates.start()
            await self.given_up.wait()
        if self.reexec.wanted:
            return exits.RESTART
        return exits.OK if self.given_up.is_set() else exits.NOT_LOADED

    def _restart(self) -> None:
        """Restart, because there is newer code, and no item is at work."""
        self.reexec.want(self.runner, self.options.max_items)
        if self.runner.status == "idle":
            self.given_up.set()
        else:
            self.runner.stop_gracefully()

    def _begin(self, loaded: LoadedPipeline) -> None:
        logging.info("Running %s as %s (archive-warrior %s).", loaded.project.title,
                     self.options.downloader, warrior.__version__)
        if self.console is not None:
            self.console.project_loaded(loaded.project)
        self.runner.set_current_pipeline(loaded.pipeline)
        self.runner.start()
        if self.updates is not None:
            self.updates.start()

    def _end(self, loaded: LoadedPipeline) -> None:
        loaded.close()
        logging.info("Done: %(completed)d completed, %(failed)d failed, %(canceled)d cancelled.",
                     self.runner.counts)

    def _open_console(self) -> bool:
        from warrior.web.app import ConsoleOptions, PageUnavailable, make_console

        options = self.options
        if options.password_on_command_line:
            logging.warning("Everyone on this machine can see a password on the command line. Put "
                            "it into the environment variable HTTP_PASSWORD instead.")
        try:
            self.console = make_console(
                self.runner, None, downloader=options.downloader,
                stop=lambda: self.stop("Asked to stop on the page."),
                stop_now=lambda: self.stop_now("Asked to stop at once on the page."),
                keep_running=self.keep_running,
                options=ConsoleOptions(
                    address=options.address, port=options.port, username=options.http_username,
                    password=options.http_password, public_url=options.public_url,
                    proxy_addresses=options.proxy_addresses,
                    api_keys=lambda: {"HTTP_API_KEY": api_keys.digest(options.api_key)}
                    if options.api_key else {}))
            self.console.open("Choose another --port or --address, or --disable-web-server.")
        except PageUnavailable as error:
            logging.error("%s", error)
            return False
        if options.insecure:
            logging.warning(INSECURE)
        self._show_note("")
        return True

    async def _load(self) -> LoadedPipeline | None:
        """Return the loaded pipeline; None if it cannot be loaded, or a stop came first."""
        load = asyncio.ensure_future(load_pipeline(
            self.options.pipeline, self.options.downloader,
            context_values=self.options.context_values, on_output=self.output.writer.write))
        give_up = asyncio.ensure_future(self.given_up.wait())
        await asyncio.wait({load, give_up}, return_when=asyncio.FIRST_COMPLETED)
        give_up.cancel()
        if self.given_up.is_set():
            load.cancel()
            return None
        try:
            return load.result()
        except LoadError as error:
            if error.traceback:
                logging.error("%s", error.traceback.rstrip())
            logging.error("%s could not be loaded. %s", self.options.pipeline, error)
            if error.advice:
                logging.error("%s", error.advice)
            return None

    # -- stopping ----------------------------------------------------------------
    def stop(self, why: str, advice: str = "") -> None:
        """Start no new items, and finish the current ones."""
        if self._nothing_to_stop(why):
            return
        self._show_note(why)
        at_work = len(self.runner.active_items)
        waits_for = ("the current item is" if at_work == 1
                     else f"the {at_work} current items are")
        logging.info("%s Stopping when %s done.%s", why, waits_for, advice)
        self.runner.stop_gracefully()

    def stop_now(self, why: str, kill_after: float = QUICK_ITEM_KILL_DELAY) -> None:
        """Stop, and end the current items."""
        if self._nothing_to_stop(why):
            return
        self.hasty = True
        self._show_note(why)
        logging.info("%s Stopping at once.", why)
        self.runner.stop_now(kill_after=kill_after)

    def keep_running(self) -> None:
        """Undo :meth:`stop`."""
        self.interrupts.forget()
        logging.info("Resuming, as asked on the page.")
        self._show_note("")
        self.runner.keep_running()

    def _nothing_to_stop(self, why: str) -> bool:
        if self.runner.status == "stopped":
            self.hasty = True
        elif self.runner.status == "idle":
            logging.info("%s Stopping before the pipeline is loaded.", why)
            self.hasty = True
            self.given_up.set()
        else:
            return False
        return True

    def _status_changed(self, runner: Runner, status: str) -> None:
        # Everything but the stop file gives a reason.
        if status == "stopping" and self.console is not None and not self.reason \
                and not self.reexec.wanted:
            self._show_note("The stop file was touched.")

    def _show_note(self, reason: str) -> None:
        self.reason = reason
        if self.console is not None:
            notes = (INSECURE if self.options.insecure else "", self.output.fault,
                     self.updates.note if self.updates is not None else "", reason)
            self.console.note(" ".join(filter(None, notes)))
