"""The contract's part `tracker`, but for what an upload does (test_externalprocess_uploads).

Covered: JSON over POST at <url>/<command>, headers, trailing slash; each row of the
status table, with the waiting it gives; TrackerRequest's hooks and delays, kept per item;
may_be_canceled; GetItemFromTracker: data, keys copied and dropped, items, queues, NUL
names, no item_name, item_filter with release, its failures; ReleaseItemsToTracker;
PrepareStatsForTracker; SendDoneToTracker; MaybeSendDone overrides.
"""

from __future__ import annotations

import datetime
import email.utils
import inspect
import json
import time
from pathlib import Path
from typing import Any

import pytest

import seesaw
from pipeline_core import tracker as tracker_module
from pipeline_core.engine.waiting import Fault
from tests.support.kit import Played, Seen, play, write_pipeline
from tests.support.scripted_tracker import (
    NOTHING,
    OK,
    Answer,
    Request,
    ScriptedTracker,
    item_answer,
    json_answer,
)

FAST = """\
    URL = %r
    class Get(GetItemFromTracker):
        DEFAULT_RETRY_DELAY = 0.05
        RETRY_DELAY_INCREMENT = 0.02
    class Done(SendDoneToTracker):
        DEFAULT_RETRY_DELAY = 0.05
        RETRY_DELAY_INCREMENT = 0.02
    """


def tracked(folder: Path, tracker: ScriptedTracker, source: str, url: str | None = None) -> Path:
    """A pipeline file that begins with quick tracker tasks; ``source`` is indented by four."""
    return write_pipeline(folder, (FAST % (url or tracker.url)).rstrip() + "\n" + source)


def waits(seen: Seen) -> list[Any]:
    """The reasons for which the item waited."""
    return [w for w in seen.waits if w is not None]


def test_signatures() -> None:
    """Argument names, order and defaults are the contract's."""
    def shape(name: str) -> dict[str, Any]:
        kind = getattr(tracker_module, name)
        return {n: p.default for n, p in inspect.signature(kind).parameters.items()}

    assert list(shape("TrackerRequest")) == [
        "name", "tracker_url", "tracker_command", "may_be_canceled"]
    assert list(shape("GetItemFromTracker")) == [
        "tracker_url", "downloader", "version", "item_filter"]
    assert list(shape("ReleaseItemsToTracker")) == [
        "tracker_url", "downloader", "version", "items"]
    assert list(shape("PrepareStatsForTracker")) == ["defaults", "file_groups", "id_function"]
    assert list(shape("SendDoneToTracker")) == ["tracker_url", "stats"]
    upload = shape("UploadWithTracker")
    assert list(upload) == [
        "tracker_url", "downloader", "files", "version", "rsync_target_source_path",
        "rsync_bwlimit", "rsync_extra_args", "curl_connect_timeout", "curl_speed_limit",
        "curl_speed_time"]
    assert (upload["rsync_target_source_path"], upload["rsync_bwlimit"]) == ("./", "0")
    assert (upload["curl_connect_timeout"], upload["curl_speed_limit"],
            upload["curl_speed_time"]) == ("60", "1", "900")
    kind = tracker_module.TrackerRequest
    assert (kind.DEFAULT_RETRY_DELAY, kind.RETRY_DELAY_INCREMENT, kind.MAX_RETRY_DELAY) == (
        60, 10, 300)


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_request_on_the_wire(tmp_path: Path, tracker: ScriptedTracker, slash: str) -> None:
    """POST <url>/request with JSON, the two headers, api_version '2' and the version."""
    tracker.queue("request", item_answer("site:1"))
    path = tracked(tmp_path, tracker, """\
    pipeline = Pipeline(Get(URL, downloader, '20250101.01'))
    """, tracker.url + slash)
    assert play(path, downloader="nick-1").outcomes == ["completed"]
    (request,) = tracker.requests()
    assert (request.method, request.path) == ("POST", "/project/request")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "ArchiveTeam Warrior/0.10.3 Standalone"
    assert request.json == {"downloader": "nick-1", "api_version": "2", "version": "20250101.01"}


def test_user_agent_has_the_build(tmp_path: Path, tracker: ScriptedTracker,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """runner_type and warrior_build are read when the request is made."""
    monkeypatch.setattr(seesaw, "runner_type", "Warrior")
    monkeypatch.setattr(seesaw, "warrior_build", "docker 7")
    tracker.queue("request", item_answer("x"))
    play(tracked(tmp_path, tracker, "    pipeline = Pipeline(Get(URL, downloader))\n"))
    assert tracker.requests()[0].headers["user-agent"] == (
        "ArchiveTeam Warrior/0.10.3 Warrior docker 7")


def test_multi_url_and_realized_arguments(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """The URL ends in /multi=N/; URL, downloader and version are realized late."""
    tracker.queue("request", item_answer("a", "b"))
    path = tracked(tmp_path, tracker, """\
    multi = NumberConfigValue(name='multi', default='5')
    pipeline = Pipeline(Get(ConfigInterpolation(URL + '/multi=%d/', multi),
                            ConfigInterpolation('%s-x', downloader),
                            ConfigInterpolation('v%s', multi)))
    """)
    play(path)
    (request,) = tracker.requests()
    assert request.path == "/project/multi=5/request"
    assert request.json == {"downloader": "tester-x", "api_version": "2", "version": "v5"}


STATUSES = [
    (404, "no-items", Fault.NOBODY), (420, "rate-limit", Fault.TRACKER),
    (429, "rate-limit", Fault.TRACKER), (455, "outdated", None),
    (403, "blocked", None), (500, "tracker-trouble", Fault.TRACKER),
    (502, "tracker-trouble", Fault.TRACKER), (503, "tracker-trouble", Fault.TRACKER),
    (400, "tracker-trouble", Fault.TRACKER), (418, "tracker-trouble", Fault.TRACKER),
    (201, "tracker-trouble", Fault.TRACKER), (204, "tracker-trouble", Fault.TRACKER),
]


@pytest.mark.parametrize(("status", "code", "fault"), STATUSES)
def test_status_table(tmp_path: Path, tracker: ScriptedTracker, status: int, code: str,
                      fault: Fault | None) -> None:
    """Each status gives its reason, sentence and next try; stopping ends the waiting item."""
    tracker.always("request", Answer(status, b"" if status == 204 else b"text"))
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(GetItemFromTracker({tracker.url!r}, downloader))
        """)

    async def script(played: Played) -> None:
        waiting = await played.until(
            lambda: played.items and played.items[0].item.waiting)
        assert waiting.code == code
        assert fault is None or waiting.fault is fault
        assert waiting.reason.endswith(".") and " " in waiting.reason
        least, most = (1700, 5400) if status == 403 else (25, 95)
        assert waiting.next_try > tracker.requests("request")[0].time + least
        assert waiting.next_try <= time.monotonic() + most
        assert played.items[0].item.may_be_canceled is True
        played.runner.stop_gracefully()

    played = play(path, script, items=None)
    assert played.outcomes == ["canceled"]
    assert len(tracker.requests("request")) == 1


def test_nobody_listens(tmp_path: Path) -> None:
    """No answer at all is trouble at the tracker, too."""
    with ScriptedTracker() as gone:
        url = gone.url
    path = write_pipeline(tmp_path, f"pipeline = Pipeline(GetItemFromTracker({url!r}, 'x'))\n")

    async def script(played: Played) -> None:
        waiting = await played.until(lambda: played.items and played.items[0].item.waiting)
        assert waiting.code == "tracker-trouble"
        played.runner.stop_gracefully()

    assert play(path, script).outcomes == ["canceled"]


@pytest.mark.parametrize("status", [404, 420, 429, 455, 500])
def test_it_is_tried_again(tmp_path: Path, tracker: ScriptedTracker, status: int) -> None:
    """After the wait the tracker is asked again, and the item goes on."""
    tracker.queue("request", Answer(status), Answer(status), item_answer("late:1"))
    seen = play(tracked(tmp_path, tracker, "    pipeline = Pipeline(Get(URL, downloader))\n")).only
    assert seen.item["item_name"] == "late:1"
    assert len(waits(seen)) == 2 and seen.item.waiting is None
    assert seen.item.may_be_canceled is False
    assert "Retrying after" in seen.log or "again" in seen.log


@pytest.mark.parametrize(("value", "low", "high"), [
    ("30", 30, 45), ("999999", 1800, 3600), ("date", 100, 200)])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(tmp_path: Path, tracker: ScriptedTracker, value: str, low: float,
                                 high: float, status: int) -> None:
    """Retry-After in seconds or as a date, an hour at most."""
    if value == "date":
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=120)
        value = email.utils.format_datetime(when, usegmt=True)
    tracker.always("request", Answer(status, b"", (("Retry-After", value),)))
    path = tracked(tmp_path, tracker, "    pipeline = Pipeline(Get(URL, downloader))\n")

    async def script(played: Played) -> None:
        waiting = await played.until(lambda: played.items and played.items[0].item.waiting)
        # A date has whole seconds.
        assert waiting.next_try >= tracker.requests("request")[0].time + low - 2
        assert waiting.next_try <= time.monotonic() + high
        played.runner.stop_gracefully()

    play(path, script)


@pytest.mark.parametrize("value", ["soon", "-5", "", "nan"])
def test_doubtful_retry_after(tmp_path: Path, tracker: ScriptedTracker, value: str) -> None:
    """A Retry-After that means nothing changes nothing."""
    tracker.queue("request", Answer(429, b"", (("Retry-After", value),)), item_answer("x"))
    seen = play(tracked(tmp_path, tracker, "    pipeline = Pipeline(Get(URL, downloader))\n")).only
    assert seen.outcome == "completed"


def test_delays_grow_and_are_bounded(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """The delay begins at DEFAULT_RETRY_DELAY, grows by the increment, ends at the maximum."""
    tracker.queue("request", *[NOTHING] * 8, item_answer("x"))
    path = tracked(tmp_path, tracker, """\
    class Note(Get):
        DEFAULT_RETRY_DELAY = 0.02
        RETRY_DELAY_INCREMENT = 0.02
        MAX_RETRY_DELAY = 0.1
        def schedule_retry(self, item, message=''):
            Get.schedule_retry(self, item, message)
        def send_request(self, item):
            item['delays'] = item.get('delays', []) + [round(self.retry_delay, 3)]
            Get.send_request(self, item)
    pipeline = Pipeline(Note(URL, downloader))
    """)
    delays = play(path).only.item["delays"]
    assert delays == [0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1, 0.1, 0.1]


def test_delays_belong_to_the_item(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """What one item waited does not make another, or the next, wait longer."""
    path = tracked(tmp_path, tracker, """\
    class Note(Get):
        DEFAULT_RETRY_DELAY = 0.02
        RETRY_DELAY_INCREMENT = 0.03
        def send_request(self, item):
            item['first'] = item.get('first', self.retry_delay)
            item['last'] = self.retry_delay
            Get.send_request(self, item)
    pipeline = Pipeline(Note(URL, downloader))
    """)
    tracker.queue("request", *[NOTHING] * 3, *[item_answer("x")] * 3)
    played = play(path, items=3)
    assert [round(seen.item["first"], 3) for seen in played.items] == [0.02] * 3
    assert [round(seen.item["last"], 3) for seen in played.items] == [0.11, 0.02, 0.02]


def test_retry_delay_is_readable_and_settable(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Files set task.retry_delay at module level, and in hooks for the item at hand."""
    tracker.queue("request", NOTHING, item_answer("x"))
    path = write_pipeline(tmp_path, f"""\
        get = GetItemFromTracker({tracker.url!r}, downloader)
        assert get.retry_delay == 60
        get.retry_delay = 0.05
        assert get.retry_delay == 0.05
        done = SendDoneToTracker({tracker.url!r}, {{}})
        class Hurry(SendDoneToTracker):
            def handle_response(self, item, response):
                item['before'] = self.retry_delay
                self.retry_delay = 0.05
                SendDoneToTracker.handle_response(self, item, response)
                item['after'] = self.retry_delay
                self.reset_retry_delay()
                item['reset'] = self.retry_delay
                self.retry_delay = 0.05
                self.increment_retry_delay(max_delay=0.06)
                item['bounded'] = self.retry_delay
        pipeline = Pipeline(get, Hurry({tracker.url!r}, {{}}))
        """)
    tracker.queue("done", Answer(500), OK)
    item = play(path).only.item
    assert item["before"] == 0.06
    assert item["reset"] == 60 and item["bounded"] == 0.06


def test_tracker_request_hooks(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """data, send_request, handle_response, process_body, schedule_retry can be overridden."""
    tracker.always("custom", json_answer({"n": 1}))
    path = tracked(tmp_path, tracker, """\
    class Custom(TrackerRequest):
        DEFAULT_RETRY_DELAY = 0.02
        def __init__(self, url):
            TrackerRequest.__init__(self, 'Custom', url, 'custom')
        def data(self, item):
            item['calls'] = item.get('calls', []) + ['data']
            return {'downloader': realize(downloader, item), 'n': [1, None, 'x'], 'v': ItemValue('k')}
        def send_request(self, item):
            item['calls'] = item.get('calls', []) + ['send']
            return super(Custom, self).send_request(item)
        def handle_response(self, item, response):
            item['calls'] += ['response %d' % response.code]
            assert json.loads(response.body.decode('utf-8')) == {'n': 1}
            return super(Custom, self).handle_response(item, response)
        def process_body(self, body, item):
            item['calls'] += ['body ' + type(body).__name__]
            if item['calls'].count('send') < 2:
                return self.schedule_retry(item, 'A message of the project.')
            self.complete_item(item)
    pipeline = Pipeline(SetItemKey('k', 'value'), Custom(URL))
    """)
    seen = play(path).only
    one = ["send", "data", "response 200", "body str"]
    assert seen.item["calls"] == one * 2
    assert "A message of the project." in seen.log
    assert waits(seen)[0].reason == "A message of the project."
    assert tracker.requests("custom")[0].json == {
        "downloader": "tester", "n": [1, None, "x"], "v": "value"}


def test_an_item_with_work_is_not_canceled(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Only an item that waits and may be cancelled ends at a stop; `done` is tried on."""
    tracker.queue("done", Answer(500), Answer(500))
    path = tracked(tmp_path, tracker, "    pipeline = Pipeline(Done(URL, {'a': 1}))\n")

    async def script(played: Played) -> None:
        await played.until(lambda: waits(played.items[0]) if played.items else None)
        played.runner.stop_gracefully()

    assert play(path, script, items=None).outcomes[0] == "completed"
    assert len(tracker.requests("done")) == 3


def test_may_be_canceled_of_own_requests(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """TrackerRequest(may_be_canceled=True) makes a waiting item one that a stop ends."""
    tracker.always("thing", NOTHING)
    path = tracked(tmp_path, tracker, """\
    class Thing(TrackerRequest):
        def process_body(self, body, item):
            self.complete_item(item)
    pipeline = Pipeline(Thing('Thing', URL, 'thing', may_be_canceled=True))
    """)

    async def script(played: Played) -> None:
        await played.until(lambda: played.items and played.items[0].item.waiting)
        played.runner.stop_gracefully()

    assert play(path, script).outcomes == ["canceled"]


def test_keys_of_the_answer_are_copied(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Every key of the answer is copied, with its type, save ours, which are dropped."""
    tracker.queue("request", item_answer(
        "site:1", cookies={"a": [1, None]}, flag=True, n=1.5, data_dir="/etc", item_dir="/etc",
        stats={"x": 1}, tries=99, **{"ExternalProcess.running": True, "ExternalProcess.x": 1}))
    seen = play(tracked(tmp_path, tracker, "    pipeline = Pipeline(Get(URL, downloader))\n")).only
    item = seen.item
    assert seen.outcome == "completed"
    assert (item["cookies"], item["flag"], item["n"]) == ({"a": [1, None]}, True, 1.5)
    assert item["data_dir"] == str(tmp_path / "data" / item.item_id)
    for key in ("item_dir", "stats", "tries", "ExternalProcess.running", "ExternalProcess.x"):
        assert key not in item
        assert any(key in line for line in seen.log.splitlines()), key
    assert "data_dir" in seen.log


@pytest.mark.parametrize(("answer", "names", "queues"), [
    (item_answer("one"), ["one"], None),
    (item_answer("a", "b", "c"), ["a", "b", "c"], None),
    (item_answer("a", "b", items=["a", "b"], queues=["q1", "q2"]), ["a", "b"], ["q1", "q2"]),
    (item_answer("https://example.org/?a=b c", "\u4f60/../x", "new\nline"),
     ["https://example.org/?a=b c", "\u4f60/../x", "new\nline"], None),
])
def test_items_and_queues(tmp_path: Path, tracker: ScriptedTracker, answer: Answer,
                          names: list[str], queues: list[str] | None) -> None:
    """item_name, items and queues hold what was accepted; without lists names are split at NUL."""
    tracker.queue("request", answer)
    path = tracked(tmp_path, tracker, """\
    class Split(SimpleTask):
        def process(self, item):
            item['split'] = item['item_name'].split('\\0')
    pipeline = Pipeline(Get(URL + '/multi=3/', downloader), Split('Split'))
    """)
    item = play(path).only.item
    assert item["item_name"] == "\0".join(names)
    assert item["split"] == names == item["items"]
    assert item["queues"] == queues


@pytest.mark.parametrize("answer", [{}, {"item_name": None}, {"item_name": ""}, {"other": 1}])
def test_no_item_name_means_wait(tmp_path: Path, tracker: ScriptedTracker, answer: Any) -> None:
    """An answer without an item_name: wait, and ask again."""
    tracker.queue("request", json_answer(answer), item_answer("x"))
    seen = play(tracked(tmp_path, tracker, "    pipeline = Pipeline(Get(URL, downloader))\n")).only
    assert seen.item["item_name"] == "x"
    assert len(waits(seen)) == 1


FILTER = """\
    offered = []
    def item_filter(items):
        offered.append(items)
        assert threading.current_thread() is not threading.main_thread()
        return [%s for entry in items]
    pipeline = Pipeline(Get(URL + '/multi=9/', downloader, 'v1', item_filter=item_filter))
    pipeline.offered = offered
    """


def test_item_filter(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """The filter gets names and queues; the refused go back at the URL without /multi=N."""
    tracker.queue("request", item_answer("a:1", "b:2", "a:3", items=["a:1", "b:2", "a:3"],
                                         queues=["q1", "q2", "q3"], extra=1))
    path = tracked(tmp_path, tracker, FILTER % "entry['item'].startswith('a')")
    played = play(path)
    item = played.only.item
    assert played.loaded.pipeline.offered == [[  # type: ignore[attr-defined]
        {"item": "a:1", "queue": "q1"}, {"item": "b:2", "queue": "q2"},
        {"item": "a:3", "queue": "q3"}]]
    assert (item["item_name"], item["items"], item["queues"], item["extra"]) == (
        "a:1\0a:3", ["a:1", "a:3"], ["q1", "q3"], 1)
    (release,) = tracker.requests("release")
    assert release.path == "/project/release"
    assert release.json == {"downloader": "tester", "version": "v1", "items": ["b:2"]}


def test_item_filter_without_queues(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Without `items`/`queues` in the answer the names are split and the queues are None."""
    tracker.queue("request", item_answer("a", "b"))
    played = play(tracked(tmp_path, tracker, FILTER % "1"))
    assert played.loaded.pipeline.offered == [[  # type: ignore[attr-defined]
        {"item": "a", "queue": None}, {"item": "b", "queue": None}]]
    assert played.only.item["queues"] is None
    assert tracker.requests("release") == []


def test_item_filter_refuses_all(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """If all are refused they are given back, and others are asked for."""
    tracker.queue("request", item_answer("b:1", "b:2"), item_answer("a:1"))
    seen = play(tracked(tmp_path, tracker, FILTER % "entry['item'][0] == 'a'")).only
    assert seen.item["item_name"] == "a:1"
    assert [r.json["items"] for r in tracker.requests("release")] == [["b:1", "b:2"]]
    assert [r.command for r in tracker.requests()] == ["request", "release", "request"]


@pytest.mark.parametrize(("source", "text"), [
    ("raise ValueError('no opinion')", "ValueError: no opinion"),
    ("return [True]", "item_filter returned invalid data: [True]. Wanted is a list of 2 truth values"),
    ("return [True] * 3", "item_filter returned invalid data: [True, True, True]. Wanted is"),
    ("return None", "item_filter returned invalid data: None. Wanted is"),
    ("return True", "item_filter returned invalid data: True. Wanted is a list of 2 truth values, one for each name."),
    ("return 'x' * 1000", "item_filter returned invalid data: '" + "x" * 198 + "…. Wanted is"),
    ("items.clear(); return []", "item_filter returned invalid data: []. Wanted is a list of 2 "),
    ("return type('Odd', (), {'__repr__': lambda self: 1 / 0})()",
     "item_filter returned invalid data: an object of class Odd whose repr raises ZeroDivisionError"),
])
def test_item_filter_that_misbehaves(tmp_path: Path, tracker: ScriptedTracker, source: str,
                                     text: str) -> None:
    """The item fails after everything was released."""
    tracker.queue("request", item_answer("a", "b"))
    path = tracked(tmp_path, tracker, f"""\
    def item_filter(items):
        {source}
    pipeline = Pipeline(Get(URL + '/multi=2/', downloader, item_filter=item_filter))
    """)
    seen = play(path).only
    assert seen.outcome == "failed"
    assert text in seen.log
    (release,) = tracker.requests("release")
    assert release.json == {"downloader": "tester", "items": ["a", "b"]}


@pytest.mark.parametrize("items", [
    [], ["b", "a"], ["a", "b"], ["a"], ["x"], [None], ["a", "a", "b"], [{"item": "a"}]])
def test_release_takes_any_list(tmp_path: Path, tracker: ScriptedTracker,
                                items: list[object]) -> None:
    """200 with a list `items` confirms the release, whatever is in it; also beside other keys."""
    tracker.queue("release", json_answer({"items": items, "more": 1}))
    path = tracked(tmp_path, tracker, """\
    pipeline = Pipeline(ReleaseItemsToTracker(URL, downloader, 'v2', ['a', 'b']))
    """)
    assert play(path).outcomes == ["completed"]
    assert len(tracker.requests("release")) == 1


@pytest.mark.parametrize("wrong", [
    json_answer({}), json_answer({"items": None}), json_answer({"items": "a"}),
    json_answer({"items": {"a": 1}}), json_answer([]), json_answer(["a", "b"]), Answer(200, b"OK"),
    Answer(404), Answer(500), Answer(200, b"null"), json_answer({"items": []}, status=500)])
def test_release_needs_a_list(tmp_path: Path, tracker: ScriptedTracker, wrong: Answer) -> None:
    """Anything but 200 and a JSON object with a list `items` is tried again."""
    tracker.queue("release", wrong)
    path = tracked(tmp_path, tracker, """\
    class Release(ReleaseItemsToTracker):
        DEFAULT_RETRY_DELAY = 0.05
    pipeline = Pipeline(Release(URL + '/multi=20/', downloader, 'v2', ['a', 'b']))
    """)
    assert play(path).outcomes == ["completed"]
    requests = tracker.requests("release")
    assert len(requests) == 2
    assert requests[1].path == "/project/release"
    assert requests[1].json == {"downloader": "tester", "version": "v2", "items": ["a", "b"]}


def test_prepare_stats(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """stats: defaults, item, bytes of each group, id; all realized; sent by done."""
    path = tracked(tmp_path, tracker, """\
    class Files(SimpleTask):
        def process(self, item):
            for name, size in (('a.warc.gz', 1000), ('b.warc.gz', 23), ('c.txt', 0)):
                with open('%(data_dir)s/' % item + name, 'wb') as f:
                    f.write(b'x' * size)
    def stats_id_function(item):
        return {'pipeline_hash': 'abc', 'python_version': sys.version, 'name': item['item_name']}
    pipeline = Pipeline(
        SetItemKey('item_name', 'site:1'), Files('Files'),
        PrepareStatsForTracker(
            defaults={'downloader': downloader, 'version': 'v1', 'n': ItemInterpolation('%(item_name)s!')},
            file_groups={
                'data': [ItemInterpolation('%(data_dir)s/a.warc.gz'),
                         ItemInterpolation('%(data_dir)s/b.warc.gz')],
                'none': [], 'text': [ItemInterpolation('%(data_dir)s/c.txt')]},
            id_function=stats_id_function),
        Done(URL, ItemValue('stats')))
    """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    stats = tracker.requests("done")[0].json
    assert stats == seen.item["stats"]
    assert stats.pop("id")["name"] == "site:1"
    assert stats == {"downloader": "tester", "version": "v1", "n": "site:1!", "item": "site:1",
                     "bytes": {"data": 1023, "none": 0, "text": 0}}


def test_prepare_stats_with_realizing_groups(tmp_path: Path) -> None:
    """A group may be anything realizable to a list; a multi-item's name stays whole."""
    path = write_pipeline(tmp_path, """\
        class Group(object):
            def realize(self, item):
                return ['pipeline.py']
        pipeline = Pipeline(SetItemKey('item_name', 'a\\0b'),
                            PrepareStatsForTracker(file_groups={'data': Group()}))
        """)
    item = play(path).only.item
    assert item["stats"]["item"] == "a\0b"
    assert item["stats"]["bytes"] == {"data": path.stat().st_size}


def test_prepare_stats_of_a_missing_file(tmp_path: Path) -> None:
    """A file that is not there fails the item, naming it."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(SetItemKey('item_name', 'a'), PrepareStatsForTracker(
            file_groups={'data': [ItemInterpolation('%(data_dir)s/gone.warc.gz')]}))
        """)
    seen = play(path).only
    assert seen.outcome == "failed" and "gone.warc.gz" in seen.log


def test_prepare_stats_twice_is_separate(tmp_path: Path) -> None:
    """Items do not share the defaults: what one adds is not in the next one's stats."""
    path = write_pipeline(tmp_path, """\
        class Add(SimpleTask):
            def process(self, item):
                item['seen'] = dict(item['stats'])
                item['stats']['extra'] = item.item_number
        pipeline = Pipeline(SetItemKey('item_name', 'a'),
                            PrepareStatsForTracker(defaults={'downloader': 'x'}), Add('Add'))
        """)
    for seen in play(path, items=2).items:
        assert "extra" not in seen.item["seen"]


@pytest.mark.parametrize("body", [b"OK", b"OK\n", b"  OK \r\n"])
def test_done_ok(tmp_path: Path, tracker: ScriptedTracker, body: bytes) -> None:
    """A body of OK, surrounding space aside, completes the item."""
    tracker.queue("done", Answer(200, body))
    path = tracked(tmp_path, tracker, "    pipeline = Pipeline(Done(URL, {'n': 1}))\n")
    assert play(path).outcomes == ["completed"]
    assert tracker.requests("done")[0].json == {"n": 1}


@pytest.mark.parametrize("answer", [
    Answer(200, b"ok"), Answer(200, b"OKAY"), Answer(200, b""), Answer(200, b"<html>OK</html>"),
    Answer(200, b'"OK"'), Answer(404), Answer(420), Answer(500), Answer(201, b"OK")])
def test_done_not_ok_is_tried_again(tmp_path: Path, tracker: ScriptedTracker,
                                    answer: Answer) -> None:
    """Anything else: the same stats are sent again until OK."""
    tracker.queue("done", answer, answer)
    path = tracked(tmp_path, tracker, "    pipeline = Pipeline(Done(URL, {'n': 1}))\n")
    seen = play(path).only
    assert seen.outcome == "completed"
    assert [r.json for r in tracker.requests("done")] == [{"n": 1}] * 3
    assert len(waits(seen)) == 2


def test_maybe_send_done(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """An override of enqueue may leave the report out for an empty item."""
    path = tracked(tmp_path, tracker, """\
    class MaybeSendDoneToTracker(SendDoneToTracker):
        def enqueue(self, item):
            if len(item['item_name']) == 0:
                item.log_output('Skipping SendDoneToTracker.')
                return self.complete_item(item)
            return super(MaybeSendDoneToTracker, self).enqueue(item)
    class Name(SimpleTask):
        def process(self, item):
            item['item_name'] = 'x' * (item.item_number - 1)
    pipeline = Pipeline(Name('Name'), MaybeSendDoneToTracker(tracker_url=URL, stats={'a': ItemValue('item_name')}),
                        PrintItem())
    """)
    played = play(path, items=2)
    assert played.outcomes == ["completed"] * 2
    assert [r.json for r in tracker.requests("done")] == [{"a": "x"}]
    assert all(seen.log.count("Starting PrintItem") == 1 for seen in played.items)


def test_names_in_stats_are_sent_verbatim(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """NULs, newlines and any Unicode go to the tracker as they came."""
    name = "a\0https://example.org/\u4f60?x=\U0001f600&y\n\0../../etc"
    tracker.queue("request", item_answer(name))
    path = tracked(tmp_path, tracker, """\
    pipeline = Pipeline(Get(URL, downloader), PrepareStatsForTracker(), Done(URL, ItemValue('stats')))
    """)
    assert play(path).outcomes == ["completed"]
    assert tracker.requests("done")[0].json["item"] == name
    assert json.loads(tracker.requests("done")[0].body)["bytes"] == {}


def test_many_items_at_once(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Six at once over one task object: each gets an item of its own and reports it once."""
    tracker.queue("request", *[item_answer(f"n:{i}") for i in range(30)])
    path = tracked(tmp_path, tracker, """\
    pipeline = Pipeline(Get(URL, downloader), ExternalProcess('True', ['true']),
                        PrepareStatsForTracker(defaults={'downloader': downloader}),
                        Done(URL, ItemValue('stats')))
    """)
    assert play(path, items=30, concurrent=6).outcomes == ["completed"] * 30
    assert sorted(r.json["item"] for r in tracker.requests("done")) == sorted(
        f"n:{i}" for i in range(30))


HARSH = [
    "raise ValueError(response.code)",
    "self.fail_item(item)",
    "self.send_request(item)",
]


@pytest.mark.parametrize("reaction", HARSH)
def test_a_failure_counts_whatever_a_hook_makes_of_it(
    tmp_path: Path, tracker: ScriptedTracker, reaction: str
) -> None:
    """handle_response of a project raises, fails the item, or asks again at once: the next request
    waits for the delay all the same, whichever item makes it."""
    tracker.always("request", Answer(500))
    path = tracked(tmp_path, tracker, f"""\
    class Own(GetItemFromTracker):
        def handle_response(self, item, response):
            {reaction}
    pipeline = Pipeline(Own(URL, downloader))
    """)

    async def script(played: Played) -> None:
        played.runner.FAILED_ITEM_DELAY = 0.0
        await played.until(lambda: sum(
            bool(seen.item.waiting and seen.item.waiting.next_try) for seen in played.items) >= 3)
        assert len(tracker.requests("request")) == 1
        played.runner.stop_now(1.0)

    play(path, script, items=None, concurrent=4)
    assert len(tracker.requests("request")) == 1


def test_one_that_is_not_accepted_keeps_only_itself_waiting(
    tmp_path: Path, tracker: ScriptedTracker
) -> None:
    """The tracker never takes one item's report: the others' go on at once."""
    def answer(request: Request) -> Answer:
        return Answer(200, b"no") if request.json["item"] == "bad" else OK

    tracker.queue("request", *[item_answer(name) for name in ("bad", "b", "c", "d", "e")])
    tracker.always("done", answer)
    path = tracked(tmp_path, tracker, """\
    pipeline = Pipeline(Get(URL, downloader), PrepareStatsForTracker(),
                        SendDoneToTracker(URL, ItemValue('stats')))
    """)

    async def script(played: Played) -> None:
        await played.until(lambda: played.runner.counts["completed"] == 4)
        bad = next(seen.item for seen in played.items if seen.item.get("item_name") == "bad")
        assert bad.waiting.next_try - time.monotonic() > 40
        played.runner.stop_now(1.0)

    play(path, script, items=5, concurrent=5)
