"""The name of a project, and how it presents itself."""

from __future__ import annotations

import datetime
import functools
import json
import os
import re
import subprocess
import time
from typing import Any

__all__ = [
    "Project", "datetime", "functools", "json", "os", "re", "subprocess", "time",
]


class Project:
    """The title, a short HTML header and the deadline of a project.

    ``utc_deadline`` is a naive datetime in UTC, or None. The HTML comes from the
    project's author, so it must be sanitized before it is shown.
    """

    def __init__(
        self,
        title: str | None = None,
        project_html: str | None = None,
        utc_deadline: datetime.datetime | None = None,
        **more: Any,
    ) -> None:
        self.title = title
        self.project_html = project_html
        self.utc_deadline = utc_deadline
        # Files written for other toolkit versions pass more arguments; keep them as attributes.
        for name, value in more.items():
            setattr(self, name, value)

    def data_for_json(self) -> dict[str, Any]:
        """Return title, HTML and deadline (seconds since the epoch, or None)."""
        deadline = self.utc_deadline
        return {
            "title": self.title,
            "project_html": self.project_html,
            "utc_deadline": None if deadline is None else deadline.replace(
                tzinfo=datetime.timezone.utc).timestamp(),
        }
