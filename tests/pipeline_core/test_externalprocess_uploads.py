"""RsyncUpload, CurlUpload, UploadWithTracker, with the real rsync and curl.

Covered: the exact command lines; files on stdin relative to the source; extra_args,
bwlimit, realized; max_tries; UploadWithTracker's request, targets, one try each and
another target afterwards; one file only by HTTP; LimitConcurrent with a shared value;
MaybeUploadWithTracker; hand-made variants that make an RsyncUpload at run time.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_core.externalprocess import CurlUpload, RsyncUpload
from tests.support.kit import Played, Seen, play, write_pipeline
from tests.support.rsyncd import RsyncDaemon
from tests.support.scripted_tracker import Answer, ScriptedTracker, json_answer

FILES = """\
    class Files(SimpleTask):
        def __init__(self):
            SimpleTask.__init__(self, 'Files')
        def process(self, item):
            item['item_name'] = 'site:%d' % item.item_number
            item['item_dir'] = '%(data_dir)s/sub' % item
            os.makedirs(item['item_dir'])
            for name in ('a.warc.gz', 'b c;$x.txt'):
                with open(item['item_dir'] + '/' + name, 'w') as f:
                    f.write(name + item['item_name'])
    class Upload(UploadWithTracker):
        DEFAULT_RETRY_DELAY = 0.05
        RETRY_DELAY_INCREMENT = 0.02
    """


def uploading(folder: Path, source: str) -> Path:
    """A pipeline file that can make files and upload quickly; ``source`` indented by four."""
    return write_pipeline(folder, FILES.rstrip() + "\n" + source)


@pytest.fixture
def rsyncd(tmp_path: Path) -> Iterator[RsyncDaemon]:
    """A real rsync daemon of this test."""
    with RsyncDaemon(tmp_path / "rsyncd") as daemon:
        yield daemon


def fake(folder: Path, name: str, code: int = 0) -> str:
    """A program that shows how it was called and what it read; returns env for it."""
    tool = folder / "bin" / name
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text("#!/bin/sh\nfor a in \"$@\"; do printf 'ARG <%s>\\n' \"$a\"; done\n"
                    f"sed 's/^/STDIN /'\nexit {code}\n")
    tool.chmod(0o755)
    return "t.env = {'PATH': os.path.join(os.getcwd(), 'bin') + ':/usr/bin:/bin'}"


def arguments(seen: Seen) -> list[str]:
    """The arguments that a fake program showed."""
    return [line[5:-1] for line in seen.log.splitlines() if line.startswith("ARG <")]


def test_signatures() -> None:
    """Argument names, order and defaults are the contract's."""
    rsync = inspect.signature(RsyncUpload).parameters
    assert list(rsync) == ["target", "files", "target_source_path", "bwlimit", "max_tries",
                           "extra_args"]
    assert (rsync["target_source_path"].default, rsync["bwlimit"].default,
            rsync["max_tries"].default, rsync["extra_args"].default) == ("./", "0", None, None)
    curl = inspect.signature(CurlUpload).parameters
    assert {n: p.default for n, p in curl.items() if n not in ("target", "filename")} == {
        "connect_timeout": "60", "speed_limit": "1", "speed_time": "900", "max_tries": None}
    assert list(curl)[:2] == ["target", "filename"]


def test_rsync_command_line(tmp_path: Path) -> None:
    """rsync's arguments, in order, and the files, relative to the source, on stdin."""
    env = fake(tmp_path, "rsync")
    path = uploading(tmp_path, f"""\
    t = RsyncUpload(target=ConfigInterpolation('rsync://host/%s/', downloader),
                    target_source_path=ItemInterpolation('%(data_dir)s/'),
                    files=[ItemInterpolation('%(item_dir)s/a.warc.gz'),
                           ItemInterpolation('%(data_dir)s/sub/b c;$x.txt')],
                    bwlimit=NumberConfigValue(name='bw', default='5'),
                    extra_args=['--recursive', '--partial', '--partial-dir', '.rsync-tmp'])
    {env}
    pipeline = Pipeline(Files(), t)
    """)
    seen = play(path).only
    assert arguments(seen) == [
        "-rltv", "--timeout=300", "--contimeout=300", "--progress", "--bwlimit", "5",
        "--recursive", "--partial", "--partial-dir", ".rsync-tmp", "--files-from=-",
        seen.item["data_dir"] + "/", "rsync://host/tester/"]
    assert "STDIN sub/a.warc.gz\nSTDIN sub/b c;$x.txt\n" in seen.log
    assert "Starting RsyncUpload for Item site:1" in seen.log


def test_rsync_defaults(tmp_path: Path) -> None:
    """Without options the source is ./ and the bandwidth 0; the environment is clean."""
    env = fake(tmp_path, "rsync")
    path = uploading(tmp_path, f"""\
    t = RsyncUpload('rsync://host/x/', ['data/one', 'two'])
    {env}
    pipeline = Pipeline(t)
    """)
    seen = play(path).only
    assert arguments(seen)[-5:] == ["--bwlimit", "0", "--files-from=-", "./", "rsync://host/x/"]
    assert "STDIN data/one\nSTDIN two\n" in seen.log


def test_curl_command_line(tmp_path: Path) -> None:
    """curl's arguments, in order."""
    env = fake(tmp_path, "curl")
    path = uploading(tmp_path, f"""\
    t = CurlUpload(ConfigInterpolation('http://host/%s/', downloader),
                   ItemInterpolation('%(item_dir)s/a.warc.gz'), '30', '2', speed_time='100')
    {env}
    pipeline = Pipeline(Files(), t)
    """)
    seen = play(path).only
    assert arguments(seen) == [
        "--fail", "--output", "/dev/null", "--connect-timeout", "30", "--speed-limit", "2",
        "--speed-time", "100", "--header", "X-Curl-Limits: inf,2,100", "--write-out",
        "Upload server: %{url_effective}\\n", "--location", "--upload-file",
        seen.item["item_dir"] + "/a.warc.gz", "http://host/tester/"]


def test_real_rsync(tmp_path: Path, rsyncd: RsyncDaemon) -> None:
    """Files arrive by rsync under their names relative to the source."""
    path = uploading(tmp_path, f"""\
    pipeline = Pipeline(Files(), RsyncUpload(
        {rsyncd.url!r}, [ItemInterpolation('%(item_dir)s/a.warc.gz'),
                         ItemInterpolation('%(item_dir)s/b c;$x.txt')],
        target_source_path=ItemInterpolation('%(data_dir)s/'), max_tries=1))
    """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert (rsyncd.folder / "sub" / "a.warc.gz").read_text() == "a.warc.gzsite:1"
    assert (rsyncd.folder / "sub" / "b c;$x.txt").exists()


def test_rsync_fails_after_its_tries(tmp_path: Path, rsyncd: RsyncDaemon) -> None:
    """max_tries counts for uploads too; a missing module fails the item."""
    path = uploading(tmp_path, f"""\
    t = RsyncUpload({rsyncd.url.replace("/upload/", "/absent/")!r}, ['pipeline.py'], max_tries=2)
    t.retry_delay = 0.05
    pipeline = Pipeline(t)
    """)
    seen = play(path).only
    assert seen.outcome == "failed"
    assert seen.item["tries"] == 2


def test_real_curl(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """A file arrives by PUT under its own name, with the header that tells the limits."""
    path = uploading(tmp_path, f"""\
    pipeline = Pipeline(Files(), CurlUpload({tracker.url!r} + '/put/',
        ItemInterpolation('%(item_dir)s/a.warc.gz'), max_tries=1))
    """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert tracker.uploads == {"/project/put/a.warc.gz": b"a.warc.gzsite:1"}
    assert tracker.requests()[0].headers["x-curl-limits"] == "inf,1,900"
    assert f"Upload server: {tracker.url}/put/a.warc.gz" in seen.log


@pytest.mark.parametrize("status", [403, 500])
def test_curl_failure_is_a_failure(tmp_path: Path, tracker: ScriptedTracker, status: int) -> None:
    """An HTTP error makes curl, and so the item, fail."""
    tracker.always("a.warc.gz", Answer(status, b"no"))
    path = uploading(tmp_path, f"""\
    pipeline = Pipeline(Files(), CurlUpload({tracker.url!r} + '/put/',
        ItemInterpolation('%(item_dir)s/a.warc.gz'), max_tries=1))
    """)
    assert play(path).only.outcome == "failed"


WITH_TRACKER = """\
    pipeline = Pipeline(Files(), LimitConcurrent(
        NumberConfigValue(min=1, max=6, default='2', name='shared:rsync_threads', title='T'),
        Upload(%r, downloader=downloader, version='v9',
               files=[ItemInterpolation('%%(item_dir)s/a.warc.gz')%s],
               rsync_target_source_path=ItemInterpolation('%%(data_dir)s/'),
               rsync_extra_args=['--partial'])), PrintItem())
    """
SECOND_FILE = ", ItemInterpolation('%(item_dir)s/b c;$x.txt')"


def test_upload_with_tracker_by_rsync(tmp_path: Path, tracker: ScriptedTracker,
                                      rsyncd: RsyncDaemon) -> None:
    """The tracker is asked for a target, and rsync sends all files to it."""
    tracker.always("upload", json_answer({"upload_target": rsyncd.url}))
    path = uploading(tmp_path, WITH_TRACKER % (tracker.url, SECOND_FILE))
    played = play(path, items=3, concurrent=3)
    assert played.outcomes == ["completed"] * 3, played.log
    requests = sorted((r.json for r in tracker.requests("upload")), key=lambda j: j["item_name"])
    assert requests == [{"downloader": "tester", "item_name": f"site:{n}", "version": "v9"}
                        for n in (1, 2, 3)]
    assert (rsyncd.folder / "sub" / "b c;$x.txt").exists()
    assert all(seen.log.count("Starting PrintItem") == 1 for seen in played.items)


def test_upload_with_tracker_by_http(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """An http target is served by curl; the item goes on once it has arrived."""
    path = uploading(tmp_path, WITH_TRACKER % (tracker.url, ""))
    assert play(path).outcomes == ["completed"]
    assert tracker.uploads == {"/project/put/a.warc.gz": b"a.warc.gzsite:1"}


def test_failed_upload_asks_for_another_target(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """A target is used for one try; if that fails the tracker is asked again."""
    tracker.queue("a.warc.gz", Answer(500), Answer(503))
    path = uploading(tmp_path, WITH_TRACKER % (tracker.url, ""))
    seen = play(path).only
    assert seen.outcome == "completed"
    assert len(tracker.requests("upload")) == 3
    assert [r.method for r in tracker.requests("a.warc.gz")] == ["PUT"] * 3
    assert {w.code for w in seen.waits if w} == {"upload"}


def test_http_takes_one_file_only(tmp_path: Path, tracker: ScriptedTracker,
                                  rsyncd: RsyncDaemon) -> None:
    """Several files and an http target: tried again until a fitting target comes."""
    tracker.queue("upload", json_answer({"upload_target": tracker.url + "/put/"}),
                  json_answer({"upload_target": rsyncd.url}))
    path = uploading(tmp_path, WITH_TRACKER % (tracker.url, SECOND_FILE))
    seen = play(path).only
    assert seen.outcome == "completed"
    assert tracker.uploads == {}
    assert (rsyncd.folder / "sub" / "a.warc.gz").exists()


def test_maybe_upload(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """MaybeUploadWithTracker leaves the step out for items without anything to send."""
    path = uploading(tmp_path, f"""\
    class MaybeUploadWithTracker(Upload):
        def enqueue(self, item):
            if item.item_number == 1:
                item.log_output('Skipping UploadWithTracker.')
                return self.complete_item(item)
            return super(MaybeUploadWithTracker, self).enqueue(item)
    pipeline = Pipeline(Files(), LimitConcurrent(1, MaybeUploadWithTracker(
        {tracker.url!r}, downloader, [ItemInterpolation('%(item_dir)s/a.warc.gz')])), PrintItem())
    """)
    played = play(path, items=2)
    assert played.outcomes == ["completed"] * 2
    assert list(tracker.uploads.values()) == [b"a.warc.gzsite:2"]
    assert all(seen.log.count("Starting PrintItem") == 1 for seen in played.items)


HAND_MADE = """\
    class OwnUpload(UploadWithTracker):
        DEFAULT_RETRY_DELAY = 0.05
        RETRY_DELAY_INCREMENT = 0.05
        def process_body(self, body, item):
            data = json.loads(body)
            inner_task = None
            if 'upload_target' in data:
                files = [realize(f, item) for f in self.files]
                if re.match(r'^rsync://', data['upload_target']):
                    item.log_output('Uploading with Rsync to %s' % data['upload_target'])
                    inner_task = RsyncUpload(data['upload_target'], files,
                                             target_source_path=self.rsync_target_source_path,
                                             bwlimit=self.rsync_bwlimit,
                                             extra_args=self.rsync_extra_args, max_tries=1)
                elif re.match(r'^https?://', data['upload_target']):
                    inner_task = CurlUpload(data['upload_target'], files[0],
                                            self.curl_connect_timeout, self.curl_speed_limit,
                                            self.curl_speed_time, max_tries=1)
                inner_task.on_complete_item = lambda task, item: self.done_with(task, item)
                inner_task.on_fail_item = lambda task, item: self.schedule_retry(item)
                inner_task.enqueue(item)
            else:
                item.log_output('Tracker did not provide an upload target.')
                self.schedule_retry(item)
        def done_with(self, task, item):
            item['by'] = type(task).__name__
            self.complete_item(item)
    pipeline = Pipeline(Files(), LimitConcurrent(1, OwnUpload(
        'TRACKER', downloader, [ItemInterpolation('%(item_dir)s/a.warc.gz')],
        rsync_target_source_path=ItemInterpolation('%(data_dir)s/'))), PrintItem())
    """


@pytest.mark.parametrize("kind", ["rsync", "http"])
def test_hand_made_upload(tmp_path: Path, tracker: ScriptedTracker, rsyncd: RsyncDaemon,
                          kind: str) -> None:
    """A project's own process_body may make the upload at run time and continue by hand."""
    target = rsyncd.url if kind == "rsync" else tracker.url + "/put/"
    tracker.queue("upload", json_answer({}), json_answer({"upload_target": "http://127.0.0.1:9/"}),
                  json_answer({"upload_target": target}))
    path = uploading(tmp_path, HAND_MADE.replace("TRACKER", tracker.url))
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["by"] == ("RsyncUpload" if kind == "rsync" else "CurlUpload")
    assert len(tracker.requests("upload")) == 3
    assert seen.log.count("Starting PrintItem") == 1


INNER = """\
    class OwnUpload(UploadWithTracker):
        DEFAULT_RETRY_DELAY = 0.05
        RETRY_DELAY_INCREMENT = 0.05
        def process_body(self, body, item):
            data = json.loads(body)
            inner_task = RsyncUpload(data['upload_target'], self.files,
                                     target_source_path=self.rsync_target_source_path,
                                     bwlimit=self.rsync_bwlimit,
                                     extra_args=self.rsync_extra_args, max_tries=1)
            inner_task.on_complete_item += self._inner_task_complete_item
            inner_task.on_fail_item += self._inner_task_fail_item
            inner_task.enqueue(item)
        HOOKS
    pipeline = Pipeline(Files(), OwnUpload(
        'TRACKER', downloader, [ItemInterpolation('%(item_dir)s/a.warc.gz')],
        rsync_target_source_path=ItemInterpolation('%(data_dir)s/')), PrintItem())
    """


def test_inner_task_of_a_file(tmp_path: Path, tracker: ScriptedTracker,
                              rsyncd: RsyncDaemon) -> None:
    """A process_body of the project may hand on how its upload ended: after a failure the
    tracker is asked for another target, after a success the item goes on."""
    wrong = "rsync://127.0.0.1:9/x/"
    tracker.queue("upload", json_answer({"upload_target": wrong}),
                  json_answer({"upload_target": wrong}), json_answer({"upload_target": rsyncd.url}))
    path = uploading(tmp_path, INNER.replace("TRACKER", tracker.url).replace("HOOKS", ""))
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert len(tracker.requests("upload")) == 3
    assert {w.code for w in seen.waits if w} == {"upload"}
    assert f"The upload to {wrong} failed. The tracker will be asked for a target again." in seen.log
    assert list(rsyncd.folder.rglob("a.warc.gz"))
    assert seen.log.count("Finished UploadWithTracker") == seen.log.count("Starting PrintItem") == 1


def test_inner_task_hooks_may_be_overridden(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """They are called for the uploads that we make, too."""
    tracker.queue("a.warc.gz", Answer(500))
    hooks = """
        def process_body(self, body, item):
            UploadWithTracker.process_body(self, body, item)
        def _inner_task_complete_item(self, task, item):
            item['ends'].append(['completed', task.name])
            UploadWithTracker._inner_task_complete_item(self, task, item)
        def _inner_task_fail_item(self, task, item):
            item['ends'] = [['failed', task.name]]
            UploadWithTracker._inner_task_fail_item(self, task, item)
    """.strip()
    path = uploading(tmp_path, INNER.replace("TRACKER", tracker.url).replace("HOOKS", hooks))
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["ends"] == [["failed", "CurlUpload"], ["completed", "CurlUpload"]]


def test_raised_shared_limit_starts_waiting_uploads(tmp_path: Path,
                                                    tracker: ScriptedTracker) -> None:
    """A raised shared: limit lets queued uploads start at once."""
    path = uploading(tmp_path, f"""\
    limit = NumberConfigValue(name='shared:rsync_threads', min=0, max=9, default='0')
    pipeline = Pipeline(Files(), LimitConcurrent(limit, Upload(
        {tracker.url!r}, downloader, [ItemInterpolation('%(item_dir)s/a.warc.gz')])))
    """)

    async def script(played: Played) -> None:
        await played.until(lambda: len(played.items) == 3 and all(
            seen.item.waiting and seen.item.waiting.code == "queue" for seen in played.items))
        assert tracker.requests() == []
        assert played.loaded.config_values[0].set_value("3")

    assert play(path, script, items=3, concurrent=3).outcomes == ["completed"] * 3
