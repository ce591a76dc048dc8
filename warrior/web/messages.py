"""Messages for a page, and their encoding as text.

A message may contain moments of ``time.monotonic()`` (:class:`Until`, :class:`Since`). They become
seconds relative to the moment of sending: so the clocks of two machines need not agree, and
unchanged messages compare equal. Ids have a meaning: the item's id, a task's position, a project's
name.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.waiting import Fault, Waiting
from warrior.daemon.view_models import Status
from warrior.web.board import Board, ItemView

if TYPE_CHECKING:
    from warrior.daemon.machine import Sample

#: Characters of an item's name that the page shows.
NAME_SHOWN = 500

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Until:
    """Sent as the seconds from now to this moment; 0 if it has passed."""

    moment: float


@dataclasses.dataclass(frozen=True)
class Since:
    """Sent as the seconds since this moment."""

    moment: float


def until(moment: float | None) -> Until | None:
    return None if moment is None else Until(moment)


def encode(message: Any, now: float) -> str:
    """One message as text; ``now`` is ``time.monotonic()``."""
    return json.dumps(message, separators=(",", ":"), default=functools.partial(_relative, now))


def frame(message: Json, now: float) -> str:
    """A message as SockJS sends it: its text, as a JSON string."""
    return json.dumps(encode(message, now))


def log_frame(item_id: str, text: str, skipped: int) -> str:
    """More of a log; ``skipped`` lines before it were left out."""
    message: Json = {"type": "log", "item": item_id, "text": text}
    if skipped:
        message["skipped"] = skipped
    return frame(message, 0.0)


def machine_frame(samples: Sequence[Sample], start: bool = False) -> str:
    """Samples of the machine; ``start``: all that are kept, for a page that has just opened."""
    last = samples[-1]
    message: Json = {
        "type": "machine",
        "latest": {
            "received": round(last.received), "sent": round(last.sent),
            "disk_free": last.disk_free, "disk_total": last.disk_total,
            "memory_used": last.memory_used, "memory_total": last.memory_total,
            "own_memory": last.own_memory, "cpu": round(last.cpu, 3)},
        "samples": [[Since(one.at), round(one.received), round(one.sent)] for one in samples],
    }
    if start:
        message["start"] = True
    return frame(message, time.monotonic())


def _relative(now: float, value: Any) -> float:
    if isinstance(value, Until):
        return round(max(0.0, value.moment - now), 1)
    if isinstance(value, Since):
        return round(max(0.0, now - value.moment), 1)
    raise TypeError(f"{value!r} cannot be sent")


def display_name(name: str) -> str:
    """The shown name of an item: of several names joined by NUL, the first and how many more."""
    first, *more = [part for part in name.split("\0") if part] or [""]
    if len(first) > NAME_SHOWN:
        first = first[:NAME_SHOWN] + "…"
    return f"{first} +{len(more)} more" if more else first


def item_json(board: Board, view: ItemView) -> Json:
    """One item, with the last line of its log."""
    log = board.logs.get(view.id)
    return {
        "id": view.id,
        "number": view.number,
        "name": display_name(view.name),
        "project": view.project,
        "pipeline": view.pipeline,
        "state": view.state,
        "age": Since(view.started) if view.ended is None
        else round(view.ended - view.started, 1),
        "tasks": dict(view.statuses),
        "waiting": None if view.waiting is None else waiting_json(view.waiting),
        "line": log.last_line() if log is not None else "",
    }


def items_json(board: Board) -> list[Json]:
    """All shown items, in the order in which they began."""
    return [item_json(board, view) for view in board.items.values()]


def waiting_json(waiting: Waiting) -> Json:
    """Why an item waits, who has to act ('' for nobody), and the seconds to the next try."""
    return {
        "reason": waiting.reason,
        "whose": "" if waiting.fault is Fault.NOBODY else waiting.fault.value,
        "next_in": until(waiting.next_try),
        "code": waiting.code,
    }


def status_json(status: Status) -> Json:
    """The sentence at the top: what runs or why not, who has to act, and when it continues."""
    return {"text": status.text, "whose": status.whose, "next_in": until(status.next_try),
            "tone": status.tone, "note": status.note}


def deadline_text(deadline: object) -> str | None:
    """A deadline as ISO 8601 in UTC, with a Z; None for anything but a datetime.

    Without a time zone it is in UTC, as the contract with pipeline files says.
    """
    if not isinstance(deadline, datetime.datetime):
        return None
    if deadline.tzinfo is not None:
        try:
            deadline = deadline.astimezone(datetime.timezone.utc)
        except OverflowError:
            return None  # in the year 1 or 9999, which means "never"
    return deadline.replace(tzinfo=None, microsecond=0).isoformat() + "Z"
