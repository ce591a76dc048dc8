"""run-pipeline --check: loads a pipeline file as a run would, and reports on it. No item runs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from pipeline_core.engine.loader import LoadedPipeline, LoadError, load_pipeline
from pipeline_core.engine.terminal import shown
from pipeline_core.requirements.needs import Needs
from warrior.cli.check_report import Report, as_json, of_failed, of_loaded, render
from warrior.process import exits
from warrior.process.descendants import end_descendants
from warrior.process.main_loop import leave, run_to_end
from warrior.process.stdout import VisibleFormatter

if TYPE_CHECKING:
    from warrior.standalone.options import PipelineOptions


def check(options: PipelineOptions) -> int:
    """Print the report on standard output, and return the exit status. This ends the process
    itself if the file's code does not return."""
    handler = logging.StreamHandler()
    handler.setFormatter(VisibleFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    with _own_stdout() as stdout:
        return leave(run_to_end(functools.partial(_main, options, stdout), stdout.flush))


@contextlib.contextmanager
def _own_stdout() -> Iterator[TextIO]:
    """Keep standard output for the report: the programs of the file write to standard error."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding,
                   errors="backslashreplace") as stdout:
        os.dup2(2, 1)
        yield stdout


async def _main(options: PipelineOptions, stdout: TextIO) -> int:
    report = await examine(options)
    text = (json.dumps(as_json(report), indent=2, ensure_ascii=False) if options.as_json
            else shown(render(report)))
    print(text, file=stdout)
    return exits.OK if report.fine else exits.NOT_LOADED


async def examine(options: PipelineOptions) -> Report:
    """Load the file and return the report."""
    output: list[str] = []
    load = asyncio.ensure_future(_load(options, output))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, load.cancel)
    try:
        await asyncio.wait({load}, timeout=options.load_time)
        if not load.done() or load.cancelled():
            raise _not_in_time(options, interrupted=load.done())
        loaded, needs = load.result()
    except LoadError as error:
        return of_failed(options.pipeline, error, "".join(output))
    finally:
        load.cancel()
        end_descendants()
    try:
        return of_loaded(options.pipeline, loaded, needs, "".join(output))
    finally:
        loaded.close()


async def _load(options: PipelineOptions, output: list[str]) -> tuple[LoadedPipeline, Needs]:
    loaded = await load_pipeline(
        options.pipeline, options.downloader, context_values=options.context_values,
        on_output=output.append)
    return loaded, await loaded.needs()


def _not_in_time(options: PipelineOptions, *, interrupted: bool) -> LoadError:
    if interrupted:
        return LoadError("It had not finished loading when it was interrupted.")
    return LoadError(
        f"It has not finished loading after {options.load_time:g} seconds.",
        advice="Some code at its top level does not return: it may be waiting for a program or an "
               "address that does not answer. Use --load-time to allow more time.")
