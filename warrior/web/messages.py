"""Objects to JSON, as plain functions. All that goes to the page is made here.

Times are seconds relative to the moment of sending, so that the clocks of two machines
need not agree. Ids are names that mean something: the item's id, a task's position.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from pipeline_core.waiting import Fault, Waiting
from warrior.web.board import Board, ItemView

#: Project code that has not returned for so many seconds is shown.
BUSY_SHOWN_AFTER = 10.0
#: Characters of an item's name that are shown.
NAME_SHOWN = 500

Json = dict[str, Any]

#: Of several reasons the one is told first about which somebody can do most.
_FAULT_ORDER = (Fault.YOU, Fault.MACHINE, Fault.PROJECT, Fault.TARGET, Fault.TRACKER,
                Fault.NOBODY)


def encode(message: Json) -> str:
    """One message as text."""
    return json.dumps(message, separators=(",", ":"))


def display_name(name: str) -> str:
    """The name of an item for people: of several, joined by NUL, the first and how many more."""
    first, *more = [part for part in name.split("\0") if part] or [""]
    if len(first) > NAME_SHOWN:
        first = first[:NAME_SHOWN] + "…"
    return f"{first} +{len(more)} more" if more else first


def snapshot_json(board: Board, now: float) -> Json:
    """The whole state; ``now`` is ``time.monotonic()``."""
    return {
        "status": status_json(board, now),
        "runner": runner_json(board),
        "worker": worker_json(board, now),
        "projects": [project_json(board)],
        "items": [item_json(board, view, now) for view in board.items.values()],
    }


def runner_json(board: Board) -> Json:
    runner = board.runner
    return {
        "status": runner.status,
        "stopping": runner.status in ("stopping", "stopped"),
        "active": len(board.running()),
        "counts": dict(runner.counts),
        "started": runner.item_count,
        "max_items": runner.max_items,
        "concurrent": runner.concurrent_items,
        "downloader": board.downloader,
    }


def project_title(board: Board) -> str:
    title = None if board.project is None else board.project.title
    return "" if title is None else str(title)


def project_json(board: Board) -> Json:
    """Title, cleaned HTML, deadline and steps of the project."""
    project = board.project
    deadline = None if project is None else project.utc_deadline
    return {
        "id": "pipeline",
        "title": project_title(board),
        "html": board.project_html(),
        "deadline": deadline.isoformat() + "Z" if isinstance(deadline, datetime.datetime)
        else None,
        "tasks": [list(task) for task in board.tasks()],
    }


def item_json(board: Board, view: ItemView, now: float) -> Json:
    log = board.logs.get(view.id)
    return {
        "id": view.id,
        "number": view.number,
        "name": display_name(view.name),
        "project": "pipeline",
        "state": view.state,
        "age": round((view.ended or now) - view.started, 1),
        "tasks": dict(view.statuses),
        "waiting": None if view.waiting is None else waiting_json(view.waiting, now),
        "line": log.last_line() if log is not None else "",
    }


def waiting_json(waiting: Waiting, now: float) -> Json:
    """Why, whose turn it is ('' for nobody's), and in how many seconds it is tried again."""
    return {
        "reason": waiting.reason,
        "whose": "" if waiting.fault is Fault.NOBODY else waiting.fault.value,
        "next_in": _seconds(waiting.next_try, now),
        "code": waiting.code,
    }


def worker_json(board: Board, now: float) -> Json | None:
    """Project code that has not returned for long; None when there is none."""
    busy = board.busy()
    if busy is None or now - busy.since < BUSY_SHOWN_AFTER:
        return None
    return {
        "label": busy.label,
        "item": busy.item.item_id if busy.item is not None else None,
        "age": round(now - busy.since, 1),
    }


def status_json(board: Board, now: float) -> Json:
    """The sentence at the top: what runs, or why not, whose turn it is, when it goes on.

    ``tone`` is working, waiting, trouble, stopping or stopped.
    """
    status: Json = {"text": "", "whose": "", "next_in": None, "tone": "working",
                    "note": board.note}
    runner = board.runner
    running = board.running()
    waiting = [view.waiting for view in running if view.waiting is not None]
    if runner.status == "idle":
        status.update(text="Loading the pipeline.", tone="waiting")
    elif runner.status == "stopped":
        status.update(text=f"Stopped. {counts_sentence(runner.counts)}", tone="stopped")
    elif runner.status == "stopping":
        status.update(_stopping(len(running), waiting, now))
    elif runner.waiting is not None:
        status.update(_because(runner.waiting, now), tone="trouble")
    elif running:
        status.update(_running(len(running), waiting, now))
    elif runner.resting:
        status.update(text="The last item failed. The next one starts after a rest.",
                      next_in=_seconds(runner.next_item_at, now), tone="waiting")
    else:
        status.update(text="Starting the next item.")
    return status


def counts_sentence(counts: dict[str, int]) -> str:
    """How many items ended how."""
    parts = [f"{_items(counts['completed'])} completed"]
    if counts["failed"]:
        parts.append(f"{counts['failed']} failed")
    if counts["canceled"]:
        parts.append(f"{counts['canceled']} cancelled")
    return ", ".join(parts) + "."


def _running(count: int, waiting: list[Waiting], now: float) -> Json:
    working = count - len(waiting)
    if not waiting:
        return {"text": f"Working on {_items(working)}."}
    because = _because(_first(waiting), now)
    if working:
        because["text"] = f"Working on {_items(working)}. {_wait(len(waiting))}: {because['text']}"
        return because
    if count > 1:
        because["text"] += f" All {count} items wait."
    because["tone"] = "waiting"
    return because


def _stopping(count: int, waiting: list[Waiting], now: float) -> Json:
    if not count:
        return {"text": "Stopping.", "tone": "stopping"}
    still = "1 item is" if count == 1 else f"{count} items are"
    text = f"Stopping: {still} still being finished, no new ones start."
    if not waiting:
        return {"text": text, "tone": "stopping"}
    because = _because(_first(waiting), now)
    because.update(text=f"{text} {_wait(len(waiting))}: {because['text']}", tone="stopping")
    return because


def _because(waiting: Waiting, now: float) -> Json:
    found = waiting_json(waiting, now)
    return {"text": found["reason"], "whose": found["whose"], "next_in": found["next_in"]}


def _first(waiting: list[Waiting]) -> Waiting:
    return min(waiting, key=lambda w: (
        _FAULT_ORDER.index(w.fault), float("inf") if w.next_try is None else w.next_try))


def _seconds(moment: float | None, now: float) -> float | None:
    return None if moment is None else round(max(0.0, moment - now), 1)


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _wait(count: int) -> str:
    return "1 waits" if count == 1 else f"{count} wait"


def frame(message: Json) -> str:
    """A message as SockJS sends it: its text, as a JSON string."""
    return json.dumps(encode(message))


def log_frame(item_id: str, text: str, skipped: int) -> str:
    """More of a log; ``skipped`` lines before it were left out."""
    message: Json = {"type": "log", "item": item_id, "text": text}
    if skipped:
        message["skipped"] = skipped
    return frame(message)
