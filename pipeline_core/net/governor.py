"""The governor spaces requests to other servers, however many slots, items or projects there are.

A request to a tracker, Warrior HQ, a git remote or an upload target needs a ``Turn`` (see
turns) of its ``Endpoint`` (see endpoints):

    turn = endpoint.try_turn() or await endpoint.turn(show)
    try:
        ...                       # make one request
        turn.succeeded()          # or turn.failed(why, delay)
    finally:
        turn.abandoned()          # does nothing once a result was reported

After a failure, requests to an endpoint are made one at a time, after a delay that all waiting
callers share. A host that does not answer is probed by one request for all its endpoints. After
a success the next request is made at once; from the second success in a row on, each success
doubles how many requests may run at the same time.
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from pipeline_core.net.backoff import Backoff
from pipeline_core.net.endpoints import SHORTEST_DELAY, Endpoint, Host

#: The first delay of an upload target: the same as for any program that is tried again.
FIRST_TARGET_DELAY = 2.0
#: After this many seconds a turn no longer blocks others. A request to a tracker or HQ ends within
#: 60 s and a clone within its time-out, so for them this is only a backstop. An upload may take
#: hours; one that has run for this long shows that the target works.
PATIENCE, REPOSITORY_PATIENCE, TARGET_PATIENCE = 600.0, 3600.0, 120.0
#: The most endpoints that are kept. Above this, those unused for an hour are removed.
MOST_ENDPOINTS = 500
FORGET_AFTER = 3600.0

_PORTS = {"http": 80, "https": 443, "rsync": 873, "git": 9418, "ssh": 22}


class Governor:
    """All endpoints of one process. For the loop only.

    After a failure at least ``shortest_delay`` seconds pass before the next request.
    ``target_delay`` is the first delay (seconds) of an upload target that fails.
    """

    def __init__(
        self, *, shortest_delay: float = SHORTEST_DELAY, target_delay: float = FIRST_TARGET_DELAY
    ) -> None:
        self._shortest_delay = shortest_delay
        self._target_delay = target_delay
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._hosts: dict[str, Host] = {}

    def tracker(self, url: str) -> Endpoint:
        """Return the endpoint of one command of one project's tracker; ``url`` has both."""
        return self._endpoints.get(("tracker", url)) or self._endpoint(
            ("tracker", url), url, "the tracker", Backoff(60.0, increment=10.0))

    def hq(self, url: str, *, first_delay: float, longest_delay: float) -> Endpoint:
        """Return the endpoint of a Warrior HQ; delays in seconds."""
        return self._endpoint(("hq", url), url, "Warrior HQ", Backoff(
            first_delay, factor=2.0, maximum=longest_delay))

    def repository(self, url: str, first_delay: float = 60.0) -> Endpoint:
        """Return the endpoint of a git remote; the delay in seconds."""
        return self._endpoint(("git", url), url, "the repository", Backoff(
            first_delay, factor=2.0, maximum=3600.0), patience=REPOSITORY_PATIENCE)

    def target(self, url: str) -> Endpoint:
        """Return the endpoint of an upload target: one per host, whatever the rest of the URL."""
        host = host_of(url)
        key = "target", host
        return self._endpoints.get(key) or self._endpoint(
            key, url, f"the upload target {host}", Backoff(
                self._target_delay, factor=1.5, maximum=300.0), 4, TARGET_PATIENCE)

    def _endpoint(
        self, key: tuple[str, str], url: str, label: str, backoff: Backoff,
        width: int = 1, patience: float = PATIENCE,
    ) -> Endpoint:
        known = self._endpoints.get(key)
        if known is None:
            if len(self._endpoints) >= MOST_ENDPOINTS:
                self._forget()
            name = host_of(url)
            host = self._hosts.setdefault(name, Host(name, self._shortest_delay))
            known = self._endpoints[key] = Endpoint(host, label, backoff, width, patience)
            host.endpoints.add(known)
            if width > 1:
                # An upload takes hours, so nobody waits for the first one.
                host.has_answered = True
        return known

    def _forget(self) -> None:
        """Remove unused endpoints: a tracker may name any number of upload targets."""
        now = time.monotonic()
        for key, endpoint in list(self._endpoints.items()):
            host = endpoint.host
            if (now - max(endpoint.used, endpoint.opens_at) > FORGET_AFTER
                    and not endpoint.turns and not host.queue):
                del self._endpoints[key]
                host.endpoints.discard(endpoint)
        self._hosts = {name: host for name, host in self._hosts.items() if host.endpoints}


def host_of(url: str) -> str:
    """Return host and port of a URL or of git's ``host:path``; a folder's path unchanged."""
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
