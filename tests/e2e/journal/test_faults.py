"""What may happen to the journal and to the files it speaks of; and the gentle ends."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.journal.conftest import PLAIN, Warrior
from tests.e2e.journal.test_with_code import kept, killed_while_uploading
from tests.support.scripted_tracker import HANG, ScriptedTracker, json_answer


def finished(warrior: Warrior, tracker: ScriptedTracker) -> None:
    """The item is uploaded and reported, and nothing of it is left."""
    tracker.wait_requests("done", 1, 40)
    warrior.until(lambda: not warrior.rows() and not warrior.folders())
    assert len(tracker.requests("done")) == 1


@pytest.mark.parametrize("damage", ["corrupt", "removed"])
def test_the_journal_is_made_anew(
    warrior: Warrior, tracker: ScriptedTracker, target: Any, damage: str
) -> None:
    """From what lies in the item's folder; the damaged one is kept."""
    killed_while_uploading(warrior, tracker, PLAIN)
    for path in warrior.state.glob("journal.db*"):
        path.unlink()
    if damage == "corrupt":
        warrior.journal.write_bytes(b"garbage" * 1000)
    warrior.start()
    finished(warrior, tracker)
    assert target.files() == {"work/a.warc.gz": "the content of first"}
    if damage == "corrupt":
        assert "was moved to" in kept(warrior)
        assert len(list(warrior.state.glob("journal.db.corrupt-*"))) >= 1


def test_a_newer_journal_exits_with_78(warrior: Warrior, tracker: ScriptedTracker) -> None:
    """Nothing is removed, and the sentence says what to do."""
    killed_while_uploading(warrior, tracker, PLAIN)
    with contextlib.closing(sqlite3.connect(warrior.journal)) as database, database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    warrior.start()
    assert warrior.process is not None
    assert warrior.process.wait(40) == 78
    assert "newer version" in warrior.said()
    assert len(warrior.folders()) == 1


@pytest.mark.parametrize("change", ["altered", "removed"])
def test_a_file_that_is_not_what_it_was(
    warrior: Warrior, tracker: ScriptedTracker, target: Any, change: str
) -> None:
    """It is kept and shown, never uploaded; other items go on."""
    killed_while_uploading(warrior, tracker, PLAIN)
    file, = warrior.data.glob("*/work/a.warc.gz")
    if change == "altered":
        file.write_text("the CONTENT of first")
    else:
        file.unlink()
    warrior.start()
    text = warrior.until(lambda: kept(warrior))
    assert ("has changed" if change == "altered" else "is missing") in text
    tracker.wait_requests("request", 2, 40)
    assert warrior.states() == ["sealed"] and target.files() == {}
    assert tracker.requests("done") == []


@pytest.mark.parametrize("forge", ["source", "files", "folder"])
def test_paths_outside_the_data_folder(
    warrior: Warrior, tracker: ScriptedTracker, target: Any, forge: str, tmp_path: Path
) -> None:
    """Nothing that lies elsewhere is uploaded, or removed."""
    killed_while_uploading(warrior, tracker, PLAIN)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "private").write_text("a secret")
    with contextlib.closing(sqlite3.connect(warrior.journal)) as database:
        (item, record), = database.execute("SELECT id, record FROM items")
    values = json.loads(record)
    if forge == "source":
        values["upload"].update(source=str(elsewhere), names=["private"])
    elif forge == "files":
        values["files"][0]["path"] = str(elsewhere / "private")
    else:
        (elsewhere / item).mkdir()
        values["folder"] = str(elsewhere / item)
    with contextlib.closing(sqlite3.connect(warrior.journal)) as database, database:
        database.execute("UPDATE items SET record = ?, state = ?, next = ?", (
            json.dumps(values), *(("acknowledged", 5) if forge == "folder" else ("sealed", 3))))
    database.close()
    warrior.start()
    if forge == "folder":
        warrior.until(lambda: not warrior.rows())
        assert (elsewhere / item).is_dir()
    else:
        assert "is not in" in warrior.until(lambda: kept(warrior))
        assert tracker.requests("done") == [] and target.files() == {}
    assert (elsewhere / "private").exists()


def test_sigterm_lets_the_upload_finish(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """Within the grace time; then nothing is left."""
    target.hold()
    warrior.write(tracker, PLAIN)
    warrior.start()
    warrior.until(target.begun)
    assert warrior.process is not None
    warrior.process.send_signal(signal.SIGTERM)
    warrior.until(lambda: "seconds to finish" in warrior.said())
    target.go_on()
    assert warrior.process.wait(40) == 0
    assert len(tracker.requests("done")) == 1
    assert warrior.rows() == [] and warrior.folders() == []


def test_what_the_grace_time_does_not_suffice_for(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """A second signal ends it at once, with 0; the next start goes on."""
    target.hold()
    warrior.write(tracker, PLAIN)
    warrior.start()
    warrior.until(target.begun)
    assert warrior.process is not None
    warrior.process.send_signal(signal.SIGTERM)
    warrior.until(lambda: "seconds to finish" in warrior.said())
    warrior.process.send_signal(signal.SIGTERM)
    assert warrior.process.wait(40) == 0
    assert warrior.states() == ["sealed"] and len(warrior.folders()) == 1
    target.go_on()
    warrior.start()
    finished(warrior, tracker)
    assert target.files() == {"work/a.warc.gz": "the content of first"}


def test_stop_now_and_keep_running(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """An upload that was ended by hand goes on when the warrior does."""
    tracker.queue("upload", json_answer({"upload_target": "rsync://127.0.0.1:9/x/"}))
    warrior.write(tracker, PLAIN)
    warrior.start()
    tracker.wait_requests("upload", 1, 40)
    warrior.until(lambda: any(item["waiting"] for item in warrior.status().get("items", [])))
    assert warrior.ctl("stop", "--now")
    assert "It was stopped" in warrior.until(lambda: kept(warrior))
    assert warrior.ctl("keep-running")
    finished(warrior, tracker)
    assert warrior.until(lambda: not kept(warrior))


def test_a_project_that_is_chosen_no_longer(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """What it has finished is uploaded all the same."""
    tracker.queue("upload", HANG)
    warrior.write(tracker, PLAIN)
    warrior.start()
    tracker.wait_requests("upload", 1, 40)
    assert warrior.ctl("stop", "one")
    warrior.kill()
    asked = len(tracker.requests("request"))
    warrior.start(selected="")
    finished(warrior, tracker)
    assert len(tracker.requests("request")) == asked
