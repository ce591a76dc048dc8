"""Tell project code from the toolkit's own code."""

from __future__ import annotations

import functools
import types
from typing import Any

_TOOLKIT = frozenset({"pipeline_core", "warrior", "tornado", "asyncio", "functools", "concurrent"})


def is_project_code(function: Any) -> bool:
    """Return whether project code defined this function, judged by its module.

    Partials and bound methods are unwrapped. Functions written in C are not project code.
    """
    while True:
        if isinstance(function, types.MethodType):
            function = function.__func__
        if getattr(function, "__tornado_coroutine__", False):
            function = function.__wrapped__  # the wrapper itself belongs to Tornado
        if isinstance(function, types.FunctionType):
            name = function.__globals__.get("__name__") or ""
            return name.partition(".")[0] not in _TOOLKIT
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, type):
            return function.__module__.partition(".")[0] not in (*_TOOLKIT, "builtins")
        elif isinstance(function, (types.BuiltinFunctionType, types.MethodDescriptorType)):
            return False
        elif not isinstance(function, types.MethodType):
            function = getattr(type(function), "__call__", None)  # noqa: B004  (its code is wanted)
            if not isinstance(function, types.FunctionType):
                return False
