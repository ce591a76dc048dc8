"""The contract's part `event`.

Covered: adding, removing, calling in order, length, by name, keywords, a handler added twice,
one that raises.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_core.event import Event
from tests.support.kit import play, write_pipeline


def test_event_calls_in_order() -> None:
    """Handlers are called in the order added, with all arguments; len counts them."""
    calls: list[Any] = []
    event = Event()
    assert len(event) == 0
    event += lambda *a: calls.append(("first", a))
    event += lambda *a: calls.append(("second", a))
    event(1, "two")
    assert calls == [("first", (1, "two")), ("second", (1, "two"))]
    assert len(event) == 2


def test_event_handler_added_twice_is_called_once() -> None:
    """Adding the same handler again changes nothing."""
    calls: list[int] = []
    event = Event()
    event += calls.append
    event += calls.append
    event(1)
    assert calls == [1] and len(event) == 1


def test_event_removal() -> None:
    """Removing works, by equality for bound methods; removing what is not there: ValueError."""
    calls: list[int] = []
    event = Event()
    event += calls.append
    event -= calls.append
    event(1)
    assert calls == [] and len(event) == 0
    with pytest.raises(ValueError):
        event -= calls.append


def test_event_handler_that_raises_does_not_stop_the_rest() -> None:
    """Deliberate: the others still run, then the error goes to whoever fired."""
    calls: list[str] = []

    def bad() -> None:
        raise RuntimeError("bad handler")

    event = Event()
    event += bad
    event += lambda: calls.append("after")
    with pytest.raises(RuntimeError, match="bad handler"):
        event()
    assert calls == ["after"]


def test_event_by_name() -> None:
    """handle and unhandle return the event; fire calls the handlers; getHandlerCount counts them."""
    event = Event()
    seen: list[Any] = []
    assert event.handle(seen.append) is event
    assert event.handle(seen.append).getHandlerCount() == 1 == len(event)
    event.fire("a")
    event("b")
    assert seen == ["a", "b"]
    assert event.unhandle(seen.append) is event
    assert event.getHandlerCount() == 0
    with pytest.raises(ValueError, match="not in list"):
        event.unhandle(seen.append)
    event.fire("c")
    assert seen == ["a", "b"]


@pytest.mark.parametrize("by", ["fire", "__call__"])
def test_event_hands_on_keywords(by: str) -> None:
    """Positional and keyword arguments reach each handler, and only those."""
    event = Event()
    seen: list[Any] = []
    event += lambda *args, **kwargs: seen.append((args, kwargs))
    event += lambda a, b=0: seen.append((a, b))
    getattr(event, by)(1, b=2)
    assert seen == [((1,), {"b": 2}), (1, 2)]


def test_event_may_change_while_it_is_fired() -> None:
    """A handler may remove itself; the others of that firing are still called."""
    calls: list[str] = []
    event = Event()

    def once() -> None:
        nonlocal event
        event -= once
        calls.append("once")

    event += once
    event += lambda: calls.append("other")
    event()
    event()
    assert calls == ["once", "other", "other"]


def test_events_on_tasks_may_be_extended_in_the_file(tmp_path: Path) -> None:
    """`task.on_start_item += f` in a file: called with (task, item) for each item."""
    path = write_pipeline(tmp_path, """\
        calls = []
        def note(word):
            def handler(task, item):
                calls.append((word, task.name, item.item_number))
            return handler
        class Do(SimpleTask):
            def process(self, item):
                if item.item_number == 2:
                    raise Exception('second fails')
        work = Do('Do')
        work.on_start_item += note('start')
        work.on_complete_item += note('complete')
        work.on_fail_item += note('fail')
        work.on_finish_item += note('finish')
        pipeline = Pipeline(work)
        pipeline.calls = calls
        """)
    played = play(path, items=2)
    assert played.loaded.pipeline.calls == [  # type: ignore[attr-defined]
        ("start", "Do", 1), ("complete", "Do", 1), ("finish", "Do", 1),
        ("start", "Do", 2), ("fail", "Do", 2), ("finish", "Do", 2)]
