"""Checks a user name and a password without hurry, and guesses only so often.

scrypt takes a tenth of a second and 32 MiB on purpose; it runs on a thread, one at a
time. Whoever guesses wrong five times from one address waits, each time twice as long.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import concurrent.futures
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

_N, _R, _P, _MAXMEM = 2**15, 8, 3, 64 * 1024 * 1024

#: Wrong tries from one address before it has to wait.
FREE_FAILURES = 5
#: The first wait, in seconds; it doubles with each further failure up to the last.
FIRST_WAIT, LONGEST_WAIT = 30.0, 3600.0
#: Addresses that are remembered.
MAX_ADDRESSES = 1000
#: Right credentials that are remembered, so that not every request is hashed.
MAX_REMEMBERED = 20


def hash_password(password: str) -> str:
    """``scrypt$SALT$HASH`` with the parameters named above. Slow: for a thread."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def matches(password: str, record: str) -> bool:
    """Whether ``record`` is of this password; takes as long either way. For a thread."""
    _, salt, digest = record.split("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), digest)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt,
                          n=_N, r=_R, p=_P, maxmem=_MAXMEM)


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
        _, until = self._failures.get(_network(address), (0, 0.0))
        return max(0.0, until - self._clock())

    def failed(self, address: str) -> None:
        key = _network(address)
        count = self._failures.pop(key, (0, 0.0))[0] + 1
        extra = count - FREE_FAILURES
        # 2**30 is more than enough, and an int of any size would not be a float.
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(extra, 30)) if extra >= 0 else 0.0
        self._failures[key] = (count, self._clock() + wait)
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        self._failures.pop(_network(address), None)


def _network(address: str) -> str:
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


class PasswordCheck:
    """The one account of a console. ``username`` '' accepts any name."""

    def __init__(self, username: str, password: str, throttle: Throttle | None = None) -> None:
        self._username = username
        self._plain = password
        self._record = ""
        self._throttle = throttle or Throttle()
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, None] = OrderedDict()
        self._looking: dict[bytes, asyncio.Future[bool]] = {}
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "password")

    async def check(self, username: str, password: str, address: str) -> bool:
        """Whether these are right. Raises TooManyFailures instead of looking."""
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
            # Counted before it is looked at: a hundred guesses at once are not one. But
            # the same words again, as a browser sends for all parts of a page, are.
            self._throttle.failed(address)
            looking = self._looking[mark] = asyncio.ensure_future(self._look(username, password))
            looking.add_done_callback(lambda done: self._looking.pop(mark, None))
        right = await asyncio.shield(looking)
        if right:
            self._throttle.succeeded(address)
            self._remembered[mark] = None
            while len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        return right

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _look(self, username: str, password: str) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._matches, username, password)

    def _matches(self, username: str, password: str) -> bool:
        if not self._record:
            self._record, self._plain = hash_password(self._plain), ""
        right_name = not self._username or hmac.compare_digest(
            username.encode("utf-8", "replace"), self._username.encode("utf-8", "replace"))
        return matches(password, self._record) and right_name
