"""The one gate in front of every route, sockets and static files included.

Host, then Origin, then Sec-Fetch-Site, then authentication, then the CSRF token: each
asks less of the sender than the next, and each refusal says what to change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable

from tornado import httputil

from warrior.web.headers import MAX_BODY, Refusal, content_length
from warrior.web.hosts import AcceptedHosts, host_name
from warrior.web.keys import KeyCheck, bearer_key
from warrior.web.password import PasswordCheck, TooBusy, TooManyFailures, basic_credentials
from warrior.web.proxy import Proxies, PublicAddress
from warrior.web.sessions import Sessions

#: Pages that a link on another site may lead to.
_PAGES = frozenset({"/", "/index.html"})
_TOKEN = "X-CSRF-Token"


@dataclasses.dataclass(frozen=True)
class Access:
    """What the gate found out about a request that it lets through.

    ``changes`` is how often the password had changed by then, ``by_password`` that it came
    with the request; ``key`` is the name of the API key that was sent, or ''.
    """

    session_id: str | None
    authenticated: bool
    changes: int = 0
    key: str = ""
    by_password: bool = False
    #: Who can tell whether it still counts; None: it always does.
    gate: Gate | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def holds(self) -> bool:
        """Whether it still counts: while a body is on its way, somebody may log out, revoke a
        key or change the password."""
        return self.gate is None or self.gate.still_holds(self)


class Gate:
    """Decides about requests. Where no password is set, whoever passes Host and Origin is in."""

    def __init__(
        self, hosts: AcceptedHosts, sessions: Sessions, password: PasswordCheck,
        keys: KeyCheck, public: PublicAddress | None = None, proxies: Proxies | None = None,
    ) -> None:
        self.hosts = hosts
        self.keys = keys
        self.public = public
        self.proxies = proxies
        self.sessions = sessions
        self.password = password

    def check(
        self, request: httputil.HTTPServerRequest
    ) -> Refusal | Access | Awaitable[Refusal | Access]:
        """Let a request through, refuse it, or say that it takes time to tell."""
        if self.public is not None:
            self.public.strip(request)
        if self.proxies is not None:
            request.remote_ip = self.proxies.client(request.remote_ip or "", request.headers)
        refusal = self._check_sender(request)
        if refusal is not None:
            return refusal
        session_id = self._session(request)
        header = request.headers.get("Authorization")
        key = None if header is None else bearer_key(header)
        if key is not None:
            return self._check_key(request, session_id, key)
        # A browser goes on sending the old password after this session has changed it.
        if not self.password.needed or self.sessions.is_logged_in(session_id):
            return self._enter(request, self._access(session_id, True))
        if header is not None:
            return self._check_credentials(request, session_id, header)
        return self._enter(request, self._access(session_id, False))

    def still_holds(self, access: Access) -> bool:
        """Whether somebody who was let in would be let in again."""
        if access.key:
            return self.keys.is_known(access.key)
        if not access.authenticated or not self.password.needed:
            return True
        return self.sessions.is_logged_in(access.session_id) or (
            access.by_password and access.changes == self.password.changes)

    def _access(
        self, session_id: str | None, authenticated: bool, by_password: bool = False
    ) -> Access:
        return Access(session_id, authenticated, self.password.changes,
                      by_password=by_password, gate=self)

    # -- where it comes from -----------------------------------------------------
    def _check_sender(self, request: httputil.HTTPServerRequest) -> Refusal | None:
        headers = request.headers
        if len(headers.get_list("Host")) != 1:
            return Refusal(400, "Send exactly one Host header.")
        name = host_name(headers["Host"])
        if name is None:
            return Refusal(400, "The Host header is malformed.")
        if name not in self.hosts:
            return Refusal(421, f"This console is not known as {_printable(name)}: open it as "
                                "localhost or by an IP address.")
        origins = headers.get_list("Origin")
        if origins and (len(origins) > 1 or not self._is_own(origins[0], request)):
            return Refusal(403, "This request comes from another site: open the console "
                                "itself and do it there.")
        site = headers.get("Sec-Fetch-Site", "none").strip().lower()
        if site not in ("none", "same-origin") and not _is_navigation(request):
            return Refusal(403, "A page of another site asked for this: open the console itself.")
        return check_length(headers)

    def _is_own(self, origin: str, request: httputil.HTTPServerRequest) -> bool:
        if self.public is not None:
            if self.public.is_origin(origin):
                return True
            if self.public.is_authority(request.headers["Host"]):
                return False  # http:// where the proxy has https://
        return _same_origin(origin, request)

    # -- who it is -----------------------------------------------------------------
    def _session(self, request: httputil.HTTPServerRequest) -> str | None:
        # Cookies ignore ports: a neighbour can put one of his own before that of a login.
        found = None
        for header in request.headers.get_list("Cookie"):
            for pair in header.split(";"):
                name, _, value = pair.partition("=")
                if name.strip() == self.sessions.cookie_name:
                    session_id = self.sessions.known(value.strip())
                    if self.sessions.is_logged_in(session_id):
                        return session_id
                    found = found or session_id
        return found

    async def _check_credentials(
        self, request: httputil.HTTPServerRequest, session_id: str | None, header: str
    ) -> Refusal | Access:
        credentials = basic_credentials(header)
        if credentials is None:
            return _unauthorized(request, "The Authorization header is malformed: send Basic "
                                          "credentials or a Bearer key.")
        try:
            right = await self.password.check(*credentials, request.remote_ip or "")
        except TooManyFailures as error:
            return too_many_failures(error)
        if not right:
            return _unauthorized(request, "The user name or the password is wrong.")
        return self._enter(request, self._access(session_id, True, by_password=True))

    def _check_key(
        self, request: httputil.HTTPServerRequest, session_id: str | None, key: str
    ) -> Refusal | Access:
        try:
            name = self.keys.name(key, request.remote_ip or "")
        except TooManyFailures as error:
            return too_many_failures(error)
        if not name:
            return _unauthorized(request, "This API key is unknown or revoked: make one on the "
                                          "Settings page.")
        return self._enter(request, Access(session_id, True, key=name, gate=self))

    # -- what it may do --------------------------------------------------------------
    def _enter(self, request: httputil.HTTPServerRequest, access: Access) -> Refusal | Access:
        path = request.path
        is_api = path == "/api" or path.startswith("/api/")
        is_socket = path == "/sockjs" or path.startswith("/sockjs/")
        if not (is_api or is_socket):
            return access
        if not access.authenticated and path != "/api/login":
            return _unauthorized(request, "Log in first: open / in a browser, or send Basic "
                                          "credentials.")
        if access.key and is_api:
            return access  # no browser sends it by itself
        if access.session_id is None:
            return Refusal(403, "Open / first: it gives the session cookie that this needs.")
        if access.key and self.password.needed and not self.sessions.is_logged_in(
                access.session_id):
            return _unauthorized(request, "A key is for /api/ alone: sockets need the cookie of a "
                                          "session that has logged in.")
        if is_api and not self._has_token(request, access.session_id):
            return Refusal(403, f"Send the header {_TOKEN} of this session: the page / holds it.")
        return access

    def _has_token(self, request: httputil.HTTPServerRequest, session_id: str) -> bool:
        tokens = request.headers.get_list(_TOKEN)
        return len(tokens) == 1 and self.sessions.is_token(session_id, tokens[0])


def check_length(headers: httputil.HTTPHeaders) -> Refusal | None:
    """Refuse a body that is too large, or of which nobody knows how long it is."""
    length = content_length(headers)
    if length is None:
        return Refusal(411, "Send a Content-Length with the body.")
    if length > MAX_BODY:
        return Refusal(413, f"The body is too large: at most {MAX_BODY // 1024} KiB.")
    return None


def too_many_failures(error: TooManyFailures) -> Refusal:
    """What somebody reads who has guessed too often."""
    seconds = int(error.seconds) + 1
    if isinstance(error, TooBusy):
        return Refusal(429, "Too many passwords are being checked at once: try again in "
                            f"{seconds} s.", {"Retry-After": str(seconds)})
    return Refusal(429, f"Too many wrong passwords or keys from this address: try again in "
                        f"{seconds} s.",
                   {"Retry-After": str(seconds)})


def _unauthorized(request: httputil.HTTPServerRequest, text: str) -> Refusal:
    # With the challenge a browser would open its own dialog over our page.
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return Refusal(401, text)
    return Refusal(401, text, {"WWW-Authenticate": 'Basic realm="warrior", charset="UTF-8"'})


def _same_origin(origin: str, request: httputil.HTTPServerRequest) -> bool:
    scheme, _, authority = origin.strip().lower().partition("://")
    host = request.headers["Host"].strip().lower()
    return scheme == "http" and authority.removesuffix(":80") == host.removesuffix(":80")


def _is_navigation(request: httputil.HTTPServerRequest) -> bool:
    headers = request.headers
    return (request.method in ("GET", "HEAD") and request.path in _PAGES
            and headers.get("Sec-Fetch-Mode") == "navigate"
            and headers.get("Sec-Fetch-Dest") == "document")


def _printable(name: str) -> str:
    return "".join(c for c in name[:100] if c.isprintable())
