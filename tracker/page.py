"""The tracker's pages: the projects, and one for each, as anybody may see them.

They are made on the server and are whole without a script; ``page.js`` asks for them again
every few seconds, with the ETag of what it has, and puts what changed in place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tornado.web import StaticFileHandler

from tracker import pagetext
from tracker.errors import BadValue, TrackerError, UnknownProject
from tracker.faults import Faults
from tracker.handlers import Handler, Refusal
from tracker.names import check_project
from tracker.pagechart import DEFAULT_PERIOD, HEIGHT, PERIODS, WIDTH
from tracker.pageview import read_home, read_project
from tracker.protocol import IndexHandler

HERE = Path(__file__).resolve().parent

FRESH_SECONDS = 1.0
"""However many look at a page, it is made anew once in so long at most."""

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)


class PageCache:
    """Keeps a page for FRESH_SECONDS; those who ask while it is made wait for the same one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pages: dict[tuple[str, str], tuple[float, asyncio.Future[str]]] = {}

    async def get(self, key: tuple[str, str], make: Callable[[], Awaitable[str]]) -> str:
        """Return the page of *key*, made by *make* when there is no fresh one."""
        now = self._clock()
        kept = self._pages.get(key)
        if kept is None or (kept[1].done() and now - kept[0] > FRESH_SECONDS):
            # Only pages that were asked for in the last second are kept at all.
            self._pages = {
                one: value
                for one, value in self._pages.items()
                if not value[1].done() or now - value[0] <= FRESH_SECONDS
            }
            kept = self._pages[key] = (now, asyncio.ensure_future(make()))
            kept[1].add_done_callback(lambda made: self._forget_failed(key, made))
        return await asyncio.shield(kept[1])

    def _forget_failed(self, key: tuple[str, str], made: asyncio.Future[str]) -> None:
        """Keep no page that could not be made."""
        if not made.cancelled() and made.exception() is not None:
            self._pages.pop(key, None)


class _Templates:
    """The templates, with what they call."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            moment=pagetext.moment,
            machine_moment=pagetext.machine_moment,
            PERIODS=PERIODS,
            WIDTH=WIDTH,
            HEIGHT=HEIGHT,
        )

    def render(self, name: str, **values: Any) -> str:
        """Return the page made of the template *name*."""
        return self._environment.get_template(name).render(**values)


class PageHandler(Handler):
    """Answers a page for people, also when something is wrong."""

    def initialize(self, templates: _Templates, cache: PageCache) -> None:
        """Take what all pages of a server share."""
        self._templates = templates
        self._cache = cache

    def set_default_headers(self) -> None:
        """Add what keeps other sites' pages and scripts away from this one."""
        super().set_default_headers()
        for name, value in HEADERS.items():
            self.set_header(name, value)

    @property
    def faults(self) -> Faults | None:
        """The faults that this server puts in on purpose."""
        faults: Faults | None = self.application.settings.get("faults")
        return faults

    def page(self, text: str, status: int = 200) -> None:
        """Answer the page *text*; a 304 without it to whom has it (tornado adds the ETag)."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(text)

    def render_page(self, name: str, **values: Any) -> str:
        """Return the page made of a template and what all of them show."""
        return self._templates.render(name, faults=self.faults, **values)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as a page with one sentence."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, UnknownProject | BadValue):
            status_code, sentence = 404, "This tracker has no such project."
        elif isinstance(error, Refusal):
            sentence = error.sentence
        elif isinstance(error, TrackerError):
            sentence = str(error)
        else:
            sentence = ""
        if not sentence or "text/html" not in self.request.headers.get("Accept", ""):
            super().write_error(status_code, **kwargs)
            return
        self.page(self.render_page("error.html", sentence=sentence), status_code)


class HomeHandler(PageHandler, IndexHandler):
    """``GET /``: the projects, as a page for browsers and as lines for all others."""

    async def get(self) -> None:
        """Answer the kind that is asked for."""
        self.set_header("Vary", "Accept")
        if "text/html" not in self.request.headers.get("Accept", ""):
            await IndexHandler.get(self)
            return

        async def make() -> str:
            projects = await self.parts.reader.run(read_home)
            return self.render_page("home.html", projects=projects)

        self.page(await self._cache.get(("", ""), make))

    head = get


class ProjectHandler(PageHandler):
    """``GET /PROJECT/``: the page of a project; ``?period=`` chooses what the charts show."""

    async def get(self, project: str) -> None:
        """Answer the page."""
        period = self.get_query_argument("period", DEFAULT_PERIOD)
        if period not in PERIODS:
            period = DEFAULT_PERIOD
        check_project(project)

        async def make() -> str:
            view = await self.parts.reader.run(
                lambda reading: read_project(reading, project, period, time.time())
            )
            return self.render_page("project.html", view=view)

        self.page(await self._cache.get((project, period), make))

    head = get


class ToProjectHandler(PageHandler):
    """``GET /PROJECT``: the page is at ``/PROJECT/``."""

    def get(self, project: str) -> None:
        """Send on."""
        self.redirect(f"/{check_project(project)}/", status=302)

    head = get


class AssetHandler(StaticFileHandler):
    """The page's own files."""

    def set_default_headers(self) -> None:
        """Let browsers keep the files, but ask each time whether they are still the same."""
        self.set_header("Server", "tracker")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        for name, value in HEADERS.items():
            self.set_header(name, value)


def page_routes() -> list[Any]:
    """Return the addresses of the pages, for the application's list."""
    shared = {"templates": _Templates(), "cache": PageCache()}
    return [
        (r"/", HomeHandler, shared),
        (r"/_page/(.*)", AssetHandler, {"path": str(HERE / "static")}),
        (r"/([^/_][^/]*)/", ProjectHandler, shared),
        (r"/([^/_][^/]*)", ToProjectHandler, shared),
    ]
