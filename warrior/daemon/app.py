"""run-warrior: the one place that makes the daemon's parts and connects them.

    state directory locked ─► settings, journal, catalogue ─► page and control socket
      ─► signals ─► RUNNING: HQ, projects, disk watch ─► … ─► ENDED ─► all closed
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing

import pipeline_core
import warrior
from pipeline_core.engine.child import Children
from pipeline_core.net.governor import Governor
from pipeline_core.recovery.journal import Journal, JournalTooNew, JournalUnusable
from pipeline_core.recovery.keeper import Keeper
from warrior.checkout.checkout import Checkouts
from warrior.config.config import WarriorOptions
from warrior.daemon.daemon_log import DaemonLog
from warrior.daemon.disk_watch import DiskWatch
from warrior.daemon.facade import WarriorFacade
from warrior.daemon.lifecycle import Lifecycle
from warrior.daemon.machine import MachineMonitor
from warrior.daemon.notify import Notifier, runs_as_service
from warrior.daemon.overview import Overview
from warrior.daemon.shutdown import Shutdown, end_leftover_processes
from warrior.daemon.state_dir import StateDirectory, StateInUse, StateUnusable
from warrior.process import exits, resources
from warrior.process.background import BackgroundTasks
from warrior.process.main_loop import leave, run_to_end
from warrior.projects.catalogue import Catalogue
from warrior.projects.hq import HQ
from warrior.projects.loading import Loader
from warrior.projects.project_run import ProjectServices
from warrior.projects.recovery import WarriorRecovery
from warrior.projects.supervisor import Supervisor
from warrior.settings.access import AccessRefused, in_container, settle_access
from warrior.settings.settings import Settings

logger = logging.getLogger(__name__)

#: Seconds that unfinished work may take at the end.
PATIENCE = 3.0


def run(options: WarriorOptions, environment: Mapping[str, str]) -> int:
    """Run the warrior to its end; return the exit status.

    ``environment`` is the one that this process was started with. A restart on request executes
    the program again with it, unless systemd does that.
    """
    log = DaemonLog()
    state = StateDirectory(options.state_dir, options.data_dir)
    try:
        state.lock()
        log.keep_in(state.file("warrior.log"))
    except (StateInUse, StateUnusable, OSError) as error:
        logger.error("%s", error)
        log.close()
        return exits.BAD_CONFIGURATION if isinstance(error, StateUnusable) else exits.STATE_IN_USE
    status = run_to_end(lambda: _main(options, environment, state, log), log.close)
    if status == exits.RESTART and not runs_as_service(environment):
        state.release()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(environment))
    return leave(status)


async def _main(
    options: WarriorOptions, environment: Mapping[str, str], state: StateDirectory, log: DaemonLog
) -> int:
    """Run the warrior, close its parts in reverse order, and return the exit status."""
    from warrior.web.app import PageUnavailable

    pipeline_core.runner_type = "Warrior"
    pipeline_core.warrior_build = options.warrior_build
    try:
        async with AsyncExitStack() as parts:
            return await _run(options, environment, state, log, parts)
    except (JournalTooNew, JournalUnusable, AccessRefused, PageUnavailable) as error:
        logger.error("%s", error)
        return exits.CANNOT_BIND if isinstance(error, PageUnavailable) else exits.BAD_CONFIGURATION
    finally:
        logger.info("The warrior has shut down.")


async def _run(
    options: WarriorOptions, environment: Mapping[str, str], state: StateDirectory,
    log: DaemonLog, parts: AsyncExitStack,
) -> int:
    from warrior.web.app import open_warrior_page

    # First, so that the page's address is the last line of the start.
    logger.info("archive-warrior %s, state in %s.", warrior.__version__, options.state_dir)
    loop = asyncio.get_running_loop()
    notifier = parts.enter_context(closing(Notifier(os.environ, loop)))
    settings = parts.enter_context(closing(await Settings.open(
        options.settings_file, max_concurrent_items=options.max_concurrent_items,
        seeds=options.seeds, fixed=options.fixed_settings)))
    parts.push_async_callback(end_leftover_processes)
    # Before anything is removed, because only the journal knows the sealed items.
    keeper = Keeper(Journal(state.file("journal.db"), state.item_folders))
    parts.push_async_callback(keeper.close, PATIENCE)
    await keeper.journal.open()
    access = await settle_access(options, settings, container=in_container(environment))
    catalogue = Catalogue(
        state.file("catalogue.json"), operator=options.projects, hq_url=options.warrior_hq,
        shipped_dir=resources.projects_dir() if options.shipped_projects else None)
    await catalogue.load()
    governor, lifecycle, loader = Governor(), Lifecycle(), Loader(settings)
    hq = HQ(options.warrior_hq, settings, catalogue, governor=governor)
    machine = parts.enter_context(closing(MachineMonitor(options.data_dir)))
    children = parts.enter_context(closing(Children(loop)))
    checkouts = Checkouts(options.state_dir, options.data_dir, children=children, governor=governor)
    background = BackgroundTasks()
    services = ProjectServices(
        settings=settings, checkouts=checkouts, load=loader.load, keeper=keeper,
        background=background, keep_data=options.keep_data, governor=governor,
        item_prefix=await asyncio.to_thread(
            state.begin_items, keeper.journal, options.keep_data))
    supervisor = Supervisor(settings, catalogue, lifecycle, services)
    recovery = parts.enter_context(closing(
        WarriorRecovery(services, options.data_dir, supervisor, loader)))
    parts.push_async_callback(background.close, PATIENCE)
    overview = Overview(settings, catalogue, hq, lifecycle, supervisor)
    overview.add_security_warnings(access, options, environment)
    facade = WarriorFacade(
        settings, catalogue, hq, lifecycle, supervisor, overview, facts=options.facts(),
        read_log=log.read)
    facade.on_keep_running += recovery.resume
    notifier.follow(facade, lifecycle)
    shutdown = Shutdown(facade, lifecycle, notifier, options, environment)
    console = parts.enter_context(closing(
        open_warrior_page(facade, machine, options, access, settings)))
    console.open_control_socket(state.file("control.sock"))
    shutdown.handle_signals(loop)
    disk = DiskWatch(machine.free_disk, options.min_free_disk, supervisor.hold)
    await disk.check_once()
    background.start(disk.run(), "Watching the disk", endless=True)
    background.start(hq.run(), "Asking Warrior HQ", endless=True)
    background.start(recovery.sweep(), "Removing old versions")
    recovery.resume()
    lifecycle.begin()
    supervisor.reconcile()
    notifier.ready()
    return await shutdown.wait()
