"""The text that warrior-ctl prints for people, from the state that the page shows.

Titles, names and logs come from others, so commands for the terminal are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

from pipeline_core.engine.terminal import shown, shown_name

Json = Mapping[str, Any]

#: The most characters of an item's name, and of its last line.
_NAME, _LINE = 40, 60


def clean(text: str) -> str:
    """Replace terminal commands with ``\N{REPLACEMENT CHARACTER}``."""
    return shown(text.replace("\r\n", "\n").replace("\r", "\n"), "\ufffd")


def one_line(text: object, longest: int = 0) -> str:
    """Return clean text on one line, cut to ``longest`` characters (0: not cut)."""
    line = clean(" ".join(str(text).split()))
    return line[:longest - 1] + "…" if longest and len(line) > longest else line


def status_text(state: Json) -> str:
    """Return what the warrior does or why not, who has to act and when it continues, then the
    projects and the active items."""
    parts = [_sentence(state), _facts(state)]
    chosen = sorted((project for project in state["projects"] if _takes_part(project)),
                    key=_place)
    parts.append(_titled("Projects", _project_rows(chosen)) if chosen else
                 "No project is chosen. Choose one: warrior-ctl projects, then "
                 "warrior-ctl select NAME")
    at_work = [item for item in state["items"] if item.get("state") == "running"]
    if at_work:
        parts.append(_titled("Active items", [_item_row(item, state) for item in at_work]))
    for worker in state.get("workers") or ():
        parts.append(f"The code of {one_line(worker['project'])} has not returned from "
                     f"{one_line(worker['label'])} for {duration(worker['age'])}.")
    parts += [f"{_words_of(notice)}" for notice in state.get("notices") or () if notice.get("new")]
    return "\n\n".join(part for part in parts if part)


def projects_text(projects: Sequence[Json]) -> str:
    """Return all projects that can be chosen; the chosen ones come first, in order."""
    lines = []
    ordered = sorted(projects, key=_place)
    for row, project in zip(_aligned(_project_rows(ordered)), ordered):
        lines.append(row)
        lines += [f"      {line}" for line in _trouble(project)]
    return "\n".join(lines) or "There are no projects."


def settings_text(settings: Json) -> str:
    """Return each setting as ``NAME = VALUE``, with its title and limits."""
    rows = []
    for field in settings["fields"]:
        value = one_line(field.get("value") or "")
        if field.get("kind") == "password":
            value = "(set)" if field.get("is_set") else "(none)"
        elif not value:
            value = "(not set)"
        limits = _limits(field)
        rows.append([one_line(field["name"]), "=", value,
                     one_line(field.get("title") or "") + (f" ({limits})" if limits else "")])
    return "\n".join(_aligned(rows))


def keys_text(keys: Sequence[Json]) -> str:
    """Return the API keys, and when each was made."""
    rows = [[one_line(key["name"]), f"made {one_line(key.get('made') or 'some day')}"]
            for key in keys]
    return "\n".join(_aligned(rows)) or "There is no API key. Make one: warrior-ctl make-key NAME"


def chosen_text(projects: Iterable[Json]) -> str:
    """Return the chosen projects as a sentence."""
    chosen = sorted((one for one in projects if one.get("order") is not None),
                    key=lambda one: int(one["order"]))
    names = ", ".join(one_line(one["id"]) for one in chosen)
    return f"Chosen, in this order: {names}." if names else "No project is chosen now."


def runner_text(runner: Json) -> str:
    """Return a sentence with the number of items at work."""
    count = int(runner.get("active") or 0)
    if not count:
        return "No item is at work."
    return "1 item is still at work." if count == 1 else f"{count} items are still at work."


def soon(seconds: float) -> str:
    """Return ``in 42 s``, ``in 7 min`` or ``in 3 h``."""
    if seconds < 120:
        return f"in {seconds:.0f} s"
    return f"in {seconds / 60:.0f} min" if seconds < 7200 else f"in {seconds / 3600:.0f} h"


def duration(seconds: float) -> str:
    """Return seconds as 0:42, 12:03 or 3:04:05."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# -- parts ---------------------------------------------------------------------
_WHO_ACTS = {"you": "You need to act.", "this machine": "The cause is on this machine."}


def _sentence(state: Json) -> str:
    status = state["status"]
    lines = [one_line(status.get("text") or "")]
    whose = one_line(status.get("whose") or "")
    turn = [_WHO_ACTS.get(whose, f"Waiting for {whose}.")] if whose else []
    if status.get("next_in") is not None:
        turn.append(f"Next try {soon(status['next_in'])}.")
    lines += [" ".join(turn), one_line(status.get("note") or "")]
    return "\n".join(line for line in lines if line)


def _facts(state: Json) -> str:
    runner, program = state["runner"], state.get("program") or {}
    counts = runner.get("counts") or {}
    most = program.get("max_concurrent")
    ending = {"shut-down": ", then it shuts down", "restart": ", then it restarts"}.get(
        runner.get("ending") or "", "")
    done = [f"{counts[name]} {word}" for name, word in (
        ("completed", "completed"), ("failed", "failed"), ("canceled", "cancelled"))
        if counts.get(name)]
    version = one_line(program.get("version") or "")
    return "\n".join(_aligned([
        ["State", one_line(runner.get("state") or runner.get("status") or "") + ending],
        ["Nickname", one_line(runner.get("downloader") or "")
         or "none yet: warrior-ctl set downloader=NICKNAME"],
        ["Concurrent items", f"{runner.get('concurrent')}"
         + (f" (at most {most})" if most else "")],
        ["Items", ", ".join([*_active(runner.get("active") or 0, state), *done])],
        *([["Version", version]] if version else [])]))


def _active(active: int, state: Json) -> list[str]:
    """Return how many of the active items work, and how many wait."""
    waiting = sum(bool(item.get("waiting")) for item in state["items"]
                  if item.get("state") == "running")
    words = [f"{active - waiting} at work"] if active > waiting or not waiting else []
    return [*words, f"{waiting} waiting"] if waiting else words


def _takes_part(project: Json) -> bool:
    return (project.get("order") is not None or bool(project.get("auto"))
            or project.get("state") not in (None, "idle"))


def _place(project: Json) -> tuple[bool, int]:
    order = project.get("order")
    return order is None, int(order or 0)


def _project_rows(projects: Iterable[Json]) -> list[list[str]]:
    rows = []
    for project in projects:
        order, active = project.get("order"), project.get("active") or 0
        words = one_line(project.get("sentence") or "")
        rows.append([
            "" if order is None else f"{order + 1}.", one_line(project["id"]),
            one_line(project.get("state") or ""),
            f"{active} item{'' if active == 1 else 's'}" if active else "",
            one_line(project.get("title") or "") + (f" – {words}" if words else "")])
    return rows


def _trouble(project: Json) -> list[str]:
    """Return why the project does not run, what to do, and when it is tried again."""
    problem = project.get("problem")
    if not problem:
        return []
    lines = [one_line(problem.get("reason") or ""), one_line(problem.get("advice") or "")]
    if problem.get("next_in") is not None:
        lines.append(f"Next try {soon(problem['next_in'])}, or now: warrior-ctl retry "
                     f"{one_line(project['id'])}")
    if project.get("has_log"):
        lines.append(f"What it printed: warrior-ctl log {one_line(project['id'])}")
    return [line for line in lines if line]


def _item_row(item: Json, state: Json) -> list[str]:
    pipeline = (state.get("pipelines") or {}).get(item.get("pipeline") or "") or {}
    statuses = item.get("tasks") or {}
    step = next((name for position, name in pipeline.get("tasks") or ()
                 if statuses.get(position) == "running"), "")
    waiting = item.get("waiting") or {}
    words = waiting.get("reason") or item.get("line") or ""
    if waiting.get("next_in") is not None:
        words += f" Next try {soon(waiting['next_in'])}."
    return [one_line(item.get("project") or ""),
            one_line(shown_name(item.get("name") or f"Item {item.get('number')}"), _NAME),
            duration(item.get("age") or 0), one_line(step, _NAME),
            one_line(words, 0 if waiting else _LINE)]


def _limits(field: Json) -> str:
    least, most = field.get("min"), field.get("max")
    if least is not None and most is not None:
        return f"{least} to {most}"
    if least is not None or most is not None:
        return f"at least {least}" if most is None else f"at most {most}"
    return "" if field.get("editable", True) else "cannot be changed"


def _words_of(notice: Json) -> str:
    if notice.get("text"):
        return one_line(notice["text"])
    words = _Words()
    words.feed(str(notice.get("html") or ""))
    words.close()
    return one_line(" ".join(words.found))


class _Words(HTMLParser):
    """Collects the text of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def _titled(title: str, rows: list[list[str]]) -> str:
    return "\n".join([title, *(f"  {line}" for line in _aligned(rows))])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines with aligned columns; leave out empty columns."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    used = [number for number, width in enumerate(widths) if width]
    return ["  ".join(row[number].ljust(widths[number]) for number in used).rstrip()
            for row in rows]
