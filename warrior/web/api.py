"""Commands and state as JSON, under ``/api/``. The gate has looked at the token."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tornado.web import HTTPError

from warrior.web import messages
from warrior.web.gate import too_many_failures
from warrior.web.pages import Handler, set_session
from warrior.web.password import TooManyFailures


class CommandHandler(Handler):
    """Base of what takes a JSON object."""

    def json_body(self) -> dict[str, Any]:
        """The object that was sent. Raises HTTPError 415 for anything else."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HTTPError(415, "Send JSON, with the header Content-Type: application/json.")
        try:
            body = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise HTTPError(415, "The body is not JSON.") from None
        if not isinstance(body, dict):
            raise HTTPError(400, "Send a JSON object as the body.")
        return body


class RunnerCommand(CommandHandler):
    """``POST /api/stop``, ``/api/stop-now``, ``/api/keep-running``: body ``{}``.

    Answers the new state of the runner. Doing it twice is doing it once.
    """

    def initialize(self, parts: Any, command: Callable[[], object]) -> None:  # type: ignore[override]
        super().initialize(parts)
        self._command = command

    def post(self) -> None:
        if self.json_body():
            raise HTTPError(400, "This command takes no arguments: send {}.")
        self._command()
        self.finish({"runner": messages.runner_json(self.parts.board)})


class StateHandler(Handler):
    """``GET /api/state``: what the page shows, as one object."""

    def get(self) -> None:
        self.finish(messages.snapshot_json(self.parts.board, time.monotonic()))


class ItemLogHandler(Handler):
    """``GET /api/items/ID/log``: what is kept of an item's output, as text."""

    def get(self, item_id: str) -> None:
        if item_id not in self.parts.board.items:
            raise HTTPError(404)
        log = self.parts.board.logs.get(item_id)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        if log is not None:
            if log.lines_dropped:
                self.write(f"[{log.lines_dropped:,} earlier lines were not kept]\n")
            self.write(log.text().encode("utf-8", "replace"))


class LoginHandler(CommandHandler):
    """``POST /api/login``: ``{"username": …, "password": …}`` for a session that may act."""

    async def post(self) -> None:
        body = self.json_body()
        username, password = body.get("username", ""), body.get("password")
        if not isinstance(username, str) or not isinstance(password, str):
            raise HTTPError(400, "Send username and password as text.")
        check = self.parts.password
        if check is not None:
            try:
                right = await check.check(username, password, self.request.remote_ip or "")
            except TooManyFailures as error:
                refusal = too_many_failures(error)
                self.set_status(refusal.status)
                self.set_header("Retry-After", refusal.headers["Retry-After"])
                self.set_header("Content-Type", "text/plain; charset=UTF-8")
                self.finish(refusal.text + "\n")
                return
            if not right:
                raise HTTPError(401, "The user name or the password is wrong.")
            set_session(self, self.parts.sessions.log_in())
        self.finish({"ok": True})


class LogoutHandler(CommandHandler):
    """``POST /api/logout``: this session has to log in again."""

    def post(self) -> None:
        self.json_body()
        if self.access.session_id is not None:
            self.parts.sessions.log_out(self.access.session_id)
        self.finish({"ok": True})
