"""One project on offer, and which names a project may have."""

from __future__ import annotations

import dataclasses
import datetime
import re

#: The name that stands for "Archive Team's choice" among the chosen projects.
AUTO = "auto"

#: A name becomes the name of a folder and a part of ids, so it is plain.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

#: What to say of a name that is refused.
NAME_RULE = ("a name has up to 64 letters, digits, '.', '_' or '-', begins with a letter or "
             f"digit, and is not '{AUTO}'")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A project on offer. ``repository`` is an address, or a folder where the operator says so.

    ``description`` and ``marker_html`` are HTML or text of strangers, not cleaned.
    ``source`` is hq, operator or shipped; ``deadline`` is in UTC. ``logo`` and
    ``leaderboard`` are addresses, '' where there is none.
    """

    name: str
    title: str
    description: str
    repository: str
    source: str
    logo: str = ""
    leaderboard: str = ""
    marker_html: str = ""
    deadline: datetime.datetime | None = None


def is_project_name(text: str) -> bool:
    """Whether a project may be called so."""
    return _NAME.fullmatch(text) is not None and text != AUTO
