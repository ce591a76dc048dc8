"""The report of ``run-pipeline --check`` as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from pipeline_core.requirements.needs import (
    Deprecated,
    Missing,
    ModuleNeed,
    Needs,
    Newer,
    ProgramNeed,
)
from warrior.cli.check_report import Report, SettingFacts, TaskFacts

_WIDTH = 98
#: The most characters of the file's output that are shown: the last ones.
_PRINTED = 4000


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
    version = f"; version: {need.version}" if need.version else ""
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
