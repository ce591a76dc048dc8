"""What a tracker or an upload target may try: to lead uploads elsewhere, to name files.

Covered: item names that look like paths, options, shell words; reserved keys by the thousand;
targets that redirect to files, to other kinds of servers, for ever; a target that asks for a
password, with a terminal there to ask on; targets that do not work; settings of the user's own
curl; file names that rsync would take for two; files that are gone; `done` that is never
accepted; trackers without TLS or without a name.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline_core.externalprocess import CurlUpload
from tests.e2e.faults.test_tracker import tracked, waits
from tests.support.git_remote import silent_server
from tests.support.kit import Played, play, run_pipeline_argv
from tests.support.rsyncd import RsyncDaemon
from tests.support.scripted_tracker import (
    Answer,
    Request,
    ScriptedTracker,
    item_answer,
    json_answer,
    redirect,
)

NAMES = ["/etc/passwd", "../../../outside", "..", ".", "-rf", "--option=x", "a\nb", "a\r\nb",
         "$(touch pwned)", "`touch pwned`", "; touch pwned;", "| touch pwned", "a b\tc", "'\"\\",
         "https://example.org/?x=1&y=2#z", "\u202ex\u2028y", "\u4f60\0\U0001f600", "*", "~", "%s%n",
         "x" * 5000, "\x1b[2J\x07", "a:b", "rsync://h/m"]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")
            if "__pycache__" not in path.parts}


def test_item_names_are_no_paths_and_no_words(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """They reach the tracker verbatim; no file and no folder is ever called so, and no shell or
    program sees them."""
    folder = tmp_path / "deep" / "below" / "project"
    for name in NAMES:
        tracker.queue("request", item_answer(*name.split("\0")))
    path = tracked(folder, tracker, """Pipeline(
        Get(URL + '/multi=2/', downloader), MakeFile('MakeFile'),
        PrepareStatsForTracker({'a': 1}, {'data': [ItemValue('file')]}),
        Upload(URL, downloader, [ItemValue('file')]), Done(URL, ItemValue('stats')))""")
    path.write_text(path.read_text().replace("\npipeline = Pip", """
class MakeFile(SimpleTask):
    def process(self, item):
        item['file'] = item['data_dir'] + '/a.warc.gz'
        with open(item['file'], 'w') as f:
            f.write('warc')
pipeline = Pip"""))
    before = files_in(tmp_path)
    played = play(path, items=len(NAMES), timeout=60)
    assert played.outcomes == ["completed"] * len(NAMES)
    for command, key in (("upload", "item_name"), ("done", "item")):
        assert [json.loads(one.body)[key] for one in tracker.requests(command)] == NAMES
    assert set(tracker.uploads) == {"/project/put/a.warc.gz"}
    new = files_in(tmp_path) - before
    assert {name for name in new if not name.endswith("/data")} == set()


def test_reserved_keys_do_not_fill_the_log(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """A line for each of the first, the number of the others, and the item goes on."""
    many = {f"ExternalProcess.{'x' * 200}{number}": number for number in range(3000)}
    tracker.queue("request", item_answer("a", data_dir="/", **many))
    seen = play(tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader))")).only
    assert seen.outcome == "completed"
    assert not [key for key in seen.item if key.startswith("ExternalProcess.")]
    assert Path(seen.item["data_dir"]).parent == tmp_path / "data"
    assert "'data_dir', which is reserved" in seen.log and "And 2991 more such keys" in seen.log
    assert len(seen.log) < 10_000


UPLOAD = ("Pipeline(File('File'), Upload(URL, downloader, [ItemValue('file')]), Check('Check'))")


@pytest.mark.parametrize("scheme", ["ftp", "ftps", "gopher", "dict", "telnet", "smtp", "ldap"])
def test_uploads_are_not_sent_on_to_other_servers(
    tmp_path: Path, tracker: ScriptedTracker, scheme: str
) -> None:
    """curl follows a target to nothing but HTTP: nobody else is even connected to."""
    with silent_server() as port:
        tracker.queue("a.warc.gz", redirect(f"{scheme}://127.0.0.1:{port}/x", 307))
        # With curl's own rules it would hang at some of these.
        seen = play(tracked(tmp_path, tracker, UPLOAD), timeout=60).only
    assert seen.outcome == "completed", seen.log
    assert len(tracker.requests("upload")) == 2 and waits(seen)[0].fault.name == "TARGET"


@pytest.mark.parametrize("place", ["file:///etc/hostname", "file://{folder}/written", "scp://h/x"])
def test_uploads_are_not_sent_on_to_files(
    tmp_path: Path, tracker: ScriptedTracker, place: str
) -> None:
    """Neither read nor written."""
    tracker.queue("a.warc.gz", redirect(place.format(folder=tmp_path), 307))
    seen = play(tracked(tmp_path / "project", tracker, UPLOAD)).only
    assert seen.outcome == "completed", seen.log
    assert not (tmp_path / "written").exists()
    assert tracker.uploads["/project/put/a.warc.gz"] == b"warc"


def test_uploads_are_sent_on_and_not_for_ever(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """A target may send on to another one; a loop is left, and another target asked for."""
    other = f"{tracker.url}/other/a.warc.gz"
    tracker.queue("a.warc.gz", *[redirect(other, 307)] * 12)
    seen = play(tracked(tmp_path, tracker, UPLOAD)).only
    assert seen.outcome == "completed", seen.log
    assert len(tracker.requests("upload")) == 4  # three redirects and no more, each time
    assert tracker.uploads["/project/other/a.warc.gz"] == b"warc"


def test_curl_does_not_read_the_users_settings(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """A .curlrc at home could send uploads anywhere; curl reads ours in its place."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".curlrc").write_text('user-agent = "from home"\n')
    (tmp_path / "file").write_text("warc")
    task = CurlUpload("http://host/", "file")

    def agent(environment: dict[str, str]) -> str:
        subprocess.run(["curl", "--silent", "--upload-file", "file", f"{tracker.url}/put/file"],
                       cwd=tmp_path, env=environment, check=True, timeout=30)
        return tracker.requests("file")[-1].headers["user-agent"]

    home_is = {"HOME": str(home), "PATH": os.environ["PATH"]}
    assert agent(home_is) == "from home"
    assert agent({**home_is, **task.env}).startswith("curl/")


class AskingDaemon(RsyncDaemon):
    """It wants a password."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        secrets = folder / "secrets"
        secrets.write_text("somebody:something\n")
        secrets.chmod(0o600)
        with self._config.open("a") as file:
            file.write(f"auth users = *\nsecrets file = {secrets}\nstrict modes = no\n")


def test_a_target_that_asks_for_a_password(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Nobody is asked, though there is a terminal: the next target is tried."""
    path = tracked(tmp_path / "project", tracker,
                   "Pipeline(File('File'), Upload(URL, downloader, [ItemValue('file')],"
                   " rsync_target_source_path=ItemInterpolation('%(data_dir)s/')))")
    code = ("import fcntl, os, sys, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
            "os.execv(sys.argv[1], sys.argv[1:])")
    ours, theirs = pty.openpty()
    with AskingDaemon(tmp_path / "rsyncd") as daemon:
        tracker.queue("upload", json_answer({"upload_target": daemon.url}))
        process = subprocess.Popen(
            [sys.executable, "-c", code, *run_pipeline_argv(path, "--max-items", "1")],
            stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        os.close(theirs)
        try:
            output = process.communicate(timeout=60)[0].decode()
        finally:
            process.kill()
            process.wait()
            os.close(ours)
    assert process.returncode == 0, output
    assert "auth failed" in output and len(tracker.requests("upload")) == 2, output
    assert list(tracker.uploads) == ["/project/put/a.warc.gz"]


@pytest.mark.parametrize("kind", ["refused", "no module", "takes nothing", "hangs up", "no host"])
def test_rsync_targets_that_do_not_work(tmp_path: Path, tracker: ScriptedTracker,
                                        kind: str) -> None:
    """The next target is asked for, and the file arrives there."""
    with RsyncDaemon(tmp_path / "rsyncd") as daemon, ScriptedTracker() as gone:
        gone.always("x", Answer(reset=True))
        with daemon._config.open("a") as file:
            file.write(f"[full]\npath = {tmp_path}\nread only = yes\n")
        base = daemon.url.removesuffix("upload/")
        tracker.queue("upload", json_answer({"upload_target": {
            "refused": "rsync://127.0.0.1:9/m/", "no module": base + "nowhere/",
            "takes nothing": base + "full/", "hangs up": f"rsync://127.0.0.1:{gone.port}/m/",
            "no host": "rsync://nowhere.invalid/m/"}[kind]}),
            json_answer({"upload_target": daemon.url}))
        path = tracked(tmp_path / "project", tracker,
                       "Pipeline(File('File'), Upload(URL, downloader, [ItemValue('file')],"
                       " rsync_target_source_path=ItemInterpolation('%(data_dir)s/')))")
        seen = play(path, timeout=60).only
        assert seen.outcome == "completed", seen.log
        assert (daemon.folder / "a.warc.gz").read_text() == "warc"
    assert len(tracker.requests("upload")) == 2 and waits(seen)[0].fault.name == "TARGET"


def test_a_tracker_that_never_accepts(
    tmp_path: Path, tracker: ScriptedTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day (here: at once) it is said, and the files are kept where they are."""
    tracker.always("done", Answer(200, b"no"))
    # Not before the load, which puts all names of ours back.
    seen = play(tracked(tmp_path, tracker, "Pipeline(File('File'), Done(URL, {'a': 1}))"),
                prepare=lambda played: monkeypatch.setattr(
                    "pipeline_core.tracker.NOT_ACCEPTED_AFTER", 0.0)).only
    assert seen.outcome == "failed"
    assert "has not accepted the item for a day; its files are kept in" in seen.log
    assert Path(seen.item["file"]).read_text() == "warc"


@pytest.mark.parametrize("kind", ["no TLS", "no host"])
def test_trackers_that_cannot_be_reached(tmp_path: Path, tracker: ScriptedTracker,
                                         kind: str) -> None:
    """It waits, says why, and ends with a stop."""
    url = {"no TLS": tracker.url.replace("http:", "https:"), "no host": "http://nowhere.invalid/x"}
    path = tracked(tmp_path, tracker, f"Pipeline(Get({url[kind]!r}, downloader))")

    async def script(played: Played) -> None:
        (wait, *_) = await played.until(lambda: played.items and waits(played.items[0]), 40)
        assert wait.code == "tracker-trouble" and "cannot be reached" in wait.reason
        played.runner.stop_gracefully()

    assert play(path, script, timeout=60).outcomes == ["canceled"]


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "\r", "\n"])
def test_file_names_that_rsync_would_take_for_two(tmp_path: Path, tracker: ScriptedTracker,
                                                  name: str) -> None:
    """Other files would be sent in their place; the item fails, and says why."""
    path = tracked(tmp_path, tracker,
                   f"Pipeline(RsyncUpload('rsync://127.0.0.1:9/m/', ['x', {name!r}]))")
    seen = play(path).only
    assert seen.outcome == "failed"
    assert "rsync takes one file a line" in seen.log


def test_a_hanging_target_holds_no_other_item(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """While a target takes the file and says nothing, the items beside it finish."""
    gate = threading.Event()
    first = threading.Lock()

    def late(request: Request) -> Answer:
        if first.acquire(blocking=False):
            gate.wait(60)
        return Answer(200)

    tracker.always("a.warc.gz", late)
    path = tracked(tmp_path, tracker, UPLOAD)
    try:
        async def script(played: Played) -> None:
            await played.until(lambda: played.outcomes.count("completed") >= 3, 40)
            assert "running" in played.outcomes
            gate.set()

        played = play(path, script, items=4, concurrent=2, timeout=60)
    finally:
        gate.set()
    assert played.outcomes == ["completed"] * 4


@pytest.mark.parametrize("kind", ["rsync", "http"])
def test_a_source_file_that_is_missing(tmp_path: Path, tracker: ScriptedTracker,
                                       kind: str) -> None:
    """No target can have it: the item fails with words, and what there is of it is kept."""
    with RsyncDaemon(tmp_path / "rsyncd") as daemon:
        if kind == "rsync":
            tracker.always("upload", json_answer({"upload_target": daemon.url}))
        path = tracked(tmp_path / "project", tracker,
                       "Pipeline(File('File'), Upload(URL, downloader, ['nowhere.warc.gz']))")
        seen = play(path).only
    assert seen.outcome == "failed"
    assert "nowhere.warc.gz is missing" in seen.log and len(tracker.requests("upload")) == 1
    assert Path(seen.item["file"]).read_text() == "warc"


def test_a_disk_that_is_away_for_a_while(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """With the item's folder gone too, the file may come back: it is tried on, and arrives."""
    path = tracked(tmp_path, tracker, """Pipeline(
        File('File'), Away('Away'), Upload(URL, downloader, [ItemValue('file')]))""")
    path.write_text(path.read_text().replace("\npipeline = Pip", """
class Away(SimpleTask):
    def process(self, item):
        os.rename('data', 'away')
pipeline = Pip"""))

    async def script(played: Played) -> None:
        await played.until(lambda: len(tracker.requests("upload")) >= 3, 30)
        (tmp_path / "away").rename(tmp_path / "data")

    assert play(path, script, timeout=60).only.outcome == "completed"
    assert tracker.uploads == {"/project/put/a.warc.gz": b"warc"}
