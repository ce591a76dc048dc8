"""A project on offer, and the names that a project may have."""

from __future__ import annotations

import dataclasses
import datetime
import re

#: The name of "Archive Team's choice" among the chosen projects.
AUTO = "auto"

#: A name is also used for a folder and in ids.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

#: The rule for names, as a part of a sentence.
NAME_RULE = ("a name has up to 64 letters, digits, '.', '_' or '-', begins with a letter or "
             f"digit, and is not '{AUTO}'")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A project on offer. ``repository`` is an address, or a folder of this machine.

    ``description`` is HTML from others, not sanitized. ``source`` is hq, operator, shipped or gone;
    ``deadline`` is in UTC. ``logo`` and ``leaderboard`` are addresses, '' for none.
    """

    name: str
    title: str
    description: str
    repository: str
    source: str
    logo: str = ""
    leaderboard: str = ""
    deadline: datetime.datetime | None = None


def is_project_name(text: str) -> bool:
    """Return whether a project may have this name."""
    return _NAME.fullmatch(text) is not None and text != AUTO
