"""The settings of projects as fields of one form, and the live values of these fields.

A project's settings are the ConfigValues that its file made. Those whose names begin with
``shared:`` are one field for all projects that have them. If a project defined the class of a
value, its code checks and converts in the project's worker, never on the loop.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline_core.config import ConfigValue, NumberConfigValue
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.project_worker import ProjectWorker
from warrior.settings.data import SHARED

logger = logging.getLogger(__name__)

#: Seconds that a project's code may take to check a value; its worker may be busy.
CHECK_TIME = 10.0

_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclasses.dataclass(frozen=True)
class Field:
    """One field. ``kind`` is text, number or password; values are text, '' if unset.

    ``group`` is '' for the warrior's own, ``shared``, or the name of a project.
    ``regex`` is searched for in the text; '' if there is none.
    """

    name: str
    group: str
    title: str
    description: str = ""
    kind: str = "text"
    value: str = ""
    default: str = ""
    min: int | None = None
    max: int | None = None
    regex: str = ""
    editable: bool = True
    advanced: bool = False


class InvalidValue(Exception):
    """A value is not allowed; ``str()`` is the sentence to show beside its field."""


@dataclasses.dataclass(frozen=True)
class _LiveValue:
    """One ConfigValue of one loaded file. ``worker`` runs the project's own code."""

    project: str
    value: ConfigValue
    worker: ProjectWorker | None

    @property
    def field(self) -> str:
        """The name of its field."""
        name = str(self.value.name)
        return name if name.startswith(SHARED) else f"{self.project}/{name}"

    @property
    def runs_project_code(self) -> bool:
        kind = type(self.value)
        return any(is_project_code(getattr(kind, name))
                   for name in ("check_value", "convert_value", "set_value"))

    @property
    def editable(self) -> bool:
        return bool(self.value.editable) and not (self.runs_project_code and self.worker is None)


class ProjectFields:
    """The fields of all attached projects. Used on the loop.

    ``applied(name)`` is called when a project's code has taken a value, some time after it was set.
    """

    def __init__(self, applied: Callable[[str], None]) -> None:
        self._applied = applied
        self._lives: list[_LiveValue] = []

    def attach(
        self, project: str, values: Sequence[ConfigValue], worker: ProjectWorker | None
    ) -> list[str]:
        """Add the values of a loaded file; the names of its fields.

        A project may be attached twice, while its old code finishes its items.
        """
        lives = [_LiveValue(project, value, worker) for value in values]
        self._lives += lives
        return list(dict.fromkeys(live.field for live in lives))

    def detach(self, project: str, values: Sequence[ConfigValue] | None) -> list[str]:
        """Remove these values of the project, or all; the names of their fields."""
        gone = [live for live in self._lives if live.project == project and (
            values is None or any(live.value is value for value in values))]
        self._lives = [live for live in self._lives if live not in gone]
        return list(dict.fromkeys(live.field for live in gone))

    def __contains__(self, name: str) -> bool:
        return bool(self._behind(name))

    def __iter__(self) -> Iterator[Field]:
        """Shared fields first, then project by project, in the order in which they were made."""
        names = list(dict.fromkeys(live.field for live in self._lives))
        names.sort(key=lambda name: not name.startswith(SHARED))
        for name in names:
            yield _field(name, self._behind(name))

    def default(self, name: str) -> str:
        """The default of an existing field, as text."""
        return _text(self._behind(name)[-1].value.default)

    async def check(self, name: str, text: str) -> str | None:
        """The text to keep; None for "back to the default". Raises InvalidValue.

        An empty text means the default if the field cannot be empty.
        """
        lives = self._behind(name)
        if not all(live.editable for live in lives):
            raise InvalidValue("This cannot be changed.")
        try:
            for live in lives:
                await _check(live, text, _limits(lives))
        except InvalidValue:
            if not text and all(live.value.default is not None for live in lives):
                return None
            raise
        # "007" and " 7 " are 7; for a project's own class they may differ.
        plain = all(isinstance(live.value, NumberConfigValue) and not live.runs_project_code
                    for live in lives)
        return str(int(text)) if plain else text

    def set(self, name: str, text: str | None) -> None:
        """Set all values of the field to a checked text; None: to their defaults."""
        for live in self._behind(name):
            self._give(live, live.value.default if text is None else text)

    def fit(self, name: str, kept: str | None) -> None:
        """Set all values of the field to the kept text, else to the default.

        A number that not all of them allow becomes the nearest that all of them allow.
        """
        lives = self._behind(name)
        if not lives or (kept is None and len(lives) < 2):
            return
        first = lives[0].value
        wanted = kept if kept is not None else _text(
            first.value if first.default is None else first.default)
        least, most = _limits(lives)
        if least is not None and most is not None and least > most:
            return  # no number suits all: each keeps its value
        if (least is not None or most is not None) and _NUMBER.fullmatch(wanted):
            low = int(wanted) if least is None else max(int(wanted), least)
            wanted = str(low if most is None else min(low, most))
        for live in lives:
            # A value that refuses it stays as its file has set it.
            if _text(live.value.value) != wanted and (
                    live.runs_project_code or _own_check(live.value, wanted) is None):
                self._give(live, wanted)

    def _behind(self, name: str) -> list[_LiveValue]:
        return [live for live in self._lives if live.field == name]

    def _give(self, live: _LiveValue, value: Any) -> None:
        name = live.field
        if not live.runs_project_code:
            try:
                live.value.set_value(value)
            except Exception:
                logger.exception("Acting on the setting %s failed", name)
        elif live.worker is not None and not live.worker.closed:
            live.worker.call_for(None, f"the setting {name}", live.value.set_value, value,
                                 then=functools.partial(self._given, name))

    def _given(self, name: str, taken: Any, error: BaseException | None) -> None:
        if error is not None or not taken:
            logger.warning("The project's own code has not taken the setting %s: %s", name,
                           error or "it refused it")
        self._applied(name)


def _field(name: str, lives: list[_LiveValue]) -> Field:
    shared = name.startswith(SHARED)
    # If a project is attached twice, the newer version counts.
    live = lives[0] if shared else lives[-1]
    value = live.value
    number = isinstance(value, NumberConfigValue)
    least, most = _limits(lives)
    regex = getattr(value, "regex", None)
    return Field(
        name, "shared" if shared else live.project, str(value.title or value.name),
        str(value.description or ""), "number" if number else "text", _text(value.value),
        _text(value.default), least, most, str(getattr(regex, "pattern", regex) or ""),
        all(live.editable for live in lives), bool(value.advanced))


def _limits(lives: list[_LiveValue]) -> tuple[int | None, int | None]:
    """The least and the greatest number that all values allow."""
    numbers = [live.value for live in lives if isinstance(live.value, NumberConfigValue)]
    least = [number.min for number in numbers if number.min is not None]
    most = [number.max for number in numbers if number.max is not None]
    return max(least, default=None), min(most, default=None)


async def _check(live: _LiveValue, text: str, limits: tuple[int | None, int | None]) -> None:
    value, (least, most) = live.value, limits
    if isinstance(value, NumberConfigValue):
        title = str(value.title or value.name)
        if least is not None and most is not None and least > most:
            raise InvalidValue(f"{title}: the projects that have this setting allow no common "
                               "number. Drop one of them first.")
        if sentence := _own_check(NumberConfigValue(title, min=least, max=most), text):
            raise InvalidValue(sentence)
    sentence = (await _check_in_worker(live, text) if live.runs_project_code
                else _own_check(value, text))
    if sentence:
        raise InvalidValue(sentence)


def _own_check(value: ConfigValue, text: str) -> str | None:
    try:
        return value.check_value(text)
    except Exception as error:  # such as an invalid regular expression
        return f"{value.title or value.name} cannot be checked: {error}"


async def _check_in_worker(live: _LiveValue, text: str) -> str | None:
    worker, title = live.worker, live.value.title or live.value.name
    assert worker is not None  # otherwise it is not editable
    checked: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def then(result: Any, error: BaseException | None) -> None:
        if checked.done():
            return
        if error is not None:
            result = f"The project's own check of {title} has failed: {error}"
        checked.set_result(None if result is None else str(result))

    worker.call_for(None, f"checking the setting {live.value.name}", live.value.check_value,
                    text, then=then)
    try:
        return await asyncio.wait_for(checked, CHECK_TIME)
    except asyncio.TimeoutError:
        return (f"The project's own check of {title} has not answered within {CHECK_TIME:.0f} "
                "seconds, because its code is busy. Try again later.")


def _text(value: Any) -> str:
    """For a form. Project code, which a value may have for ``str()``, must not run on the loop."""
    if value is None:
        return ""
    return str(value) if type(value) in (str, int, float, bool) else ""
