"""Spaces our requests to the outside: no number of slots, items or projects hammers anybody.

Whoever wants to ask a tracker, Warrior HQ, a git remote or an upload target needs a
``Turn`` (turns) of its ``Endpoint`` (endpoints):

    turn = endpoint.try_turn() or await endpoint.turn(show)
    try:
        ...                       # ask once
        turn.succeeded()          # or turn.failed(why, delay)
    finally:
        turn.abandoned()          # says nothing where the outcome is known already

An endpoint that fails is asked by one at a time, after a delay that all who wait share; a host
that does not answer is probed by one request for all its endpoints. After a success the next
asks at once, and a second success in a row doubles how many may ask side by side.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from pipeline_core.net.backoff import Backoff
from pipeline_core.net.endpoints import SHORTEST_DELAY, Endpoint, Host

#: The first delay of an upload target, as of any program that is tried again.
TARGET_DELAY = 2.0
#: After this many seconds a turn no longer keeps the others back. A request to a tracker or HQ ends
#: within 60 s and a clone within its time-out, so for them this is only a backstop. An upload may
#: take hours; one that has run for this long shows that the target is there.
PATIENCE, REPOSITORY_PATIENCE, TARGET_PATIENCE = 600.0, 3600.0, 120.0
#: Endpoints that are remembered; beyond it those go that nobody has used for an hour.
MOST_ENDPOINTS = 500
FORGET_AFTER = 3600.0

_PORTS = {"http": 80, "https": 443, "rsync": 873, "git": 9418, "ssh": 22}


class Governor:
    """All endpoints of one process. Made where the parts are made, used on the loop.

    After a failure nobody asks sooner than after ``shortest_delay`` seconds; ``target_delay`` is
    the first delay (seconds) of an upload target that fails.
    """

    def __init__(
        self, *, shortest_delay: float = SHORTEST_DELAY, target_delay: float = TARGET_DELAY
    ) -> None:
        self._shortest_delay = shortest_delay
        self._target_delay = target_delay
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._hosts: dict[str, Host] = {}

    def tracker(self, url: str) -> Endpoint:
        """One command of one project's tracker; ``url`` has both."""
        return self._endpoint("tracker", url, "the tracker", 1, PATIENCE,
                              functools.partial(Backoff, 60.0, increment=10.0))

    def hq(self, url: str, *, first_delay: float, longest_delay: float) -> Endpoint:
        """A Warrior HQ; delays in seconds."""
        return self._endpoint("hq", url, "Warrior HQ", 1, PATIENCE, functools.partial(
            Backoff, first_delay, factor=2.0, maximum=longest_delay))

    def repository(self, url: str, first_delay: float = 60.0) -> Endpoint:
        """A git remote; the delay in seconds."""
        return self._endpoint(
            "git", url, "the repository", 1, REPOSITORY_PATIENCE, functools.partial(
                Backoff, first_delay, factor=2.0, maximum=3600.0))

    def target(self, url: str) -> Endpoint:
        """The host of an upload target, whatever the rest of its URL."""
        host = host_of(url)
        return self._endpoint(
            "target", url, f"the upload target {host}", 4, TARGET_PATIENCE, functools.partial(
                Backoff, self._target_delay, factor=1.5, maximum=300.0), key=host)

    def _endpoint(
        self, kind: str, url: str, label: str, width: int, patience: float,
        backoff: Callable[[], Backoff], key: str = "",
    ) -> Endpoint:
        known = self._endpoints.get((kind, key or url))
        if known is None:
            if len(self._endpoints) >= MOST_ENDPOINTS:
                self._forget()
            name = host_of(url)
            host = self._hosts.setdefault(name, Host(name, self._shortest_delay))
            known = self._endpoints[kind, key or url] = Endpoint(
                host, label, backoff(), width, patience)
            host.endpoints.add(known)
        return known

    def _forget(self) -> None:
        """Let go of what nobody uses: a tracker may name as many targets as it likes."""
        now = time.monotonic()
        for key, endpoint in list(self._endpoints.items()):
            host = endpoint.host
            if (now - max(endpoint.used, endpoint.opens_at) > FORGET_AFTER
                    and not host._turns and not host._queue):
                del self._endpoints[key]
                host.endpoints.discard(endpoint)
        self._hosts = {name: host for name, host in self._hosts.items() if host.endpoints}


def host_of(url: str) -> str:
    """Host and port of a URL, of git's ``host:path``, or the path of a folder as it is."""
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname:
            return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
    except ValueError:
        return url
    host, colon, _ = url.partition(":")
    if colon and "/" not in host and "://" not in url:
        return f"{host.rpartition('@')[2]}:22"
    return url
