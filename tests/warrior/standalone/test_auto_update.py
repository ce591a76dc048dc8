"""When the tracker calls the code too old, and how the words and the environment are kept."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pipeline_core.engine.loader import load_pipeline
from pipeline_core.runner import Runner
from tests.support.git_remote import Repository
from tests.support.scripted_tracker import Answer, ScriptedTracker
from warrior.process.reexec import Reexec, with_max_items
from warrior.standalone.auto_update import AutoUpdate

ASKS = """
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.tracker import GetItemFromTracker
project = Project(title='Test')
class Get(GetItemFromTracker):
    DEFAULT_RETRY_DELAY = 0.1
    RETRY_DELAY_INCREMENT = 0
pipeline = Pipeline(Get({url!r}, downloader, '{version}'))
"""


async def until(condition: object) -> None:
    for _ in range(3000):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not in time")


@pytest.mark.parametrize(("status", "looks"), [(455, True), (404, False)])
def test_code_that_is_too_old_is_looked_for_at_once(
    tmp_path: Path, status: int, looks: bool
) -> None:
    """Not only at the next interval, and not for other answers; the item that waits is let go."""
    said: list[str] = []
    notes: list[str] = []

    async def main(tracker: ScriptedTracker) -> None:
        remote = Repository(tmp_path / "remote")
        remote.commit({"pipeline.py": ASKS.format(url=tracker.url, version="1")})
        remote.git("clone", "--quiet", str(remote.path), str(tmp_path / "clone"))
        path = str(tmp_path / "clone" / "pipeline.py")
        loaded = await load_pipeline(path, "someone")
        runner = Runner(concurrent_items=2, max_items=2)
        restarted = asyncio.Event()
        updates = AutoUpdate(
            path, runner, interval=3600, environment=os.environ, say=said.append,
            on_note=lambda: notes.append(updates.note), restart=restarted.set,
            outdated_interval=0.2)
        runner.set_current_pipeline(loaded.pipeline)
        updates.start()
        # The first look, at the start, finds nothing.
        fetched = tmp_path / "clone" / ".git" / "FETCH_HEAD"
        await until(lambda: fetched.exists() and fetched.stat().st_size > 0)
        remote.commit({"pipeline.py": ASKS.format(url=tracker.url, version="2")})
        tracker.always("request", Answer(status, b""))
        runner.start()
        if looks:
            await asyncio.wait_for(restarted.wait(), 60)
            assert runner.status == "running" and not runner.active_items
            assert runner.only_waited >= 1 and not any(runner.counts.values())
        else:
            await until(lambda: len(tracker.requests("request")) > 6)
            assert not restarted.is_set()
        await updates.close()
        runner.stop_gracefully()
        await until(lambda: runner.status == "stopped")
        loaded.close()

    with ScriptedTracker() as tracker:
        asyncio.run(asyncio.wait_for(main(tracker), 120))
    assert bool(said) is looks
    if looks:
        assert said[-1].startswith("Updated from ") and notes[0].startswith("An update is available")


def test_max_items_are_those_that_are_left() -> None:
    """Both ways of writing it; what a file's own words say is left alone."""
    assert with_max_items(["p", "--max-items", "9", "x"], 4) == ["p", "--max-items", "4", "x"]
    assert with_max_items(["--max-items=9"], 4) == ["--max-items=4"]
    assert with_max_items(["--", "--max-items", "9"], 4) == ["--", "--max-items", "9"]


def test_the_environment_is_the_one_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the password; the mark of an update is not handed on to programs."""
    monkeypatch.setenv("RUN_PIPELINE_AFTER_UPDATE", "1")
    anew = Reexec({"HTTP_PASSWORD": "secret", "RUN_PIPELINE_AFTER_UPDATE": "1"})
    assert anew.after_update and anew.environment == {"HTTP_PASSWORD": "secret"}
    assert "RUN_PIPELINE_AFTER_UPDATE" not in os.environ
    assert not Reexec({}).after_update
