"""Where the tracker sends uploads: the operator's targets in turn, else its own folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from tracker.errors import BadValue
from tracker.names import check_project

_PER_PROJECT = re.compile(r"([^=/:]+)=([a-z]+://.*)", re.DOTALL)


class UploadTargets:
    """The configured targets; ``next`` goes round them, one after another."""

    def __init__(self, options: Iterable[str] = ()) -> None:
        """Read *options*, each ``URL`` (every project) or ``PROJECT=URL``; raises BadValue."""
        self._targets: dict[str | None, list[str]] = {}
        self._turn: dict[str, int] = {}
        for option in options:
            project, url = _parse(option)
            self._targets.setdefault(project, []).append(url)

    def for_project(self, project: str) -> list[str]:
        """Return the project's own targets, else those for every project; [] means our folder."""
        return self._targets.get(project) or self._targets.get(None, [])

    def next(self, project: str) -> str | None:
        """Return the target whose turn it is, or None for the tracker's own upload folder."""
        targets = self.for_project(project)
        if not targets:
            return None
        turn = self._turn.get(project, 0)
        self._turn[project] = turn + 1
        return targets[turn % len(targets)]


def _parse(option: str) -> tuple[str | None, str]:
    match = _PER_PROJECT.fullmatch(option)
    project = check_project(match[1]) if match else None
    url = match[2] if match else option
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and not parts.netloc.startswith("-")
    except ValueError as error:
        raise BadValue(f"--upload-target {option}: {error}.") from None
    if parts.scheme not in ("rsync", "http", "https") or not named:
        raise BadValue(
            f"--upload-target {option}: give rsync://HOST/…/, http://HOST/…/ or https://HOST/…/, "
            "with PROJECT= before it when it is for one project only."
        )
    if not url.endswith("/") or not url.isprintable() or " " in url:
        raise BadValue(
            f"--upload-target {option}: it must end with '/' (clients add the file's name) "
            "and hold no spaces."
        )
    return project, url
