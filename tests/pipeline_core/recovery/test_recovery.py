"""What earlier processes have sealed goes on: uploaded, reported, let go; or it is kept."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.loader import LoadedPipeline, LoadError
from pipeline_core.net.governor import Governor
from pipeline_core.recovery import recovery as recovery_module
from pipeline_core.recovery.journal import Journal
from pipeline_core.recovery.keeper import Keeper
from pipeline_core.recovery.recovery import Recovery
from pipeline_core.recovery.sealed_item import MANIFEST, Sealed, State, write_manifest
from pipeline_core.runner import Runner
from tests.support.engine import run, until
from tests.support.kit import write_pipeline
from tests.support.scripted_tracker import HANG, Answer, ScriptedTracker
from tests.support.sealed import sealed_item, tracker_upload

Script = Callable[["Scene"], Any]


class Scene:
    """A recovery with its journal, its runner, and a tracker; all on the loop of a test."""

    def __init__(self, folder: Path, tracker: ScriptedTracker, **more: Any) -> None:
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.tracker = tracker
        self.journal = Journal(str(folder / "journal.db"), lambda: [])
        self.keeper = Keeper(self.journal)
        self.runner = Runner(governor=Governor(shortest_delay=0.0, target_delay=0.02))
        self.runner.start()
        self.loads: list[str] = []
        self.unloaded: list[LoadedPipeline] = []
        self.recovery = Recovery(self.keeper, str(self.data), **{
            "keep_data": False, "runner_for": lambda project: self.runner, "load": self._load,
            "unload": self._unload, "limiters": {}, **more})

    async def _load(self, sealed: Sealed) -> LoadedPipeline:
        from pipeline_core.engine.loader import load_pipeline

        self.loads.append(sealed.version)
        if sealed.version == "gone":
            raise LoadError("the repository is gone")
        return await load_pipeline(str(self.data.parent / "code" / "pipeline.py"), "someone")

    def _unload(self, loaded: LoadedPipeline) -> None:
        self.unloaded.append(loaded)
        loaded.worker.children.close()
        loaded.close()

    async def seal(self, number: int = 1, **more: Any) -> Sealed:
        """An item of an earlier process, in the journal."""
        sealed = sealed_item(self.data, self.tracker.url, number, **more)
        await asyncio.to_thread(write_manifest, sealed)
        await self.journal.seal(sealed)
        return sealed

    @property
    def why(self) -> str:
        """Why the only item that is kept is kept."""
        kept, = self.keeper.kept.values()
        return kept.why

    async def over(self) -> None:
        await until(lambda: not self.recovery.items and not self.runner.active_items)

    async def close(self) -> None:
        self.recovery.close()
        self.runner.stop_now(0.1)
        await until(lambda: self.runner.status == "stopped")
        await self.keeper.close(5)


@pytest.fixture
def tracker() -> Iterator[ScriptedTracker]:
    with ScriptedTracker() as scripted:
        yield scripted


@pytest.fixture
def play(tmp_path: Path, tracker: ScriptedTracker) -> Callable[..., None]:
    """Runs a scene."""
    def start(script: Script, **more: Any) -> None:
        async def main() -> None:
            scene = Scene(tmp_path, tracker, **more)
            try:
                await script(scene)
            finally:
                await scene.close()

        run(main())

    return start


def test_an_item_is_carried_on(play: Callable[..., None], tracker: ScriptedTracker) -> None:
    """Uploaded, reported, and then nothing is left of it."""
    async def script(scene: Scene) -> None:
        sealed = await scene.seal()
        await scene.recovery.begin([sealed])
        assert list(scene.recovery.items) == [sealed.item_id]
        assert not scene.recovery.settled.is_set()
        await scene.over()
        await until(lambda: not scene.journal.records)
        assert scene.recovery.settled.is_set() and scene.keeper.kept == {}
        assert os.listdir(scene.data) == [] and scene.loads == []

    play(script)
    assert [request.command for request in tracker.requests()] == ["upload", "a", "done"]
    assert list(tracker.uploads.values()) == [b"content 1"]


def test_several_at_once(play: Callable[..., None], tracker: ScriptedTracker) -> None:
    """Each once, although it is begun twice; those that wait go first."""
    async def script(scene: Scene) -> None:
        records = [await scene.seal(number) for number in range(1, 5)]
        again = asyncio.ensure_future(scene.recovery.begin(records[:2]))
        await scene.recovery.go_first(records)
        await again
        assert not scene.recovery.items and scene.recovery.settled.is_set()
        await scene.over()

    play(script)
    assert sorted(request.json["item"] for request in tracker.requests()
                  if request.command == "done") == [f"item {n}" for n in range(1, 5)]


def test_only_the_report_is_left(play: Callable[..., None], tracker: ScriptedTracker) -> None:
    """Nothing is uploaded again, and the files need not be there any more."""
    async def script(scene: Scene) -> None:
        sealed = await scene.seal(state=State.UPLOADED, next=3)
        shutil.rmtree(sealed.folder)
        await scene.recovery.begin([sealed])
        await scene.over()
        await until(lambda: not scene.journal.records)

    play(script)
    assert [request.command for request in tracker.requests()] == ["done"]


@pytest.mark.parametrize(("item_id", "keep_data", "left"), [
    (None, False, []), (None, True, ["a"]), ("things of the project", False, [MANIFEST, "a"])])
def test_nothing_is_left_to_do(
    play: Callable[..., None], tracker: ScriptedTracker, item_id: str | None, keep_data: bool,
    left: list[str],
) -> None:
    """Its folder goes, if it is one of ours; where data is kept, it stays, and is sealed no more."""
    async def script(scene: Scene) -> None:
        sealed = sealed_item(scene.data, tracker.url, state=State.ACKNOWLEDGED, next=4)
        if item_id is not None:
            folder = str(scene.data.resolve() / item_id)
            os.rename(sealed.folder, folder)
            sealed = dataclasses.replace(sealed, item_id=item_id, folder=folder)
        write_manifest(sealed)
        await scene.journal.seal(sealed)
        await scene.recovery.begin([sealed])
        await until(lambda: not scene.journal.records)
        assert scene.recovery.settled.is_set() and not scene.recovery.items
        assert sorted(os.listdir(sealed.folder) if os.path.isdir(sealed.folder) else []) == left

    play(script, keep_data=keep_data)
    assert tracker.requests() == []


@pytest.mark.logs_errors("were removed")
def test_files_that_somebody_has_removed(
    play: Callable[..., None], tracker: ScriptedTracker, caplog: pytest.LogCaptureFixture
) -> None:
    """Before they were uploaded: it is told, and the item forgotten; nothing is reported."""
    async def script(scene: Scene) -> None:
        sealed = await scene.seal()
        shutil.rmtree(sealed.folder)
        await scene.recovery.begin([sealed])
        await until(lambda: not scene.journal.records)
        assert scene.keeper.kept == {}

    play(script)
    assert tracker.requests() == [] and "were removed" in caplog.text


@pytest.mark.parametrize("state", [State.SEALED, State.UPLOADED])
def test_a_record_that_is_damaged(
    play: Callable[..., None], tracker: ScriptedTracker, state: State
) -> None:
    """It is kept, and keeps none of the others from going on."""
    async def script(scene: Scene) -> None:
        bad, good = await scene.seal(1, state=state, next=2 + (state is not State.SEALED)), (
            await scene.seal(2))
        upload = {key: value for key, value in bad.upload.items() if key != "tracker_url"}
        bad = dataclasses.replace(bad, upload=upload)
        await scene.recovery.go_first([bad, good])
        await scene.over()
        assert "is invalid" in scene.why and list(scene.keeper.kept) == [bad.item_id]
        assert scene.recovery.settled.is_set()

    play(script)
    assert [request.json["item"] for request in tracker.requests()
            if request.command == "done"] == ["item 2"]


@pytest.mark.parametrize(("change", "why"), [
    (lambda sealed: Path(sealed.folder, "a").write_text("other"), "has changed"),
    (lambda sealed: Path(sealed.folder, "a").unlink(), "is missing"),
])
def test_files_that_are_not_what_they_were(
    play: Callable[..., None], tracker: ScriptedTracker, change: Callable[[Sealed], Any], why: str
) -> None:
    """Kept, with the reason; taken up again when it is begun again."""
    async def script(scene: Scene) -> None:
        sealed = await scene.seal()
        change(sealed)
        await scene.recovery.begin([sealed])
        assert why in scene.why and scene.recovery.settled.is_set()
        Path(sealed.folder, "a").write_text("content 1")
        await scene.recovery.begin([sealed])
        assert scene.keeper.kept == {}
        await scene.over()

    play(script)
    assert [request.command for request in tracker.requests()] == ["upload", "a", "done"]


def test_a_runner_that_is_stopped(play: Callable[..., None], tracker: ScriptedTracker) -> None:
    """Nothing is begun any more."""
    async def script(scene: Scene) -> None:
        sealed = await scene.seal()
        scene.runner.stop_gracefully()
        await scene.recovery.begin([sealed])
        assert scene.why == "It was stopped." and scene.recovery.settled.is_set()

    play(script)
    assert tracker.requests() == []


def test_a_stop_while_it_is_uploaded(play: Callable[..., None], tracker: ScriptedTracker) -> None:
    """The files stay, and the record with them."""
    async def script(scene: Scene) -> None:
        sealed = await scene.seal()
        await scene.recovery.begin([sealed])
        await until(tracker.requests)
        scene.runner.stop_now(0.1)
        await scene.over()
        assert scene.why == "It was stopped." and scene.recovery.settled.is_set()
        assert sealed.item_id in scene.journal.records
        assert "a" in os.listdir(sealed.folder)

    tracker.always("upload", HANG)
    play(script)


def test_it_settles_while_somebody_else_is_waited_for(
    play: Callable[..., None], tracker: ScriptedTracker
) -> None:
    """A tracker in trouble keeps no new items from being begun; it is told why they wait."""
    async def script(scene: Scene) -> None:
        sealed = await scene.seal()
        await scene.recovery.go_first([sealed])
        why, = scene.recovery.waiting()
        assert why.next_try is not None
        assert list(scene.recovery.pipelines().values()) == ["one"]

    tracker.always("upload", Answer(500))
    play(script)


def test_a_head_start_has_an_end(
    play: Callable[..., None], tracker: ScriptedTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long upload goes on beside the new items."""
    monkeypatch.setattr(recovery_module, "HEAD_START", 0.05)

    async def script(scene: Scene) -> None:
        await scene.recovery.go_first([await scene.seal()])
        assert scene.recovery.items and not scene.recovery.settled.is_set()

    tracker.always("upload", HANG)
    play(script)


# -- with the project's code -------------------------------------------------------------------
CODE = """\
    class Work(SimpleTask):
        def process(self, item):
            raise AssertionError('the work is done')
    class Own(SimpleTask):
        def process(self, item):
            assert item['item_name'].startswith('item ')
            if LOOKS:
                item['cookie']
    pipeline = Pipeline(Work('Get'), UploadWithTracker(URL, 'someone', [
        ItemInterpolation('%(data_dir)s/a')]), Own('Own'))
    pipeline.data_dir = DATA
    """


def with_code(scene: Scene, **values: Any) -> dict[str, Any]:
    """The code, and what is in a record of it."""
    source = CODE
    for name, value in {"URL": scene.tracker.url, "DATA": str(scene.data.resolve()),
                        "LOOKS": False, **values}.items():
        source = source.replace(name, repr(value))
    write_pipeline(scene.data.parent / "code", source)
    return {"plain": False, "done": False, "position": 1, "next": 1,
            "steps": ("Get", "UploadWithTracker", "Own")}


def test_the_code_is_loaded_once(play: Callable[..., None], tracker: ScriptedTracker) -> None:
    """For all items of a version; each enters at its upload; it is let go with the last one."""
    async def script(scene: Scene) -> None:
        values = with_code(scene)
        records = [await scene.seal(number, **values) for number in (1, 2, 3)]
        await scene.recovery.begin(records)
        await scene.over()
        await until(lambda: scene.unloaded)
        assert scene.loads == ["v1"] and len(scene.unloaded) == 1
        assert scene.unloaded[0].worker.closed and scene.keeper.kept == {}
        assert scene.runner.counts["completed"] == 3

    play(script)
    assert [request.command for request in tracker.requests()].count("a") == 3


def test_code_that_asks_for_what_was_not_kept(
    play: Callable[..., None], tracker: ScriptedTracker
) -> None:
    """The item fails, and is kept; never is something reported by a guess."""
    async def script(scene: Scene) -> None:
        await scene.recovery.begin([await scene.seal(**with_code(scene, LOOKS=True))])
        await scene.over()
        assert "'cookie' of this item was not kept" in scene.why
        await until(lambda: scene.unloaded)

    play(script)


@pytest.mark.parametrize(("more", "why"), [
    ({"version": "gone"}, "the repository is gone"),
    ({"steps": ("Get", "Other", "Own")}, "The steps of its project's code have changed")])
def test_code_that_does_not_fit(
    play: Callable[..., None], tracker: ScriptedTracker, more: dict[str, Any], why: str
) -> None:
    """All of its items are kept, those of other code go on."""
    async def script(scene: Scene) -> None:
        values = {**with_code(scene), **more}
        records = [await scene.seal(number, **values) for number in (1, 2)]
        records.append(await scene.seal(3))
        await scene.recovery.begin(records)
        await scene.over()
        assert set(scene.keeper.kept) == {record.item_id for record in records[:2]}
        assert all(why in kept.why for kept in scene.keeper.kept.values())
        if "steps" in more:
            await until(lambda: scene.unloaded)
        assert scene.recovery.settled.is_set()

    play(script)
    assert [request.command for request in tracker.requests()] == ["upload", "a", "done"]


def test_an_upload_outside_the_data_folder(
    play: Callable[..., None], tracker: ScriptedTracker, tmp_path: Path
) -> None:
    """Whatever the record says, nothing else of this machine is sent."""
    (tmp_path / "secret").write_text("secret")

    async def script(scene: Scene) -> None:
        sealed = await scene.seal()
        sealed = dataclasses.replace(
            sealed, upload=tracker_upload(tracker.url, str(tmp_path), "secret"))
        await scene.recovery.begin([sealed])
        assert "is not in" in scene.why

    play(script)
    assert tracker.requests() == []
