"""One try of an upload with curl: which redirects it follows, and to which addresses.

The arguments of curl are part of the contract with pipeline files, so everything else stands
in a ``.curlrc`` that is written for each run. curl follows no redirect itself. It leaves the head
of the answer in a file; the redirect is checked as those of our own requests are
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

from pipeline_core.net.address_scope import AddressScope, ScopedResolver, ScopeRefused, nearness_of
from pipeline_core.net.backoff import parse_retry_after
from pipeline_core.net.http import (
    LARGEST_HEAD,
    LONGEST_REASON,
    MOST_REDIRECTS,
    TRACKER_LIMITS,
    redirected,
)

#: A folder with a ``.curlrc`` for uploads that cannot have one of their own.
CURL_HOME = os.path.join(os.path.dirname(os.path.abspath(__file__)), "curl")
#: What curl returns for a redirect that it does not follow, and for an HTTP error (``--fail``).
REDIRECTED, HTTP_ERROR = 47, 22

#: Where folders for curl are made; None is where Python makes its temporary files.
PLACES = ("/dev/shm", None)
_PREFIX = "warrior-curl-"

_PORTS = {"http": 80, "https": 443}
#: What may stand in a Location as it is; curl quotes the rest as well.
_PRINTABLE = "".join(map(chr, range(33, 127)))

#: Arguments, environment, and standard input of a program.
Command = tuple[list["str | bytes"], dict[str, str], bytes]


@dataclasses.dataclass(frozen=True)
class ProgramResult:
    """What came of a program: ``unread`` bytes of its input are left, and the server of an
    upload wants to be left alone for ``silence`` seconds."""

    returncode: int
    unread: int = 0
    silence: float | None = None


class CurlRun:
    """One try: curl runs once for the target, and once more for each redirect.

    Each redirect repeats the PUT. (curl itself follows a 303 with a GET, and would report as
    uploaded what nobody took.) An address that ends with a slash gets the name of the file.
    ``start(args, env, data)`` runs curl: what came of it, or None when it did not start.
    """

    def __init__(
        self, command: Command, start: Callable[[Command], Awaitable[ProgramResult | None]],
        log: Callable[[str], object],
    ) -> None:
        self._args, self._env, self._data = command
        self._start = start
        self._log = log
        # A project that sends curl to a folder of its own has its own rules.
        self._ours = self._env.setdefault("CURL_HOME", CURL_HOME) == CURL_HOME
        self._place = _place_of_target(self._args)

    async def run(self) -> ProgramResult | None:
        """What came of it all; None when curl did not start."""
        target = os.fsdecode(self._args[self._place]) if self._place else ""
        redirected_by: set[AddressScope] = set()
        addresses = await _look_up(target, redirected_by) if self._ours else []
        for hop in range(MOST_REDIRECTS + 1):
            ended, head = await self._curl(target, addresses)
            if ended is None:
                return None
            code = ended.returncode
            status, location, retry_after = _last_answer(head)
            try:
                if code == REDIRECTED and location and self._place:
                    if hop == MOST_REDIRECTS:
                        raise ValueError(f"it redirects more than {MOST_REDIRECTS} times")
                    redirected_by = {nearness_of(one) for one in addresses} or {AddressScope.PUBLIC}
                    target = redirected(target, location, TRACKER_LIMITS)
                    addresses = await _look_up(target, redirected_by)
                    self._log(f"The target sends the upload on to {target}")
                    continue
                if code == 0 and status and not 200 <= status < 300:
                    # Such as a redirect that leads nowhere; --fail does not count it.
                    code = HTTP_ERROR
                    raise ValueError(f"it answered {status}")
            except ScopeRefused as error:
                self._refused(f"it redirects to {error}")
            except (ValueError, OSError) as error:
                self._refused(str(error))
            return ProgramResult(code, ended.unread, parse_retry_after(retry_after))
        raise AssertionError("the last redirect is refused")

    def _refused(self, why: str) -> None:
        self._log(f"The target did not take the upload: {why[:LONGEST_REASON]}.")

    async def _curl(
        self, target: str, addresses: Sequence[str]
    ) -> tuple[ProgramResult | None, bytes]:
        """Run curl once: what came of it, and the head of the answer."""
        loop = asyncio.get_running_loop()
        home, args, env = _Home(), list(self._args), dict(self._env)
        if self._place:
            args[self._place] = target
        try:
            if self._ours:
                pin = "" if self._has_proxy() else _pin(target, addresses)
                env["CURL_HOME"] = await loop.run_in_executor(None, home.make, pin) or CURL_HOME
            ended = await self._start((args, env, self._data))
            return ended, await loop.run_in_executor(None, home.head)
        finally:
            # Nobody waits for that: this may be the end of the item.
            loop.run_in_executor(None, home.remove)

    def _has_proxy(self) -> bool:
        """Whether a project sends curl to a proxy, which the addresses of targets must not hide."""
        return any(name.lower().endswith("_proxy") for name in self._env)


class _Home:
    """A folder for one run of curl. The methods block, and may run on any thread, in any order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path = ""
        self._removed = False
        #: The ``.curlrc``, locked as long as we live: what is not was left by a killed process.
        self._settings: TextIO | None = None

    def make(self, pin: str) -> str:
        """Make it; the path, or '' where there is no room for it.

        Memory is asked first: a full disk must not keep back the uploads that make room.
        """
        with self._lock:
            for where in PLACES:
                if self._removed:
                    return ""
                with contextlib.suppress(OSError):
                    _sweep(where or tempfile.gettempdir())
                    self._path = tempfile.mkdtemp(prefix=_PREFIX, dir=where)
                    self._write(pin)
                    return self._path
                self._drop()
            return ""

    def _write(self, pin: str) -> None:
        head = os.path.join(self._path, "head").replace("\\", "\\\\").replace('"', '\\"')
        lines = ["globoff", "max-redirs = 0", f'dump-header = "{head}"']
        if pin:
            lines.append(f'resolve = "{pin}"')
        self._settings = open(  # noqa: SIM115  it stays open
            os.path.join(self._path, ".curlrc"), "w", encoding="utf-8", errors="surrogateescape")
        fcntl.flock(self._settings, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._settings.write("".join(line + "\n" for line in lines))
        self._settings.flush()

    def head(self) -> bytes:
        """What came before the body of the answers; b'' where there is nothing."""
        if not self._path:
            return b""
        try:
            with open(os.path.join(self._path, "head"), "rb") as file:
                head = file.read(LARGEST_HEAD + 1)
        except OSError:
            return b""
        # The last answer counts, so half of them is none.
        return head if len(head) <= LARGEST_HEAD else b""

    def remove(self) -> None:
        """Remove it, or do not make it any more."""
        with self._lock:
            self._removed = True
            self._drop()

    def _drop(self) -> None:
        if self._path:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = ""
        if self._settings is not None:
            with contextlib.suppress(OSError):  # there is no room for what it should hold
                self._settings.close()
            self._settings = None


def _sweep(where: str) -> None:
    """Remove the folders that killed processes have left."""
    for path in glob.glob(os.path.join(glob.escape(where), _PREFIX + "*")):
        # Not there yet, or somebody else's, or at work.
        with contextlib.suppress(OSError), open(os.path.join(path, ".curlrc")) as settings:
            fcntl.flock(settings, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)


def _place_of_target(args: Sequence[str | bytes]) -> int:
    """Where the address stands in the command line; 0 where a project has changed that."""
    try:
        place = args.index("--upload-file") + 2
    except ValueError:
        return 0
    return place if place < len(args) and args[place][:1] not in ("-", b"-") else 0


async def _look_up(target: str, redirected_by: set[AddressScope]) -> list[str]:
    """The addresses of the target that those who lie at ``redirected_by`` may send us on to.

    ScopeRefused when there is none. For the first target (nobody led there) curl itself says
    what is wrong with it: none is known then.
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
        return list(dict.fromkeys(str(address[0]) for _, address in found))
    except ScopeRefused:
        raise
    except (OSError, ValueError) as error:
        if redirected_by:
            raise ValueError(f"it redirects to {target}, which is not found: {error}") from None
        return []


def _pin(target: str, addresses: Sequence[str]) -> str:
    """A word for curl's ``resolve``: whatever host it reads in the address, this is where it is.

    So a second look into the DNS, or another way to read the name, changes nothing.
    """
    # A zone (fe80::1%eth0) cannot be written there, and comes from no DNS.
    written = [one for one in addresses if "%" not in one]
    if not written:
        return ""
    parts = urlsplit(target)
    port = parts.port if parts.port is not None else _PORTS.get(parts.scheme)
    places = ",".join(f"[{one}]" if ":" in one else one for one in written)
    return f"*:{port}:{places}" if port else ""


def _last_answer(head: bytes) -> tuple[int, str, str]:
    """Status, Location and Retry-After of the last answer in what curl has written; before it
    there can be a "100 Continue". (0, '', '') when there is none."""
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
