"""Tracebacks shortened to the frames that a project's author can use."""

from __future__ import annotations

import os
import sysconfig
import traceback

import tornado

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

#: The modules through which the toolkit calls project code; their frames say nothing about its
#: errors.
_OURS = frozenset(os.path.join(_PACKAGE, name) for name in (
    "engine/project_worker.py", "engine/loader.py", "compat/project_imports.py",
    "engine/worker_thread.py", "task.py", "engine/base_task.py", "engine/item_scope.py",
    "tracker.py"))

#: The folders of the frames that come before the project's: the toolkit, Tornado, Python.
_BEFORE = tuple(os.path.join(folder, "") for folder in (
    _PACKAGE, os.path.join(os.path.dirname(_PACKAGE), "warrior"),
    os.path.dirname(os.path.abspath(tornado.__file__)),
    sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")))
#: The folder of the shipped projects in an installed program.
_SHIPPED = os.path.join(os.path.dirname(_PACKAGE), "warrior", "share", "")


def format_failure(error: BaseException) -> str:
    """Return the traceback, starting at the project's first frame; the last line is the error.

    When project code has no part in the error, all frames are included.
    """
    report = traceback.TracebackException.from_exception(error)
    one: traceback.TracebackException | None = report
    while one is not None:
        one.stack = traceback.StackSummary.from_list(_of_the_project(one.stack))
        one = one.__cause__ or one.__context__
    return "".join(report.format()).rstrip() + "\n"


def _of_the_project(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    first = next((number for number, frame in enumerate(stack) if _is_the_projects(frame)), 0)
    kept = [frame for frame in list(stack)[first:] if frame.filename not in _OURS]
    return kept or list(stack)


def _is_the_projects(frame: traceback.FrameSummary) -> bool:
    name = frame.filename
    return name.startswith(_SHIPPED) or not name.startswith(("<frozen ", *_BEFORE))
