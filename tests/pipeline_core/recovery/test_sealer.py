"""When an item is sealed, what is noted of it, and what is on the disk by then."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.recovery import description, sealed_files
from pipeline_core.recovery import sealer as sealer_module
from pipeline_core.recovery.journal import Journal
from pipeline_core.recovery.keeper import Keeper
from pipeline_core.recovery.resume import LostProperty, RecoveredItem
from pipeline_core.recovery.sealed_item import Sealed, State
from pipeline_core.recovery.sealer import Sealer
from tests.support.kit import ROOT, Played, play, write_pipeline
from tests.support.scripted_tracker import Answer, Request, ScriptedTracker, json_answer

WORK = """\
    class Work(SimpleTask):
        def process(self, item):
            item['item_name'] = 'item %d' % item.item_number
            item['cookie'] = 'a secret'
            item['list'] = [object()]
            for name in ('a', 'b'):
                with open('%(data_dir)s/' % item + name, 'w') as file:
                    file.write(name * 5)
    class Upload(UploadWithTracker):
        DEFAULT_RETRY_DELAY = 0.05
    FILES = [ItemInterpolation('%(data_dir)s/a')]
    """


class Watched:
    """A journal that keeps all that was noted in it."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, Any]] = []
        self.keeper: Keeper | None = None

    def prepare(self, played: Played) -> None:
        """Give it to the pipeline."""
        folder = played.loaded.pipeline.data_dir
        os.makedirs(folder, exist_ok=True)
        journal = Journal(os.path.join(folder, "j.db"), lambda: [])
        seal, advance = journal.seal, journal.advance

        def noted_seal(sealed: Sealed) -> Any:
            self.noted.append(("sealed", sealed))
            return seal(sealed)

        def noted_advance(item_id: str, state: State, next: int) -> Any:
            self.noted.append((state.value, next))
            return advance(item_id, state, next)

        journal.seal, journal.advance = noted_seal, noted_advance  # type: ignore[method-assign]
        self.keeper = Keeper(journal)
        played.loaded.pipeline.sealer = Sealer(self.keeper, "one", "v", lambda: "someone")

    @property
    def record(self) -> Sealed:
        """The only one there was."""
        record, = (value for state, value in self.noted if state == "sealed")
        assert isinstance(record, Sealed)
        return record

    @property
    def states(self) -> list[str]:
        return [state for state, _ in self.noted]


@pytest.fixture
def go(tmp_path: Path, tracker: ScriptedTracker) -> Callable[..., tuple[Played, Watched]]:
    """Runs one item through the tasks behind ``Work('Work')``."""
    def run(tasks: str, classes: str = "", **more: Any) -> tuple[Played, Watched]:
        watched = Watched()
        source = WORK.rstrip() + "\n" + classes + (
            f"    pipeline = Pipeline(Work('Work'), {tasks})\n")
        path = write_pipeline(tmp_path, source.replace("TRACKER", repr(tracker.url)))
        return play(path, prepare=watched.prepare, **more), watched

    return run


UPLOAD = "UploadWithTracker(TRACKER, downloader, FILES, 'v1')"
DONE = "PrepareStatsForTracker({'x': 1}, {'data': FILES}), LimitConcurrent(2, " + UPLOAD + \
    "), SendDoneToTracker(TRACKER, ItemValue('stats'))"


def test_the_usual_pipeline(go: Callable[..., Any], tmp_path: Path) -> None:
    """Sealed before the limit's queue, uploaded behind it, acknowledged behind the report."""
    played, watched = go(DONE)
    assert played.outcomes == ["completed"], played.log
    assert watched.noted[1:] == [("uploaded", 3), ("acknowledged", 4)]
    record = watched.record
    assert (record.position, record.plain, record.name, record.downloader) == (
        2, True, "item 1", "tester")
    assert record.done is not None
    assert record.done["stats"] == {"x": 1, "item": "item 1", "bytes": {"data": 5}}
    assert record.upload["limit"] == ["", 2]
    assert set(record.properties) == {"item_name", "stats"}
    assert set(record.lost) == {"cookie", "list"}
    file, = record.files
    assert (os.path.basename(file.path), file.size) == ("a", 5)
    assert [name for name in os.listdir(tmp_path / "data") if not name.startswith("j.db")] == []


@pytest.mark.parametrize(("tasks", "classes", "plain"), [
    (UPLOAD, "", True),
    ("CurlUpload(TRACKER + '/put/', FILES[0])", "", True),
    (f"{UPLOAD}, PrintItem()", "", False),
    (f"ConditionalTask(lambda item: True, {UPLOAD})", "", False),
    ("Upload(TRACKER, downloader, FILES)", "", False),
    (f"{UPLOAD}, Own(TRACKER, {{'item': 'x'}})", """\
    class Own(SendDoneToTracker):
        def enqueue(self, item):
            return super().enqueue(item)
""", False),
    (f"{UPLOAD}, done", """\
    done = SendDoneToTracker(TRACKER, {'item': 'x'})
    done.on_complete_item += lambda task, item: None
""", False),
    (f"{UPLOAD}, done", """\
    done = SendDoneToTracker(TRACKER, {'item': 'x'})
    done.process_body = lambda body, item: done.complete_item(item)
""", False),
    (f"{UPLOAD}, SendDoneToTracker(TRACKER, Stats())", """\
    class Stats:
        def realize(self, item):
            return {'item': item['item_name']}
""", False),
])
def test_what_needs_no_code(go: Callable[..., Any], tasks: str, classes: str, plain: bool) -> None:
    """Only what is unmodified, up to the end of the pipeline."""
    played, watched = go(tasks, classes)
    assert played.outcomes == ["completed"], played.log
    assert watched.record.plain is plain


def test_an_upload_that_is_skipped(go: Callable[..., Any]) -> None:
    """Values that cannot be realized are asked for only by an upload that takes place."""
    played, watched = go("Maybe(TRACKER, downloader, [ItemInterpolation('%(nothing)s')])", """\
    class Maybe(Upload):
        def enqueue(self, item):
            return self.complete_item(item)
""")
    assert played.outcomes == ["completed"], played.log
    assert watched.noted == []


def test_an_upload_made_at_run_time(go: Callable[..., Any], tracker: ScriptedTracker) -> None:
    """It seals when it starts, once."""
    played, watched = go("Own('Own')", """\
    class Own(SimpleTask):
        def enqueue(self, item):
            self.start_item(item)
            up = CurlUpload(TRACKER + '/put/', '%(data_dir)s/a' % item, max_tries=1)
            up.on_complete_item = lambda task, item: self.complete_item(item)
            up.enqueue(item)
""")
    assert played.outcomes == ["completed"], played.log
    assert watched.states == ["sealed", "uploaded"]
    assert not watched.record.plain and watched.record.position == 1


def test_two_uploads(go: Callable[..., Any]) -> None:
    """The second one seals anew, with its own files."""
    played, watched = go(f"{UPLOAD}, CurlUpload(TRACKER + '/put/', "
                         "ItemInterpolation('%(data_dir)s/b'))")
    assert played.outcomes == ["completed"], played.log
    assert watched.states == ["sealed", "uploaded", "sealed", "uploaded"]
    assert [[os.path.basename(file.path) for file in value.files] for state, value in
            watched.noted if state == "sealed"] == [["a"], ["b"]]


def test_without_upload_nothing_is_noted(go: Callable[..., Any]) -> None:
    """A pipeline that uploads nothing is never journaled."""
    played, watched = go("SendDoneToTracker(TRACKER, {'item': 'x'})")
    assert played.outcomes == ["completed"] and watched.noted == []


def test_a_failed_upload_keeps_the_files(
    go: Callable[..., Any], tracker: ScriptedTracker, tmp_path: Path
) -> None:
    """Behind the seal; before it they go as ever."""
    tracker.always("a", Answer(500))
    played, watched = go("CurlUpload(TRACKER + '/put/', FILES[0], max_tries=1)")
    assert played.outcomes == ["failed"]
    item = played.only.item
    assert (Path(item["data_dir"]) / "a").read_text() == "aaaaa"
    assert watched.keeper is not None
    assert watched.keeper.kept[item.item_id].why == "It failed in CurlUpload."
    assert "are kept in" in played.log
    played, _ = go("Fails('Fails'), " + UPLOAD, """\
    class Fails(SimpleTask):
        def process(self, item):
            raise ValueError('no')
""")
    assert not os.path.exists(played.only.item["data_dir"])


def test_a_missing_file_is_not_tried_for_ever(
    go: Callable[..., Any], tracker: ScriptedTracker
) -> None:
    """The upload is given up, and the item kept."""
    def remove(request: Request) -> Answer:
        path, = watched_files
        os.remove(path)
        return Answer(500)

    watched_files: list[str] = []
    tracker.queue("a", remove)

    async def script(played: Played) -> None:
        await played.until(lambda: played.items and played.only.item.seal is not None)
        item = played.only.item
        assert item.seal is not None
        watched_files.append(item.seal.sealed.files[0].path)
        hold.set()

    hold = threading.Event()

    def target(request: Request) -> Answer:
        assert hold.wait(20)
        return json_answer({"upload_target": tracker.url + "/put/"})

    tracker.always("upload", target)
    played, watched = go(UPLOAD, script=script)
    assert played.outcomes == ["failed"]
    assert "is missing: the upload is given up" in played.log
    assert watched.keeper is not None and len(watched.keeper.kept) == 1


def test_a_whole_folder(go: Callable[..., Any], tracker: ScriptedTracker, tmp_path: Path) -> None:
    """All files in it are taken down, and nothing of ours lies among them."""
    tracker.always("upload", Answer(200, b'{"upload_target": "rsync://127.0.0.1:9/x/"}'))

    async def script(played: Played) -> None:
        await played.until(lambda: played.items and played.only.item.seal is not None
                           and played.only.item.waiting is not None)
        item = played.only.item
        assert item.seal is not None
        assert [os.path.basename(file.path) for file in item.seal.sealed.files] == ["a", "b"]
        assert sorted(os.listdir(item["data_dir"])) == ["a", "b"]
        played.runner.stop_now(0.2)

    played, _ = go("Upload(TRACKER, downloader, [ItemInterpolation('%(data_dir)s')])",
                   script=script)
    assert played.outcomes == ["canceled"]


@pytest.mark.parametrize(("change", "plain"), [
    ("t.args.insert(1, '--quiet')", True), ("t.args.append('other')", False),
    ("t.env = {'A': 'b'}", False), ("t.args[0] = './rsync'", False),
])
def test_a_command_line_of_its_own(go: Callable[..., Any], change: str, plain: bool) -> None:
    """One that is not as ours is goes on only with the project's code."""
    _, watched = go("t", f"""\
    t = RsyncUpload('rsync://127.0.0.1:9/x/', FILES, ItemInterpolation('%(data_dir)s/'), max_tries=1)
    {change}
""")
    assert watched.record.plain is plain


def test_what_an_earlier_process_lost_stays_lost(
    go: Callable[..., Any], tracker: ScriptedTracker
) -> None:
    """A record that is made of an item that was resumed names it again."""
    _, watched = go(UPLOAD)
    pipeline = types.SimpleNamespace(data_dir="/nowhere", worker=None)
    item = RecoveredItem(pipeline, watched.record, 1, keep_data=False)  # type: ignore[arg-type]
    assert item["item_name"] == "item 1" and "nothing" not in item
    for ask in (lambda: item["cookie"], lambda: item.get("cookie"), lambda: "cookie" in item,
                lambda: "%(cookie)s" % item):
        with pytest.raises(LostProperty, match="cookie"):
            ask()
    again = description._properties(item, description.Reader(item))
    assert set(again[1]) == {"cookie", "list"} and again[2] == ()
    item["cookie"] = "anew"
    assert item["cookie"] == "anew"


# -- looked at again --------------------------------------------------------------------
def sealed_file(folder: Path) -> Sealed:
    item = folder / "data" / "item"
    item.mkdir(parents=True)
    (item / "a").write_text("content")
    return Sealed(
        item_id="item", number=1, name="x", project="one", version="v",
        folder=os.path.realpath(item), position=0, steps=("Up",), downloader="t", upload={},
        done=None, plain=True, files=(sealed_files.take_file(os.path.realpath(item / "a")),),
        properties={}, lost=(), lost_attributes=(), sealed_at=0.0)


@pytest.mark.parametrize("change", ["none", "gone", "longer", "other", "link", "elsewhere"])
def test_files_are_what_they_were(tmp_path: Path, change: str) -> None:
    """Missing, altered, or no longer in the data folder: it is said."""
    sealed = sealed_file(tmp_path)
    file = Path(sealed.folder, "a")
    data = str(tmp_path / "data")
    if change == "gone":
        file.unlink()
    elif change == "longer":
        file.write_text("content and more")
    elif change == "other":
        file.write_text("CONTENT")
    elif change == "link":
        shutil.move(file, tmp_path / "outside")
        file.symlink_to(tmp_path / "outside")
    elif change == "elsewhere":
        data = str(tmp_path / "other")
        os.mkdir(data)
    why = sealed_files.upload_problem(sealed, data)
    assert re.search({"none": "^$", "gone": "is missing", "longer": "has changed",
                      "other": "has changed", "link": "is not in",
                      "elsewhere": "is not in"}[change], why)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """And keeps nobody waiting."""
    os.mkfifo(tmp_path / "pipe")
    assert sealed_files.take_file(str(tmp_path / "pipe")).size is None


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_how_often_the_disk_is_waited_for(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Three commits, the files and two folders: five more than there are files, each item."""
    counts = []
    for items in (1, 4):
        folder = tmp_path / str(items)
        path = write_pipeline(folder, (WORK.rstrip() + f"""
    pipeline = Pipeline(Work('Work'), PrepareStatsForTracker({{}}, {{}}),
        UploadWithTracker({tracker.url!r}, downloader, FILES),
        SendDoneToTracker({tracker.url!r}, ItemValue('stats')))
    """))
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", str(folder / "trace"), "-e", "trace=fsync,fdatasync",
             sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server", "--max-items",
             str(items), str(path), "tester"], capture_output=True, text=True, timeout=120)
        if "ptrace" in done.stderr and "not permitted" in done.stderr:
            pytest.skip("strace is not allowed here")
        assert f"{items} completed" in done.stdout + done.stderr
        counts.append(len(re.findall(r"^\d+ +(?:fsync|fdatasync)\(",
                                     (folder / "trace").read_text(), re.MULTILINE)))
    assert counts[1] - counts[0] <= 3 * (5 + 1)


@pytest.mark.parametrize("keep_data", [True, False])
def test_an_item_that_is_cancelled_while_it_is_sealed(
    go: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keep_data: bool
) -> None:
    """It is abandoned: what the thread for the files has not finished yet leaves no record behind,
    by which the next start would carry the item on; and no lock."""
    taking, may_go_on = threading.Event(), threading.Event()
    write = sealer_module.write_manifest

    def slow(sealed: Sealed) -> None:
        taking.set()
        assert may_go_on.wait(20)
        # As it may come between two steps of the removal.
        os.makedirs(sealed.folder, exist_ok=True)
        write(sealed)

    async def script(played: Played) -> None:
        await played.until(taking.is_set)
        item = played.only.item
        item.cancel()
        await played.until(lambda: not played.runner.active_items or item.finished)
        may_go_on.set()
        await played.until(lambda: keepers[0].locks == {})
        folder = item["data_dir"]
        found.append(sorted(os.listdir(folder)) if os.path.isdir(folder) else [])
        played.runner.stop_gracefully()

    def prepare(played: Played) -> None:
        sealer = played.loaded.pipeline.sealer
        assert isinstance(sealer, Sealer)
        sealer.keeper.locks = {}
        keepers.append(sealer.keeper)

    keepers: list[Keeper] = []
    found: list[list[str]] = []
    monkeypatch.setattr(sealer_module, "write_manifest", slow)
    prepare_first = Watched.prepare
    monkeypatch.setattr(Watched, "prepare", lambda self, played: (
        prepare_first(self, played), prepare(played)))
    played, watched = go(UPLOAD, script=script, keep_data=keep_data)
    assert played.outcomes == ["canceled"] and watched.states == []
    assert found == [["a", "b"] if keep_data else []]
