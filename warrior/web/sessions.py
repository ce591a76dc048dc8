"""Sessions: their cookies, the tokens that commands need, and who has logged in.

A session cookie is a random id with our signature, so that nothing has to be kept for
the many who only look in (a health probe every five seconds). Kept are only the ids
that have logged in. All of it ends with the process.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterator

#: Browsers that are logged in at once; the longest unused one has to log in again.
MAX_LOGGED_IN = 200

#: The session for which the running code works, while it changes what all depend on.
_acting: contextvars.ContextVar[str] = contextvars.ContextVar("acting session", default="")


class Sessions:
    """Makes and knows sessions. ``cookie_name`` carries the port: cookies ignore ports."""

    def __init__(self) -> None:
        self.cookie_name = "warrior_session"
        self._key = secrets.token_bytes(32)
        self._logged_in: OrderedDict[str, None] = OrderedDict()

    def new(self) -> str:
        """A cookie for somebody who had none."""
        session_id = secrets.token_urlsafe(18)
        return f"{session_id}.{self._sign('session', session_id)}"

    def known(self, cookie: str | None) -> str | None:
        """The session id of a cookie that we made; None for any other."""
        if not cookie:
            return None
        session_id, _, signature = cookie.partition(".")
        expected = self._sign("session", session_id)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return None
        return session_id

    def token(self, session_id: str) -> str:
        """What this session has to send as ``X-CSRF-Token``."""
        return self._sign("token", session_id)

    def is_token(self, session_id: str, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token(session_id).encode())

    def log_in(self) -> str:
        """A cookie of a new session that has given the password."""
        cookie = self.new()
        self._logged_in[cookie.partition(".")[0]] = None
        while len(self._logged_in) > MAX_LOGGED_IN:
            self._logged_in.popitem(last=False)
        return cookie

    def log_out(self, session_id: str) -> None:
        self._logged_in.pop(session_id, None)

    def log_out_others(self, session_id: str) -> None:
        """The password has changed: only this session is logged in ('' none at all)."""
        self._logged_in.clear()
        if session_id:
            self._logged_in[session_id] = None

    @property
    def acting(self) -> str:
        """The session that :meth:`acts` for now; '' if none does."""
        return _acting.get()

    @contextlib.contextmanager
    def acts(self, session_id: str | None) -> Iterator[None]:
        """What is done in here, and what comes of it, is done for this session."""
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
