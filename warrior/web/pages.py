"""The page itself, its parts, and the answers for whoever only looks in."""

from __future__ import annotations

import os
import time
from http.client import responses
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler, StaticFileHandler

from warrior.web import messages
from warrior.web.gate import Access

if TYPE_CHECKING:
    from warrior.web.app import ConsoleParts

#: Items that the page names before its scripts take over.
ITEMS_WITHOUT_SCRIPT = 20


class Templates:
    """The pages of one folder. Values are escaped; a missing one is an error."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._environment: Any = None

    def render(self, name: str, **values: Any) -> str:
        if self._environment is None:
            import jinja2  # comes with the first page

            self._environment = jinja2.Environment(
                loader=jinja2.FileSystemLoader(self._folder), autoescape=True,
                undefined=jinja2.StrictUndefined, auto_reload=False)
        return str(self._environment.get_template(name).render(**values))


class Handler(RequestHandler):
    """Base of our handlers: knows the parts of the console, refuses in one line of text."""

    def initialize(self, parts: ConsoleParts) -> None:
        self.parts = parts

    @property
    def access(self) -> Access:
        """What the gate found out about this request."""
        access: Access = self.request.access  # type: ignore[attr-defined]
        return access

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        text = getattr(error, "log_message", None) or responses.get(status_code, "Refused")
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.allowed()))
            text = f"{self.request.method} is not for this address; use {self.allowed()[0]}."
        elif status_code == 404:
            text = "There is nothing at this address."
        self.finish(f"{text}\n")

    def allowed(self) -> tuple[str, ...]:
        """The methods that this handler answers."""
        return tuple(method for method in ("POST", "GET", "HEAD")
                     if getattr(type(self), method.lower())
                     is not getattr(RequestHandler, method.lower()))


class PageHandler(Handler):
    """``/``: the console, a login page, or how to build what is missing."""

    def get(self) -> None:
        session = self.parts.sessions
        session_id = self.access.session_id
        if session_id is None:
            cookie = session.new()
            session_id = cookie.partition(".")[0]
            set_session(self, cookie)
        token = session.token(session_id)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Cache-Control", "no-store")
        if not self.access.authenticated:
            self.finish(self.parts.render("login.html", token=token, built=self.parts.built()))
            return
        board = self.parts.board
        self.finish(self.parts.render(
            "console.html", token=token, built=self.parts.built(),
            title=messages.project_title(board),
            status=messages.status_json(board, time.monotonic()),
            counts=messages.counts_sentence(board.runner.counts),
            items=[(messages.display_name(view.name) or f"Item {view.number}", view.state)
                   for view in board.running()[:ITEMS_WITHOUT_SCRIPT]],
        ))

    head = get


def set_session(handler: RequestHandler, cookie: str) -> None:
    """Give the browser a session; no script and no other site gets at it."""
    name = handler.parts.sessions.cookie_name  # type: ignore[attr-defined]
    handler.set_cookie(name, cookie, path="/", httponly=True, samesite="Strict")


class HealthHandler(Handler):
    """Healthy or not, and nothing else: the loop answers, so it is."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish("healthy\n")

    head = get


class MissingHandler(Handler):
    """Everything that is nowhere else."""

    def prepare(self) -> None:
        self.send_error(404)


class StaticHandler(StaticFileHandler):
    """Our modules and styles. Asked again each time, so that an update shows at once."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")

    def compute_etag(self) -> str | None:
        return None  # the time of the file decides; Tornado's hash outlives the file

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish("There is no such file.\n" if status_code in (403, 404)
                    else responses.get(status_code, "Refused") + "\n")


def is_built(static_dir: str) -> bool:
    """Whether ``make static`` has been run."""
    return os.path.isfile(os.path.join(static_dir, "vendor", "vendor.js"))
