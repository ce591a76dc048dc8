"""Messages of a page that cannot be understood: how they are found, and how they are answered."""

from __future__ import annotations

import json
from typing import Any


def decode(data: str | bytes) -> list[str]:
    """The messages in what a page has sent, each a text. Raises ValueError for anything else."""
    try:
        decoded = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    found = decoded if isinstance(decoded, list) else [decoded]
    if not all(isinstance(message, str) for message in found):
        raise ValueError("a message must be text")
    return found


class OneLine:
    """Refuses in one line of text, as everything else here."""

    def write_error(self: Any, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish({
            404: "This page is no longer open: reload it.",
            405: "This method is not for this address: it is a part of the page.",
        }.get(status_code, "This is not what the page sends.") + "\n")
