"""Collects what a file needs, from its lookups, its tasks and its source.

This reads files and uses the import system, so it runs in the worker.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipeline_core.config import ConfigInterpolation, ConfigValue, realize
from pipeline_core.externalprocess import ExternalProcess
from pipeline_core.requirements.install_hints import (
    GONE,
    PYTHON_2_MODULES,
    installed_version,
    module_advice,
    permission_advice,
    program_advice,
)
from pipeline_core.requirements.needs import (
    NOT_EXECUTABLE,
    Lookups,
    Missing,
    ModuleNeed,
    Needs,
    ProgramNeed,
    Tried,
)
from pipeline_core.requirements.source_reader import FileRead, read_files
from pipeline_core.tracker import UploadWithTracker

if TYPE_CHECKING:
    from pipeline_core.compat.project_imports import ImportSpace
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.task import Task

#: Errors that are not caused by a missing program.
_OF_THE_CODE = (ImportError, NameError, KeyError, SyntaxError, ConnectionError, TimeoutError)
#: Modules that every installation of this program has.
_PROVIDED = frozenset({"seesaw", "pipeline_core", "distutils", "tornado"})


def gather(
    path: str,
    space: ImportSpace,
    lookups: Lookups,
    pipeline: Pipeline | None,
    error: BaseException | None,
) -> Needs:
    """Return what the file at ``path`` needs. ``error`` is what made its load fail; ``pipeline``
    is the pipeline of a successful load."""
    files = read_files(path, space)
    # Whether the load may have failed because a program was not found.
    may_be_cause = error is not None and not isinstance(error, _OF_THE_CODE)
    # The programs that were not found, although a command line starts with them.
    needed = {name for file in files for variable, name in file.reading.looked_up
              if any(variable == head for _, head in file.reading.heads)
              and space.namespace.get(variable, "") is None}
    # The file works without the other programs that were not found.
    programs = [ProgramNeed(
        name, " or ".join(one.versions), one.found, tuple(dict.fromkeys(one.tried)),
        "the file looks for it", optional=not (one.found or may_be_cause or name in needed))
        for name, one in lookups.items()]
    if pipeline is not None:
        _add_from_tasks(pipeline, programs)
        _add_from_sources(files, programs)
    modules = _modules(files, space, loaded=error is None)
    missed = missing_module_name(error).removeprefix(space.name + ".")
    if missed:
        top = missed.partition(".")[0]
        name = missed if is_there(top, space) else top
        modules = [*(one for one in modules if one.name != name), ModuleNeed(name, False, "")]
    return Needs(
        tuple(programs), tuple(modules),
        tuple([*[_missing_module(one) for one in modules if not one.found and not one.optional],
               *[_missing_program(one) for one in programs if not one.found and not one.optional]]),
        tuple(one for file in files for one in file.reading.deprecated),
        () if pipeline is None else tuple(_unseen(pipeline, files, programs, space.namespace)),
        tuple(one for file in files for one in file.reading.newer))


# -- programs ------------------------------------------------------------------------------

def _add_from_tasks(pipeline: Pipeline, programs: list[ProgramNeed]) -> None:
    """Add the other programs that the tasks run."""
    for task in pipeline.positions:
        for program, why in programs_of(task):
            if program is None:
                if all(one.found or one.optional for one in programs):
                    programs.append(ProgramNeed("its program (None)", "", "", (), why))
            elif not any(program in (one.name, one.found) for one in programs):
                env = getattr(task, "env", None)
                path = env.get("PATH") if isinstance(env, dict) else None
                programs.append(_look(program, getattr(task, "cwd", pipeline.cwd),
                                      path if isinstance(path, str) else os.defpath, why))


def _add_from_sources(files: list[FileRead], programs: list[ProgramNeed]) -> None:
    """Add the other programs that functions start by name with subprocess."""
    for file in files:
        for program, where in file.reading.started:
            if not any(program in (one.name, one.found) for one in programs):
                programs.append(_look(program, os.path.dirname(file.path),
                                      os.environ.get("PATH", os.defpath), where))


def programs_of(task: Task) -> Iterator[tuple[str | None, str]]:
    """Yield ``(program, who wants it)``. Programs that depend on the item are left out.

    The program is None when the task's ``args`` start with None.
    """
    name = getattr(task, "name", type(task).__name__)
    if isinstance(task, UploadWithTracker):
        yield "rsync", f"{name} runs it for targets that start with rsync://"
        yield "curl", f"{name} runs it for targets that start with http"
        return
    # A class of the project may not have called the base constructor.
    args = getattr(task, "args", None) if isinstance(task, ExternalProcess) else None
    if not isinstance(args, (list, tuple)) or not args:
        return
    first = args[0]
    if isinstance(first, ConfigInterpolation) and isinstance(first.c, ConfigValue):
        first = realize(first)
    elif isinstance(first, ConfigValue):
        first = first.value
    if first is None:
        yield None, f"{name} runs it"
    elif isinstance(first, (str, os.PathLike)):
        yield os.fspath(first), f"{name} runs it"


def _unseen(
    pipeline: Pipeline, files: list[FileRead], programs: list[ProgramNeed],
    namespace: Mapping[str, Any],
) -> Iterator[str]:
    """Yield the names of the tasks whose program is not known before there is an item.

    The program is known if the class that makes the command line starts a list with a variable
    that holds a program that was found.
    """
    found = {one.found for one in programs if one.found}
    names = {one.name for one in programs if one.found}
    variables = {variable for file in files for variable, name in file.reading.looked_up
                 if name in names}
    variables |= {name for name, value in namespace.items()
                  if isinstance(value, str) and value in found}
    known = {scope for file in files for scope, variable in file.reading.heads
             if variable in variables}
    for task in pipeline.positions:
        args = getattr(task, "args", None) if isinstance(task, ExternalProcess) else None
        if args is not None and type(args).__name__ not in known and not any(programs_of(task)):
            yield str(getattr(task, "name", type(task).__name__))


def _look(program: str, cwd: str, search: str, why: str) -> ProgramNeed:
    """Look for a program where ExternalProcess would look for it."""
    if os.sep in program:
        path = os.path.join(cwd, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return ProgramNeed(program, "", program, (), why)
        trouble = (NOT_EXECUTABLE if os.path.isfile(path)
                   else "is a folder" if os.path.isdir(path) else "is not there")
        return ProgramNeed(program, "", "", (Tried(program, trouble),), why)
    found = shutil.which(program, path=search) or ""
    return ProgramNeed(program, "", found,
                       () if found else (Tried(program, f"is not on {search}"),), why)


def _missing_program(need: ProgramNeed) -> Missing:
    wanted = f"{need.name} ({need.version})" if need.version else need.name
    tried = ", ".join(f"{one.path} {one.why}" for one in need.tried)
    there = [one.path for one in need.tried if one.why == NOT_EXECUTABLE]
    advice = [permission_advice(path) for path in there]
    if not there or len(there) < len(need.tried):
        advice.append(program_advice(
            need.name, [one.path for one in need.tried],
            other_version=any("wanted version" in one.why for one in need.tried)))
    return Missing("program", need.name, f"The program {wanted} is missing: "
                   f"{tried or 'no path was tried'}.", " Or: ".join(advice))


# -- modules -------------------------------------------------------------------------------

def missing_module_name(error: BaseException | None) -> str:
    """Return the module whose absence made the code fail, also when the project raised another
    error because of it."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            return error.name
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return ""


def _modules(files: list[FileRead], space: ImportSpace, *, loaded: bool) -> list[ModuleNeed]:
    """Return one need for each top-level module that is neither the toolkit's, Python's nor the
    project's."""
    needs: dict[str, ModuleNeed] = {}
    for one in (one for file in files for one in file.foreign):
        top = one.name.partition(".")[0]
        if not top or top in _PROVIDED or top in sys.builtin_module_names:
            continue
        found = is_there(top, space)
        if top in sys.stdlib_module_names and (found or top not in GONE):
            continue  # if it is not found, it belongs to another operating system
        # The file has loaded, so an import at module level that is not found was not required.
        optional = one.optional or (loaded and not one.later and not found)
        if optional and not found and top in PYTHON_2_MODULES:
            continue
        need = ModuleNeed(top, found, installed_version(top) if found else "", one.later, optional)
        known = needs.get(top)
        if known is None or (known.optional, bool(known.later)) > (need.optional, bool(need.later)):
            needs[top] = need
    return list(needs.values())


def is_there(top: str, space: ImportSpace) -> bool:
    """Return whether a module can be imported, without importing it."""
    try:
        return space.find(top) is not None or importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def _missing_module(need: ModuleNeed) -> Missing:
    later = f": it is needed later, {need.later}" if need.later else ""
    return Missing("module", need.name, f"The Python module {need.name} is missing{later}.",
                   module_advice(need.name))

