"""The base classes of the tracker's HTTP handlers: short answers, errors, and bodies."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any

from tornado.web import HTTPError, RequestHandler, stream_request_body

from tracker.errors import BadValue, NotAdmitted, Refusal, TrackerError
from tracker.store.store import Store
from tracker.store.targets import Target
from tracker.store.threads import Reader, Writer
from tracker.web.admission import Rates, admit
from tracker.web.rotation import Rotation

log = logging.getLogger("tracker")

SMALL_BYTES = 1 << 20
"""The sender of a body of up to this size is assumed to read no answer before all is sent."""

DISCARDED_BYTES = 100 * SMALL_BYTES
"""Longest body that is read and discarded, so that its sender reads why it is refused."""

BODY_SECONDS = 30.0
"""A small body must have arrived by then."""


@dataclass
class Parts:
    """The parts that handlers work with; ``app`` constructs them."""

    writer: Writer
    reader: Reader
    rotation: Rotation
    rates: Rates = field(default_factory=Rates)
    in_flight: set[RequestHandler] = field(default_factory=set)


class Handler(RequestHandler):
    """Answers every error as one line of text, with the status of the error."""

    gone = False
    """Whether the client has closed the connection."""
    unread = False
    """Whether a part of the body may not be read yet."""

    @property
    def parts(self) -> Parts:
        """The parts of this server."""
        parts: Parts = self.application.settings["parts"]
        return parts

    @property
    def http(self) -> Any:
        """The HTTP/1 connection, with methods that tornado's general type does not have."""
        return self.request.connection

    def refuse_pages(self) -> None:
        """Refuse requests that a web page makes. No tracker client sends an Origin."""
        if "Origin" in self.request.headers:
            raise Refusal(403, "Web pages may not use this tracker.")

    async def targets_of(self, project: str, downloader: str | None) -> list[Target]:
        """Return the upload targets of *project*, [] for this server's own folder.

        Raises NotAdmitted if *downloader* or its address is blocked; UnknownProject.
        """
        address = str(self.request.remote_ip)

        def find(store: Store) -> list[Target]:
            admit(store, project, downloader, address)
            return store.targets_of(project)

        return self.parts.rotation.of(project, await self.parts.writer.run(find))

    async def prepare(self) -> None:
        """Add the request to those in flight."""
        self.parts.in_flight.add(self)

    def on_finish(self) -> None:
        """Remove the request from those in flight, because it was answered."""
        self.parts.in_flight.discard(self)

    def on_connection_close(self) -> None:
        """Note that the client will not read the answer."""
        super().on_connection_close()
        self.gone = True
        self.parts.in_flight.discard(self)

    def set_default_headers(self) -> None:
        """Keep answers out of caches, and do not tell the version of the server."""
        self.set_header("Server", "tracker")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def line(self, text: str, status: int = 200) -> None:
        """Answer one line of plain text."""
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(text + "\n")

    def json(self, value: object, status: int = 200) -> None:
        """Answer *value* as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(value))

    def json_object(self, body: bytes) -> dict[str, Any]:
        """Return the JSON object in *body*; raises Refusal (415), BadValue."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, "Send JSON with the header 'Content-Type: application/json'.")

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is not JSON")

        try:
            data = json.loads(body.decode("utf-8"), parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            detail = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise BadValue(f"The body is not JSON: {detail}.") from None
        if not isinstance(data, dict):
            raise BadValue("The body must be a JSON object.")
        return data

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log a refusal as one line, and an unexpected error with its traceback.

        Clients that the operator's settings refuse come again and again, and are not logged.
        """
        if isinstance(value, NotAdmitted):
            return
        if isinstance(value, TrackerError | HTTPError):
            log.warning("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)

    def explain(self, error: TrackerError) -> tuple[int, str]:
        """Return the status and the sentence that answer *error*; set the headers for it."""
        if isinstance(error, Refusal) and error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        return error.status, str(error)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as one sentence."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, TrackerError):
            status_code, sentence = self.explain(error)
        elif status_code == 405:  # Tornado raises it when the body has arrived
            self.unread = False
            self.set_header("Allow", ", ".join(self.allowed()))
            sentence = f"This address takes {' or '.join(self.allowed())} only."
        elif status_code == 500:
            sentence = "The tracker failed. Its log says why."
        else:
            sentence = f"{self._reason}."
        if self.unread:  # tornado closes the connection then; clients must not use it again
            self.set_header("Connection", "close")
        self.line(sentence, status_code)

    def allowed(self) -> list[str]:
        """Return the methods that this handler answers."""
        return [
            method
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
            if getattr(type(self), method.lower()) is not getattr(RequestHandler, method.lower())
        ]


@stream_request_body
class StreamingHandler(Handler):
    """Takes the body of a request piece by piece.

    A large body is refused before it is sent; curl waits for that. A small body is refused once
    it has arrived, because its sender may not read an answer earlier.
    """

    METHOD = "POST"
    """The method whose body is taken. Other bodies are discarded, so that the client reads 405."""

    unread = True
    refusal: TrackerError | None = None
    """What to answer when a small body has arrived."""

    async def prepare(self) -> None:
        """Accept or refuse the request before its body arrives."""
        text = self.request.headers.get("Content-Length", "")
        length = int(text) if text.isdigit() else None
        try:
            await super().prepare()
            if self.request.method == self.METHOD:
                await self.begin(length)
            else:
                self.http.set_max_body_size(DISCARDED_BYTES)
        except TrackerError as error:
            if self.request.method != self.METHOD or length is None or length > SMALL_BYTES:
                raise
            self.refusal = error
            self.http.set_body_timeout(BODY_SECONDS)

    async def begin(self, length: int | None) -> None:
        """Check the request, and set the limits of its body of *length* bytes, if known."""

    async def receive(self, chunk: bytes) -> None:
        """Take the next piece of the body; the following one is read when this returns."""
        raise NotImplementedError

    async def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body, unless the request is or will be refused."""
        if self._finished or self.refusal is not None or self.request.method != self.METHOD:
            return
        try:
            await self.receive(chunk)
        except TrackerError as error:
            # If it were raised from here, tornado would close the connection without an answer.
            self._handle_request_exception(error)

    def arrived(self) -> bool:
        """Return whether the whole body was taken, and the request is still to be answered.

        Raises the refusal of a small body.
        """
        self.unread = False
        if self.refusal is not None:
            raise self.refusal
        return not self._finished


class NotHere(Handler):
    """Answers every address that nothing else answers."""

    async def prepare(self) -> None:
        raise Refusal(404, "There is nothing at this address.")
