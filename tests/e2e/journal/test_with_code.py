"""Tails of a project's own: its code decides, after a restart too; what cannot go on is kept."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.e2e.journal.conftest import PLAIN, Warrior
from tests.support.scripted_tracker import HANG, ScriptedTracker, item_answer

OWN_TAIL = PLAIN.replace("pipeline = Pipeline", """
class MaybeDone(SendDoneToTracker):
    def enqueue(self, item):
        if item['item_name'].startswith('empty'):
            return self.complete_item(item)
        return super().enqueue(item)
class Last(SimpleTask):
    def process(self, item):
        open(os.path.join(item['data_dir'], '..', 'last'), 'a').write(item['item_name'] + ' ')
pipeline = Pipeline""").replace(
    "SendDoneToTracker(TRACKER, ItemValue('stats'))", "MaybeDone(TRACKER, ItemValue('stats')), Last('Last')")


def killed_while_uploading(warrior: Warrior, tracker: ScriptedTracker, text: str) -> None:
    tracker.queue("upload", HANG)
    warrior.write(tracker, text)
    warrior.start()
    tracker.wait_requests("upload", 1, 40)
    warrior.kill()
    assert warrior.states() == ["sealed"]


def kept(warrior: Warrior) -> str:
    """What the console says of the finished items that are kept."""
    return " ".join(notice["text"] for notice in warrior.status().get("notices", [])
                    if notice["kind"] == "kept")


def test_the_code_goes_on(warrior: Warrior, tracker: ScriptedTracker, target: Any) -> None:
    """The item enters at the sealed task of the version that sealed it, though there is a newer
    one; the rest of the pipeline follows."""
    killed_while_uploading(warrior, tracker, OWN_TAIL)
    warrior.write(tracker, OWN_TAIL.replace("'last'", "'other'") + "# a newer version\n")
    warrior.start()
    tracker.wait_requests("done", 1, 40)
    warrior.until(lambda: not warrior.rows() and not warrior.folders())
    assert (warrior.data / "last").read_text() == "first "
    assert target.files() == {"work/a.warc.gz": "the content of first"}
    assert len(tracker.requests("done")) == 1


def test_no_done_that_the_pipeline_would_not_have_sent(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """A tail that reports nothing for an empty item reports nothing after a restart."""
    with ScriptedTracker() as other:
        other.queue("request", item_answer("empty one"))
        other.always("upload", lambda request: tracker._arrived(request))
        killed_while_uploading(warrior, other, OWN_TAIL)
        warrior.start()
        warrior.until(lambda: (warrior.data / "last").exists())
        warrior.until(lambda: not warrior.rows() and not warrior.folders())
        assert other.requests("done") == []
    assert target.files() == {"work/a.warc.gz": "the content of empty one"}


def test_a_property_that_is_not_kept_is_never_guessed(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """Who asks for one gets an error, not None: the item is kept and shown, nothing is said."""
    killed_while_uploading(warrior, tracker, OWN_TAIL.replace(
        "item['item_name'].startswith('empty')", "item.get('cookie')"))
    warrior.start()
    text = warrior.until(lambda: kept(warrior))
    assert "first" in text and "failed in SendDoneToTracker: 'cookie'" in text
    assert warrior.states() == ["uploaded"] and len(warrior.folders()) == 1
    assert tracker.requests("done") == []


def test_code_that_is_gone(warrior: Warrior, tracker: ScriptedTracker, target: Any) -> None:
    """The item is kept with its files, and the console says why."""
    killed_while_uploading(warrior, tracker, OWN_TAIL)
    version, = (warrior.state / "checkouts" / "one").glob("one-*.json")
    record = json.loads(version.read_text())
    version.write_text(json.dumps({**record, "ready": False}))
    warrior.start()
    text = warrior.until(lambda: kept(warrior))
    assert "is no longer on this machine" in text and "first" in text
    assert warrior.states() == ["sealed"] and len(warrior.folders()) == 1
    assert tracker.requests("done") == []
    tracker.wait_requests("request", 2, 40)


@pytest.mark.parametrize("end", ["raise ValueError('no')", "self.fail_item(item)"])
def test_a_failure_behind_the_seal_keeps_the_files(
    warrior: Warrior, tracker: ScriptedTracker, target: Any, end: str
) -> None:
    """At once and at the next start, which tries again."""
    warrior.write(tracker, OWN_TAIL.replace(
        "return super().enqueue(item)",
        f"if not os.path.exists(item['data_dir'] + '/../fine'): {end}\n"
        "        else: return super().enqueue(item)"))
    warrior.start()
    text = warrior.until(lambda: kept(warrior))
    assert "failed in SendDoneToTracker" in text
    assert len(warrior.folders()) == 1 and warrior.states() == ["uploaded"]
    (warrior.data / "fine").touch()
    assert warrior.stop() == 0
    assert len(warrior.folders()) == 1
    warrior.start()
    tracker.wait_requests("done", 1, 40)
    warrior.until(lambda: not warrior.rows() and not warrior.folders())


MADE_AT_RUN_TIME = """
class Own(SimpleTask):
    def __init__(self):
        super().__init__('Own')
    def enqueue(self, item):
        self.start_item(item)
        upload = RsyncUpload(TARGET, [item['data_dir'] + '/work/a.warc.gz'],
                             target_source_path=item['data_dir'], max_tries=1)
        upload.on_complete_item = lambda task, item: self.complete_item(item)
        upload.on_fail_item = lambda task, item: self.fail_item(item)
        upload.enqueue(item)
pipeline = Pipeline(Get(TRACKER, downloader, 'v1'), Work('Work'),
    PrepareStatsForTracker({}, {}), Own(), SendDoneToTracker(TRACKER, ItemValue('stats')))
"""


def test_an_upload_that_is_made_at_run_time(
    warrior: Warrior, tracker: ScriptedTracker, target: Any
) -> None:
    """It is sealed when the upload starts, and goes on with the project's code."""
    target.hold()
    warrior.write(tracker, MADE_AT_RUN_TIME.replace("TARGET", repr(target.url)))
    warrior.start()
    warrior.until(target.begun)
    assert warrior.states() == ["sealed"]
    warrior.kill()
    target.go_on()
    warrior.start()
    tracker.wait_requests("done", 1, 40)
    warrior.until(lambda: not warrior.rows() and not warrior.folders())
    assert target.files() == {"work/a.warc.gz": "the content of first"}


NO_UPLOAD = """
pipeline = Pipeline(Get(TRACKER, downloader, 'v1'), Work('Work'),
    PrepareStatsForTracker({}, {}), SendDoneToTracker(TRACKER, ItemValue('stats')))
"""


def test_a_pipeline_without_upload_is_never_journaled(
    warrior: Warrior, tracker: ScriptedTracker
) -> None:
    """Not even a file is made for it."""
    warrior.write(tracker, NO_UPLOAD)
    warrior.start()
    tracker.wait_requests("done", 1, 40)
    warrior.until(lambda: not warrior.folders())
    assert not warrior.journal.exists()


CURL = """
pipeline = Pipeline(Get(TRACKER, downloader, 'v1'), Work('Work'),
    PrepareStatsForTracker({}, {}), LimitConcurrent(1, CurlUpload(
        ConfigInterpolation('%s/put/', TRACKER), ItemInterpolation('%(item_dir)s/a.warc.gz'))),
    SendDoneToTracker(TRACKER, ItemValue('stats')))
"""


def test_curl_without_code(warrior: Warrior, tracker: ScriptedTracker) -> None:
    """A PUT that was cut off is made again, with the command line that it had."""
    tracker.queue("a.warc.gz", HANG)
    warrior.write(tracker, CURL)
    warrior.start()
    tracker.wait_requests("a.warc.gz", 1, 40)
    warrior.kill()
    version, = (warrior.state / "checkouts" / "one").glob("one-*.json")
    os.remove(version)  # its code is not needed
    warrior.start()
    tracker.wait_requests("done", 1, 40)
    warrior.until(lambda: not warrior.rows() and not warrior.folders())
    puts = tracker.requests("a.warc.gz")
    assert [request.body for request in puts] == [b"the content of first"] * 2
    assert puts[0].headers["x-curl-limits"] == puts[1].headers["x-curl-limits"]
