"""For which item the running code works, and which values ask the project's code."""

from __future__ import annotations

import contextvars
import logging
from typing import TYPE_CHECKING, Any

from pipeline_core.config import ConfigInterpolation
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.event import Event

if TYPE_CHECKING:
    from pipeline_core.item import Item

logger = logging.getLogger(__name__)

#: The item for which the running code works; a callback remembers it by this.
current_item: contextvars.ContextVar[Item | None] = contextvars.ContextVar(
    "current_item", default=None)

#: Types of values that realize to themselves.
PLAIN_TYPES = frozenset({str, bytes, int, float, bool, type(None), Event})


def is_project_value(*values: Any) -> bool:
    """Whether a class that the project defined takes part in realizing one of these."""
    rest = list(values)
    while rest:
        value = rest.pop()
        if type(value) in PLAIN_TYPES:
            continue
        if isinstance(value, dict):
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
        elif isinstance(value, ConfigInterpolation):
            rest += (value.s, value.c)
        else:
            realizer = None if isinstance(value, type) else getattr(value, "realize", None)
            if realizer is not None and is_project_code(realizer):
                return True
    return False


def report_failure(item: Item | None, label: str, failure: BaseException) -> None:
    """Fail the item that the failing code worked for; without one, tell the log."""
    if item is not None:
        item.crash(failure)
    else:
        logger.error("%s failed", label, exc_info=failure)
