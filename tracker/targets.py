"""Where the tracker sends uploads: the operator's targets in turn, else its own folder.

Targets stand in the database (``run-tracker targets``, with weights, changed while it runs) and
on the server's command line. A project with targets of its own uses those alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tracker.errors import BadValue, Refused
from tracker.names import check_project

_PER_PROJECT = re.compile(r"([^=/:]+)=([a-z]+://.*)", re.DOTALL)

WAIT_SECONDS = 300
"""Clients come back after so long when every target is switched off."""


@dataclass(frozen=True)
class Target:
    """One target: it gets *weight* uploads where one of weight 1 gets one; inactive, none."""

    url: str
    weight: int = 1
    active: bool = True


class UploadTargets:
    """The targets of the command line, and whose turn it is among all."""

    def __init__(self, options: Iterable[str] = ()) -> None:
        """Read *options*, each ``URL`` (every project) or ``PROJECT=URL``; raises BadValue."""
        self._options: dict[str | None, list[Target]] = {}
        self._turns: dict[str, dict[str, int]] = {}
        for option in options:
            project, url = _parse(option)
            self._options.setdefault(project, []).append(Target(url))

    def of(
        self, project: str, own: Sequence[Target] = (), everyones: Sequence[Target] = ()
    ) -> list[Target]:
        """Return the project's targets, inactive ones too; [] means the tracker's own folder.

        *own* and *everyones* are the database's, for this project and for all.
        """
        mine = [*own, *self._options.get(project, [])]
        return mine or [*everyones, *self._options.get(None, [])]

    def next(self, project: str, targets: Sequence[Target]) -> str | None:
        """Return the one of *targets* whose turn it is; None for the tracker's own folder.

        Each gains its weight at every turn, the highest is taken and pays for all: so heavy
        ones come more often, but not many times in a row. Raises Refused (503) when all are
        inactive.
        """
        if not targets:
            return None
        active = [target for target in targets if target.active]
        if not active:
            raise Refused(503, "No upload target is active now; try again later.", WAIT_SECONDS)
        before = self._turns.get(project, {})
        turns = {target.url: before.get(target.url, 0) + target.weight for target in active}
        chosen = max(turns, key=turns.__getitem__)
        turns[chosen] -= sum(target.weight for target in active)
        self._turns[project] = turns
        return chosen


def check_target(url: str, called: str = "") -> str:
    """Return *url* when clients can upload to it; raises BadValue beginning with *called*."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and not parts.netloc.startswith("-")
    except ValueError as error:
        raise BadValue(f"{called or url}: {error}.") from None
    if parts.scheme not in ("rsync", "http", "https") or not named:
        raise BadValue(f"{called or url}: give rsync://HOST/…/, http://HOST/…/ or https://HOST/…/.")
    if not url.endswith("/") or not url.isprintable() or " " in url:
        raise BadValue(
            f"{called or url}: it must end with '/' (clients add the file's name) "
            "and hold no spaces."
        )
    return url


def _parse(option: str) -> tuple[str | None, str]:
    match = _PER_PROJECT.fullmatch(option)
    project = check_project(match[1]) if match else None
    return project, check_target(match[2] if match else option, f"--upload-target {option}")
