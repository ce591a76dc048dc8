"""Chooses where an upload goes: to the operator's targets in turn, or to the tracker's folder.

Targets come from the database (``run-tracker targets``, which works while the server runs) and
from the server's command line. A project that has targets of its own uses only those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tracker.errors import NotAdmitted
from tracker.names import check_project
from tracker.store.targets import Target, check_target

_PER_PROJECT = re.compile(r"([^=/:]+)=([a-z]+://.*)", re.DOTALL)

WAIT_SECONDS = 300
"""When clients should try again if every target is inactive."""


class Rotation:
    """The targets of the command line, and a rotation by weight among all targets."""

    def __init__(self, options: Iterable[str] = ()) -> None:
        """Read *options*: ``URL`` (for every project) or ``PROJECT=URL``; raises BadValue."""
        self._options = [_target(option) for option in options]
        self._credits: dict[str, dict[str, int]] = {}

    def of(self, project: str, stored: Sequence[Target] = ()) -> list[Target]:
        """Return the project's targets, including inactive ones; [] is the tracker's own folder.

        *stored* are those that the database has for the project and for every project.
        """
        known = [*stored, *self._options]
        own = [target for target in known if target.project == project]
        return own or [target for target in known if target.project is None]

    def next(self, project: str, targets: Sequence[Target]) -> str | None:
        """Return the URL among *targets* whose turn it is; None for the tracker's own folder.

        At every turn each target gains its weight. The one with most credit is chosen and pays
        the weight of all, so heavy targets come more often, but not many times in a row. Raises
        NotAdmitted (503) if all are inactive.
        """
        if not targets:
            return None
        active = [target for target in targets if target.active]
        if not active:
            raise NotAdmitted(503, "No upload target is active now. Try again later.", WAIT_SECONDS)
        before = self._credits.get(project, {})
        credits = {target.url: before.get(target.url, 0) + target.weight for target in active}
        chosen = max(credits, key=credits.__getitem__)
        credits[chosen] -= sum(target.weight for target in active)
        self._credits[project] = credits
        return chosen


def _target(option: str) -> Target:
    match = _PER_PROJECT.fullmatch(option)
    project = check_project(match[1]) if match else None
    url = check_target(match[2] if match else option, f"--upload-target {option}")
    return Target(url, project=project)
