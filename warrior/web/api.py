"""Commands and state as JSON, under ``/api/``. The gate has looked at the token.

These are the commands that run-pipeline has too; the warrior's own are in
:mod:`warrior.web.warrior_api`.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.iostream import StreamClosedError

from warrior.web import messages
from warrior.web.gate import too_many_failures
from warrior.web.pages import Handler, RequestRefused, set_session
from warrior.web.password import TooManyFailures
from warrior.web.program import state_json


class CommandHandler(Handler):
    """Base of what takes a JSON object."""

    def json_body(self) -> dict[str, Any]:
        """The object that was sent. Raises HTTPError 415 for anything else."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RequestRefused(415, "Send JSON, with the header Content-Type: application/json.")
        try:
            body = json.loads(self.request.body)
        except (ValueError, RecursionError):
            raise RequestRefused(415, "The body is not JSON.") from None
        if not isinstance(body, dict):
            raise RequestRefused(400, "Send a JSON object as the body.")
        return body

    def no_arguments(self) -> None:
        """Take the body ``{}``. Raises HTTPError for anything else."""
        if self.json_body():
            raise RequestRefused(400, "This command takes no arguments: send {}.")

    def finish_section(self, name: str) -> None:
        """Answer with one section as it is now: ``{NAME: …}``."""
        self.finish_json({name: self.parts.program.sections[name]()})

    def finish_json(self, answer: Any) -> None:
        """Answer with JSON; moments become seconds from now."""
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(messages.encode(answer, time.monotonic()))


class RunnerCommand(CommandHandler):
    """``POST /api/stop``, ``/api/stop-now``, ``/api/keep-running``: body ``{}``.

    Answers the new state of the runner. Doing it twice is doing it once.
    """

    def initialize(self, parts: Any, command: Callable[[], object]) -> None:  # type: ignore[override]
        super().initialize(parts)
        self._command = command

    def post(self) -> None:
        self.no_arguments()
        self._command()
        self.finish_section("runner")


class TextHandler(Handler):
    """Base of what answers with a log: text. Few are on their way at once, however many slow
    readers ask for them: what waits for its turn is not made yet."""

    async def finish_text(self, make: Callable[[], str | bytes | Awaitable[bytes]]) -> None:
        """Answer with what ``make`` returns, in its turn."""
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        async with self.parts.large_answers:
            made = make()
            content = made if isinstance(made, (str, bytes)) else await made
            data = content.encode("utf-8", "replace") if isinstance(content, str) else content
            self.set_header("Content-Length", str(len(data)))
            self.write(data)
            del made, content, data
            with contextlib.suppress(StreamClosedError):
                await self.flush()
                self.finish()


class StateHandler(CommandHandler):
    """``GET /api/state``: what the page shows, as one object."""

    def get(self) -> None:
        self.finish_json(state_json(self.parts.program))


class ItemLogHandler(TextHandler):
    """``GET /api/items/ID/log``: what is kept of an item's output."""

    async def get(self, item_id: str) -> None:
        if item_id not in self.parts.program.board.items:
            raise RequestRefused(404, "There is no such item, or it is no longer shown.")
        await self.finish_text(lambda: self._text(item_id))

    def _text(self, item_id: str) -> str:
        log = self.parts.program.board.logs.get(item_id)
        if log is None:
            return ""
        gap = (f"[{log.lines_dropped:,} earlier lines were not kept]\n" if log.lines_dropped
               else "")
        return gap + log.text()


class LoginHandler(CommandHandler):
    """``POST /api/login``: ``{"username": …, "password": …}`` for a session that may act."""

    async def post(self) -> None:
        body = self.json_body()
        username, password = body.get("username", ""), body.get("password")
        if not isinstance(username, str) or not isinstance(password, str):
            raise RequestRefused(400, "Send username and password as text.")
        check = self.parts.password
        if check.needed:
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
                raise RequestRefused(401, "The user name or the password is wrong.")
            set_session(self, self.parts.sessions.log_in())
        self.finish({"ok": True})


class LogoutHandler(CommandHandler):
    """``POST /api/logout``: this session has to log in again; its open pages are closed."""

    def post(self) -> None:
        self.json_body()
        session_id = self.access.session_id
        if session_id is not None and self.parts.password.needed:
            self.parts.sessions.log_out(session_id)
            self.parts.hub.log_out(session_id)
        self.finish({"ok": True})
