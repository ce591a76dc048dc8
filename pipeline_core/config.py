"""Values that are settled late: settings, and text made from them."""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import functools
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline_core.event import Event

if TYPE_CHECKING:
    from pipeline_core.engine.concurrency_limiter import ConcurrencyLimiter

__all__ = [
    "ConfigInterpolation", "ConfigValue", "NumberConfigValue", "StringConfigValue",
    "collect_config_values", "realize",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

_collector: contextvars.ContextVar[_CollectedValues | None] = contextvars.ContextVar(
    "config_value_collector", default=None)


@contextlib.contextmanager
def collect_config_values(
    remembered: dict[str, str] | None = None,
) -> Iterator[list[ConfigValue]]:
    """Collect the values made inside, in order; apply valid remembered ones by name."""
    values = _CollectedValues(remembered or {}, _collector.get())
    token = _collector.set(values)
    try:
        yield values
    finally:
        _collector.reset(token)


class _CollectedValues(list["ConfigValue"]):
    """Values made in one context: one load never sees those of another.

    ``outer`` is who collected before in the same context; it gets them too.
    """

    def __init__(self, remembered: dict[str, str], outer: _CollectedValues | None) -> None:
        super().__init__()
        self.remembered = remembered
        self.outer = outer

    def add(self, value: ConfigValue) -> None:
        """Note a new value; give it what is remembered of it, if that is valid."""
        self.append(value)
        if value.name in self.remembered and not value.set_value(self.remembered[value.name]):
            value.error = None  # the default stays; nobody asked for this value now
        if self.outer is not None:
            self.outer.add(value)


def realize(value: Any, item: Any = None) -> Any:
    """What ``value`` stands for, for this item.

    Dicts and lists are realized member by member (a dict's values, not its
    keys), anything with a ``realize(item)`` method is asked, all else is returned
    as it is.
    """
    if isinstance(value, dict):
        return {key: member if type(member) is str else realize(member, item)
                for key, member in value.items()}
    if isinstance(value, list):
        return [member if type(member) is str else realize(member, item) for member in value]
    # A class, say one in a list of plugins, has the method but is no value.
    if hasattr(value, "realize") and not isinstance(value, type):
        return value.realize(item)
    return value


class ConfigValue:
    """A named setting that the volunteer may change while the project runs.

    ``value`` is None until there is a valid one; ``error`` is the sentence about
    the last refused one, or None. ``on_change(config_value)`` follows each change.
    ``limiter`` is set where a limit of this name holds over several projects.
    """

    def __init__(
        self,
        name: str,
        title: str = "",
        description: str = "",
        default: Any = None,
        editable: bool = True,
        advanced: bool = True,
    ) -> None:
        self.name = name
        self.title = title
        self.description = description
        self.default = default
        self.editable = editable
        self.advanced = advanced
        self.value: Any = None
        self.error: str | None = None
        self.on_change = Event()
        self.limiter: ConcurrencyLimiter | None = None
        if default is not None:
            self.set_value(default)
        collector = _collector.get()
        if collector is not None:
            collector.add(self)

    @staticmethod
    def start_collecting() -> None:
        """Begin to collect the values that are made; for programs that load pipeline files."""
        _collector.set(_CollectedValues({}, _collector.get()))

    @staticmethod
    def stop_collecting() -> list[ConfigValue]:
        """The values made since :meth:`start_collecting`, in order; none if it was not called."""
        collected = _collector.get()
        if collected is None:
            return []
        _collector.set(collected.outer)
        return list(collected)

    def check_value(self, value: Any) -> str | None:
        """Why ``value`` is refused, as a sentence; None when it is good."""
        return None

    def convert_value(self, value: Any) -> Any:
        """The checked text as the value that is kept."""
        return value

    def set_value(self, value: Any) -> bool:
        """Check, convert and keep; False (and ``error``) when it is refused.

        Space around text is taken away first.
        """
        if isinstance(value, str):
            value = value.strip()
        self.error = self.check_value(value)
        if self.error is not None:
            return False
        converted = self.convert_value(value)
        changed = converted != self.value
        self.value = converted
        if changed:
            self.on_change(self)
        return True

    def is_valid(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def realize(self, item: Any = None) -> Any:
        return self.value

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.value!r}>"


class StringConfigValue(ConfigValue):
    """Text; ``regex`` (searched, so anchor it) says which."""

    def __init__(self, *args: Any, regex: str | None = None, **kwargs: Any) -> None:
        self.regex = regex
        super().__init__(*args, **kwargs)

    def check_value(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return f"{self.title or self.name} must be text."
        if self.regex is not None and not re.search(self.regex, value):
            return f"{self.title or self.name} must have the form {self.regex}"
        return None


class NumberConfigValue(ConfigValue):
    """A whole number between ``min`` and ``max``, both allowed; a limit of 0 counts."""

    def __init__(
        self, *args: Any, min: int | None = None, max: int | None = None, **kwargs: Any
    ) -> None:
        self.min = None if min is None else int(min)
        self.max = None if max is None else int(max)
        super().__init__(*args, **kwargs)

    def check_value(self, value: Any) -> str | None:
        title = self.title or self.name
        try:
            number = self.convert_value(value)
        except (TypeError, ValueError, OverflowError):
            return f"{title} must be a whole number."
        if self.min is not None and number < self.min:
            return f"{title} must be at least {self.min}."
        if self.max is not None and number > self.max:
            return f"{title} must be at most {self.max}."
        return None

    def convert_value(self, value: Any) -> int:
        if isinstance(value, bool):
            raise TypeError("a truth value is no number")
        if isinstance(value, float) and not value.is_integer():
            raise ValueError("not a whole number")
        return int(value)


class ConfigInterpolation:
    """``realize(s) % realize(c)``."""

    def __init__(self, s: Any, c: Any) -> None:
        self.s = s
        self.c = c

    def realize(self, item: Any = None) -> Any:
        return realize(self.s, item) % realize(self.c, item)

    def __str__(self) -> str:
        return f"<{self.s!r} % {self.c}>"
