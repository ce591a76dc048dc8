"""One try of an upload with curl: which redirects it follows, and to which addresses.

The arguments of curl are part of the contract with pipeline files, so all other options are in
a ``.curlrc`` that is written for each run. curl itself follows no redirects. It writes the head
of the answer to a file. The redirect is checked like those of the toolkit's own requests
(``pipeline_core.net.http``), and curl runs again with the new address.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import glob
import os
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TextIO
from urllib.parse import quote, urlsplit

from tornado.netutil import Resolver

from pipeline_core.net.address_scope import AddressScope, ScopedResolver, ScopeRefused, scope_of
from pipeline_core.net.backoff import parse_retry_after
from pipeline_core.net.http import (
    LARGEST_HEAD,
    LONGEST_REASON,
    MOST_REDIRECTS,
    TRACKER_LIMITS,
    redirected,
)

#: A folder with a ``.curlrc`` for uploads for which none can be written.
CURL_HOME = os.path.join(os.path.dirname(os.path.abspath(__file__)), "curl")
#: curl's exit codes for a redirect that it does not follow, and for an HTTP error (``--fail``).
REDIRECTED, HTTP_ERROR = 47, 22

#: Where curl's folders are made; None is Python's folder for temporary files.
PLACES = ("/dev/shm", None)
_PREFIX = "warrior-curl-"

_PORTS = {"http": 80, "https": 443}
#: Characters of a Location that stay unquoted; curl quotes the rest as well.
_PRINTABLE = "".join(map(chr, range(33, 127)))

#: Arguments, environment, and standard input of a program.
Command = tuple[list["str | bytes"], dict[str, str], bytes]


@dataclasses.dataclass(frozen=True)
class ProgramResult:
    """How a program ended: it left ``unread`` bytes of its input, and the server of an upload
    asked for ``silence`` seconds without requests (Retry-After)."""

    returncode: int
    unread: int = 0
    silence: float | None = None


class CurlRun:
    """One try: curl runs once for the target, and once more for each redirect.

    Each redirect repeats the PUT. (curl itself would follow a 303 with a GET, and report an
    upload that no server took.) curl appends the file name to an address that ends with a
    slash. ``start(command)`` runs curl, and returns the result or None when it did not start.
    """

    def __init__(
        self, command: Command, start: Callable[[Command], Awaitable[ProgramResult | None]],
        log: Callable[[str], object],
    ) -> None:
        self._args, self._env, self._data = command
        self._start = start
        self._log = log
        # A project that sets CURL_HOME itself has its own settings.
        self._has_default_home = self._env.setdefault("CURL_HOME", CURL_HOME) == CURL_HOME
        #: The index of the address in the arguments; 0 when a project has changed them.
        self._place = 0
        if "--upload-file" in self._args:
            place = self._args.index("--upload-file") + 2
            if place < len(self._args) and self._args[place][:1] not in ("-", b"-"):
                self._place = place

    async def run(self) -> ProgramResult | None:
        """Run curl over all redirects. Return the result; None when curl did not start."""
        loop = asyncio.get_running_loop()
        target = os.fsdecode(self._args[self._place]) if self._place else ""
        redirected_by: set[AddressScope] = set()
        addresses = await _look_up(target, redirected_by) if self._has_default_home else []
        for hop in range(MOST_REDIRECTS + 1):
            home, args, env = _Home(), list(self._args), dict(self._env)
            if self._place:
                args[self._place] = target
            try:
                if self._has_default_home:
                    # The name of a project's proxy must be resolved as usual.
                    has_proxy = any([name.lower().endswith("_proxy") for name in env])
                    pin = "" if has_proxy else _pin(target, addresses)
                    env["CURL_HOME"] = await loop.run_in_executor(
                        None, home.make, pin) or CURL_HOME
                ended = await self._start((args, env, self._data))
            finally:
                # Not awaited here: this coroutine may have been cancelled.
                closing = loop.run_in_executor(None, home.close)
            if ended is None:
                return None
            code = ended.returncode
            status, location, retry_after = _last_answer(await closing)
            try:
                if code == REDIRECTED and location and self._place:
                    if hop == MOST_REDIRECTS:
                        raise ValueError(f"it redirects more than {MOST_REDIRECTS} times")
                    redirected_by = (
                        {scope_of(address) for address in addresses} or {AddressScope.PUBLIC})
                    target = redirected(target, location, TRACKER_LIMITS)
                    addresses = await _look_up(target, redirected_by)
                    self._log(f"The target redirects the upload to {target}")
                    continue
                if code == 0 and status and not 200 <= status < 300:
                    # Such as a redirect without a Location; --fail does not cover it.
                    code = HTTP_ERROR
                    raise ValueError(f"it answered {status}")
            except (ValueError, OSError) as error:
                why = f"it redirects to {error}" if isinstance(error, ScopeRefused) else str(error)
                self._log(f"The target refused the upload: {why[:LONGEST_REASON]}.")
            return ProgramResult(code, ended.unread, parse_retry_after(retry_after))
        raise AssertionError("the last redirect is refused")


class _Home:
    """A folder for one run of curl. The methods block; they may run on any thread, in any order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path = ""
        self._removed = False
        #: The ``.curlrc``, locked while this process lives. An unlocked one was left behind by a
        #: killed process.
        self._settings: TextIO | None = None

    def make(self, pin: str) -> str:
        """Create the folder. Return its path, or '' when there is no room for it.

        Memory (/dev/shm) is tried first: a full disk must not block the uploads that make room.
        """
        with self._lock:
            for where in PLACES:
                if self._removed:
                    return ""
                with contextlib.suppress(OSError):
                    _sweep(where or tempfile.gettempdir())
                    self._path = tempfile.mkdtemp(prefix=_PREFIX, dir=where)
                    head = os.path.join(self._path, "head")
                    head = head.replace("\\", "\\\\").replace('"', '\\"')
                    self._settings = open(  # noqa: SIM115  it stays open
                        os.path.join(self._path, ".curlrc"), "w", encoding="utf-8",
                        errors="surrogateescape")
                    fcntl.flock(self._settings, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._settings.write(f'globoff\nmax-redirs = 0\ndump-header = "{head}"\n')
                    if pin:
                        self._settings.write(f'resolve = "{pin}"\n')
                    self._settings.flush()
                    return self._path
                self._drop()
            return ""

    def close(self) -> bytes:
        """Remove the folder, and prevent a later :meth:`make`. Return the heads of the answers;
        b'' when there are none."""
        with self._lock:
            self._removed = True
            head = b""
            if self._path:
                with contextlib.suppress(OSError), open(
                        os.path.join(self._path, "head"), "rb") as file:
                    head = file.read(LARGEST_HEAD + 1)
            self._drop()
        # The last answer counts. If the file is cut off, the last answer is not in it.
        return head if len(head) <= LARGEST_HEAD else b""

    def _drop(self) -> None:
        if self._path:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = ""
        if self._settings is not None:
            with contextlib.suppress(OSError):  # the disk is full: its content was not written
                self._settings.close()
            self._settings = None


def _sweep(where: str) -> None:
    """Remove the folders that killed processes have left behind."""
    for path in glob.glob(os.path.join(glob.escape(where), _PREFIX + "*")):
        # OSError: the file does not exist yet, belongs to another user, or is locked (in use).
        with contextlib.suppress(OSError), open(os.path.join(path, ".curlrc")) as settings:
            fcntl.flock(settings, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)


async def _look_up(target: str, redirected_by: set[AddressScope]) -> list[str]:
    """Return the addresses of the target to which servers in the scopes ``redirected_by`` may
    redirect us.

    Raises ScopeRefused when there is none. Errors about the first target (no redirect) give an
    empty list: curl itself reports what is wrong.
    """
    resolver: Resolver = Resolver()
    for near in redirected_by:
        resolver = ScopedResolver(resolver, near)
    try:
        parts = urlsplit(target)
        port = parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)
        if not parts.hostname:
            return []
        found = await resolver.resolve(parts.hostname, port)
        return list(dict.fromkeys([str(address[0]) for _, address in found]))
    except ScopeRefused:
        raise
    except (OSError, ValueError) as error:
        if redirected_by:
            raise ValueError(f"it redirects to {target}, which is not found: {error}") from None
        return []


def _pin(target: str, addresses: Sequence[str]) -> str:
    """Return a value for curl's ``resolve``: whatever host curl reads from the address, it
    connects to these addresses.

    So neither a second DNS lookup nor another way to parse the URL leads elsewhere.
    """
    # ``resolve`` takes no address with a zone (fe80::1%eth0); the DNS returns none.
    written = [address for address in addresses if "%" not in address]
    if not written:
        return ""
    parts = urlsplit(target)
    port = parts.port if parts.port is not None else _PORTS.get(parts.scheme)
    places = ",".join([f"[{address}]" if ":" in address else address for address in written])
    return f"*:{port}:{places}" if port else ""


def _last_answer(head: bytes) -> tuple[int, str, str]:
    """Return status, Location and Retry-After of the last answer in what curl has written; a
    "100 Continue" may come before it. (0, '', '') when there is no answer."""
    status, location, retry_after = 0, "", ""
    for line in head.splitlines():
        name, _, value = line.partition(b":")
        if line.startswith(b"HTTP/"):
            number = line.split()[1:2]
            status = int(number[0]) if number and number[0].isdigit() else 0
            location = retry_after = ""
        elif name.strip().lower() == b"location" and not location:
            location = quote(value.strip(), safe=_PRINTABLE)
        elif name.strip().lower() == b"retry-after":
            retry_after = value.decode("latin-1")
    return status, location, retry_after
