"""What is shown of the warrior: the sentence at the top, a card for each project, and notices."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from warrior.daemon import sentence
from warrior.daemon.lifecycle import Ending, Lifecycle, State
from warrior.daemon.poweroff import refusal
from warrior.daemon.view_models import Notice, ProjectCard, Status
from warrior.projects.entry import AUTO, Entry
from warrior.settings.access import INSECURE, Access

if TYPE_CHECKING:
    from warrior.config.config import WarriorOptions
    from warrior.projects.catalogue import Catalogue
    from warrior.projects.hq import HQ
    from warrior.projects.project_run import ProjectRun
    from warrior.projects.supervisor import Supervisor
    from warrior.settings.settings import Settings

logger = logging.getLogger(__name__)

#: Who has to act, by the code of a problem.
_WHOSE = {"git": "the project's repository", "install": "the project", "load": "the project",
          "timeout": "the project", "settings": "you", "disk": "this machine",
          "needs": "this machine", "refused": "Warrior HQ"}


class Overview:
    """Builds the status, cards and notices that the page shows."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, hq: HQ, lifecycle: Lifecycle,
        supervisor: Supervisor,
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._hq = hq
        self._lifecycle = lifecycle
        self._supervisor = supervisor
        self._lasting: list[Notice] = []

    def add_security_warnings(
        self, access: Access, options: WarriorOptions, environment: Mapping[str, str]
    ) -> None:
        """Add warnings that last as long as the process, also to the log."""
        if access.insecure:
            self._lasting.append(_standing("insecure", "insecure", INSECURE, "trouble"))
        refused = refusal(environment) if options.real_shutdown else ""
        if refused:
            self._lasting.append(_standing("real-shutdown", "settings", refused))
        for notice in self._lasting:
            logger.warning("%s", notice.text)

    # -- the sentence ----------------------------------------------------------------
    def status(self) -> Status:
        """Return what the warrior does, or why it does nothing, who has to act, and when it
        continues."""
        status = self._status()
        notes = [status.note, self._lifecycle.reason, *self._troubles(status)]
        return dataclasses.replace(status, note=" ".join(filter(None, notes)))

    def _status(self) -> Status:
        state, supervisor = self._lifecycle.state, self._supervisor
        if state is State.STARTING:
            return Status("Starting.", tone="waiting")
        if state is State.PAUSED:
            return Status("Stopped: no new items start until you press Keep running.", "you",
                          tone="stopped")
        if state is State.ENDED:
            return Status("Ended.", tone="stopped")
        if state in (State.DRAINING, State.ENDING):
            status = sentence.stopping(supervisor.active(), supervisor.waiting())
            then = {Ending.RESTART: " Then the warrior restarts.",
                    Ending.SHUT_DOWN: " Then the warrior shuts down.", Ending.NONE: ""}
            return dataclasses.replace(
                status, text=status.text + then[self._lifecycle.ending])
        return self._why_not() or self._at_work()

    def _why_not(self) -> Status | None:
        """Return why no project can run; None if one can."""
        if not self._settings.downloader.value:
            return Status("No project is running yet. Choose a nickname; your work is credited to "
                          "it.", "you", tone="waiting")
        if not self._settings.selected:
            return Status("No project is chosen: choose one on the Projects page.", "you",
                          tone="waiting")
        order = self._supervisor.order()
        if not order:
            if self._hq.trouble is not None:
                return sentence.because(self._hq.trouble, "trouble")
            return Status("Archive Team has not chosen a project at the moment.", "Warrior HQ",
                          tone="waiting")
        if not self._supervisor.runs and not any(
                name in self._catalogue.entries for name in order):
            names = ", ".join(order)
            return Status(f"{names} is no longer on offer: choose another project.", "you",
                          tone="waiting")
        held = self._supervisor.held
        if held is not None and not self._supervisor.active():
            return sentence.because(held, "trouble" if held.code == "resources" else "waiting")
        return None

    def _at_work(self) -> Status:
        supervisor = self._supervisor
        active = supervisor.active()
        if active:
            status = sentence.working(active, supervisor.waiting())
            if supervisor.held is not None:
                status = dataclasses.replace(
                    status, note=f"No new items: {supervisor.held.reason}", tone="waiting")
            return status
        for run in supervisor.in_order():
            why = _of_run(run)
            if why is not None:
                return why
        return Status("Starting the next item.")

    def _troubles(self, status: Status) -> list[str]:
        """Return sentences about projects that cannot run and are not in the status yet."""
        if not self._lifecycle.takes_items:
            return []
        return [f"{run.entry.title} cannot run: {run.problem.reason}"
                for run in self._supervisor.in_order()
                if run.state == "broken" and run.problem is not None
                and run.problem.reason not in status.text]

    # -- cards -----------------------------------------------------------------------
    def cards(self) -> list[ProjectCard]:
        """Return a card for each project that is on offer, runs or is chosen."""
        entries = dict(self._catalogue.entries)
        for name, run in self._supervisor.runs.items():
            entries.setdefault(name, run.entry)
        for name in self._settings.selected:
            if name not in entries and name != AUTO:
                entries[name] = Entry(name, name, "", "", "gone")
        return [self._card(entry) for entry in entries.values()]

    def _card(self, entry: Entry) -> ProjectCard:
        selected = self._settings.selected
        offered = entry.name in self._catalogue.entries
        card = ProjectCard(
            name=entry.name, title=entry.title, description=entry.description,
            source=entry.source if offered else "gone", repository=entry.repository,
            logo=entry.logo, leaderboard=entry.leaderboard, deadline=entry.deadline,
            order=selected.index(entry.name) if entry.name in selected else None,
            auto=AUTO in selected and self._catalogue.choice == entry.name,
            state="idle" if offered else "gone")
        run = self._supervisor.runs.get(entry.name)
        if run is None:
            return dataclasses.replace(card, sentence=self._why_not_running(card))
        newest = run.current or run.code.current
        run.code.examine()
        return dataclasses.replace(
            card, state=run.state, slots=run.slots, active=len(run.runner.active_items),
            version=newest.version.short if newest else "", counts=dict(run.runner.counts),
            problem=run.problem, project=newest.loaded.project if newest else None,
            has_log=bool(run.code.log()), sentence=_card_sentence(run))

    def _why_not_running(self, card: ProjectCard) -> str:
        if card.source == "gone":
            return "No longer on offer."
        if card.order is None and not card.auto:
            return ""
        if not self._lifecycle.takes_items:
            return "Waiting: the warrior is stopped."
        return "" if self._settings.downloader.value else "Waiting: choose a nickname first."

    # -- notices ---------------------------------------------------------------------
    def notices(self) -> Sequence[Notice]:
        """Return the notices: HQ's announcement, an update, errors, warnings."""
        offer, found = self._catalogue.offer, list(self._lasting)
        if offer.announcement:
            number = hashlib.sha256(offer.announcement.encode()).hexdigest()[:16]
            found.append(Notice(
                f"announcement-{number}", "announcement", html=offer.announcement,
                new=number != self._settings.announcement_read))
        if offer.wanted_api:
            found.append(_standing(
                "update", "update", f"Warrior HQ asks for version {offer.wanted_api} of the "
                "pipeline interface, which is newer than this program. Running projects continue; "
                "update the warrior to run new ones."))
        if self._hq.trouble is not None:
            found.append(_standing("hq", "hq", self._hq.trouble.reason))
        if self._settings.trouble:
            found.append(_standing("settings", "settings", self._settings.trouble, "trouble"))
        if self._catalogue.refused:
            found.append(_standing("catalogue", "catalogue", " ".join(self._catalogue.refused)))
        disk = self._supervisor.holds.get("disk")
        if disk is not None:
            found.append(_standing("disk", "disk", disk.reason, "trouble"))
        if self._supervisor.recovery is not None:
            found += self._supervisor.recovery.notices()
        return found


def _standing(notice_id: str, kind: str, text: str, tone: str = "waiting") -> Notice:
    """A notice that stays until its cause is gone."""
    return Notice(notice_id, kind, text, tone=tone, new=False)


def _of_run(run: ProjectRun) -> Status | None:
    """Return why this project has no item at work; None if there is no reason to show."""
    if run.draining:
        return None
    if run.state in ("fetching", "loading"):
        return Status(_of_run_state(run), tone="waiting")
    problem = run.problem
    if run.state == "broken" and problem is not None:
        text = f"{run.entry.title} cannot run: {problem.reason} {problem.advice}".strip()
        return Status(text, _WHOSE.get(problem.code, "the project"), problem.next_try, "trouble")
    return sentence.between_items(run.runner)


def _card_sentence(run: ProjectRun) -> str:
    active = len(run.runner.active_items)
    if run.state == "draining":
        its = "its last item" if active == 1 else f"its last {active} items"
        return f"Finishing {its}." if active else "Ending."
    if run.state in ("fetching", "loading"):
        return _of_run_state(run)
    if run.state == "broken":
        return "Cannot run."
    old = sum(item.pipeline is not run.runner.current_pipeline
              for item in run.runner.active_items)
    if old:
        return f"A new version runs. Finishing {sentence.items(old)} on the old version."
    if not active and not run.slots:
        return "Ready: waiting for a free slot."
    demand, waiting = run.demand(), run.runner.not_working()
    if demand.dry and not demand.working and waiting:
        return f"{sentence.most_urgent(waiting).reason} It keeps asking."
    return ""


def _of_run_state(run: ProjectRun) -> str:
    return (f"Fetching the code of {run.entry.title}." if run.state == "fetching"
            else f"Loading the code of {run.entry.title}.")
