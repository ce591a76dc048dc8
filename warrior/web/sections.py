"""The sections of the state that a page gets, as functions from objects to JSON.

:mod:`warrior.web.messages` converts the moments of ``time.monotonic()`` in them.
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pipeline_core
import warrior
from warrior.daemon.view_models import Notice, Problem, ProjectCard
from warrior.projects.entry import AUTO
from warrior.web.board import Board
from warrior.web.messages import Json, Since, deadline_text, until
from warrior.web.sanitize import Cleaner, image_address, link_address

if TYPE_CHECKING:
    from pipeline_core.engine.project_worker import Busy
    from pipeline_core.project import Project
    from pipeline_core.runner import Runner
    from warrior.daemon.facade import WarriorFacade
    from warrior.settings.settings import Field, Settings

#: Project code is shown if it has not returned for this many seconds.
BUSY_SHOWN_AFTER = 10.0

#: The facts of a card that a page gets unchanged.
_PLAIN = ("source", "repository", "order", "auto", "state", "sentence", "slots", "active",
          "version")
#: States of the warrior in which no new item starts.
_STOPPING = frozenset({"draining", "paused", "ending", "ended"})
#: The status of run-pipeline's runner -> the state of the program.
_STATES = {"idle": "starting", "running": "running", "stopping": "draining", "stopped": "ended"}
#: The status of run-pipeline's runner -> the state of its project.
_PROJECT_STATES = {"idle": "loading", "running": "running", "stopping": "draining",
                   "stopped": "idle"}
#: The state of the warrior -> the status of a runner.
_RUNNER_STATUS = {"starting": "idle", "running": "running", "draining": "stopping",
                  "paused": "stopped", "ending": "stopping", "ended": "stopped"}


# -- the program and its items -----------------------------------------------------------
def program_json(kind: str, password: bool, facts: Mapping[str, Any]) -> Json:
    """For the About page; ``facts`` are those of :meth:`WarriorFacade.facts`."""
    return {
        "kind": kind,
        "version": warrior.__version__,
        "api": pipeline_core.__version__,
        "python": platform.python_version(),
        "build": str(facts.get("build") or ""),
        "max_concurrent": facts.get("max_concurrent"),
        "real_shutdown": bool(facts.get("real_shutdown", False)),
        "password": password,
        "state_dir": str(facts.get("state_dir") or ""),
        "data_dir": str(facts.get("data_dir") or ""),
    }


def runner_json(runner: Runner, board: Board, downloader: str) -> Json:
    """The runner of run-pipeline."""
    return {
        "status": runner.status,
        "stopping": runner.status in ("stopping", "stopped"),
        "active": len(board.running()),
        "counts": dict(runner.counts),
        "started": runner.item_count,
        "max_items": runner.max_items,
        "concurrent": runner.concurrent_items,
        "downloader": downloader,
        "state": _STATES.get(runner.status, "running"),
        "ending": "",
    }


def warrior_json(facade: WarriorFacade, board: Board) -> Json:
    """All runners of the warrior together."""
    state = facade.state
    return {
        "status": _RUNNER_STATUS.get(state, "running"),
        "stopping": state in _STOPPING,
        "active": len(board.running()),
        "counts": dict(board.counts),
        "started": board.started,
        "max_items": None,
        "concurrent": facade.settings.concurrent_items.value,
        "downloader": facade.settings.downloader.value or "",
        "state": state,
        "ending": facade.ending,
    }


def workers_json(busy: Iterable[tuple[str, Busy]]) -> list[Json]:
    """Project code that has not returned for a long time."""
    now = time.monotonic()
    return [{
        "project": project,
        "label": one.label,
        "item": one.item.item_id if one.item is not None else None,
        "age": Since(one.since),
    } for project, one in busy if now - one.since >= BUSY_SHOWN_AFTER]


def pipelines_json(board: Board) -> Json:
    """The steps of items, by the key that the items have."""
    return {key: {"project": steps.project, "version": steps.version,
                  "tasks": [list(task) for task in steps.tasks]}
            for key, steps in board.pipelines.items()}


# -- projects --------------------------------------------------------------------------
def pipeline_card(runner: Runner, project: Project | None, board: Board) -> ProjectCard:
    """The project of run-pipeline; ``project`` is None until it is loaded."""
    return ProjectCard(
        name="pipeline", title=project_title(project), source="file", order=0,
        state=_PROJECT_STATES.get(runner.status, "running"), slots=runner.concurrent_items,
        active=len(board.running()), counts=runner.counts, project=project)


def choice_json(facade: WarriorFacade, cards: Iterable[ProjectCard], clean: Cleaner) -> Json:
    """Archive Team's choice, which can be chosen like a project."""
    now = facade.choice()
    title = next((card.title for card in cards if card.name == now), now)
    chosen = list(facade.settings.selected)
    card = ProjectCard(
        name=AUTO, title="Archive Team’s choice",
        description="The project that needs help most. It changes automatically.",
        order=chosen.index(AUTO) if AUTO in chosen else None,
        sentence=(f"Now it is {title or now}." if now
                  else "Archive Team has not chosen a project yet."))
    return {**card_json(card, clean), "now": now}


def card_json(card: ProjectCard, clean: Cleaner) -> Json:
    """A project; all HTML is cleaned."""
    project = card.project
    html = None if project is None else project.project_html
    deadline = deadline_text(card.deadline)
    if deadline is None and project is not None:
        deadline = deadline_text(project.utc_deadline)
    return {
        "id": card.name,
        "title": card.title or project_title(project) or card.name,
        "html": clean(str(html)) if html else "",
        "description": clean(card.description),
        "logo": image_address(card.logo) or "",
        "leaderboard": link_address(card.leaderboard) or "",
        "deadline": deadline,
        "counts": {"completed": 0, "failed": 0, "canceled": 0, **card.counts},
        "problem": None if card.problem is None else _problem_json(card.problem),
        "has_log": card.has_log,
        **{name: getattr(card, name) for name in _PLAIN},
    }


def project_title(project: Project | None) -> str:
    """The title by the project's author, or ''."""
    title = None if project is None else project.title
    return "" if title is None else str(title)


def _problem_json(problem: Problem) -> Json:
    return {"reason": problem.reason, "advice": problem.advice, "traceback": problem.traceback,
            "output": problem.output, "code": problem.code, "next_in": until(problem.next_try)}


# -- settings and notices --------------------------------------------------------------
def settings_json(settings: Settings, password: bool) -> Json:
    """The fields of the Settings page. It never contains the password, only whether there is one,
    set by the volunteer or the operator."""
    return {"fields": [_field_json(field, password) for field in settings.fields()],
            "first_visit": not settings.downloader.value,
            "keys": keys_json(settings)}


def keys_json(settings: Settings) -> list[Json]:
    """The names and days of the API keys, without digests."""
    return [{"name": name, "made": key.made} for name, key in settings.keys.items()]


def _field_json(field: Field, password: bool) -> Json:
    if field.kind == "password":
        return {**dataclasses.asdict(field), "value": "", "default": "", "is_set": password}
    return {**dataclasses.asdict(field), "is_set": field.value != ""}


def notice_json(notice: Notice, clean: Cleaner) -> Json:
    """A notice, which has either ``text`` or ``html``."""
    return {**dataclasses.asdict(notice), "html": clean(notice.html)}
