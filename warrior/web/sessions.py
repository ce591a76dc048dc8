"""Sessions: their cookies, the tokens that commands need, and which are logged in.

A session cookie is a random id with our signature, so nothing is stored for visitors that never
log in, such as a health probe every five seconds. All sessions end with the process.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterator

#: The most sessions that are logged in; beyond it, the longest unused one is logged out.
MAX_LOGGED_IN = 200

#: The session on whose behalf the running code changes settings.
_acting: contextvars.ContextVar[str] = contextvars.ContextVar("acting session", default="")


class Sessions:
    """Makes and checks sessions. ``cookie_name`` contains the port, because cookies ignore it."""

    def __init__(self) -> None:
        self.cookie_name = "warrior_session"
        self._key = secrets.token_bytes(32)
        self._logged_in: OrderedDict[str, None] = OrderedDict()

    def new(self) -> str:
        """The cookie of a new session."""
        session_id = secrets.token_urlsafe(18)
        return f"{session_id}.{self._sign('session', session_id)}"

    def known(self, cookie: str | None) -> str | None:
        """The session id in a cookie that we made; None for any other."""
        if not cookie:
            return None
        session_id, _, signature = cookie.partition(".")
        expected = self._sign("session", session_id)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return None
        return session_id

    def token(self, session_id: str) -> str:
        """The token that this session has to send as ``X-CSRF-Token``."""
        return self._sign("token", session_id)

    def is_token(self, session_id: str, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token(session_id).encode())

    def log_in(self) -> str:
        """The cookie of a new session that is logged in."""
        cookie = self.new()
        self._logged_in[cookie.partition(".")[0]] = None
        while len(self._logged_in) > MAX_LOGGED_IN:
            self._logged_in.popitem(last=False)
        return cookie

    def log_out(self, session_id: str) -> None:
        self._logged_in.pop(session_id, None)

    def log_out_others(self, session_id: str) -> None:
        """Log out all sessions except this one ('' all)."""
        self._logged_in.clear()
        if session_id:
            self._logged_in[session_id] = None

    @property
    def acting(self) -> str:
        """The session of the enclosing :meth:`acts`; '' if there is none."""
        return _acting.get()

    @contextlib.contextmanager
    def acts(self, session_id: str | None) -> Iterator[None]:
        """Run the body, and what follows from it, on behalf of this session."""
        token = _acting.set(session_id or "")
        try:
            yield
        finally:
            _acting.reset(token)

    def is_logged_in(self, session_id: str | None) -> bool:
        if session_id is None or session_id not in self._logged_in:
            return False
        self._logged_in.move_to_end(session_id)
        return True

    def _sign(self, use: str, session_id: str) -> str:
        text = f"{use}:{session_id}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
