"""Which code is the project's own, and for which item the running code works."""

from __future__ import annotations

import contextvars
import functools
import logging
import types
from typing import TYPE_CHECKING, Any

from pipeline_core.config import ConfigInterpolation

if TYPE_CHECKING:
    from pipeline_core.item import Item

logger = logging.getLogger(__name__)

#: The item for which the running code works; a callback remembers it by this.
current_item: contextvars.ContextVar[Item | None] = contextvars.ContextVar(
    "current_item", default=None)

_OURS = frozenset({"pipeline_core", "warrior", "tornado", "asyncio", "functools", "concurrent"})


def is_project_code(function: Any) -> bool:
    """Whether project code defined this function: told by where it was defined.

    Partials and bound methods are looked through; what is written in C is ours.
    """
    while True:
        if isinstance(function, types.MethodType):
            function = function.__func__
        if isinstance(function, types.FunctionType):
            name = function.__globals__.get("__name__") or ""
            return name.partition(".")[0] not in _OURS
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, type):
            return function.__module__.partition(".")[0] not in (*_OURS, "builtins")
        elif isinstance(function, (types.BuiltinFunctionType, types.MethodDescriptorType)):
            return False
        elif not isinstance(function, types.MethodType):
            function = getattr(type(function), "__call__", None)  # noqa: B004  (its code is wanted)
            if not isinstance(function, types.FunctionType):
                return False


def is_project_value(value: Any) -> bool:
    """Whether a class that the project defined takes part in realizing ``value``."""
    if isinstance(value, (str, int, float, type(None))):
        return False
    if isinstance(value, dict):
        return any(is_project_value(member) for member in value.values())
    if isinstance(value, list):
        return any(is_project_value(member) for member in value)
    if isinstance(value, ConfigInterpolation):
        return is_project_value(value.s) or is_project_value(value.c)
    realizer = None if isinstance(value, type) else getattr(value, "realize", None)
    return realizer is not None and is_project_code(realizer)


def report_failure(item: Item | None, label: str, failure: BaseException) -> None:
    """Fail the item that the failing code worked for; without one, tell the log."""
    if item is not None:
        item.crash(failure)
    else:
        logger.error("%s failed", label, exc_info=failure)
