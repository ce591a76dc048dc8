"""Tasks that run a program: any, Wget, rsync, curl."""

from __future__ import annotations

import datetime
import functools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.config import realize
from pipeline_core.engine.async_popen import AsyncPopen, AsyncPopen2
from pipeline_core.engine.child import RESOURCE_ERRORS, Child
from pipeline_core.engine.project_worker import is_project_code
from pipeline_core.engine.realizing import is_project_value
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.net.backoff import Backoff
from pipeline_core.net.curl_run import CURL_HOME, CurlRun, Settled
from pipeline_core.task import Task

if TYPE_CHECKING:
    from pipeline_core.item import Item

__all__ = [
    "AsyncPopen", "AsyncPopen2", "CurlUpload", "ExternalProcess", "RsyncUpload",
    "WgetDownload", "Task", "realize",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

#: When the machine has no room for one more process it is asked again after so many seconds,
#: then more, up to the longest.
SHORT_OF_RESOURCES, LONGEST_RETRY_DELAY = 2.0, 300.0

#: What the programs of uploads get, by their names. A target that wants a password gets this
#: one and refuses it: without any, rsync would ask on the terminal, for ever, or take the list
#: of files for the answer. curl reads settings of ours, not the user's own: those in this folder,
#: where CurlRun makes none for the try.
UPLOAD_ENV = {
    "rsync": {"RSYNC_PASSWORD": "none"},
    "curl": {"CURL_HOME": CURL_HOME},
}


class ExternalProcess(Task):
    """Runs a program, again if it fails, up to ``max_tries`` times (None: for ever).

    ``args`` and ``env`` are realized for each try. The child gets exactly ``env``
    and PYTHONIOENCODING, nothing of ours: a proxy setting of the host must never
    reach a crawl. ``retry_on_exit_code=None`` means: on every one. Before each retry
    ``retry_delay`` seconds pass; ``handle_process_error`` may set it.
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
        """What the program reads from its standard input."""
        return b""

    def process(self, item: Item) -> None:
        """Make one try."""
        if not item.carried_over(ExternalProcess.process, self, item):
            self._prepare(item)

    def on_subprocess_stdout(self, pipe: Any, item: Item, data: bytes) -> None:
        """The program has printed something."""
        item.log_output(data, full_line=False)

    def on_subprocess_end(self, item: Item, returncode: int) -> None:
        """The program has ended, and its output is complete."""
        if item.carried_over(ExternalProcess.on_subprocess_end, self, item, returncode):
            return
        if returncode in realize(self.accept_on_exit_code, item):
            self._hook(item, self.handle_process_result, returncode, item)
        else:
            self._hook(item, self.handle_process_error, returncode, item)

    def handle_process_result(self, exit_code: int, item: Item) -> None:
        """An accepted exit status: the task is done."""
        if not item.carried_over(ExternalProcess.handle_process_result, self, exit_code, item):
            self._hook(item, self.complete_item, item)

    def handle_process_error(self, exit_code: int, item: Item) -> None:
        """Another exit status: try again, or fail."""
        # As an override that has just set it means it, whatever the next item makes of it.
        delay = float(realize(self.retry_delay, item))
        if not item.carried_over(ExternalProcess._try_failed, self, exit_code, item, delay):
            self._try_failed(exit_code, item, delay)

    def _try_failed(self, exit_code: int, item: Item, delay: float) -> None:
        item.log_output(
            f"Process {self.name} {_how_it_ended(exit_code)} for {item.description()}")
        tries, most = item.get("tries", 1), realize(self.max_tries, item)
        codes = realize(self.retry_on_exit_code, item)
        if (most is None or tries < int(most)) and (codes is None or exit_code in codes):
            self._retry(
                item, f"{self.name} {_how_it_ended(exit_code)}.", "retry", Fault.PROJECT, delay)
        else:
            self._hook(item, self.fail_item, item)

    # -- one try -----------------------------------------------------------------
    def enqueue(self, item: Item) -> None:
        if item.carried_over(ExternalProcess.enqueue, self, item):
            return
        self._start(item, self._begin_upload if self._uploads else self._first_try)

    #: Uploads seal the item, where that has not been done beforehand.
    _uploads = False

    def _begin_upload(self, item: Item) -> None:
        sealer = getattr(item.pipeline, "sealer", None)
        if sealer is None:
            self._first_try(item)
        else:
            sealer.seal_at_start(self, item, functools.partial(self._first_try, item))

    def _first_try(self, item: Item) -> None:
        item["tries"] = 0
        item.scope.backoffs.pop(self, None)
        self._try(item)

    def _try(self, item: Item) -> None:
        item["tries"] += 1
        self._hook(item, self.process, item)

    def _retry(self, item: Item, reason: str, code: str, fault: Fault, delay: float) -> None:
        item.log_output(
            f"Retrying {self.name} for {item.description()} after {delay:g} seconds...")
        item.scope.wait(Waiting(reason, fault, time.monotonic() + delay, code),
                       delay, self._try, item)

    def _prepare(self, item: Item) -> None:
        self._hook(
            item, self._settle, item,
            then=functools.partial(self._line_up if self._uploads else self._spawn, item),
            runs_project_code=(is_project_code(self.stdin_data) or is_project_value(self.args)
                          or is_project_value(self.env) or self._runs_project_code()))

    def _runs_project_code(self) -> bool:
        """Whether standard input is made by project code that cannot be seen from the class."""
        return False

    def _settle(self, item: Item) -> Settled:
        args = [arg if isinstance(arg, (str, bytes)) else os.fspath(arg)
                if isinstance(arg, os.PathLike) else str(arg)
                for arg in realize(self.args, item)]
        env = {str(key): str(value) for key, value in realize(self.env, item).items()}
        env.setdefault("PYTHONIOENCODING", "utf8:replace")
        data = self.stdin_data(item)
        return args, env, data.encode() if isinstance(data, str) else data

    def _line_up(self, item: Item, settled: Settled) -> None:
        """Start an upload as soon as the governor lets one go to its target."""
        turn = item.scope.turns.get(self)
        if turn is not None and turn.open:
            self._spawn(item, settled)
            return
        endpoint = item.governor.target(os.fsdecode(settled[0][-1]))
        turn = endpoint.try_turn()
        if turn is not None:
            item.scope.turns[self] = turn
            self._spawn(item, settled)
            return

        async def wait_and_spawn() -> None:
            item.scope.turns[self] = await endpoint.turn(item.scope.show_waiting)
            item.set_waiting(None)
            self._spawn(item, settled)

        item.scope.spawn(wait_and_spawn())

    def _tell_governor(
        self, item: Item, returncode: int | None, silence: float | None = None
    ) -> None:
        """What came of an upload (None: it has not begun), and the target's Retry-After."""
        turn = item.scope.turns.pop(self, None)
        if turn is None:
            return
        if returncode is None or item.scope.ending:
            turn.abandoned()
        elif returncode in realize(self.accept_on_exit_code, item):
            turn.succeeded()
        else:
            turn.refused(f"An upload to {turn.endpoint.host.name} failed ({self.name} "
                         f"{_how_it_ended(returncode)}).", Fault.TARGET, "upload", silence=silence)

    def _spawn(self, item: Item, settled: Settled) -> None:
        self._launch(item, *settled, lambda child, code: self._ended(child, item, code))

    def _launch(
        self, item: Item, args: list[str | bytes], env: dict[str, str], data: bytes,
        ended: Callable[[Child, int], Any],
    ) -> Child | None:
        """Start the program; ``ended(child, returncode)`` follows. None when it did not start:
        then the item has been told."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            self._tell_governor(item, None)
            item.log_output(f"{self.name}: the input of the program must be bytes or text, but it "
                            f"is {'None' if data is None else type(data).__name__}.")
            self._hook(item, self.fail_item, item)
            return None
        worker = item.worker
        if worker is None:
            raise RuntimeError(f"{self.name} can run a program only for an item in a runner")
        child = Child(
            worker.children, args, env=env, cwd=self.cwd, stdin_data=bytes(data),
            on_output=lambda data: self._output(child, item, data),
            on_end=lambda returncode: ended(child, returncode),
            on_gone=lambda: item.scope.child_gone(child))
        try:
            child.start()
        except (OSError, ValueError, TypeError) as error:
            self._not_started(item, args, env, error)
            return None
        item.scope.add_child(child)
        child.attach()
        return child

    def _not_started(
        self, item: Item, args: list[str | bytes], env: dict[str, str], error: Exception
    ) -> None:
        self._tell_governor(item, None)
        program = args[0] if args else ""
        if isinstance(error, OSError) and error.errno in RESOURCE_ERRORS:
            item["tries"] -= 1
            reason = f"{self.name}: {program!s} cannot be started now: {error.strerror}."
            item.log_output(reason)
            backoff = item.scope.backoffs.setdefault(self, Backoff(
                SHORT_OF_RESOURCES, factor=1.5, maximum=LONGEST_RETRY_DELAY))
            self._retry(item, reason, "resources", Fault.MACHINE, round(backoff.next_delay(), 1))
            backoff.grow()
            return
        if isinstance(error, FileNotFoundError) and not os.path.isdir(self.cwd):
            reason = f"the folder {self.cwd} is not there"
        elif isinstance(error, FileNotFoundError):
            where = "" if os.sep in str(program) else f" on {env.get('PATH', os.defpath)}"
            reason = f"there is no such program{where}; install it, or correct the project"
        else:
            reason = str(error)
        item.log_output(f"{self.name}: {program!s} cannot be run: {reason}.")
        item.log_error(self, error)
        self._hook(item, self.fail_item, item)

    def _output(self, child: Child, item: Item, data: bytes) -> None:
        if is_project_code(self.on_subprocess_stdout):
            worker = item.worker
            assert worker is not None
            if not item.finished:
                item.scope.project_call(worker, self.on_subprocess_stdout, (child, item, data))
        else:
            self.on_subprocess_stdout(child, item, data)

    def _ended(
        self, child: Child, item: Item, returncode: int, silence: float | None = None
    ) -> None:
        item.flush_output()
        self._tell_governor(item, returncode, silence)
        if item.scope.ending:
            return
        if child.unread_input:
            item.scope.after_handlers(self._input_left, item, child.unread_input, returncode)
        else:
            item.scope.after_handlers(self._hook, item, self.on_subprocess_end, item, returncode)

    def _input_left(self, item: Item, left: int, returncode: int) -> None:
        """The program has ended without reading all of its input: what it did is not what it
        was asked for, whatever its exit status says."""
        if self._uploads and returncode not in realize(self.accept_on_exit_code, item):
            # A target that cannot be reached: the files are complete, so it is tried again.
            self._hook(item, self.on_subprocess_end, item, returncode)
            return
        item.log_output(f"{self.name} {_how_it_ended(returncode)}, but did not read all of its "
                        f"input: {left} bytes are left.")
        if self._uploads:
            self._hook(item, self.handle_process_error, returncode, item)
        else:
            self._hook(item, self.fail_item, item)


def _how_it_ended(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"returned exit code {code}"


class WgetDownload(ExternalProcess):
    """Runs Wget; ``args`` begin with the program. ``stdin_data_function(item)`` gives
    its standard input (bytes)."""

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
                raise ValueError(f"rsync takes one file a line, and this name has two: {name!r}")
            # rsync takes a line that begins so for a comment.
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

    def _spawn(self, item: Item, settled: Settled) -> None:
        CurlRun(self, item, settled).start()


class _CurlLimits:
    """Tells the server how slow is too slow."""

    def __init__(self, speed_limit: Any, speed_time: Any) -> None:
        self.speed_limit = speed_limit
        self.speed_time = speed_time

    def realize(self, item: Item) -> str:
        limit, seconds = realize(self.speed_limit, item), realize(self.speed_time, item)
        return f"X-Curl-Limits: inf,{limit},{seconds}"
