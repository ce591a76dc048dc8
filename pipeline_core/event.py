"""Lists of handlers that are called together: ``event += handler``."""

from __future__ import annotations

import datetime
import functools
import json
import logging
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

__all__ = [
    "Event", "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

from pipeline_core.engine.ownership import is_project_code

logger = logging.getLogger(__name__)

Handler = Callable[..., Any]


class Event:
    """Handlers, called in the order in which they were added.

    A handler added twice is called once. When one raises, the others are still
    called; the first error then goes to whoever fired the event, and further
    ones to the log.
    """

    __slots__ = ("_handlers", "is_quiet", "owned")

    def __init__(self) -> None:
        # Tuples, replaced as a whole: handlers may come and go while it is fired.
        self._handlers: tuple[Handler, ...] = ()
        #: Each handler, and whether it is the project's own code.
        self.owned: tuple[tuple[Handler, bool], ...] = ()
        #: Whether none of them is.
        self.is_quiet = True

    def handle(self, handler: Handler) -> Event:
        """Add a handler; the event, so that calls can be chained. ``+=`` does the same."""
        if handler not in self._handlers:
            self._set((*self._handlers, handler))
        return self

    def unhandle(self, handler: Handler) -> Event:
        """Remove a handler, as ``-=`` does; ValueError when it is not there."""
        handlers = list(self._handlers)
        handlers.remove(handler)
        self._set(tuple(handlers))
        return self

    def _set(self, handlers: tuple[Handler, ...]) -> None:
        self._handlers = handlers
        self.owned = tuple([(handler, is_project_code(handler)) for handler in handlers])
        self.is_quiet = not any([is_projects for _, is_projects in self.owned])

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers)

    def fire(self, *args: Any, **kwargs: Any) -> None:
        """Call all handlers, as calling the event does."""
        first: Exception | None = None
        for handler in self._handlers:
            try:
                handler(*args, **kwargs)
            except Exception as error:
                if first is None:
                    first = error
                else:
                    logger.exception("A further handler of the same event failed")
        if first is not None:
            raise first

    def getHandlerCount(self) -> int:
        """How many handlers there are."""
        return len(self._handlers)

    __iadd__ = handle
    __isub__ = unhandle
    __call__ = fire
    __len__ = getHandlerCount
