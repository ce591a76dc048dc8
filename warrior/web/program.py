"""The program behind a console: run-pipeline with its one runner, or the warrior.

Both have the same sections (see :mod:`warrior.web.sections`), which are made anew for each call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from warrior.daemon import sentence
from warrior.daemon.view_models import Status
from warrior.process.item_log import ItemLogs
from warrior.web import messages, sections
from warrior.web.board import Board
from warrior.web.messages import Json
from warrior.web.sanitize import Cleaner

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import Busy
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.project import Project
    from pipeline_core.runner import Runner
    from warrior.daemon.facade import WarriorFacade

Section = Callable[[], Any]

#: What has changed in the warrior -> the sections that may change with it.
_AFFECTED: Mapping[str, tuple[str, ...]] = {
    "status": ("status", "runner"),
    "runner": ("status", "runner"),
    "projects": ("projects", "status", "workers"),
    "pipelines": ("pipelines", "projects", "workers"),
    "settings": ("settings", "runner", "projects", "program", "status"),
    "notices": ("notices",),
}


class PipelineProgram:
    """run-pipeline, with one runner and one project. ``note`` is a sentence beside the status."""

    def __init__(
        self, runner: Runner, project: Project | None, downloader: str,
        needs_password: Callable[[], bool],
    ) -> None:
        self.runner = runner
        self.project = project
        self.note = ""
        self.board = Board(ItemLogs(), self._loaded)
        self.board.add_runner("pipeline", runner)
        self.board.look_at_pipelines()
        clean = Cleaner()
        self.sections: Mapping[str, Section] = {
            "program": lambda: sections.program_json("pipeline", needs_password(), {}),
            "status": lambda: messages.status_json(self.status()),
            "runner": lambda: sections.runner_json(runner, self.board, downloader),
            "workers": lambda: sections.workers_json(self.busy()),
            "projects": lambda: [sections.card_json(
                sections.pipeline_card(runner, self.project, self.board), clean)],
            "pipelines": lambda: sections.pipelines_json(self.board),
            "settings": lambda: None,
            "notices": list,
        }

    @property
    def title(self) -> str:
        return sections.project_title(self.project) or "Pipeline"

    def show_project(self, project: Project) -> None:
        """Show the project that has been loaded."""
        self.project = project
        self.board.look_at_pipelines()
        self.board.notify_hub("projects", "status")

    def show_note(self, text: str) -> None:
        """Show a sentence beside the status; '' removes it."""
        self.note = text
        self.board.notify_hub("status")

    def status(self) -> Status:
        """The sentence at the top."""
        runner = self.runner
        at_work = len(runner.active_items)
        if runner.status == "idle":
            text = Status("Loading the pipeline.", tone="waiting")
        elif runner.status == "stopped":
            text = Status(f"Stopped. {sentence.counts_sentence(runner.counts)}", tone="stopped")
        elif runner.status == "stopping":
            text = sentence.stopping(at_work, runner.not_working())
        elif runner.held is not None and not at_work and runner.waiting is None:
            text = sentence.because(runner.held)
        elif at_work and runner.waiting is None:
            text = sentence.working(at_work, runner.not_working())
        else:
            text = sentence.between_items(runner) or Status("Starting the next item.")
        return dataclasses.replace(text, note=self.note)

    def counts(self) -> Mapping[str, int]:
        """The number of items by outcome, since the start."""
        return self.runner.counts

    def busy(self) -> Iterable[tuple[str, Busy]]:
        """``(project, what its code does)`` if project code runs."""
        for project, _, pipeline in self._loaded():
            busy = None if pipeline.worker is None else pipeline.worker.busy
            if busy is not None:
                yield project, busy

    def farewell(self) -> str:
        """The last sentence that open pages show."""
        return f"It has ended: {sentence.counts_sentence(self.runner.counts)}"

    def close(self) -> None:
        self.board.close()

    def _loaded(self) -> Iterable[tuple[str, str, Pipeline]]:
        pipeline = self.runner.current_pipeline
        return [] if pipeline is None else [("pipeline", "", pipeline)]


class WarriorProgram:
    """The warrior."""

    title = "Warrior"

    def __init__(self, facade: WarriorFacade, needs_password: Callable[[], bool]) -> None:
        self.facade = facade
        self.status, self.busy = facade.status, facade.busy
        self.board = Board(ItemLogs(), facade.pipelines)
        self._clean = clean = Cleaner()
        self.sections: Mapping[str, Section] = {
            "program": lambda: sections.program_json("warrior", needs_password(), facade.facts()),
            "status": lambda: messages.status_json(facade.status()),
            "runner": lambda: sections.warrior_json(facade, self.board),
            "workers": lambda: sections.workers_json(facade.busy()),
            "projects": self._projects,
            "pipelines": lambda: sections.pipelines_json(self.board),
            "settings": lambda: sections.settings_json(facade.settings, needs_password()),
            "notices": lambda: [sections.notice_json(n, clean) for n in facade.notices()],
        }
        for name, runner in facade.runners().items():
            self.board.add_runner(name, runner)
        facade.on_runner += self.board.add_runner
        facade.on_change += self._changed
        self.board.look_at_pipelines()

    def counts(self) -> Mapping[str, int]:
        return self.board.counts

    def farewell(self) -> str:
        if self.facade.ending == "restart":
            return "Restarting. This page reconnects automatically."
        return f"It has ended: {sentence.counts_sentence(self.board.counts)}"

    def close(self) -> None:
        self.facade.on_runner -= self.board.add_runner
        self.facade.on_change -= self._changed
        self.board.close()

    def _projects(self) -> list[Json]:
        cards = self.facade.cards()
        return [sections.choice_json(self.facade, cards, self._clean),
                *(sections.card_json(card, self._clean) for card in cards)]

    def _changed(self, section: str) -> None:
        if section == "pipelines":
            self.board.look_at_pipelines()
        self.board.notify_hub(*_AFFECTED.get(section, ()))


Program = PipelineProgram | WarriorProgram


def state_json(program: Program) -> Json:
    """All sections and all items."""
    state: Json = {name: make() for name, make in program.sections.items()}
    state["items"] = messages.items_json(program.board)
    return state
