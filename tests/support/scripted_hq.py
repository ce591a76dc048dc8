"""A Warrior HQ that answers what a test tells it to, and records what it was asked.

A real HTTP server on a port of 127.0.0.1 that the system chose, in threads of its own. By
itself it behaves: ``register`` gives ids, ``update`` takes those that it gave (404 for
others) and answers what is on offer. Whatever a stranger may do is queued or made the rule
with :meth:`ScriptedHQ.queue` and :meth:`ScriptedHQ.always`; :meth:`ScriptedHQ.down` refuses
connections until :meth:`ScriptedHQ.up`, on the same port. What breaks the protocol is kept
in ``violations``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from tests.support.scripted_tracker import (
    HANG,
    RESET,
    Answer,
    Request,
    ScriptedTracker,
    json_answer,
    redirect,
)

__all__ = ["GARBAGE", "GIGABYTE", "HANG", "REGISTER", "RESET", "SLOW", "UPDATE", "Answer", "Request",
           "ScriptedHQ", "json_answer", "project"]

#: The commands, as `queue`, `always` and `requests` know them.
REGISTER, UPDATE = "register.json", "update.json"

#: An answer of a gigabyte, with its length, and one that does not say it.
GIGABYTE = Answer(200, b"x" * (1 << 20), repeat=1024)
#: One byte every fifth of a second.
SLOW = Answer(200, b'{"projects": []}' + b" " * 10000, byte_delay=0.2)

#: What is no answer at all, by name.
GARBAGE: dict[str, Answer] = {
    "html": Answer(200, b"<html><body>Please sign in to this network</body></html>"),
    "empty": Answer(200, b""),
    "null": Answer(200, b"null"),
    "list": Answer(200, b"[1, 2]"),
    "text": Answer(200, b'"projects"'),
    "not UTF-8": Answer(200, b'{"projects": "\xff"}'),
    "half": Answer(200, b'{"projects": ['),
    "deep": Answer(200, b"[" * 100000 + b"]" * 100000),
    "no projects": json_answer({"warrior": {"seesaw_version": "0.10.3"}}),
    "projects null": json_answer({"projects": None}),
    "projects an object": json_answer({"projects": {"a": {}}}),
    "projects numbers": json_answer({"projects": [1, None, "x", []]}),
    "projects nameless": json_answer({"projects": [{"title": "T", "repository": "https://h/x"}]}),
    "projects bad": json_answer({"projects": [{"name": "../x", "repository": "https://h/x"}]}),
    "over 4 MiB": Answer(200, b'{"projects": [], "pad": "' + b"x" * (4 << 20) + b'"}'),
    "gigabyte": GIGABYTE,
    "reset": RESET,
    "not HTTP": Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
    "half an answer": Answer(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"proj'),
    "bad length": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"),
    "length of digits": Answer(
        raw=b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    "length of Latin-1": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n{}"),
    "gzip": Answer(200, b"not gzip", (("Content-Encoding", "gzip"),)),
    "redirect to file": redirect("file:///etc/passwd"),
    "redirect to a novel": redirect("gopher://h/" + "x" * 30000),
    "redirect to nowhere": redirect("http://[bad"),
    "500": Answer(500, b"<h1>Internal Server Error</h1>"), "502": Answer(502),
    "503": Answer(503), "204": Answer(204), "403": Answer(403),
}


def project(name: str, repository: str = "", **more: Any) -> dict[str, Any]:
    """A project as HQ lists it; ``repository`` is made up where it does not matter."""
    return {"name": name, "title": f"Title of {name}", "description": f"<p>About {name}.</p>",
            "repository": repository or f"https://code.example/{name}-grab", **more}


class ScriptedHQ(ScriptedTracker):
    """The server; a context manager. All methods may be called from any thread.

    ``url`` is what goes into ``--warrior-hq``.
    """

    def __init__(self, projects: Iterable[dict[str, Any]] = (), **answer: Any) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}/hq"
        self.violations: list[str] = []
        self._state = threading.Lock()
        self._answer: dict[str, Any] = {"warrior": {"seesaw_version": "0.10.3"}}
        self._ids: set[str] = set()
        self._given = 0
        self.behave(REGISTER)
        self.behave(UPDATE)
        self.offer(*projects, **answer)

    def offer(self, *projects: dict[str, Any], **answer: Any) -> None:
        """Answer this from now on: the projects, and keys as ``auto_project="x"``."""
        with self._state:
            self._answer = {"warrior": {"seesaw_version": "0.10.3"},
                            "projects": list(projects), **answer}

    def behave(self, command: str) -> None:
        """Answer as HQ does again, after :meth:`always` something else."""
        self.always(command, self._register if command == REGISTER else self._update)

    def know(self, *ids: str) -> None:
        """Take updates of these ids, given elsewhere."""
        with self._state:
            self._ids.update(ids)

    def forget(self) -> None:
        """Forget all ids, as an HQ does that has lost its data."""
        with self._state:
            self._ids.clear()

    @property
    def ids(self) -> frozenset[str]:
        """The ids that are known."""
        with self._state:
            return frozenset(self._ids)

    def told(self) -> list[dict[str, Any]]:
        """What the updates said so far, in order."""
        return [request.json["warrior"] for request in self.requests(UPDATE)]

    def _register(self, request: Request) -> Answer:
        self._check(request, {"version"})
        with self._state:
            self._given += 1
            self._ids.add(f"warrior-{self._given}")
            return json_answer({"warrior_id": f"warrior-{self._given}"})

    def _update(self, request: Request) -> Answer:
        self._check(request, {"warrior_id", "lat_lng", "downloader", "selected_project"})
        with self._state:
            if request.json["warrior"].get("warrior_id") not in self._ids:
                return Answer(404, b"no such warrior")
            return json_answer(self._answer)

    def _check(self, request: Request, keys: set[str]) -> None:
        wrong = []
        if request.method != "POST" or not request.path.startswith("/hq/api/"):
            wrong.append(f"{request.method} {request.path}")
        if request.headers.get("content-type") != "application/json":
            wrong.append(f"Content-Type {request.headers.get('content-type')}")
        if not request.headers.get("user-agent", "").startswith("ArchiveTeam Warrior/"):
            wrong.append(f"User-Agent {request.headers.get('user-agent')}")
        if set(request.json) != {"warrior"} or set(request.json["warrior"]) != keys:
            wrong.append(f"body {request.body!r}")
        self.violations.extend(f"{request.command}: {one}" for one in wrong)
