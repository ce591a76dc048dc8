"""Checks the API key of a request: ``Authorization: Bearer KEY``."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from warrior.settings.api_keys import digest
from warrior.web.password import Throttle, TooManyFailures

#: Digests by the names of the keys that count now.
Digests = Callable[[], Mapping[str, str]]


def bearer_key(header: str) -> str | None:
    """The key in an Authorization header; None if it is of another scheme."""
    scheme, _, key = header.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


class KeyCheck:
    """Knows the keys. Whoever sends wrong ones waits, apart from those with a password."""

    def __init__(self, digests: Digests, throttle: Throttle | None = None) -> None:
        self._digests = digests
        self._throttle = throttle or Throttle()

    def is_known(self, name: str) -> bool:
        """Whether there is a key of this name (still)."""
        return name in self._digests()

    def name(self, key: str, address: str) -> str:
        """The name of this key; '' for none of ours. Raises TooManyFailures."""
        wait = self._throttle.wait(address)
        if wait > 0:
            raise TooManyFailures(wait)
        sent, found = digest(key), ""
        for name, kept in self._digests().items():
            if hmac.compare_digest(sent, kept):
                found = name
        if found:
            self._throttle.succeeded(address)
        else:
            self._throttle.failed(address)
        return found
