"""Tasks that run a program: any program, Wget, rsync or curl."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import functools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.config import realize
from pipeline_core.engine.async_popen import AsyncPopen, AsyncPopen2
from pipeline_core.engine.base_task import leave
from pipeline_core.engine.calls import call, hook, on_loop
from pipeline_core.engine.child import RESOURCE_ERRORS, Child
from pipeline_core.engine.ownership import is_project_code
from pipeline_core.engine.project_code import is_project_value
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.backoff import Backoff
from pipeline_core.net.curl_run import CURL_HOME, Command, CurlRun, ProgramResult
from pipeline_core.task import Task

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.net.turns import Turn

__all__ = [
    "AsyncPopen", "AsyncPopen2", "CurlUpload", "ExternalProcess", "RsyncUpload",
    "WgetDownload", "Task", "realize",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

#: Seconds before another try when the machine cannot start one more process: the first delay,
#: and the longest that it grows to.
SHORT_OF_RESOURCES, LONGEST_RETRY_DELAY = 2.0, 300.0

#: The environment of upload programs, by program. A target that wants a password gets this one
#: and refuses it: without a password, rsync would ask on the terminal for ever, or read the list
#: of files as the answer. curl must not read the user's own settings: it reads those in this
#: folder, unless CurlRun writes some for the try.
UPLOAD_ENV = {
    "rsync": {"RSYNC_PASSWORD": "none"},
    "curl": {"CURL_HOME": CURL_HOME},
}


class ExternalProcess(Task):
    """Runs a program, and retries it if it fails, up to ``max_tries`` times (None: for ever).

    ``args`` and ``env`` are realized for each try. The child gets exactly ``env`` and
    PYTHONIOENCODING, and not the parent's environment: a proxy setting of the host must never
    reach a crawl. ``retry_on_exit_code=None`` retries on every exit code that is not accepted.
    ``retry_delay`` seconds pass before each retry; ``handle_process_error`` may set it.
    """

    def __init__(
        self,
        name: str,
        args: Any,
        max_tries: Any = 1,
        retry_delay: float = 2,
        accept_on_exit_code: Sequence[int] | None = None,
        retry_on_exit_code: Sequence[int] | None = None,
        env: Any = None,
    ) -> None:
        super().__init__(name)
        self.args = args
        self.max_tries = max_tries
        self.retry_delay = retry_delay
        self.accept_on_exit_code = [0] if accept_on_exit_code is None else accept_on_exit_code
        self.retry_on_exit_code = retry_on_exit_code
        self.env = {} if env is None else env

    # -- hooks -----------------------------------------------------------------
    def stdin_data(self, item: Item) -> bytes:
        """Return what the program reads from its standard input."""
        return b""

    @on_loop
    def process(self, item: Item) -> None:
        """Make one try."""
        if item.scope.try_begun_by_project(self):
            item.scope.spawn(self._try_until_left(item, is_trying=True))
        else:
            item.scope.spawn(self._try_once(item))

    def on_subprocess_stdout(self, pipe: Any, item: Item, data: bytes) -> None:
        """Handle output of the program: add it to the item's log."""
        item.log_output(data, full_line=False)

    @on_loop
    def on_subprocess_end(self, item: Item, returncode: int) -> None:
        """Handle the end of the program; its output is complete."""
        item.scope.spawn(self._program_ended(item, returncode))

    @on_loop
    def handle_process_result(self, exit_code: int, item: Item) -> None:
        """Handle an accepted exit status: complete the item."""
        item.scope.spawn(self._succeeded(exit_code, item))

    def handle_process_error(self, exit_code: int, item: Item) -> None:
        """Handle any other exit status: try again, or fail."""
        # The delay is read now, because the override of another item may change it later.
        self._try_failed(exit_code, item, float(realize(self.retry_delay, item)))

    # -- the tries -----------------------------------------------------------------
    #: Whether this is an upload, which seals the item if necessary, and needs a turn.
    _uploads = False

    def _work_on(self, item: Item) -> Coroutine[Any, Any, None]:
        return self._try_until_left(item)

    async def _try_until_left(self, item: Item, *, is_trying: bool = False) -> None:
        """Try until the item has left. ``is_trying``: the first time ``process`` has been called
        already."""
        if self._uploads and item.pipeline.sealer is not None:
            await item.pipeline.sealer.seal_at_start(self, item)
        visit = item.scope.visits.get(self) or item.scope.enter(self)
        item["tries"] = 0
        while True:
            item["tries"] += 1
            visit.begin_try()
            if is_trying:
                await self._try_once(item)
            else:
                await hook(item, self, "process", self._try_once, item)
            is_trying = False
            retry = await visit.tried()
            if retry is None:
                return
            item.log_output(f"Retrying {self.name} for {item.description()} after "
                            f"{retry.delay:g} seconds...")
            await item.scope.wait(Waiting(
                retry.reason, retry.fault, time.monotonic() + retry.delay, retry.code),
                retry.delay)

    async def _try_once(self, item: Item) -> None:
        if (is_project_code(self.stdin_data) or is_project_value(self.args, self.env)
                or self._runs_project_code()):
            command = await call(item, self, self._realize_command, item, in_worker=True)
        else:
            command = self._realize_command(item)
        if self._uploads:
            ended = await self._upload(item, command)
        else:
            ended = await self._run_program(item, command)
        if ended is None:
            return  # the program did not start, and the item was failed or retried
        if item.scope.awaits_handlers:
            await item.scope.handlers_returned()
        item.scope.check()
        if ended.unread:
            await self._input_left(item, ended)
        else:
            await hook(item, self, "on_subprocess_end", self._program_ended, item,
                       ended.returncode)

    def _runs_project_code(self) -> bool:
        """Return whether standard input comes from project code that the class does not show."""
        return False

    def _realize_command(self, item: Item) -> Command:
        args = [arg if isinstance(arg, (str, bytes)) else os.fspath(arg)
                if isinstance(arg, os.PathLike) else str(arg)
                for arg in realize(self.args, item)]
        env = {str(key): str(value) for key, value in realize(self.env, item).items()}
        env.setdefault("PYTHONIOENCODING", "utf8:replace")
        data = self.stdin_data(item)
        return args, env, data.encode() if isinstance(data, str) else data

    async def _program_ended(self, item: Item, returncode: int) -> None:
        if returncode in realize(self.accept_on_exit_code, item):
            await hook(item, self, "handle_process_result", self._succeeded, returncode, item)
        else:
            await call(item, self, self.handle_process_error, returncode, item)

    async def _succeeded(self, exit_code: int, item: Item) -> None:
        await leave(item, self)

    @on_loop
    def _try_failed(self, exit_code: int, item: Item, delay: float) -> None:
        item.log_output(
            f"Process {self.name} {_how_it_ended(exit_code)} for {item.description()}")
        tries, most = item.get("tries", 1), realize(self.max_tries, item)
        codes = realize(self.retry_on_exit_code, item)
        if (most is None or tries < int(most)) and (codes is None or exit_code in codes):
            item.scope.ask_again(self, _Retry(
                f"{self.name} {_how_it_ended(exit_code)}.", Fault.PROJECT, "retry", delay))
        else:
            item.scope.spawn(leave(item, self, False))

    async def _input_left(self, item: Item, ended: ProgramResult) -> None:
        """Handle a program that has not read all of its input: it cannot have done what it was
        asked to, whatever its exit status says."""
        returncode = ended.returncode
        if self._uploads and returncode not in realize(self.accept_on_exit_code, item):
            # The target could not be reached. The files are complete, so the upload is retried.
            await hook(item, self, "on_subprocess_end", self._program_ended, item, returncode)
            return
        item.log_output(f"{self.name} {_how_it_ended(returncode)}, but did not read all of its "
                        f"input: {ended.unread} bytes are left unread.")
        if self._uploads:
            await call(item, self, self.handle_process_error, returncode, item)
        else:
            await leave(item, self, False)

    # -- uploads -------------------------------------------------------------------
    def use_turn(self, item: Item, turn: Turn) -> None:
        """Start the upload with this turn of its target."""
        item.scope.kept_by[self] = turn

    async def _upload(self, item: Item, command: Command) -> ProgramResult | None:
        """Run the program as soon as the governor gives a turn for its target."""
        turn: Turn | None = item.scope.kept_by.pop(self, None)
        if turn is None:
            endpoint = item.pipeline.governor.target(os.fsdecode(command[0][-1]))
            turn = endpoint.try_turn() or await endpoint.turn(item.scope.show_waiting)
            item.set_waiting(None)
        try:
            ended = await self._run_upload(item, command)
        except BaseException:
            turn.abandoned()
            raise
        if ended is None:
            turn.abandoned()
            return None
        if ended.returncode in realize(self.accept_on_exit_code, item):
            turn.succeeded()
        else:
            turn.refused(
                f"An upload to {turn.endpoint.host.name} failed ({self.name} "
                f"{_how_it_ended(ended.returncode)}).", Fault.TARGET, "upload",
                silence=ended.silence)
        return ended

    def _run_upload(
        self, item: Item, command: Command
    ) -> Coroutine[Any, Any, ProgramResult | None]:
        return self._run_program(item, command)

    # -- the program ---------------------------------------------------------------
    async def _run_program(self, item: Item, command: Command) -> ProgramResult | None:
        """Run the program to its end. Return None when it did not start; then the item has been
        failed or retried."""
        args, env, data = command
        if not isinstance(data, (bytes, bytearray, memoryview)):
            item.log_output(f"{self.name}: the input of the program must be bytes or text, but it "
                            f"is {'None' if data is None else type(data).__name__}.")
            await leave(item, self, False)
            return None
        worker = item.worker
        if worker is None:
            raise RuntimeError(f"{self.name} can run a program only for an item of a runner")
        ended: asyncio.Future[int] = worker.loop.create_future()
        on_output: Callable[[bytes], Any] = functools.partial(item.log_output, full_line=False)
        if is_project_code(self.on_subprocess_stdout):
            def on_output(data: bytes) -> None:
                if not item.finished:
                    item.scope.project_call(worker, self.on_subprocess_stdout, (child, item, data))

        def on_end(returncode: int) -> None:
            item.flush_output()
            if not ended.done():
                ended.set_result(returncode)

        child = Child(
            worker.children, args, env=env, cwd=self.cwd, stdin_data=bytes(data),
            on_output=on_output, on_end=on_end,
            on_gone=lambda: item.scope.child_gone(child))
        try:
            child.start()
        except (OSError, ValueError, TypeError) as error:
            await self._not_started(item, args, env, error)
            return None
        item.scope.add_child(child)
        child.attach()
        try:
            return ProgramResult(await ended, child.unread_input)
        except asyncio.CancelledError:
            # The item may hold a slot of a limit, which must stay taken until the program ends.
            child.stop(item.scope.kill_after)
            await child.gone()
            raise

    async def _not_started(
        self, item: Item, args: list[str | bytes], env: dict[str, str], error: Exception
    ) -> None:
        program = args[0] if args else ""
        if isinstance(error, OSError) and error.errno in RESOURCE_ERRORS:
            item["tries"] -= 1
            reason = f"{self.name}: {program!s} cannot be started now: {error.strerror}."
            item.log_output(reason)
            backoff = item.scope.kept_by.setdefault((self, "resources"), Backoff(
                SHORT_OF_RESOURCES, factor=1.5, maximum=LONGEST_RETRY_DELAY))
            item.scope.ask_again(self, _Retry(
                reason, Fault.MACHINE, "resources", round(backoff.next_delay(), 1)))
            backoff.grow()
            return
        if isinstance(error, FileNotFoundError) and not os.path.isdir(self.cwd):
            reason = f"the folder {self.cwd} does not exist"
        elif isinstance(error, FileNotFoundError):
            where = "" if os.sep in str(program) else f" on {env.get('PATH', os.defpath)}"
            reason = f"there is no such program{where}; install it, or correct the project"
        else:
            reason = str(error)
        item.log_output(f"{self.name}: {program!s} cannot be run: {reason}.")
        item.log_error(self, error)
        await leave(item, self, False)


@dataclasses.dataclass(frozen=True)
class _Retry:
    """Why a program is run again, and after how many seconds."""

    reason: str
    fault: Fault
    code: str
    delay: float


def _how_it_ended(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"returned exit code {code}"


class WgetDownload(ExternalProcess):
    """Runs Wget; ``args`` start with the program. ``stdin_data_function(item)`` returns its
    standard input (bytes)."""

    def __init__(
        self,
        args: Any,
        max_tries: Any = 1,
        accept_on_exit_code: Sequence[int] | None = None,
        retry_on_exit_code: Sequence[int] | None = None,
        env: Any = None,
        stdin_data_function: Callable[[Item], bytes] | None = None,
    ) -> None:
        super().__init__(
            "WgetDownload", args, max_tries=max_tries, accept_on_exit_code=accept_on_exit_code,
            retry_on_exit_code=retry_on_exit_code, env=env)
        self.stdin_data_function = stdin_data_function

    def stdin_data(self, item: Item) -> bytes:
        return b"" if self.stdin_data_function is None else self.stdin_data_function(item)

    def _runs_project_code(self) -> bool:
        return self.stdin_data_function is not None and is_project_code(self.stdin_data_function)


class RsyncUpload(ExternalProcess):
    """Sends ``files`` (paths below ``target_source_path``) to an rsync target."""

    _uploads = True

    def __init__(
        self,
        target: Any,
        files: Any,
        target_source_path: Any = "./",
        bwlimit: Any = "0",
        max_tries: Any = None,
        extra_args: Any = None,
    ) -> None:
        self.target = target
        self.files = files
        self.target_source_path = target_source_path
        super().__init__("RsyncUpload", [
            "rsync", "-rltv", "--timeout=300", "--contimeout=300", "--progress",
            "--bwlimit", bwlimit,
            *(extra_args if isinstance(extra_args, (list, tuple)) else []),
            "--files-from=-", target_source_path, target,
        ], max_tries=max_tries, env=dict(UPLOAD_ENV["rsync"]))

    def stdin_data(self, item: Item) -> bytes:
        source = os.path.join(self.cwd, str(realize(self.target_source_path, item)))
        lines = []
        for file in realize(self.files, item):
            name = os.path.relpath(os.path.join(self.cwd, str(file)), source)
            if "\n" in name or "\r" in name:
                raise ValueError(
                    f"rsync takes one file a line, and this name contains a line break: {name!r}")
            # rsync reads a line that starts with these as a comment.
            lines.append("./" + name if name[0] in "#;" else name)
        return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")

    def _runs_project_code(self) -> bool:
        return is_project_value(self.files)


class CurlUpload(ExternalProcess):
    """Sends one file to an HTTP target with PUT."""

    _uploads = True

    def __init__(
        self,
        target: Any,
        filename: Any,
        connect_timeout: Any = "60",
        speed_limit: Any = "1",
        speed_time: Any = "900",
        max_tries: Any = None,
    ) -> None:
        self.target = target
        super().__init__("CurlUpload", [
            "curl", "--fail", "--output", "/dev/null", "--connect-timeout", connect_timeout,
            "--speed-limit", speed_limit, "--speed-time", speed_time,
            "--header", _CurlLimits(speed_limit, speed_time),
            "--write-out", "Upload server: %{url_effective}\\n",
            "--location", "--upload-file", filename, target,
        ], max_tries=max_tries, env=dict(UPLOAD_ENV["curl"]))

    def _run_upload(
        self, item: Item, command: Command
    ) -> Coroutine[Any, Any, ProgramResult | None]:
        return run_curl(self, item, command)


def run_curl(
    task: ExternalProcess, item: Item, command: Command
) -> Coroutine[Any, Any, ProgramResult | None]:
    """Run curl for a task, and follow the target's redirects."""
    return CurlRun(command, functools.partial(task._run_program, item), item.log_output).run()


class _CurlLimits:
    """The header that tells the server below which speed the upload is given up."""

    def __init__(self, speed_limit: Any, speed_time: Any) -> None:
        self.speed_limit = speed_limit
        self.speed_time = speed_time

    def realize(self, item: Item) -> str:
        limit, seconds = realize(self.speed_limit, item), realize(self.speed_time, item)
        return f"X-Curl-Limits: inf,{limit},{seconds}"
