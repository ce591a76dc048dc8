"""A real tracker server in a process of its own, and a client that speaks its protocol."""

from __future__ import annotations

import http.client
import io
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tracker.cli import main
from tracker.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-W", "error", str(ROOT / "run-tracker")]


def counts(store: Store, project: str) -> tuple[int, ...]:
    """How many items of the project are to do, out and done."""
    return tuple(store.project(project).counts.values())


class Client:
    """Talks to one server over one persistent connection."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send one request; return the status and the body of its answer."""
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except Exception:
            self.connection.close()
            raise

    def post(self, path: str, data: Any) -> tuple[int, Any]:
        """POST *data* as JSON; return the status and the answer, decoded if it is JSON."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        status, text = self.raw("POST", path, body, {"Content-Type": "application/json"})
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode()

    def headers(self, path: str, data: Any) -> tuple[int, dict[str, str]]:
        """POST *data* as JSON; return the status and the headers of the answer."""
        self.connection.request(
            "POST", path, json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        answer = self.connection.getresponse()
        answer.read()
        return answer.status, dict(answer.getheaders())

    def request(self, project: str, downloader: str = "SOMEONE", multi: int = 0) -> list[str]:
        """Claim items; return [] if none waits."""
        part = f"/multi={multi}" if multi else ""
        status, answer = self.post(f"/{project}{part}/request", {"downloader": downloader})
        if status == 404:
            return []
        assert status == 200, answer
        items: list[str] = answer["items"]
        return items

    def done(self, project: str, item: str, downloader: str = "SOMEONE") -> tuple[int, Any]:
        """Report *item* done."""
        stats = {"item": item, "downloader": downloader, "bytes": {"data": 1}}
        return self.post(f"/{project}/done", stats)

    def status(self, project: str, item: str | None = None) -> Any:
        """Return the project's counts, or one item's state."""
        query = "" if item is None else f"?item={quote(item, safe='')}"
        status, body = self.raw("GET", f"/{project}/status{query}")
        assert status == 200, body
        return json.loads(body)


class Server:
    """One ``run-tracker`` process."""

    def __init__(self, data_dir: Path, arguments: tuple[str, ...]) -> None:
        self.data_dir = data_dir
        self.errors: list[str] = []
        self.output: list[str] = []
        self._clients: list[Client] = []
        command = [*COMMAND, "--data-dir", str(data_dir), "--port", "0", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        self.url = self._listening().rstrip("/")

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def _listening(self) -> str:
        """Return the address that the server prints when it listens."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if line.startswith("Uploads arrive"):
                break
        found = re.search(r"Tracker listening at (\S+)", "".join(self.output))
        assert found, (self.output, self.errors)
        return found[1]

    def run(self, *arguments: str) -> str:
        """Run a command on the server's data folder; return what it printed."""
        command = [*COMMAND, "--data-dir", str(self.data_dir), *arguments]
        ended = subprocess.run(command, capture_output=True, timeout=240, check=True)
        return ended.stdout.decode()

    def client(self) -> Client:
        """Return a new client, with a connection of its own."""
        self._clients.append(Client(self.url))
        return self._clients[-1]

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.process.wait(30)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process with a signal; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(30)
        self._reader.join(30)
        return status

    def close(self) -> None:
        """End the process if it still runs, and close pipes and connections."""
        self.stop()
        for client in self._clients:
            client.connection.close()
        for pipe in self.process.stdout, self.process.stderr:
            assert pipe is not None
            pipe.close()


@pytest.fixture
def start_tracker(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server; at the end, no server may have logged a traceback."""
    servers: list[Server] = []

    def start(*arguments: str, data_dir: Path | None = None) -> Server:
        servers.append(Server(data_dir or tmp_path / "data", arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
        assert "Traceback" not in "".join(server.errors), "".join(server.errors)


@pytest.fixture(scope="module")
def module_tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server for a whole module, whose project ``p`` has the
    items *given*; for tests that do not disturb each other."""
    servers: list[Server] = []

    def start(*arguments: str, given: str = "") -> Server:
        data_dir = tmp_path_factory.mktemp("module") / "data"
        assert run_in_a_process(data_dir, "add", "p", "-", given=given).returncode == 0
        servers.append(Server(data_dir, arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
        assert "Traceback" not in "".join(server.errors), "".join(server.errors)


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run_in_a_process(
    data_dir: Path, *arguments: str, given: str | bytes = ""
) -> subprocess.CompletedProcess[str]:
    """Run one ``run-tracker`` command as users do."""
    given = given.encode() if isinstance(given, str) else given
    command = [*COMMAND, "--data-dir", str(data_dir), *arguments]
    ended = subprocess.run(command, input=given, capture_output=True, timeout=240, check=False)
    out, err = ended.stdout.decode(), ended.stderr.decode()
    return subprocess.CompletedProcess(command, ended.returncode, out, err)


@pytest.fixture
def run_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs one ``run-tracker`` command on the same data folder, in this
    process: starting one takes longer than most commands."""

    def run(*arguments: str, given: str | bytes = "") -> subprocess.CompletedProcess[str]:
        given = given.encode() if isinstance(given, str) else given
        streams = [io.TextIOWrapper(io.BytesIO(each), "utf-8") for each in (given, b"", b"")]
        words = ["--data-dir", str(tmp_path / "data"), *arguments]
        with monkeypatch.context() as patch:
            for name, stream in zip(("stdin", "stdout", "stderr"), streams):
                patch.setattr(sys, name, stream)
            try:
                status = main(words)
            except SystemExit as end:  # argparse has said something
                assert isinstance(end.code, int), end.code
                status = end.code
        told = []
        for stream in streams[1:]:
            stream.flush()
            told.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return subprocess.CompletedProcess(words, status, *told)

    return run


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Return a function that waits until a condition holds, and fails if it never does."""

    def wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.01)

    return wait
