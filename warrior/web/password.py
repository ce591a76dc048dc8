"""Checks user names, passwords and API keys, and limits how often somebody can guess.

scrypt takes a tenth of a second and 32 MiB on purpose; it runs on a thread, one password at a
time. After five wrong guesses, an address has to wait, twice as long after each further guess.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import concurrent.futures
import functools
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from warrior.settings.api_keys import digest
from warrior.settings.scrypt import hash_password, is_record, matches
from warrior.web.addresses import network

#: Failures from one address before it has to wait.
FREE_FAILURES = 5
#: The first wait in seconds, which doubles with each further failure, and the longest.
FIRST_WAIT, LONGEST_WAIT = 30.0, 3600.0
#: Addresses whose failures are remembered.
MAX_ADDRESSES = 1000
#: Passwords that may wait to be checked.
MAX_WAITING = 20
#: Correct credentials that are remembered, so that not every request needs a hash.
MAX_REMEMBERED = 20

#: Returns the digests of the current API keys, by name.
Digests = Callable[[], Mapping[str, str]]


def basic_credentials(header: str) -> tuple[str, str] | None:
    """User name and password of an Authorization header; None if it is malformed.

    The password may contain colons and UTF-8.
    """
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None


def bearer_key(header: str) -> str | None:
    """The API key in an Authorization header; None if it has another scheme."""
    scheme, _, key = header.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


class Throttle:
    """Counts failures per address (IPv6: per /64), and says how long an address has to wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 if it may now."""
        _, until = self._failures.get(network(address), (0, 0.0))
        return max(0.0, until - self._clock())

    def failed(self, address: str) -> None:
        key = network(address)
        count = self._failures.pop(key, (0, 0.0))[0] + 1
        extra = count - FREE_FAILURES
        # Beyond 2**30 the number might not fit into a float.
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(extra, 30)) if extra >= 0 else 0.0
        self._failures[key] = (count, self._clock() + wait)
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        self._failures.pop(network(address), None)

    def refuse(self, address: str) -> None:
        """Raise TooManyFailures if this address has to wait."""
        wait = self.wait(address)
        if wait > 0:
            raise TooManyFailures(wait)


class TooManyFailures(Exception):
    """This address has to wait ``seconds`` before it may try again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:.0f} s")
        self.seconds = seconds


class TooBusy(TooManyFailures):
    """Too many other passwords are being checked; nobody has guessed wrong."""


class _Account:
    """A user name ('' accepts any) and a password, which is plain until it is first checked."""

    def __init__(self, username: str, plain: str, record: str) -> None:
        if record and not is_record(record):
            raise ValueError("the password is not kept as a scrypt record")
        self.username = username
        self.plain = plain
        self.record = record

    def matches(self, username: str, password: str) -> bool:
        """Slow: call it on a thread."""
        if not self.record:
            self.record, self.plain = hash_password(self.plain), ""
        right_name = not self.username or hmac.compare_digest(
            username.encode("utf-8", "replace"), self.username.encode("utf-8", "replace"))
        return matches(password, self.record) and right_name


class PasswordCheck:
    """The one account of a console, or none.

    The password is given as text, or as a record of :mod:`warrior.settings.scrypt` (raises
    ValueError if it is malformed); without either, no account exists. ``username`` '' accepts any
    name.
    """

    def __init__(self, username: str = "", password: str = "", record: str = "",
                 throttle: Throttle | None = None) -> None:
        self._account = _account(username, password, record)
        #: The number of changes of the account.
        self.changes = 0
        self._throttle = throttle or Throttle()
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, None] = OrderedDict()
        #: The checks that run, by a digest of the credentials.
        self._checks: dict[bytes, asyncio.Future[bool]] = {}
        self._thread: concurrent.futures.ThreadPoolExecutor | None = None

    @property
    def needed(self) -> bool:
        """Whether there is an account."""
        return self._account is not None

    def change(self, username: str, record: str) -> bool:
        """Replace the account ('' none); whether the new one differs."""
        old = self._account
        if (old is not None and old.record == record and old.username == username) or (
                old is None and not record):
            return False
        self._account = _account(username, "", record)
        self.changes += 1
        self._remembered.clear()
        self._checks.clear()
        return True

    async def check(self, username: str, password: str, address: str) -> bool:
        """Whether these are right. Raises TooManyFailures or TooBusy without checking them."""
        account = self._account
        if account is None:
            return True
        self._throttle.refuse(address)
        mark = hmac.digest(self._key, f"{username}\0{password}".encode("utf-8", "replace"),
                           "sha256")
        if mark in self._remembered:
            self._remembered.move_to_end(mark)
            return True
        running = self._checks.get(mark)
        if running is None:
            if len(self._checks) >= MAX_WAITING:
                raise TooBusy(1.0)
            # Count a failure before the check, so that simultaneous guesses count. The same
            # credentials, which a browser sends for all parts of a page, count once.
            self._throttle.failed(address)
            if self._thread is None:
                self._thread = concurrent.futures.ThreadPoolExecutor(1, "password")
            running = self._checks[mark] = asyncio.get_running_loop().run_in_executor(
                self._thread, account.matches, username, password)
            running.add_done_callback(functools.partial(self._checked, mark))
        right = await asyncio.shield(running) and account is self._account
        if right:
            self._throttle.succeeded(address)
            self._remembered[mark] = None
            while len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        return right

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _checked(self, mark: bytes, check: asyncio.Future[bool]) -> None:
        if self._checks.get(mark) is check:
            del self._checks[mark]


def _account(username: str, password: str, record: str) -> _Account | None:
    return _Account(username, password, record) if password or record else None


class KeyCheck:
    """Checks API keys. Its failures count apart from those of passwords."""

    def __init__(self, digests: Digests) -> None:
        self._digests = digests
        self._throttle = Throttle()

    def is_known(self, name: str) -> bool:
        """Whether a key of this name (still) exists."""
        return name in self._digests()

    def name(self, key: str, address: str) -> str:
        """The name of this key; '' if it is unknown. Raises TooManyFailures."""
        self._throttle.refuse(address)
        sent, found = digest(key), ""
        for name, kept in self._digests().items():
            if hmac.compare_digest(sent, kept):
                found = name
        if found:
            self._throttle.succeeded(address)
        else:
            self._throttle.failed(address)
        return found
