"""Project code that the toolkit asks for a value runs in the worker, wherever it stands."""

from __future__ import annotations

from pathlib import Path

from tests.support.kit import play, write_pipeline
from tests.support.scripted_tracker import NOTHING, OK, ScriptedTracker, item_answer, json_answer


def test_realize_in_a_request_runs_in_the_worker(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """A tracker URL, downloader, version or statistics of a class of the file's own."""
    tracker.queue("request", item_answer("x"))
    tracker.queue("done", OK)
    path = write_pipeline(tmp_path, f"""\
        import threading
        where = []
        class Late:
            def __init__(self, value):
                self.value = value
            def realize(self, item):
                where.append(threading.current_thread() is threading.main_thread())
                return self.value
        pipeline = Pipeline(
            GetItemFromTracker(Late({tracker.url!r}), Late('someone'), Late('1')),
            SendDoneToTracker({tracker.url!r}, Late({{'item': 'x'}})))
        pipeline.where = where
        """)
    played = play(path)
    assert played.only.outcome == "completed", played.only.log
    where = played.loaded.pipeline.where  # type: ignore[attr-defined]
    assert len(where) >= 4
    assert not any(where)


def test_filter_that_exits_gives_all_back(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """sys.exit() in an item_filter: what was claimed is released, then the item fails."""
    tracker.queue("request", item_answer("a", "b"))
    tracker.queue("release", json_answer({"items": ["a", "b"]}))
    path = write_pipeline(tmp_path, f"""\
        import sys
        pipeline = Pipeline(GetItemFromTracker(
            {tracker.url!r}, downloader, item_filter=lambda items: sys.exit(2)))
        """)
    seen = play(path).only
    assert seen.outcome == "failed"
    assert "SystemExit: 2" in seen.log
    assert [request.command for request in tracker.requests()] == ["request", "release"]


def test_closed_load_leaves_no_modules(tmp_path: Path) -> None:
    """When a load is closed, its helpers and its finder are gone."""
    import sys

    (tmp_path / "own_helper.py").write_text("VALUE = 1\n")
    path = write_pipeline(tmp_path, "import own_helper\npipeline = Pipeline(PrintItem())\n")
    before = len(sys.meta_path)
    played = play(path)
    loaded = played.loaded
    assert f"{loaded.imports.name}.own_helper" in sys.modules
    loaded.close()
    assert not [name for name in sys.modules if name.startswith(loaded.imports.name)]
    assert len(sys.meta_path) <= before


def test_overridden_increment_runs_in_the_worker(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """The hook that makes delays longer, too; and the delay after it is the one that counts."""
    tracker.queue("request", NOTHING, NOTHING, item_answer("x"))
    path = write_pipeline(tmp_path, f"""\
        import threading
        class Get(GetItemFromTracker):
            DEFAULT_RETRY_DELAY = 0.02
            where = []
            def increment_retry_delay(self, max_delay=300):
                Get.where.append(threading.current_thread() is threading.main_thread())
                self.retry_delay = 0.03
        pipeline = Pipeline(Get({tracker.url!r}, downloader))
        pipeline.where = Get.where
        """)
    played = play(path)
    assert played.only.outcome == "completed", played.only.log
    assert played.loaded.pipeline.where == [False, False]  # type: ignore[attr-defined]
