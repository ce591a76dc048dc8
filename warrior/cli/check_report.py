"""The report of ``run-pipeline --check``: as a value, as JSON and as text."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline_core.config import ConfigValue, NumberConfigValue, StringConfigValue, realize
from pipeline_core.engine.loader import LoadedPipeline, LoadError
from pipeline_core.engine.project_code import is_project_value
from pipeline_core.externalprocess import ExternalProcess
from pipeline_core.requirements.collect import programs_of
from pipeline_core.requirements.needs import (
    Deprecated,
    Missing,
    ModuleNeed,
    Needs,
    Newer,
    ProgramNeed,
)
from pipeline_core.task import LimitConcurrent, Task
from pipeline_core.tracker import TrackerRequest

_WIDTH = 98
#: The most characters of the file's output that are shown: the last ones.
_PRINTED = 4000


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


# -- text ------------------------------------------------------------------------------
def render(report: Report) -> str:
    """Return the report as text; its last line is the result."""
    parts = [
        _head(report),
        _section("Tasks", _tasks(report.tasks)),
        _section("Settings", _settings(report.settings)),
        _section("Programs", _columns([*map(_program, report.needs.programs)])),
        _section("Python modules", _columns([*map(_module, report.needs.modules)])),
        _section("Missing", _missing(report.needs.missing)),
        _section("Deprecated", _deprecated(report.needs.deprecated)),
        _section("Not in old toolkits", _newer(report.needs.newer)),
        _section("What it printed", report.output[-_PRINTED:].splitlines()),
        _verdict(report),
    ]
    return "\n".join(part for part in parts if part)


def _head(report: Report) -> str:
    if report.loads:
        title = f"{report.title}: " if report.title else ""
        return f"{title}{report.pipeline} loads.\n"
    lines = [f"{report.pipeline} does not load.", ""]
    if report.needs.missing:
        # The section "Missing" has the rest; it lacks what the project itself says.
        said = report.reason.removeprefix(report.needs.reason).strip()
        lines += [*_wrapped(said), ""] if said else []
    else:
        lines += [*_wrapped(report.reason), *_wrapped(report.advice), ""]
        if report.traceback:
            lines += [*(f"  {line}" for line in report.traceback.rstrip().splitlines()), ""]
    return "\n".join(lines)


def _verdict(report: Report) -> str:
    if report.fine:
        return _fine(report.needs)
    count = len(report.needs.missing)
    if not count:
        return "It does not load, so it cannot run."
    what = f"{count} things are" if count > 1 else f"{report.needs.missing[0].name} is"
    return f"It cannot run here: {what} missing."


def _fine(needs: Needs) -> str:
    """Return that the file can run, and what is not certain."""
    if not needs.done_without and not needs.unseen:
        return "Nothing is missing: it can run here."
    sentences = ["It can run here, as far as the check can see."]
    if needs.done_without:
        sentences.append(
            f"Not found, but the file runs without it: {', '.join(needs.done_without)}.")
    if needs.unseen:
        names = ", ".join(dict.fromkeys(needs.unseen))
        sentences.append(f"Unknown, because it depends on the item: the program of {names}.")
    return "\n".join(_wrapped(" ".join(sentences)))


def _section(title: str, lines: Iterable[str]) -> str:
    body = "".join(f"  {line}\n" for line in lines)
    return f"{title}\n{body}" if body else ""


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent,
                         break_long_words=False, break_on_hyphens=False)


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows as lines; all columns but the last are aligned."""
    widths = [min(max(len(row[column]) for row in rows), 40)
              for column in range(len(rows[0]) - 1)] if rows else []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        yield "  ".join([*cells, row[-1]]).rstrip()


def _tasks(tasks: Iterable[TaskFacts]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for task in tasks:
        kind = "" if task.kind == task.name else f" ({task.kind})"
        indent = "  " * task.position.count(".")
        rows.append((task.position, f"{indent}{task.name}{kind}", task.detail))
    return _columns(rows)


def _settings(settings: Iterable[SettingFacts]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for setting in settings:
        allowed = setting.kind
        if setting.least is not None and setting.most is not None:
            allowed = f"{setting.least} to {setting.most}"
        elif setting.least is not None:
            allowed = f"at least {setting.least}"
        elif setting.most is not None:
            allowed = f"at most {setting.most}"
        elif setting.form is not None:
            allowed = f"text of the form {setting.form}"
        default = ("no default: set a value" if setting.value is None
                   else f"default {setting.value}")
        rows.append((setting.name, allowed, default, setting.title))
    return _columns(rows)


_WITHOUT = "the file runs without it"


def _program(need: ProgramNeed) -> tuple[str, ...]:
    wanted_by = _WITHOUT if need.optional else need.wanted_by
    version = f"; version {need.version}" if need.version else ""
    return need.name, _whether(need.found, need.optional), wanted_by + version


def _module(need: ModuleNeed) -> tuple[str, ...]:
    found = (need.version or "found") if need.found else ""
    late = f"imported {need.later}" if need.later else ""
    return need.name, _whether(found, need.optional), _WITHOUT if need.optional else late


def _whether(found: str, optional: bool) -> str:
    return found or ("not found" if optional else "MISSING")


def _missing(missing: Iterable[Missing]) -> Iterator[str]:
    for one in missing:
        yield from _wrapped(one.reason)
        yield from _wrapped(one.advice, "    ")


def _deprecated(deprecated: Iterable[Deprecated]) -> Iterator[str]:
    for one in deprecated:
        yield from _wrapped(f"{_place(one.file, one.lines)} {one.what}.")
        yield from _wrapped(f"Instead: {one.instead}.", "    ")


def _newer(newer: Iterable[Newer]) -> Iterator[str]:
    for one in newer:
        yield from _wrapped(f"{_place(one.file, one.lines)} {one.what}.")


def _place(file: str, lines: tuple[int, ...]) -> str:
    some = [str(line) for line in lines[:5]]
    return f"{file}:{', '.join(some)}{', …' if len(lines) > len(some) else ''}"
