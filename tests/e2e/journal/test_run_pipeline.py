"""run-pipeline: several in one folder; what one left behind is named, or resumed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.recovery.keeper import MOST_ITEMS
from tests.e2e.journal.conftest import HEAD, PLAIN
from tests.support.kit import ROOT, Command, wait_for
from tests.support.scripted_tracker import HANG, Answer, Request, ScriptedTracker, item_answer

Start = Callable[..., Command]

OWN = PLAIN.replace("pipeline = Pipeline", """
class Own(SendDoneToTracker):
    def enqueue(self, item):
        item.log_output('by the project: ' + item['item_name'])
        return super().enqueue(item)
pipeline = Pipeline""").replace("SendDoneToTracker(TRACKER, ItemValue('stats'))",
                                 "Own(TRACKER, ItemValue('stats'))")


@pytest.fixture
def start(tmp_path: Path, tracker: ScriptedTracker) -> Iterator[Start]:
    """Starts run-pipeline on a file in one folder."""
    started: list[Command] = []
    folder = tmp_path / "project"
    folder.mkdir()

    def begin(text: str, *options: str, name: str = "tester") -> Command:
        (folder / "pipeline.py").write_text(HEAD + text.replace("TRACKER", repr(tracker.url)))
        started.append(Command(
            [sys.executable, "-W", "error", str(ROOT / "run-pipeline"), "--disable-web-server",
             *options, str(folder / "pipeline.py"), name], tmp_path, dict(os.environ)))
        return started[-1]

    yield begin
    for command in started:
        command.__exit__(None, None, None)


def data(tmp_path: Path) -> Path:
    return tmp_path / "project" / "data"


def rows(tmp_path: Path) -> list[Any]:
    path = data(tmp_path) / ".journal.db"
    if not path.exists():
        return []
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
    try:
        return database.execute("SELECT id, state FROM items").fetchall()
    except sqlite3.OperationalError:
        return []  # it is being made
    finally:
        database.close()


def left_behind(start: Start, tracker: ScriptedTracker, text: str = PLAIN) -> None:
    """A run that is killed while it uploads."""
    before = len(tracker.requests("upload"))
    tracker.queue("upload", HANG)
    command = start(text, "--max-items", "1")
    tracker.wait_requests("upload", before + 1, 40)
    command.process.kill()
    command.wait()


def test_without_resume_it_is_named(
    start: Start, tracker: ScriptedTracker, tmp_path: Path
) -> None:
    """It is left alone, with its files."""
    left_behind(start, tracker)
    tracker.queue("request", item_answer("second"))
    command = start(PLAIN, "--max-items", "1")
    assert command.wait(40) == 0
    assert "Earlier runs left finished items that are not reported yet: first (" in command.output
    assert "--resume" in command.output
    assert [request.json["item"] for request in tracker.requests("done")] == ["second"]
    assert [state for _, state in rows(tmp_path)] == ["sealed"]
    assert len(list(data(tmp_path).glob("*/work/a.warc.gz"))) == 1


@pytest.mark.parametrize("text", [PLAIN, OWN])
def test_with_resume_it_goes_first(
    start: Start, tracker: ScriptedTracker, target: Any, tmp_path: Path, text: str
) -> None:
    """Then the run goes on with new items; what was resumed does not count for their number."""
    left_behind(start, tracker, text)
    tracker.queue("request", item_answer("second"))
    command = start(text, "--resume", "--max-items", "1")
    assert command.wait(40) == 0
    done = tracker.requests("done")
    assert [request.json["item"] for request in done] == ["first", "second"]
    assert tracker.requests("request")[-1].time > done[0].time
    assert ("by the project: first" in command.output) is (text is OWN)
    assert "2 completed, 0 failed" in command.output
    assert list(data(tmp_path).iterdir()) == []


def test_what_another_one_works_on_is_left_alone(
    start: Start, tracker: ScriptedTracker, tmp_path: Path
) -> None:
    """It is neither named nor resumed."""
    tracker.queue("upload", HANG)
    start(PLAIN, "--max-items", "1")
    tracker.wait_requests("upload", 1, 40)
    tracker.queue("request", item_answer("second"))
    command = start(PLAIN, "--resume", "--max-items", "1")
    assert command.wait(40) == 0
    assert "Left behind" not in command.output and "first" not in command.output
    assert [request.json["item"] for request in tracker.requests("done")] == ["second"]
    assert [state for _, state in rows(tmp_path)] == ["sealed"]


@pytest.mark.parametrize(("more", "name", "why"), [
    ("\n# changed", "tester", "another version of the code"),
    ("", "somebody", "downloaded as tester"),
])
def test_another_code_is_not_the_one_that_sealed_it(
    start: Start, tracker: ScriptedTracker, tmp_path: Path, more: str, name: str, why: str
) -> None:
    """What follows the upload is the project's: without its own code the item is kept."""
    left_behind(start, tracker, OWN)
    tracker.queue("request", item_answer("second"))
    command = start(OWN + more, "--resume", "--max-items", "1", name=name)
    assert command.wait(40) == 0
    assert why in command.output
    assert [request.json["item"] for request in tracker.requests("done")] == ["second"]
    assert [state for _, state in rows(tmp_path)] == ["sealed"]


def test_the_last_one_removes_what_is_empty(
    start: Start, tracker: ScriptedTracker, tmp_path: Path
) -> None:
    """The journal stays while another one uses it, and goes with the last when nothing is in it."""
    held = threading.Event()

    def answer(request: Request) -> Answer:
        assert held.wait(40)
        return Answer(200, b"OK")

    tracker.queue("done", answer)
    first = start(PLAIN, "--max-items", "1")
    tracker.wait_requests("done", 1, 40)
    tracker.queue("request", item_answer("second"))
    assert start(PLAIN, "--max-items", "1").wait(40) == 0
    assert [state for _, state in rows(tmp_path)] == ["uploaded"]
    held.set()
    assert first.wait(40) == 0
    assert list(data(tmp_path).iterdir()) == []


def test_a_stop_keeps_what_is_sealed(
    start: Start, tracker: ScriptedTracker, tmp_path: Path
) -> None:
    """Two interrupts end it at once; the finished item stays, and the end says so."""
    tracker.queue("upload", HANG)
    command = start(PLAIN)
    tracker.wait_requests("upload", 1, 40)
    command.interrupt()
    command.wait_output("Stopping")
    command.interrupt()
    assert command.wait(20) == 0
    assert "The finished item first" in command.output and "--resume" in command.output
    assert [state for _, state in rows(tmp_path)] == ["sealed"]
    again = start(PLAIN, "--resume")
    tracker.wait_requests("done", 1, 40)
    wait_for(lambda: rows(tmp_path) == [], 20)
    again.interrupt()
    assert again.wait(20) == 0


def test_a_newer_journal(start: Start, tracker: ScriptedTracker, tmp_path: Path) -> None:
    """It is refused with 78 and a sentence."""
    left_behind(start, tracker)
    with contextlib.closing(sqlite3.connect(data(tmp_path) / ".journal.db")) as database, database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    command = start(PLAIN)
    assert command.wait(40) == 78
    assert "newer version" in command.output


def test_a_sealed_item_frees_its_slot(
    start: Start, tracker: ScriptedTracker, target: Any, tmp_path: Path
) -> None:
    """With one slot, a second item is worked on while the first is uploaded; both count for the
    number that was wished."""
    target.hold()
    tracker.queue("request", item_answer("second"), item_answer("third"))
    command = start(PLAIN, "--max-items", "2")
    wait_for(lambda: len(rows(tmp_path)) == 2, 40)
    assert tracker.requests("done") == []
    target.go_on()
    assert command.wait(40) == 0
    assert sorted(request.json["item"] for request in tracker.requests("done")) == [
        "first", "second"]
    assert len(tracker.requests("request")) == 2


def test_finished_items_do_not_pile_up(
    start: Start, tracker: ScriptedTracker, target: Any, tmp_path: Path
) -> None:
    """When many wait to be uploaded, nothing is claimed; it goes on when some are."""
    target.hold()
    tracker.always("request", item_answer("another"))
    command = start(PLAIN, "--max-items", "28")
    wait_for(lambda: len(rows(tmp_path)) == MOST_ITEMS, 40)
    # Nobody asks meanwhile: what has been claimed was claimed before it was full.
    for _ in range(20):
        assert len(tracker.requests("request")) <= MOST_ITEMS + 1
        time.sleep(0.02)
    target.go_on()
    assert command.wait(60) == 0
    assert len(tracker.requests("done")) == 28 and list(data(tmp_path).iterdir()) == []
