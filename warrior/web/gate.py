"""The one gate in front of every route, sockets and static files included.

It checks Host, then Origin, Sec-Fetch-Site, authentication and the CSRF token. Each refusal says
what to change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable

from tornado import httputil

from warrior.web.addresses import AcceptedHosts, Proxies, PublicAddress, host_name
from warrior.web.headers import MAX_BODY, Refusal, content_length
from warrior.web.password import (
    KeyCheck,
    PasswordCheck,
    TooBusy,
    TooManyFailures,
    basic_credentials,
    bearer_key,
)
from warrior.web.sessions import Sessions

#: The pages to which another site may link.
_PAGES = frozenset({"/", "/index.html"})
_TOKEN = "X-CSRF-Token"


@dataclasses.dataclass(frozen=True)
class Access:
    """What the gate found out about a request that it lets through.

    ``changes`` is the number of changes of the password before the request; ``by_password``: the
    request contained the password. ``key`` is the name of the API key that was sent, or ''.
    """

    session_id: str | None
    authenticated: bool
    changes: int = 0
    key: str = ""
    by_password: bool = False
    #: The gate that can check again; None: the access never ends.
    gate: Gate | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def holds(self) -> bool:
        """Whether the access still counts: while a body arrives, somebody may log out, revoke a
        key or change the password."""
        return self.gate is None or self.gate.still_holds(self)


class Gate:
    """Decides about requests. Without a password, Host and Origin are enough to get in."""

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
        """Let a request through or refuse it; checking a password takes time."""
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
        # After this session has changed the password, its browser still sends the old one.
        if not self.password.needed or self.sessions.is_logged_in(session_id):
            return self._enter(request, self._access(session_id, True))
        if header is not None:
            return self._check_credentials(request, session_id, header)
        return self._enter(request, self._access(session_id, False))

    def still_holds(self, access: Access) -> bool:
        """Whether the gate would still let the request through."""
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

    # -- the sender ----------------------------------------------------------------
    def _check_sender(self, request: httputil.HTTPServerRequest) -> Refusal | None:
        headers = request.headers
        if len(headers.get_list("Host")) != 1:
            return Refusal(400, "Send exactly one Host header.")
        name = host_name(headers["Host"])
        if name is None:
            return Refusal(400, "The Host header is malformed.")
        if name not in self.hosts:
            shown = "".join(c for c in name[:100] if c.isprintable())
            return Refusal(421, f"This console is not known as {shown}: open it as localhost or "
                                "by an IP address.")
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
                return False  # http://, but the proxy has https://
        scheme, _, authority = origin.strip().lower().partition("://")
        host = request.headers["Host"].strip().lower()
        return scheme == "http" and authority.removesuffix(":80") == host.removesuffix(":80")

    # -- authentication ------------------------------------------------------------
    def _session(self, request: httputil.HTTPServerRequest) -> str | None:
        # Cookies ignore ports, so another server on this machine may have set one of the same
        # name: look at all, and prefer one that is logged in.
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

    # -- what the request may do ---------------------------------------------------
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
            return access  # no browser sends a key by itself, so it needs no token
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
    """Refuse a body that is too large, or of unknown length."""
    length = content_length(headers)
    if length is None:
        return Refusal(411, "Send a Content-Length with the body.")
    if length > MAX_BODY:
        return Refusal(413, f"The body is too large: at most {MAX_BODY // 1024} KiB.")
    return None


def too_many_failures(error: TooManyFailures) -> Refusal:
    """The answer to guesses that are too frequent."""
    seconds = int(error.seconds) + 1
    why = ("Too many passwords are being checked at once" if isinstance(error, TooBusy)
           else "Too many wrong passwords or keys from this address")
    return Refusal(429, f"{why}: try again in {seconds} s.", {"Retry-After": str(seconds)})


def _unauthorized(request: httputil.HTTPServerRequest, text: str) -> Refusal:
    # The challenge would make a browser open its own dialog over our page.
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return Refusal(401, text)
    return Refusal(401, text, {"WWW-Authenticate": 'Basic realm="warrior", charset="UTF-8"'})


def _is_navigation(request: httputil.HTTPServerRequest) -> bool:
    headers = request.headers
    return (request.method in ("GET", "HEAD") and request.path in _PAGES
            and headers.get("Sec-Fetch-Mode") == "navigate"
            and headers.get("Sec-Fetch-Dest") == "document")
