"""The report of ``run-pipeline --check`` as a value, which becomes text or JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline_core.config import ConfigValue, NumberConfigValue, StringConfigValue, realize
from pipeline_core.engine.loader import LoadedPipeline, LoadError
from pipeline_core.engine.project_code import is_project_value
from pipeline_core.externalprocess import ExternalProcess
from pipeline_core.requirements.collect import programs_of
from pipeline_core.requirements.needs import Needs
from pipeline_core.task import LimitConcurrent, Task
from pipeline_core.tracker import TrackerRequest


@dataclasses.dataclass(frozen=True)
class TaskFacts:
    """A task: its position (``7``, or ``7.0`` inside it), name, class, and what is known of it."""

    position: str
    name: str
    kind: str
    detail: str


@dataclasses.dataclass(frozen=True)
class SettingFacts:
    """A setting. ``kind`` is number or text; ``least``, ``most`` and ``form`` (a regular
    expression) may be None."""

    name: str
    title: str
    description: str
    kind: str
    default: Any
    value: Any
    least: int | None
    most: int | None
    form: str | None


@dataclasses.dataclass(frozen=True)
class Report:
    """The report. ``loads`` says whether the file could be loaded; if not, ``reason`` says why."""

    pipeline: str
    loads: bool
    reason: str = ""
    advice: str = ""
    traceback: str = ""
    title: str = ""
    tasks: tuple[TaskFacts, ...] = ()
    settings: tuple[SettingFacts, ...] = ()
    needs: Needs = dataclasses.field(default_factory=Needs)
    output: str = ""

    @property
    def fine(self) -> bool:
        """Whether the file can run here."""
        return self.loads and not self.needs.missing


def of_loaded(path: str, loaded: LoadedPipeline, needs: Needs, output: str) -> Report:
    """Return the report of a file that loads."""
    tasks = tuple(_task(position, task)
                  for task, position in loaded.pipeline.positions.items())
    return Report(
        pipeline=path, loads=True, title=str(loaded.project.title or ""), tasks=tasks,
        settings=tuple(map(_setting, loaded.config_values)), needs=needs, output=output)


def of_failed(path: str, error: LoadError, output: str) -> Report:
    """Return the report of a file that does not load."""
    return Report(pipeline=path, loads=False, reason=str(error), advice=error.advice,
                  traceback=error.traceback, needs=error.needs, output=output)


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON values; ``ok`` says whether the file can run here."""
    values = dataclasses.asdict(report)
    for setting in values["settings"]:
        for key in ("default", "value"):
            if not isinstance(setting[key], (str, int, float, bool, type(None))):
                setting[key] = str(setting[key])
    return {"ok": report.fine, **values}


def _task(position: str, task: Task) -> TaskFacts:
    return TaskFacts(position, str(getattr(task, "name", "")), type(task).__name__, _detail(task))


def _detail(task: Task) -> str:
    """Return what is known of a task without an item; '' for nothing."""
    if isinstance(task, LimitConcurrent):
        limit = task.limit
        if isinstance(limit, ConfigValue):
            return f"at most {limit.value} at once (setting {limit.name})"
        return f"at most {limit} at once" if isinstance(limit, (int, str)) else "limited"
    if isinstance(task, TrackerRequest):
        if is_project_value(task.tracker_url):
            return "asks a tracker that the project's code chooses"
        try:
            url = str(realize(task.tracker_url)).rstrip("/")
        except Exception as error:
            return f"asks a tracker that depends on the item ({type(error).__name__})"
        return f"asks {url}/{task.tracker_command}"
    if isinstance(task, ExternalProcess):
        programs = [program for program, _ in programs_of(task)]
        if not programs:
            return f"runs what {type(getattr(task, 'args', None)).__name__} returns for each item"
        return f"runs {programs[0]}"
    return ""


def _setting(value: ConfigValue) -> SettingFacts:
    number = isinstance(value, NumberConfigValue)
    return SettingFacts(
        name=str(value.name), title=str(value.title), description=str(value.description),
        kind="number" if number else "text", default=value.default, value=value.value,
        least=value.min if isinstance(value, NumberConfigValue) else None,
        most=value.max if isinstance(value, NumberConfigValue) else None,
        form=value.regex if isinstance(value, StringConfigValue) else None)
