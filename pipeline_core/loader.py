"""From a pipeline.py to a pipeline that can run; the only place that runs such files."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import os
import re
import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from pipeline_core.config import ConfigValue, collect_config_values
from pipeline_core.imports import ImportSpace
from pipeline_core.pipeline import Pipeline
from pipeline_core.project import Project
from pipeline_core.tracebacks import format_failure
from pipeline_core.worker import Worker


@dataclasses.dataclass(frozen=True)
class LoadedPipeline:
    """What a file left behind. ``config_values`` are in the order they were made."""

    path: str
    pipeline: Pipeline
    project: Project
    config_values: tuple[ConfigValue, ...]
    worker: Worker
    imports: ImportSpace

    def close(self) -> None:
        """Let its thread and its modules go; when no item of it is left."""
        self.worker.close()
        self.imports.close()


class LoadError(Exception):
    """A file could not be loaded: ``str()`` says why in a sentence.

    ``traceback`` is the project's ('' when there is none), ``advice`` what to do
    about it ('' when there is nothing to say).
    """

    def __init__(self, reason: str, traceback: str = "", advice: str = "") -> None:
        super().__init__(reason)
        self.traceback = traceback
        self.advice = advice


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

    ``downloader`` and ``context_values`` are globals of the file. ``remembered``
    holds values of settings by name. What the file prints goes to ``on_output``, on
    the loop.
    """
    loop = asyncio.get_running_loop()
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise LoadError(f"There is no file {path}.", advice="Check the path of the pipeline.")
    directory = os.path.dirname(path)
    worker = Worker(f"worker of {os.path.basename(directory)}", directory, loop,
                    own_directory=own_directory)
    loaded: asyncio.Future[LoadedPipeline] = loop.create_future()

    def ended(result: Any, error: BaseException | None) -> None:
        if loaded.done():
            return
        if error is None:
            loaded.set_result(result)
        else:
            worker.close()
            loaded.set_exception(
                error if isinstance(error, LoadError) else _explain(error, path))

    def print_on_loop(text: str) -> None:
        worker.post(on_output or _ignore, text)

    worker.call_for(
        None, f"loading {path}", _execute, path, directory,
        {"downloader": downloader, **(context_values or {})}, dict(remembered or {}), worker,
        then=ended, sink=print_on_loop)
    return await loaded


def _ignore(text: str) -> None:
    """Nobody wants to see what the file prints."""


def _execute(
    path: str,
    directory: str,
    context: dict[str, Any],
    remembered: dict[str, str],
    worker: Worker,
) -> LoadedPipeline:
    with open(path, "rb") as file:
        source = file.read()
    space = ImportSpace(directory)
    try:
        # From bytes: Python itself sees to BOM, coding line and line ends.
        with warnings.catch_warnings():
            # Old files are full of them ('\\d' in plain strings), and nobody here can
            # do anything about it.
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            code = compile(source, path, "exec", dont_inherit=True)
        namespace = space.namespace
        namespace.update(context, __file__=path)
        with collect_config_values(remembered) as values:
            try:
                exec(code, namespace)
            finally:
                _restore_modules()
        pipeline = _wanted(path, namespace, "pipeline", Pipeline)
        project = _wanted(path, namespace, "project", Project)
    except BaseException:
        space.close()
        raise
    pipeline.project = project
    pipeline.worker = worker
    return LoadedPipeline(path, pipeline, project, tuple(values), worker, space)


def _contract_modules() -> dict[types.ModuleType, dict[str, Any]]:
    names = ("config", "event", "externalprocess", "item", "pipeline", "project", "runner",
             "task", "tracker", "util")
    modules = [importlib.import_module(f"pipeline_core.{name}") for name in names]
    return {module: dict(vars(module)) for module in modules}


#: The modules that files import, as they are before any file has changed them.
_PRISTINE = _contract_modules()


def _restore_modules() -> None:
    """Take back what a file has assigned in our modules: no other project may see it."""
    for module, names in _PRISTINE.items():
        for name, value in names.items():
            if vars(module).get(name) is not value:
                setattr(module, name, value)


def _wanted(path: str, namespace: dict[str, Any], name: str, kind: type) -> Any:
    if not isinstance(namespace.get(name), kind):
        raise LoadError(
            f"{path} does not define `{name}`, a {kind.__name__}.",
            advice=f"Every pipeline file has to leave `{name} = {kind.__name__}(…)` behind.")
    return namespace[name]


# -- why it failed -----------------------------------------------------------------

_PYTHON_2_MODULES = frozenset({
    "urllib2", "urlparse", "Queue", "ConfigParser", "StringIO", "cStringIO", "cPickle",
    "commands", "httplib", "cookielib", "HTMLParser", "thread", "__builtin__", "sets",
    "Cookie", "SocketServer", "BaseHTTPServer", "robotparser", "itertools.izip",
})
_PYTHON_2_NAMES = frozenset({
    "unicode", "xrange", "raw_input", "basestring", "unichr", "long", "reduce", "reload",
    "file", "execfile", "cmp",
})
_PYTHON_2_SYNTAX = re.compile(
    r"^\s*(print\s+[^(=\s]|print\s*>>|exec\s+[\"'\w]|raise\s+\w[\w.]*\s*,"
    r"|except\s+[\w.]+\s*,\s*\w+\s*:)|\bur[\"']|<>|`[^`]+`|\b0[0-7]+\b|\b\d+[lL]\b")


def _explain(error: BaseException, path: str) -> LoadError:
    text = format_failure(error)
    if isinstance(error, SyntaxError):
        if _is_python_2(error):
            return LoadError(
                f"{path} is written for Python 2 and cannot run on Python 3 "
                f"(line {error.lineno}).", text,
                "The project's author has to bring it to Python 3.")
        return LoadError(
            f"{path} is not valid Python: {error.msg} (line {error.lineno}).", text,
            "The project's author has to correct the file.")
    name = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and name:
        if name in _PYTHON_2_MODULES:
            return LoadError(
                f"{path} is written for Python 2: it imports {name}, which Python 3 does "
                "not have.", text, "The project's author has to bring it to Python 3.")
        top = name.partition(".")[0]
        return LoadError(
            f"The Python module {name} is missing.", text,
            f"Install it for this Python, for example with: pip install "
            f"{_PACKAGES.get(top, top)}")
    if isinstance(error, NameError) and name in _PYTHON_2_NAMES:
        return LoadError(
            f"{path} is written for Python 2: it uses {name}, which Python 3 does not have.",
            text, "The project's author has to bring it to Python 3.")
    if isinstance(error, SystemExit):
        return LoadError(f"{path} ended itself with sys.exit({error.code!r}).", text,
                         "What it printed before may say why.")
    message = str(error).strip() or "it gives no reason"
    return LoadError(f"{path} could not be loaded: {type(error).__name__}: {message}", text)


#: Modules that come in a package of another name.
_PACKAGES = {"dns": "dnspython", "yaml": "pyyaml", "bs4": "beautifulsoup4"}


def _is_python_2(error: SyntaxError) -> bool:
    message = error.msg or ""
    if isinstance(error, TabError) or "Missing parentheses in call to" in message \
            or "multiple exception types must be parenthesized" in message \
            or "leading zeros in decimal integer" in message:
        return True
    return bool(error.text and _PYTHON_2_SYNTAX.search(error.text))

