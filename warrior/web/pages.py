"""The page, its static files, and /healthz."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from http.client import responses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tornado.httputil import HTTPInputError
from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from warrior.daemon import sentence
from warrior.web import messages
from warrior.web.gate import Access

if TYPE_CHECKING:
    from warrior.daemon.facade import WarriorFacade
    from warrior.web.program import Program
    from warrior.web.routes import ConsoleParts

#: Items that the page names without scripts.
ITEMS_WITHOUT_SCRIPT = 20


class RequestRefused(HTTPError):
    """An answer of one line that says what is wrong; the sentence may contain any characters."""

    def __init__(
        self, status: int, sentence: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(status, "%s", sentence)
        self.sentence = " ".join(sentence.split())
        self.headers = headers


class Handler(RequestHandler):
    """Base of our handlers: has the parts of the console, refuses in one line of text."""

    def initialize(self, parts: ConsoleParts) -> None:
        self.parts = parts

    def prepare(self) -> None:
        # The gate checked when the head arrived; the body may have taken long.
        if not self.access.holds:
            raise RequestRefused(401, "Your access has ended: log in again.")

    @property
    def access(self) -> Access:
        """What the gate found out about this request."""
        access: Access = self.request.access  # type: ignore[attr-defined]
        return access

    @property
    def facade(self) -> WarriorFacade:
        facade = self.parts.facade
        assert facade is not None  # run-pipeline has no route to a handler that needs it
        return facade

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        allowed = [method for method in ("POST", "GET", "HEAD")
                   if getattr(type(self), method.lower())
                   is not getattr(RequestHandler, method.lower())]
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        if isinstance(error, RequestRefused):
            text = error.sentence
            for name, value in error.headers.items():
                self.set_header(name, value)
        elif status_code == 400 and isinstance(getattr(error, "__cause__", None), HTTPInputError):
            # Tornado has failed to parse a form, which no handler takes.
            self.set_status(415)
            text = "Send JSON, with the header Content-Type: application/json."
        elif status_code == 400:
            text = "The request cannot be understood: check its address and its headers."
        elif status_code == 405 and allowed:
            self.set_header("Allow", ", ".join(allowed))
            text = f"This method is not for this address; use {allowed[0]}."
        elif status_code in (403, 404, 405):
            # A file outside of the folder, or an address without any method.
            self.set_status(404)
            text = "There is nothing at this address."
        else:
            text = responses.get(status_code, "Refused")
        self.finish(f"{text}\n")


class PageHandler(Handler):
    """``/``: the console, or a login page."""

    def get(self) -> None:
        parts, session_id = self.parts, self.access.session_id
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Cache-Control", "no-store")
        if session_id is None:
            site = self.request.headers.get("Sec-Fetch-Site", "none").strip().lower()
            if site in ("cross-site", "same-site"):
                # After a link of another site, the browser does not send its cookie. A new one
                # would end its login; this page asks again, and then the cookie is sent.
                self.finish(parts.render("arriving.html"))
                return
            cookie = parts.sessions.new()
            session_id = cookie.partition(".")[0]
            set_session(self, cookie)
        values: dict[str, Any] = {
            "token": parts.sessions.token(session_id),
            # Whether `make static` has been run.
            "built": os.path.isfile(os.path.join(parts.static_dir, "vendor", "vendor.js"))}
        if self.access.authenticated:
            self.finish(parts.render("console.html", **values, **without_scripts(parts.program)))
        else:
            self.finish(parts.render("login.html", **values))

    head = get


def without_scripts(program: Program) -> dict[str, Any]:
    """The state for the template: shown until the scripts have started, or without scripts."""
    status = program.status()
    counts = program.counts()
    left = None if status.next_try is None else max(0, round(status.next_try - time.monotonic()))
    projects = [project for project in program.sections["projects"]()
                if project["order"] is not None or project["auto"] or project["state"] != "idle"]
    projects.sort(key=lambda project: math.inf if project["order"] is None else project["order"])
    running = program.board.running()
    return {
        "kind": program.sections["program"]()["kind"],
        "title": program.title,
        "status": status, "next_in": left,
        "counts": sentence.counts_sentence(counts) if any(counts.values()) else "",
        "projects": projects,
        "notices": [notice for notice in program.sections["notices"]() if notice["text"]],
        "items": [(messages.display_name(view.name) or f"Item {view.number}", view.state)
                  for view in running[:ITEMS_WITHOUT_SCRIPT]],
        "more_items": max(0, len(running) - ITEMS_WITHOUT_SCRIPT),
    }


def set_session(handler: Handler, cookie: str) -> None:
    """Give the browser a session cookie that neither scripts nor other sites can use."""
    public = handler.parts.public
    handler.set_cookie(
        handler.parts.sessions.cookie_name, cookie, path=(public.prefix if public else "") or "/",
        secure=public is not None and public.secure, httponly=True, samesite="Strict")


class HealthHandler(Handler):
    """``/healthz``: the program is healthy if its loop answers."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish("healthy\n")

    head = get


class MissingHandler(Handler):
    """All other addresses."""

    def prepare(self) -> None:
        self.send_error(404)


class StaticHandler(Handler, StaticFileHandler):
    """Our modules and styles. Browsers ask each time, so that an update takes effect at once."""

    def initialize(self, parts: ConsoleParts) -> None:  # type: ignore[override]
        Handler.initialize(self, parts)
        StaticFileHandler.initialize(self, parts.static_dir)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        if "\0" in absolute_path:
            raise HTTPError(404)  # the system would raise ValueError
        return super().validate_absolute_path(root, absolute_path)

    def compute_etag(self) -> str | None:
        return None  # Tornado caches its hash even if the file changes; the file's time is enough
