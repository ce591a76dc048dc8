"""Commands and state as JSON, under ``/api/``; the gate has checked the token.

run-pipeline and the warrior have these; :mod:`warrior.web.warrior_api` has the warrior's own.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tornado.iostream import StreamClosedError

from warrior.web import messages
from warrior.web.gate import too_many_failures
from warrior.web.pages import Handler, RequestRefused, set_session
from warrior.web.password import TooManyFailures
from warrior.web.program import state_json

if TYPE_CHECKING:
    from warrior.web.routes import ConsoleParts


class CommandHandler(Handler):
    """Base of the handlers that take a JSON object. ``command`` is the function to call."""

    def initialize(
        self, parts: ConsoleParts, command: Callable[..., object] | None = None
    ) -> None:
        super().initialize(parts)
        if command is not None:
            self.command = command

    def json_body(self) -> dict[str, Any]:
        """The object in the body. Raises RequestRefused for anything else."""
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
        """Accept the body ``{}``. Raises RequestRefused for anything else."""
        if self.json_body():
            raise RequestRefused(400, "This command takes no arguments: send {}.")

    def finish_section(self, name: str) -> None:
        """Answer with the current state of one section: ``{NAME: …}``."""
        self.finish_json({name: self.parts.program.sections[name]()})

    def finish_json(self, answer: Any) -> None:
        """Answer with JSON; moments become seconds from now."""
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(messages.encode(answer, time.monotonic()))


class RunnerCommand(CommandHandler):
    """``POST /api/stop``, ``/api/stop-now``, ``/api/keep-running``: body ``{}``; idempotent.

    Answers with the new state of the runner.
    """

    def post(self) -> None:
        self.no_arguments()
        self.command()
        self.finish_section("runner")


class TextHandler(Handler):
    """Base of the handlers that answer with a log.

    Slow readers cannot fill the memory: only a few answers exist at once, the rest wait.
    """

    async def finish_text(self, make: Callable[[], str | bytes | Awaitable[bytes]]) -> None:
        """Answer with what ``make`` returns; it is called when there is room."""
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
    """``GET /api/state``: everything that the page shows, as one object."""

    def get(self) -> None:
        self.finish_json(state_json(self.parts.program))


class ItemLogHandler(TextHandler):
    """``GET /api/items/ID/log``: the kept output of an item."""

    async def get(self, item_id: str) -> None:
        board = self.parts.program.board
        if item_id not in board.items:
            raise RequestRefused(404, "There is no such item, or it is no longer shown.")

        def text() -> str:
            log = board.logs.get(item_id)
            if log is None:
                return ""
            gap = (f"[{log.lines_dropped:,} earlier lines were not kept]\n" if log.lines_dropped
                   else "")
            return gap + log.text()

        await self.finish_text(text)


class LoginHandler(CommandHandler):
    """``POST /api/login``: ``{"username": …, "password": …}`` for a session that is logged in."""

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
                raise RequestRefused(refusal.status, refusal.text, refusal.headers) from error
            if not right:
                raise RequestRefused(401, "The user name or the password is wrong.")
            set_session(self, self.parts.sessions.log_in())
        self.finish({"ok": True})


class LogoutHandler(CommandHandler):
    """``POST /api/logout``: ends the login of this session, and closes its pages."""

    def post(self) -> None:
        self.json_body()
        session_id = self.access.session_id
        if session_id is not None and self.parts.password.needed:
            self.parts.sessions.log_out(session_id)
            self.parts.hub.log_out(session_id)
        self.finish({"ok": True})
