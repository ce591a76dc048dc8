"""Load a pipeline.py. Only this module executes such files."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import logging
import os
import re
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

from pipeline_core.compat.project_imports import ImportSpace
from pipeline_core.compat.python2 import (
    PYTHON_2_ATTRIBUTES,
    PYTHON_2_NAMES,
    missing_python_2_attribute,
)
from pipeline_core.config import ConfigValue, collect_config_values
from pipeline_core.engine.project_worker import ProjectWorker
from pipeline_core.engine.quiet import warnings_ignored
from pipeline_core.engine.tracebacks import format_failure
from pipeline_core.engine.worker_thread import original
from pipeline_core.pipeline import Pipeline
from pipeline_core.project import Project
from pipeline_core.requirements.collect import gather, missing_module_name
from pipeline_core.requirements.install_hints import PYTHON_2_MODULES, hint
from pipeline_core.requirements.needs import Lookups, Needs, record_lookups

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class LoadedPipeline:
    """The result of loading a file. ``config_values`` are in the order of their creation."""

    path: str
    pipeline: Pipeline
    project: Project
    config_values: tuple[ConfigValue, ...]
    worker: ProjectWorker
    imports: ImportSpace
    lookups: Lookups = dataclasses.field(default_factory=Lookups)

    async def needs(self) -> Needs:
        """Read the source and return what the file needs on this machine. This waits for the
        worker, so call it before :meth:`close`, and only when somebody wants to know."""
        needs: Needs = await self.worker.run_for(
            None, f"reading {self.path}", _gathered,
            self.path, self.imports, self.lookups, self.pipeline, None)
        return needs

    def close(self) -> None:
        """End the processes it has left and release its worker and its modules. Call this on the
        loop, when none of its items is left."""
        self.worker.children.kill_all()
        self.worker.children.close()
        self.worker.close()
        self.imports.close()


class LoadError(Exception):
    """A file could not be loaded; ``str()`` is a sentence that says why.

    ``traceback`` is the project's traceback ('' for none), ``advice`` says what to do ('' for
    none), ``needs`` is what is known of the file's requirements.
    """

    def __init__(
        self, reason: str, traceback: str = "", advice: str = "", needs: Needs | None = None
    ) -> None:
        super().__init__(reason)
        self.traceback = traceback
        self.advice = advice
        self.needs = needs or Needs()


async def load_pipeline(
    path: str,
    downloader: Any,
    *,
    context_values: Mapping[str, Any] | None = None,
    remembered: Mapping[str, str] | None = None,
    on_output: Callable[[str], Any] | None = None,
    own_directory: bool = True,
) -> LoadedPipeline:
    """Execute the file in a new worker. Raises LoadError.

    ``downloader`` and ``context_values`` become globals of the file. ``remembered`` maps names
    of settings to saved values. What the file prints is passed to ``on_output``, on the loop.
    """
    loop = asyncio.get_running_loop()
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise LoadError(f"There is no file {path}.", advice="Check the path of the pipeline.")
    directory = os.path.dirname(path)
    worker = ProjectWorker(f"worker of {os.path.basename(directory)}", directory, loop,
                    own_directory=own_directory)

    def print_on_loop(text: str) -> None:
        worker.post(on_output or _ignore, text, size=len(text))

    try:
        loaded: LoadedPipeline = await worker.run_for(
            None, f"loading {path}", _execute, path, directory,
            {"downloader": downloader, **(context_values or {})}, dict(remembered or {}), worker,
            sink=print_on_loop)
    except Exception as error:
        worker.close()
        if isinstance(error, LoadError):
            raise
        raise _explain(original(error), path, Needs()) from None
    return loaded


def _ignore(text: str) -> None:
    """Drop what the file prints."""


def _execute(
    path: str,
    directory: str,
    context: dict[str, Any],
    remembered: dict[str, str],
    worker: ProjectWorker,
) -> LoadedPipeline:
    with open(path, "rb") as file:
        source = file.read()
    space = ImportSpace(directory)
    with record_lookups() as lookups, collect_config_values(remembered) as values:
        try:
            pipeline, project = _run(source, path, space, context)
        except BaseException as error:
            # sys.exit() too: missing requirements are reported in every case.
            needs = _gathered(path, space, lookups, None, error)
            space.close()
            if isinstance(error, LoadError):
                error.needs = needs
                raise
            raise _explain(error, path, needs) from None
    pipeline.project = project
    pipeline.worker = worker
    return LoadedPipeline(path, pipeline, project, tuple(values), worker, space, lookups)


def _gathered(
    path: str,
    space: ImportSpace,
    lookups: Lookups,
    pipeline: Pipeline | None,
    error: BaseException | None,
) -> Needs:
    try:
        return gather(path, space, lookups, pipeline, error)
    except BaseException:
        # A project's tasks may be of any kind, and may even call sys.exit(). A file must load
        # even if its requirements cannot be determined.
        logger.exception("The requirements of %s could not be determined", path)
        return Needs()


def _run(
    source: bytes, path: str, space: ImportSpace, context: dict[str, Any]
) -> tuple[Pipeline, Project]:
    # Compiled from bytes: Python itself handles the BOM, the coding line and line ends.
    # Warnings are ignored: old files cause many ('\\d' in plain strings), and the volunteer
    # cannot fix them.
    with warnings_ignored(SyntaxWarning, DeprecationWarning):
        code = compile(source, path, "exec", dont_inherit=True)
    namespace = space.namespace
    namespace.update(context, __file__=path)
    try:
        exec(code, namespace)
    finally:
        _restore_modules()
    return (_wanted(path, namespace, "pipeline", Pipeline),
            _wanted(path, namespace, "project", Project))


def _contract_modules() -> dict[types.ModuleType, dict[str, Any]]:
    names = ("config", "event", "externalprocess", "item", "pipeline", "project", "runner",
             "task", "tracker", "util")
    modules = [importlib.import_module(f"pipeline_core.{name}") for name in names]
    return {module: dict(vars(module)) for module in modules}


#: The contents of the contract modules before any file has changed them.
_PRISTINE = _contract_modules()


def _restore_modules() -> None:
    """Undo what a file has assigned in the contract modules: other projects must not see it."""
    for module, names in _PRISTINE.items():
        for name, value in names.items():
            if vars(module).get(name) is not value:
                setattr(module, name, value)


def _wanted(path: str, namespace: dict[str, Any], name: str, kind: type) -> Any:
    if not isinstance(namespace.get(name), kind):
        raise LoadError(
            f"{path} does not define `{name}`, a {kind.__name__}.",
            advice=f"Every pipeline file must set `{name} = {kind.__name__}(…)`.")
    return namespace[name]


# -- why it failed -----------------------------------------------------------------

_PYTHON_2_SYNTAX = re.compile(
    r"^\s*(print\s+[^(=\s]|print\s*>>|exec\s+[\"'\w]|raise\s+\w[\w.]*\s*,"
    r"|except\s+[\w.]+\s*,\s*\w+\s*:)|\bur[\"']|<>|`[^`]+`|\b0[0-7]+\b|\b\d+[lL]\b")


def _explain(error: BaseException, path: str, needs: Needs) -> LoadError:
    text = format_failure(error)
    if isinstance(error, SyntaxError):
        if error.filename == path:
            # No project code has run: all frames belong to the toolkit and say nothing.
            text = "".join(traceback.format_exception_only(error))
        if _is_python_2(error):
            return LoadError(
                f"{path} is written for Python 2 and cannot run on Python 3 "
                f"(line {error.lineno}).", text, _TO_PYTHON_3, needs)
        return LoadError(
            f"{path} is not valid Python: {error.msg} (line {error.lineno}).", text,
            "The project's author has to correct the file.", needs)
    name = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and name in PYTHON_2_MODULES:
        return LoadError(
            f"{path} is written for Python 2: it imports {name}, which Python 3 does "
            "not have.", text, _TO_PYTHON_3, needs)
    if isinstance(error, NameError) and name in PYTHON_2_NAMES:
        return LoadError(
            f"{path} is written for Python 2: it uses {name}, which Python 3 does not have.",
            text, _TO_PYTHON_3, needs)
    if attribute := missing_python_2_attribute(error):
        return LoadError(
            f"{path} is written for Python 2: it uses {attribute}, which Python 3 does not have "
            f"(instead: {PYTHON_2_ATTRIBUTES[attribute]}).", text, _TO_PYTHON_3, needs)
    if missing_module_name(error) or needs.missing:
        return _explain_missing(error, text, needs)
    if isinstance(error, SystemExit):
        return LoadError(f"{path} ended itself with sys.exit({error.code!r}).", text,
                         "What it printed before may say why.", needs)
    return LoadError(f"{path} could not be loaded: {_in_words(error)}", text,
                     "If it says that a program or module is missing, install that and try "
                     "again. Otherwise the project's author has to correct the file. "
                     f"{hint(str(error))}".strip(), needs)


_TO_PYTHON_3 = "The project's author has to bring it to Python 3."


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip() or 'no reason given'}"


def _explain_missing(error: BaseException, text: str, needs: Needs) -> LoadError:
    """Report what is missing first: whoever installs it does not need the traceback."""
    reason, advice = needs.reason, needs.advice
    if not isinstance(error, ModuleNotFoundError):
        said = error.code if isinstance(error, SystemExit) else error
        words = str(said).strip()
        reason += f" The project says: {words}" if words else ""
    return LoadError(reason, text, advice, needs)


def _is_python_2(error: SyntaxError) -> bool:
    message = error.msg or ""
    if isinstance(error, TabError) or "Missing parentheses in call to" in message \
            or "multiple exception types must be parenthesized" in message \
            or "leading zeros in decimal integer" in message:
        return True
    return bool(error.text and _PYTHON_2_SYNTAX.search(error.text))

