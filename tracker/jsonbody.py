"""Reads a JSON object that was sent."""

from __future__ import annotations

import json
from typing import Any

from tracker.errors import BadValue


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in *body*; raises BadValue."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        data = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        detail = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BadValue(f"The body is not JSON: {detail}.") from None
    if not isinstance(data, dict):
        raise BadValue("The body must be a JSON object.")
    return data
