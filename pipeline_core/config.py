"""Values that are realized late: settings, and text made from them."""

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

#: Types of values that are realized unchanged.
_PLAIN = frozenset({str, bytes, int, float, bool, type(None)})

_collector: contextvars.ContextVar[_CollectedValues | None] = contextvars.ContextVar(
    "config_value_collector", default=None)


@contextlib.contextmanager
def collect_config_values(
    remembered: dict[str, str] | None = None,
) -> Iterator[list[ConfigValue]]:
    """Collect the values created inside the block, in order; apply valid saved ones by name."""
    values = _CollectedValues(remembered or {}, _collector.get())
    token = _collector.set(values)
    try:
        yield values
    finally:
        _collector.reset(token)


class _CollectedValues(list["ConfigValue"]):
    """Values created in one context: a load never sees those of another load.

    ``outer`` is the collector of the enclosing block; it gets the values too.
    """

    def __init__(self, remembered: dict[str, str], outer: _CollectedValues | None) -> None:
        super().__init__()
        self.remembered = remembered
        self.outer = outer

    def add(self, value: ConfigValue) -> None:
        """Collect a new value, and apply the saved value if that is valid."""
        self.append(value)
        if value.name in self.remembered and not value.set_value(self.remembered[value.name]):
            value.error = None  # the default stays; the user has not entered the saved value now
        if self.outer is not None:
            self.outer.add(value)


def realize(value: Any, item: Any = None) -> Any:
    """Return what ``value`` stands for, for this item.

    Dicts and lists are realized member by member (a dict's values, not its keys). A value with
    a ``realize(item)`` method is replaced by its result. Any other value is returned unchanged.
    """
    is_dict, is_list = isinstance(value, dict), isinstance(value, list)
    found = []
    for member in value.values() if is_dict else value if is_list else (value,):
        if type(member) in _PLAIN:
            pass
        elif isinstance(member, (dict, list)):
            member = realize(member, item)
        # A class (such as one in a list of plugins) has the method, but is not a value.
        elif hasattr(member, "realize") and not isinstance(member, type):
            member = member.realize(item)
        found.append(member)
    if is_dict:
        return dict(zip(value, found))
    return found if is_list else found[0]


class ConfigValue:
    """A named setting that the volunteer may change while the project runs.

    ``value`` is None until a valid one is set. ``error`` is a sentence about the last refused
    value, or None. ``on_change(config_value)`` is fired after each change. ``limiter`` is set
    when several projects share this limit.
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
        """Start collecting new values. For programs that load pipeline files themselves."""
        _collector.set(_CollectedValues({}, _collector.get()))

    @staticmethod
    def stop_collecting() -> list[ConfigValue]:
        """Return the values created since :meth:`start_collecting`, in order; an empty list if
        it was not called."""
        collected = _collector.get()
        if collected is None:
            return []
        _collector.set(collected.outer)
        return list(collected)

    def check_value(self, value: Any) -> str | None:
        """Return why ``value`` is refused, as a sentence; None when it is valid."""
        return None

    def convert_value(self, value: Any) -> Any:
        """Convert the checked text to the value that is kept."""
        return value

    def set_value(self, value: Any) -> bool:
        """Check, convert and keep a value. Return False (and set ``error``) when it is refused.

        Whitespace around text is stripped first.
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
    """A text setting. ``regex`` says which text is valid; it is searched for, so anchor it."""

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
    """A whole number between ``min`` and ``max``, both included; a limit of 0 is valid."""

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
            raise TypeError("a truth value is not a number")
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
