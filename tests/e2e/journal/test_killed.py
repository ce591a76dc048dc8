"""kill -9 behind the seal: the item is uploaded and reported once, whatever the moment."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import psutil
import pytest

from tests.e2e.journal.conftest import PLAIN, Warrior
from tests.support.processes import living
from tests.support.scripted_tracker import (
    HANG,
    OK,
    Answer,
    Request,
    ScriptedTracker,
    json_answer,
)

CONTENT = "the content of first"


@pytest.fixture(autouse=True)
def one_item(tracker: ScriptedTracker) -> None:
    """The first run asks for a second item, as the slot of the first is free, and never gets an
    answer: so all that is asked after the kill was asked by the second run."""
    tracker.queue("request", HANG)


def crash(warrior: Warrior, tracker: ScriptedTracker) -> None:
    tracker.wait_requests("request", 2, 40)
    warrior.kill()


def carried_on(warrior: Warrior, tracker: ScriptedTracker, target: Any, dones: int = 1) -> None:
    """What must hold after the next start, for the one item there was."""
    asked = len(tracker.requests("request"))
    warrior.start()
    tracker.wait_requests("done", dones, 40)
    warrior.until(lambda: not warrior.rows() and not warrior.folders())
    tracker.wait_requests("request", asked + 1)
    done = [request.json for request in tracker.requests("done")]
    assert done[0]["item"] == "first" and done[0]["bytes"] == {"data": len(CONTENT)}
    assert done == [done[0]] * dones
    # Nothing was claimed before what was finished had been reported.
    times = [request.time for request in tracker.requests("request")]
    assert times[asked] > tracker.requests("done")[-1].time
    assert target.files() == {"work/a.warc.gz": CONTENT}
    assert warrior.stop() == 0


def test_after_the_seal(warrior: Warrior, tracker: ScriptedTracker, target: Any) -> None:
    """Before the tracker has named a target: it is asked again, as the one who asked before."""
    tracker.queue("upload", HANG)
    warrior.write(tracker, PLAIN)
    warrior.start()
    tracker.wait_requests("upload", 1, 40)
    assert warrior.states() == ["sealed"]
    crash(warrior, tracker)
    assert len(warrior.folders()) == 1
    carried_on(warrior, tracker, target)
    assert [request.json for request in tracker.requests("upload")] == [
        {"downloader": "tester", "item_name": "first", "version": "v1"}] * 2


def test_during_rsync(warrior: Warrior, tracker: ScriptedTracker, target: Any) -> None:
    """The upload is begun anew, under the same name."""
    target.hold()
    warrior.write(tracker, PLAIN)
    warrior.start()
    warrior.until(target.begun)
    crash(warrior, tracker)
    assert warrior.states() == ["sealed"]
    assert target.files() == {}
    target.go_on()
    carried_on(warrior, tracker, target)


def test_between_the_end_of_rsync_and_the_note_of_it(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """It is uploaded again, which does no harm, and reported once."""
    target.hold()
    warrior.write(tracker, PLAIN)
    warrior.start()
    warrior.until(target.begun)
    assert warrior.process is not None
    children = psutil.Process(warrior.process.pid).children(recursive=True)
    assert any(child.name() == "rsync" for child in children)
    shut = warrior.shut_journal()
    target.go_on()
    warrior.until(target.files)
    rsync = [child for child in children if child.name() == "rsync"]
    warrior.until(lambda: not living(rsync))
    crash(warrior, tracker)
    shut.close()
    assert warrior.states() == ["sealed"]
    assert tracker.requests("done") == []
    carried_on(warrior, tracker, target)
    assert target.begun() == 2


def test_between_the_ok_of_the_tracker_and_the_note_of_it(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """It is not uploaded again; the same `done` is sent again, which counts once."""
    shut: list[sqlite3.Connection] = []

    def answer(request: Request) -> Answer:
        shut.append(warrior.shut_journal())
        return OK

    tracker.queue("done", answer)
    warrior.write(tracker, PLAIN)
    warrior.start()
    tracker.wait_requests("done", 1, 40)
    warrior.until(lambda: [item["tasks"].get("4") for item in warrior.status().get("items", [])
                           if item["name"]] == ["completed"])
    crash(warrior, tracker)
    shut[0].close()
    assert warrior.states() == ["uploaded"]
    assert len(warrior.folders()) == 1
    uploads = len(tracker.requests("upload"))
    carried_on(warrior, tracker, target, dones=2)
    assert len(tracker.requests("upload")) == uploads and target.begun() == 1


def test_after_the_note_of_the_ok(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """Nothing is said to the tracker again; only the files go."""
    warrior.write(tracker, PLAIN)
    tracker.queue("done", HANG)
    warrior.start()
    tracker.wait_requests("done", 1, 40)
    crash(warrior, tracker)
    # As if it had died after the commit and before the removal of the files.
    with contextlib.closing(sqlite3.connect(warrior.journal, isolation_level=None)) as database, database:
        database.execute("UPDATE items SET state = 'acknowledged', next = 5")
    database.close()
    warrior.start()
    warrior.until(lambda: not warrior.rows() and not warrior.folders())
    assert len(tracker.requests("done")) == 1 and len(tracker.requests("upload")) == 1


def test_the_journal_holds_no_secrets(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """Neither it nor the copy in the item's folder has other properties of the item."""
    tracker.queue("upload", HANG)
    warrior.write(tracker, PLAIN)
    warrior.start()
    tracker.wait_requests("upload", 1, 40)
    crash(warrior, tracker)
    for path in (*warrior.state.glob("journal.db*"), *warrior.data.glob("*/.sealed.json")):
        assert b"a secret" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    assert len(list(warrior.data.glob("*/.sealed.json"))) == 1


def test_a_target_that_is_down_does_not_keep_new_items_away(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """What only waits for others is no reason to claim nothing; it goes on beside."""
    tracker.queue("upload", HANG, json_answer({"upload_target": "rsync://127.0.0.1:9/no/"}))
    warrior.write(tracker, PLAIN)
    warrior.start()
    tracker.wait_requests("upload", 1, 40)
    crash(warrior, tracker)
    asked = len(tracker.requests("request"))
    warrior.start()
    tracker.wait_requests("request", asked + 1, 40)
    assert tracker.requests("done") == [] and warrior.states() == ["sealed"]
    assert "rsync://127.0.0.1:9/no/" in str(warrior.status())
