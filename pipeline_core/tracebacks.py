"""Tracebacks as a project's author wants to read them."""

from __future__ import annotations

import os
import traceback

_HERE = os.path.dirname(os.path.abspath(__file__))

#: By these the toolkit calls the project's code; they say nothing about its error.
_OURS = frozenset(os.path.join(_HERE, name) for name in (
    "worker.py", "loader.py", "imports.py", "mailbox.py", "task.py", "basetask.py",
    "lifetime.py", "tracker.py"))


def format_failure(error: BaseException) -> str:
    """The traceback without the frames by which the toolkit called the project."""
    report = traceback.TracebackException.from_exception(error)
    one: traceback.TracebackException | None = report
    while one is not None:
        kept = [frame for frame in one.stack if frame.filename not in _OURS]
        # An error of our own keeps all its frames.
        if kept:
            one.stack = traceback.StackSummary.from_list(kept)
        one = one.__cause__ or one.__context__
    return "".join(report.format())
