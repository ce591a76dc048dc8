"""The page, its static files, and /healthz."""

from __future__ import annotations

import os
import time
from http.client import responses
from typing import TYPE_CHECKING, Any

from tornado.httputil import HTTPInputError
from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from warrior.daemon import sentence
from warrior.web import messages
from warrior.web.gate import Access

if TYPE_CHECKING:
    from warrior.web.program import Program
    from warrior.web.routes import ConsoleParts

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


class RequestRefused(HTTPError):
    """An answer of one line that says what is wrong, whatever characters are in it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, "%s", sentence)
        self.sentence = " ".join(sentence.split())


class Handler(RequestHandler):
    """Base of our handlers: knows the parts of the console, refuses in one line of text."""

    def initialize(self, parts: ConsoleParts) -> None:
        self.parts = parts

    def prepare(self) -> None:
        # The gate has seen the head alone.
        if not self.access.holds:
            raise RequestRefused(401, "Your access has ended: log in again.")

    @property
    def access(self) -> Access:
        """What the gate found out about this request."""
        access: Access = self.request.access  # type: ignore[attr-defined]
        return access

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        text = getattr(error, "sentence", "") or responses.get(status_code, "RequestRefused")
        if status_code == 400 and not hasattr(error, "sentence"):
            text = "The request cannot be understood: check its address and its headers."
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        if status_code == 400 and isinstance(getattr(error, "__cause__", None), HTTPInputError):
            # Tornado has looked into a form; nothing here takes one.
            status_code, text = 415, "Send JSON, with the header Content-Type: application/json."
            self.set_status(status_code)
        allowed = self.allowed()
        if status_code == 405 and not allowed:
            # An odd method, at an address where there is nothing anyway.
            status_code = 404
            self.set_status(status_code)
        if status_code == 405:
            self.set_header("Allow", ", ".join(allowed))
            text = f"This method is not for this address; use {allowed[0]}."
        elif status_code == 404 and not hasattr(error, "sentence"):
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
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Cache-Control", "no-store")
        if session_id is None and self._comes_from_elsewhere():
            self.finish(self.parts.render("arriving.html"))
            return
        if session_id is None:
            cookie = session.new()
            session_id = cookie.partition(".")[0]
            set_session(self, cookie)
        token = session.token(session_id)
        if not self.access.authenticated:
            self.finish(self.parts.render("login.html", token=token, built=self.parts.built()))
            return
        self.finish(self.parts.render(
            "console.html", token=token, built=self.parts.built(),
            **without_scripts(self.parts.program)))

    head = get

    def _comes_from_elsewhere(self) -> bool:
        """Whether a link of another site led here: the browser then keeps its cookie back, and
        a new one would log out whoever is logged in. Asked from here, it sends it."""
        return self.request.headers.get("Sec-Fetch-Site", "none").strip().lower() in (
            "cross-site", "same-site")


def without_scripts(program: Program) -> dict[str, Any]:
    """What the page shows of the state before its scripts take over, or where there are none."""
    status = program.status()
    counts = program.counts()
    left = None if status.next_try is None else max(0, round(status.next_try - time.monotonic()))
    projects = [project for project in program.sections["projects"]()
                if project["order"] is not None or project["auto"] or project["state"] != "idle"]
    running = program.board.running()
    return {
        "kind": program.sections["program"]()["kind"],
        "title": program.title,
        "status": status, "next_in": left,
        "counts": sentence.counts_sentence(counts) if any(counts.values()) else "",
        "projects": sorted(projects, key=_place),
        "notices": [notice for notice in program.sections["notices"]() if notice["text"]],
        "items": [(messages.display_name(view.name) or f"Item {view.number}", view.state)
                  for view in running[:ITEMS_WITHOUT_SCRIPT]],
        "more_items": max(0, len(running) - ITEMS_WITHOUT_SCRIPT),
    }


def _place(project: messages.Json) -> float:
    return float("inf") if project["order"] is None else float(project["order"])


def set_session(handler: RequestHandler, cookie: str) -> None:
    """Give the browser a session; no script and no other site gets at it."""
    parts: ConsoleParts = handler.parts  # type: ignore[attr-defined]
    public = parts.public
    handler.set_cookie(
        parts.sessions.cookie_name, cookie, path=(public.prefix if public else "") or "/",
        secure=public is not None and public.secure, httponly=True, samesite="Strict")


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

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        if "\0" in absolute_path:
            raise HTTPError(404)  # no file is called so, and the system does not look for it
        return super().validate_absolute_path(root, absolute_path)

    def compute_etag(self) -> str | None:
        return None  # the time of the file decides; Tornado's hash outlives the file

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        if status_code == 403:
            self.set_status(404)  # a folder, or outside of it
        elif status_code == 405:
            self.set_header("Allow", "GET, HEAD")
        self.finish({
            403: "There is no such file.", 404: "There is no such file.",
            405: "This method is not for this address; use GET.",
        }.get(status_code, responses.get(status_code, "RequestRefused")) + "\n")


def is_built(static_dir: str) -> bool:
    """Whether ``make static`` has been run."""
    return os.path.isfile(os.path.join(static_dir, "vendor", "vendor.js"))
