"""Which item the running code works for, and which values call project code."""

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

#: The item that the running code works for. Scheduled callbacks inherit it.
current_item: contextvars.ContextVar[Item | None] = contextvars.ContextVar(
    "current_item", default=None)

#: Types of values that are realized unchanged.
PLAIN_TYPES = frozenset({str, bytes, int, float, bool, type(None), Event})


def is_project_value(*values: Any) -> bool:
    """Return whether realizing one of these values calls a class that the project defined."""
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
    """Fail the item that the failing code worked for. Without an item, log the error."""
    if item is not None:
        item.crash(failure)
    else:
        logger.error("%s failed", label, exc_info=failure)
