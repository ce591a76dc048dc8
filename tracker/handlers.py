"""What all of the tracker's HTTP handlers share: one-line answers and the parts they use."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler

from tracker.admission import Rates
from tracker.errors import (
    AlreadyThere,
    BadValue,
    DiskFull,
    FileTooLarge,
    Refused,
    StoreTrouble,
    TrackerError,
    UnknownEntry,
    UnknownItem,
    UnknownProject,
)
from tracker.reader import Reader
from tracker.targets import UploadTargets
from tracker.uploads import UploadFolder
from tracker.writer import Writer

log = logging.getLogger("tracker")

# A request for a project that is not there must not look like "no items now", which is what
# clients read into 404: it is the caller's mistake, and waiting does not mend it.
STATUS: Mapping[type[TrackerError], int] = MappingProxyType(
    {
        BadValue: 400,
        UnknownProject: 400,
        UnknownEntry: 404,
        UnknownItem: 409,
        AlreadyThere: 409,
        FileTooLarge: 413,
        StoreTrouble: 503,
        DiskFull: 507,
    }
)


@dataclass
class Parts:
    """The parts that handlers work with, constructed in one place (``app``)."""

    writer: Writer
    reader: Reader
    folder: UploadFolder
    targets: UploadTargets
    rates: Rates = field(default_factory=Rates)
    in_flight: set[RequestHandler] = field(default_factory=set)


class Refusal(HTTPError):
    """An answer other than the one asked for: a status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status)
        self.sentence = sentence


class Handler(RequestHandler):
    """Answers refusals as one line of text, and errors of the rooms with their status."""

    STREAMS = False
    """Whether the handler is called before the body of its request has come."""

    def __init__(self, application: Application, request: HTTPServerRequest, **more: Any) -> None:
        super().__init__(application, request, **more)
        self.gone = False
        self.unread = self.STREAMS

    @property
    def parts(self) -> Parts:
        """The parts of this server."""
        parts: Parts = self.application.settings["parts"]
        return parts

    @property
    def address(self) -> str:
        """The address that the request came from."""
        return str(self.request.remote_ip)

    def refuse_pages(self) -> None:
        """Refuse what a browser sends for a page: no tracker's client sends an Origin."""
        if "Origin" in self.request.headers:
            raise Refusal(403, "Web pages may not use this tracker.")

    def prepare(self) -> None:
        """Count the request among those at work."""
        self.parts.in_flight.add(self)

    def on_finish(self) -> None:
        """Leave the requests at work; called when the answer was given."""
        self.parts.in_flight.discard(self)

    def on_connection_close(self) -> None:
        """Note that nobody will hear the answer."""
        super().on_connection_close()
        self.gone = True
        self.parts.in_flight.discard(self)

    def set_default_headers(self) -> None:
        """Keep answers out of caches, and the server's version to itself."""
        self.set_header("Server", "tracker")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def line(self, text: str, status: int = 200) -> None:
        """Answer one line of plain text."""
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(text + "\n")

    def json(self, value: object) -> None:
        """Answer *value* as JSON."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(value))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log refusals as a line, and anything unforeseen with its traceback.

        Who is sent away by the operator's own settings comes again and again: no line for that.
        """
        if isinstance(value, Refused):
            return
        if isinstance(value, TrackerError | HTTPError):
            sentence = getattr(value, "sentence", None) or str(value)
            log.warning("%s %s: %s", self.request.method, self.request.path, sentence)
        else:
            super().log_exception(typ, value, tb)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Find the status that an error of the rooms stands for, then answer it."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, Refused):
            status_code = error.status
        elif isinstance(error, TrackerError):
            status_code = STATUS.get(type(error), 500)
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as one sentence."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if status_code == 405:  # raised where there is no method, when the body has come
            self.unread = False
            self.set_header("Allow", ", ".join(self.allowed()))
            sentence = f"This address takes {' or '.join(self.allowed())} only."
        elif isinstance(error, Refusal):
            sentence = error.sentence
        elif isinstance(error, TrackerError):
            sentence = str(error)
        elif status_code == 500:
            sentence = "The tracker failed; its log tells why."
        else:
            sentence = f"{self._reason}."
        if isinstance(error, Refused) and error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        if self.unread:  # tornado ends the connection then; clients must not use it again
            self.set_header("Connection", "close")
        self.line(sentence, status_code)

    def allowed(self) -> list[str]:
        """Return the methods that this handler answers."""
        return [
            method
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
            if getattr(type(self), method.lower()) is not getattr(RequestHandler, method.lower())
        ]


class NotHere(Handler):
    """Answers for every address that nothing else answers."""

    def prepare(self) -> None:
        """Refuse whatever was asked."""
        raise Refusal(404, "Nothing is at this address.")
