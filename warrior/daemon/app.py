"""run-warrior: the one place that makes the daemon's parts and hands them to each other.

    state folder locked ─► settings, catalogue ─► page and control socket ─► signals
      ─► leftovers removed ─► RUNNING: HQ, projects, disk watch ─► … ─► ENDED ─► all closed
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pipeline_core
import warrior
from pipeline_core.engine.waiting import Waiting
from pipeline_core.net.governor import Governor
from pipeline_core.recovery.journal import Journal, JournalTooNew, JournalUnusable
from pipeline_core.recovery.keeper import Keeper
from warrior.checkout.checkout import Checkouts
from warrior.daemon.commands import KILL_AFTER_IN_HASTE, Warrior
from warrior.daemon.daemon_log import DaemonLog
from warrior.daemon.disk_watch import DiskWatch
from warrior.daemon.lifecycle import Ending, Lifecycle, State
from warrior.daemon.machine import System
from warrior.daemon.notify import Notifier
from warrior.daemon.overview import Overview
from warrior.daemon.poweroff import Order, PowerOffError, give_order, refusal
from warrior.daemon.recovery import WarriorRecovery
from warrior.daemon.state_folder import StateFolder, StateInUse, StateUnusable
from warrior.daemon.view_models import Notice
from warrior.process import exits, resources
from warrior.process.background import Background
from warrior.process.descendants import end_descendants
from warrior.process.interrupts import Interrupts
from warrior.process.main_loop import leave, run_to_end
from warrior.projects.catalogue import Catalogue
from warrior.projects.hq import HQ
from warrior.projects.loading import Loader
from warrior.projects.project_run import Tools
from warrior.projects.supervisor import Supervisor
from warrior.settings.access import INSECURE, Access, AccessRefused, in_container, settle_access
from warrior.settings.settings import Settings

if TYPE_CHECKING:
    from warrior.config.config import WarriorOptions
    from warrior.web.app import Console

logger = logging.getLogger(__name__)

#: Seconds that work nobody waits for gets at the end.
PATIENCE = 3.0


def run(options: WarriorOptions, environment: Mapping[str, str]) -> int:
    """Run the warrior to its end; the exit status.

    ``environment`` is the one that this process was started with: a restart asked for on
    the page executes the process anew, unless systemd does that.
    """
    log = DaemonLog()
    state = StateFolder(options.state_dir, options.data_dir)
    try:
        state.lock()
        log.keep_in(state.file("warrior.log"))
    except (StateInUse, StateUnusable, OSError) as error:
        logger.error("%s", error)
        log.close()
        return exits.BAD_CONFIGURATION if isinstance(error, StateUnusable) else exits.STATE_IN_USE
    daemon = Daemon(options, environment, state, log)
    status = run_to_end(daemon.main, log.close)
    if status == exits.RESTART and not daemon.service:
        state.release()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(environment))
    return leave(status)


class Daemon:
    """The parts of one run, in the order in which they are made."""

    def __init__(
        self, options: WarriorOptions, environment: Mapping[str, str], state: StateFolder,
        log: DaemonLog,
    ) -> None:
        self.options = options
        self.environment = environment
        self.state = state
        self.log = log
        #: Whether systemd runs us, and so starts us again.
        self.service = False
        self.lifecycle = Lifecycle()
        self._console: Console | None = None
        self._parts_made = False
        #: Whether it ends because of a signal: the machine then stays as it is.
        self._signalled = False

    async def main(self) -> int:
        """The whole run; the exit status."""
        pipeline_core.runner_type = "Warrior"
        pipeline_core.warrior_build = self.options.warrior_build
        self.background = Background()
        self.notifier = Notifier(os.environ, asyncio.get_running_loop())
        self.service = self.notifier.service
        self.settings = await self._open_settings()
        self.keeper = Keeper(Journal(self.state.file("journal.db"), self.state.item_folders))
        try:
            # Before anything is removed: a sealed item is only known by it.
            try:
                await self.keeper.journal.open()
            except (JournalTooNew, JournalUnusable) as error:
                logger.error("%s", error)
                return exits.BAD_CONFIGURATION
            access = await self._settle_access()
            if access is None:
                return exits.BAD_CONFIGURATION
            await self._make_parts(access)
            if not self._open_page(access):
                return exits.CANNOT_BIND
            await self._run()
            return await self._end()
        finally:
            await self._close()

    # -- making the parts --------------------------------------------------------------
    async def _open_settings(self) -> Settings:
        options = self.options
        fixed = [name for name in ("http_username", "http_password") if getattr(options, name)]
        if options.http_password:
            fixed = ["http_username", "http_password"]
        return await Settings.open(
            options.settings_file, max_concurrent_items=options.max_concurrent_items,
            seeds=options.seeds, fixed=fixed)

    async def _settle_access(self) -> Access | None:
        try:
            access = await settle_access(
                self.options, self.settings, container=in_container(self.environment))
        except AccessRefused as error:
            logger.error("%s", error)
            return None
        if access.made:
            # Not into the log file, which the page shows: only to whoever started us.
            print(f"run-warrior: The page's password is: {access.made}\n"
                  "(User name: any. Change it on the Settings page.)", file=sys.stderr, flush=True)
        if self.options.password_on_command_line:
            logger.warning("A password on the command line can be seen by everybody on this "
                           "machine. Better put it into the configuration file.")
        return access

    async def _make_parts(self, access: Access) -> None:
        options, settings = self.options, self.settings
        self.catalogue = Catalogue(
            self.state.file("catalogue.json"), operator=options.projects,
            shipped_dir=resources.projects_dir() if options.shipped_projects else None,
            hq_url=options.warrior_hq)
        await self.catalogue.load()
        governor = Governor()
        self.hq = HQ(options.warrior_hq, settings, self.catalogue, governor=governor)
        self.system = System(options.data_dir)
        self.checkouts = Checkouts(options.state_dir, options.data_dir, governor=governor)
        prefix = await asyncio.to_thread(self._prepare_items)
        loader = Loader(settings)
        tools = Tools(
            settings=settings, checkouts=self.checkouts, load=loader.load, keeper=self.keeper,
            background=self.background, keep_data=options.keep_data, governor=governor,
            item_prefix=prefix)
        self.supervisor = Supervisor(settings, self.catalogue, self.lifecycle, tools)
        self.supervisor.carried = self.carried = WarriorRecovery(
            self.keeper, options.data_dir, keep_data=options.keep_data,
            supervisor=self.supervisor, checkouts=self.checkouts, loader=loader,
            limiters=tools.limiters, background=self.background, governor=governor)
        self._parts_made = True
        self.overview = Overview(
            settings, self.catalogue, self.hq, self.lifecycle, self.supervisor)
        self.warrior = Warrior(
            settings, self.catalogue, self.hq, self.lifecycle, self.supervisor, self.overview,
            facts={"build": options.warrior_build, "real_shutdown": options.real_shutdown,
                   "max_concurrent": options.max_concurrent_items,
                   "state_dir": options.state_dir, "data_dir": options.data_dir},
            read_log=self.log.read)
        self.overview.more_notices += self._lasting_notices(access)
        settings.on_change += self._settings_changed
        self.warrior.on_change += self._tell_manager
        self.ended = asyncio.Event()
        self.lifecycle.on_change += self._lifecycle_changed
        self._settings_changed(frozenset({"concurrent_items"}))

    def _prepare_items(self) -> Callable[[], str]:
        """Remove what a crash left; a maker of prefixes for the items of this process."""
        journal = self.keeper.journal
        spare = {*journal.records, *map(os.path.basename, journal.unreadable)}
        for path in self.state.remove_leftovers(self.options.keep_data, spare):
            logger.info("Removed the unfinished item that an earlier run left in %s.", path)
        prefix = self.state.new_item_prefix()
        numbers = iter(range(1, sys.maxsize))
        return lambda: f"{prefix}-{next(numbers)}"

    def _lasting_notices(self, access: Access) -> list[Notice]:
        notices = []
        if access.insecure:
            logger.warning("%s", INSECURE)
            notices.append(Notice("insecure", "insecure", INSECURE, tone="trouble", new=False))
        refused = refusal(self.environment) if self.options.real_shutdown else ""
        if refused:
            logger.warning("%s", refused)
            notices.append(Notice("real-shutdown", "settings", refused, tone="waiting", new=False))
        return notices

    def _open_page(self, access: Access) -> bool:
        from warrior.web.app import ConsoleOptions, make_warrior_console

        options, settings = self.options, self.settings
        try:
            self._console = make_warrior_console(self.warrior, self.system, ConsoleOptions(
                address=access.address, port=options.port,
                username=options.http_username or settings.http_username,
                password=options.http_password, password_record=settings.password_record,
                host_names=options.host_names, public_url=options.public_url,
                proxy_addresses=options.proxy_addresses,
                api_keys=lambda: {name: key.digest for name, key in settings.keys.items()},
                static_dir=resources.static_dir(),
                templates_dir=resources.templates_dir()))
            urls = self._console.listen()
        except (OSError, resources.ResourceError) as error:
            logger.error("The page cannot be opened. %s. Choose another --port or --address.",
                         str(getattr(error, "strerror", None) or error).rstrip("."))
            return False
        logger.info("The page is at %s", urls[0])
        if options.public_url:
            logger.info("A proxy shows it at %s/", options.public_url)
        try:
            self._console.listen_control(self.state.file("control.sock"))
        except OSError as error:
            # Such as a path that is too long for a socket; the page has all of it too.
            logger.warning("warrior-ctl cannot be used: %s", error.strerror or error)
        return True

    # -- while it runs -----------------------------------------------------------------
    async def _run(self) -> None:
        interrupts = Interrupts(self._stop, self._stop_now, any_second=True)
        interrupts.install(asyncio.get_running_loop())
        self.warrior.on_keep_running += interrupts.forget
        self.warrior.on_keep_running += self._keep_running
        logger.info("archive-warrior %s, state in %s.", warrior.__version__, self.options.state_dir)
        watch = DiskWatch(self.system.free_disk, self.options.min_free_disk, self._hold)
        await watch.look()
        start = self.background.start
        start(watch.run(), "Watching the disk", endless=True)
        start(self.hq.run(), "Speaking with Warrior HQ", endless=True)
        start(self._sweep(), "Removing old versions")
        self.carried.resume_item()
        self.lifecycle.move(State.RUNNING)
        self.supervisor.reconcile()
        self.notifier.ready()
        await self.ended.wait()

    async def _sweep(self) -> None:
        """Remove old versions, but for those that sealed items may need."""
        records = self.keeper.journal.records.values()
        keep = await self.checkouts.ready_versions(
            {(sealed.project, sealed.version) for sealed in records})
        await self.checkouts.sweep(keep)

    def _hold(self, why: Waiting | None) -> None:
        self.supervisor.hold(why)

    def _settings_changed(self, names: frozenset[str]) -> None:
        if "concurrent_items" in names:
            # Project files look for it there.
            os.environ["CONCURRENT_ITEMS"] = str(self.settings.concurrent_items.value)
        if names & {"http_username", "http_password"} and self._console is not None:
            self._console.credentials_changed(
                self.settings.http_username, self.settings.password_record)

    def _lifecycle_changed(self, lifecycle: Lifecycle) -> None:
        if lifecycle.state is State.ENDING:
            self.notifier.stopping()
        elif lifecycle.state is State.ENDED:
            self.ended.set()

    def _tell_manager(self, section: str) -> None:
        if section == "status" and self.notifier.enabled:
            self.notifier.status(self.warrior.status().text)

    # -- stopping ----------------------------------------------------------------------
    def _stop(self, why: str, advice: str = "") -> None:
        """A signal: the items get the grace time, then they end."""
        grace = self.options.grace_time
        logger.info("%s %d items get %.0f seconds to finish.%s", why, self.supervisor.active(),
                    grace, advice)
        self._signalled = True
        self.notifier.extend_timeout(grace + 30)
        self.warrior.end(why, Ending.SHUT_DOWN)
        asyncio.get_running_loop().call_later(grace, self._grace_is_over)

    def _grace_is_over(self) -> None:
        if self.lifecycle.state is State.ENDING and self._signalled:
            self._stop_now("The grace time is over.")

    def _keep_running(self) -> None:
        self._signalled = False
        self.carried.resume_item()

    def _stop_now(self, why: str, kill_after: float = KILL_AFTER_IN_HASTE) -> None:
        logger.info("%s Stopping at once.", why)
        self._signalled = True
        self.warrior.end(why, Ending.SHUT_DOWN, now=True, kill_after=kill_after)

    async def _end(self) -> int:
        """What was asked to follow; the exit status."""
        restart = self.lifecycle.ending is Ending.RESTART
        if self.options.real_shutdown and not self._signalled:
            try:
                logger.info("%s", await give_order(
                    Order.REBOOT if restart else Order.POWER_OFF, self.environment))
                return exits.OK
            except PowerOffError as error:
                logger.error("%s", error)
        return exits.RESTART if restart else exits.OK

    async def _close(self) -> None:
        if self._console is not None:
            self._console.close()
        await self.background.close(PATIENCE)
        if self._parts_made:
            self.carried.close()
        await self.keeper.close(PATIENCE)
        left = await asyncio.to_thread(end_descendants)
        if left:
            logger.info("Ended what projects had left behind: %s.", ", ".join(left))
        self.settings.close()
        self.notifier.close()
        logger.info("Ended.")
