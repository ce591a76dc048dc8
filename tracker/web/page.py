"""The tracker's pages, which anybody may see: one for all projects, and one for each.

The server renders them, and they are complete without a script. ``page.js`` requests them again
every few seconds, with the ETag of the page that it has, and replaces the sections that changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tornado.web import StaticFileHandler

from tracker import text
from tracker.errors import BadValue, TrackerError, UnknownProject
from tracker.names import check_project
from tracker.store.store import Store
from tracker.web.handlers import Handler
from tracker.web.pageview import (
    DEFAULT_PERIOD,
    GAP,
    HEIGHT,
    PERIODS,
    WIDTH,
    read_home,
    read_project,
)

ROOT = Path(__file__).resolve().parent.parent

FRESH_SECONDS = 1.0
"""How long a page is reused, so that many readers cost no more than one."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Server": "tracker",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class PageCache:
    """Keeps each page for FRESH_SECONDS; requests during its rendering share the result."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pages: dict[tuple[str, str], tuple[float, asyncio.Future[str]]] = {}

    async def get(self, key: tuple[str, str], make: Callable[[], Awaitable[str]]) -> str:
        """Return the page *key*, which *make* renders if it is not fresh."""
        now = self._clock()
        self._pages = {
            one: (at, page)
            for one, (at, page) in self._pages.items()
            if not page.done()
            or (now - at <= FRESH_SECONDS and not page.cancelled() and page.exception() is None)
        }
        if key not in self._pages:
            self._pages[key] = (now, asyncio.ensure_future(make()))
        return await asyncio.shield(self._pages[key][1])


def templates() -> Environment:
    """Return the templates, with the functions that they call."""
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (text.date_and_time, text.number, text.plural, text.size, text.stamp):
        environment.filters[function.__name__] = function
    environment.filters["visible"] = text.visible
    environment.globals.update(PERIODS=PERIODS, WIDTH=WIDTH, HEIGHT=HEIGHT, GAP=GAP)
    return environment


class PageHandler(Handler):
    """Answers pages for people; errors become pages too."""

    def initialize(self, templates: Environment, cache: PageCache) -> None:
        self._templates = templates
        self._cache = cache

    def set_default_headers(self) -> None:
        """Keep other sites' pages and scripts away from ours."""
        super().set_default_headers()
        for name, value in HEADERS.items():
            self.set_header(name, value)

    @property
    def wants_html(self) -> bool:
        """Whether a browser asks."""
        return "text/html" in self.request.headers.get("Accept", "")

    def page(self, page: str, status: int = 200) -> None:
        """Answer a page; tornado makes it a 304 for clients that have the same one."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)

    def render_page(self, name: str, **values: Any) -> str:
        """Return the page that the template *name* makes of *values*."""
        faults = self.application.settings.get("faults")
        return self._templates.get_template(name).render(faults=faults, **values)

    def explain(self, error: TrackerError) -> tuple[int, str]:
        """Answer 404 if the address is not that of a project."""
        if isinstance(error, UnknownProject | BadValue):
            return 404, "This tracker has no such project."
        return super().explain(error)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as a page with one sentence."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if not isinstance(error, TrackerError) or not self.wants_html:
            super().write_error(status_code, **kwargs)
            return
        status_code, sentence = self.explain(error)
        self.page(self.render_page("error.html", sentence=sentence), status_code)


class HomeHandler(PageHandler):
    """``GET /``: the projects, as a page for browsers and as lines of text for other clients."""

    async def get(self) -> None:
        self.set_header("Vary", "Accept")
        if not self.wants_html:
            projects = await self.parts.writer.run(Store.projects)
            lines = [f"{project.name}: {project.summary}" for project in projects]
            self.line("\n".join(lines) or "No projects yet: run-tracker add PROJECT FILE")
            return

        async def make() -> str:
            return self.render_page("home.html", projects=await self.parts.reader.run(read_home))

        self.page(await self._cache.get(("", ""), make))

    head = get


class ProjectHandler(PageHandler):
    """``GET /PROJECT/``: the page of a project; ``?period=`` chooses what the charts show."""

    async def get(self, project: str) -> None:
        period = self.get_query_argument("period", DEFAULT_PERIOD)
        if period not in PERIODS:
            period = DEFAULT_PERIOD
        check_project(project)

        async def make() -> str:
            view = await self.parts.reader.run(read_project, project, period, time.time())
            return self.render_page("project.html", view=view)

        self.page(await self._cache.get((project, period), make))

    head = get


class ToProjectHandler(PageHandler):
    """``GET /PROJECT``: redirects to the page at ``/PROJECT/``."""

    def get(self, project: str) -> None:
        self.redirect(f"/{check_project(project)}/", status=302)

    head = get


class AssetHandler(StaticFileHandler):
    """The files of the pages."""

    def set_default_headers(self) -> None:
        """Let browsers keep the files, but ask each time whether they are still the same."""
        for name, value in {**HEADERS, "Cache-Control": "no-cache"}.items():
            self.set_header(name, value)


def page_routes() -> list[Any]:
    """Return the addresses of the pages, for the application's list."""
    shared = {"templates": templates(), "cache": PageCache()}
    return [
        (r"/", HomeHandler, shared),
        (r"/_page/(.*)", AssetHandler, {"path": str(ROOT / "static")}),
        (r"/([^/_][^/]*)/", ProjectHandler, shared),
        (r"/([^/_][^/]*)", ToProjectHandler, shared),
    ]
