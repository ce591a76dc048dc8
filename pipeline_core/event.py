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
    """A list of handlers, called in the order in which they were added.

    A handler added twice is called once. When a handler raises, the others are still called.
    Then the first error is raised to the caller that fired the event; further errors are
    logged.
    """

    # Tuples, replaced as a whole: handlers may be added and removed while it is fired. They are
    # values of the class, because most of the events that an item or a task has get no handlers.
    _handlers: tuple[Handler, ...] = ()
    #: Each handler, and whether it is project code.
    owned: tuple[tuple[Handler, bool], ...] = ()
    #: Whether no handler is project code.
    is_quiet = True

    def handle(self, handler: Handler) -> Event:
        """Add a handler, as ``+=`` does. Returns the event, so that calls can be chained."""
        if handler not in self._handlers:
            is_projects = is_project_code(handler)
            self._handlers += (handler,)
            self.owned += ((handler, is_projects),)
            if is_projects:
                self.is_quiet = False
        return self

    def unhandle(self, handler: Handler) -> Event:
        """Remove a handler, as ``-=`` does. Raises ValueError when it is not in the list."""
        place = list(self._handlers).index(handler)
        self._handlers = (*self._handlers[:place], *self._handlers[place + 1:])
        self.owned = (*self.owned[:place], *self.owned[place + 1:])
        self.is_quiet = not any([is_projects for _, is_projects in self.owned])
        return self

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers)

    def fire(self, *args: Any, **kwargs: Any) -> None:
        """Call all handlers. Calling the event does the same."""
        first: Exception | None = None
        for handler in self._handlers:
            try:
                handler(*args, **kwargs)
            except Exception as error:
                if first is None:
                    first = error
                else:
                    logger.exception("Another handler of the same event failed")
        if first is not None:
            raise first

    def getHandlerCount(self) -> int:
        """Return the number of handlers."""
        return len(self._handlers)

    __iadd__ = handle
    __isub__ = unhandle
    __call__ = fire
    __len__ = getHandlerCount
