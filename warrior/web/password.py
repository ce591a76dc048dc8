"""Checks user names and passwords, and limits how often somebody may guess.

scrypt takes a tenth of a second and 32 MiB on purpose; it runs on a thread, one at a
time. Whoever guesses wrong five times from one address waits, each time twice as long.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import concurrent.futures
import functools
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from warrior.settings.scrypt import hash_password, is_record, matches

#: Wrong tries from one address before it has to wait.
FREE_FAILURES = 5
#: The first wait, in seconds; it doubles with each further failure up to the last.
FIRST_WAIT, LONGEST_WAIT = 30.0, 3600.0
#: Addresses that are remembered.
MAX_ADDRESSES = 1000
#: Passwords that may wait to be looked at.
MAX_WAITING = 20
#: Right credentials that are remembered, so that not every request is hashed.
MAX_REMEMBERED = 20


def basic_credentials(header: str) -> tuple[str, str] | None:
    """User name and password of an Authorization header; None if it is malformed.

    Split at the first colon: a password may contain more of them, and UTF-8.
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


class Throttle:
    """Counts failures per address (IPv6: per /64) and says how long it has to wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        _, until = self._failures.get(network(address), (0, 0.0))
        return max(0.0, until - self._clock())

    def failed(self, address: str) -> None:
        key = network(address)
        count = self._failures.pop(key, (0, 0.0))[0] + 1
        extra = count - FREE_FAILURES
        # 2**30 is more than enough, and an int of any size would not be a float.
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(extra, 30)) if extra >= 0 else 0.0
        self._failures[key] = (count, self._clock() + wait)
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        self._failures.pop(network(address), None)


def network(address: str) -> str:
    """The address, of IPv6 the /64 that it is in: one machine has all of that."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class TooManyFailures(Exception):
    """This address has to wait ``seconds`` before it may try again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:.0f} s")
        self.seconds = seconds


class TooBusy(TooManyFailures):
    """Too many others are being checked; nobody has guessed wrong."""


class _Account:
    """A user name ('' accepts any) with a password, plain until it was hashed."""

    def __init__(self, username: str, plain: str, record: str) -> None:
        if record and not is_record(record):
            raise ValueError("the password is not kept as a scrypt record")
        self.username = username
        self.plain = plain
        self.record = record

    def matches(self, username: str, password: str) -> bool:
        """Slow: for a thread."""
        if not self.record:
            self.record, self.plain = hash_password(self.plain), ""
        right_name = not self.username or hmac.compare_digest(
            username.encode("utf-8", "replace"), self.username.encode("utf-8", "replace"))
        return matches(password, self.record) and right_name


class PasswordCheck:
    """The one account of a console, or none.

    The password is given as text, or as a record of :mod:`warrior.settings.scrypt` (ValueError if
    it is none); without either there is no account. ``username`` '' accepts any name.
    """

    def __init__(self, username: str = "", password: str = "", record: str = "",
                 throttle: Throttle | None = None) -> None:
        self._account = _account(username, password, record)
        #: How often the account has changed.
        self.changes = 0
        self._throttle = throttle or Throttle()
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, None] = OrderedDict()
        self._looking: dict[bytes, asyncio.Future[bool]] = {}
        self._thread: concurrent.futures.ThreadPoolExecutor | None = None

    @property
    def needed(self) -> bool:
        """Whether there is an account at all."""
        return self._account is not None

    def change(self, username: str, record: str) -> bool:
        """Another account from now on, '' none; whether it differs from the one before."""
        old = self._account
        if (old is not None and old.record == record and old.username == username) or (
                old is None and not record):
            return False
        self._account = _account(username, "", record)
        self.changes += 1
        self._remembered.clear()
        self._looking.clear()
        return True

    async def check(self, username: str, password: str, address: str) -> bool:
        """Whether these are right. Raises TooManyFailures, or TooBusy, instead of looking."""
        account = self._account
        if account is None:
            return True
        wait = self._throttle.wait(address)
        if wait > 0:
            raise TooManyFailures(wait)
        mark = hmac.digest(self._key, f"{username}\0{password}".encode("utf-8", "replace"),
                           "sha256")
        if mark in self._remembered:
            self._remembered.move_to_end(mark)
            return True
        looking = self._looking.get(mark)
        if looking is None:
            if len(self._looking) >= MAX_WAITING:
                raise TooBusy(1.0)
            # Counted before it is looked at: a hundred guesses at once are not one. But
            # the same words again, as a browser sends for all parts of a page, are.
            self._throttle.failed(address)
            looking = self._looking[mark] = asyncio.ensure_future(
                self._look(account, username, password))
            looking.add_done_callback(functools.partial(self._looked, mark))
        right = await asyncio.shield(looking) and account is self._account
        if right:
            self._throttle.succeeded(address)
            self._remembered[mark] = None
            while len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        return right

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _look(self, account: _Account, username: str, password: str) -> bool:
        if self._thread is None:
            self._thread = concurrent.futures.ThreadPoolExecutor(1, "password")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, account.matches, username, password)

    def _looked(self, mark: bytes, looking: asyncio.Future[bool]) -> None:
        if self._looking.get(mark) is looking:
            del self._looking[mark]


def _account(username: str, password: str, record: str) -> _Account | None:
    return _Account(username, password, record) if password or record else None
