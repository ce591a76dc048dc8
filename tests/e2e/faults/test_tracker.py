"""Faults of the tracker: the item waits and tries again; it never fails, nothing is hammered.

Covered: HTML, null, lists, wrong types, bodies over 1 MiB, not UTF-8, not JSON; resets, no
answer, a byte a second, redirect loops, redirects to file: and elsewhere; statuses; half
answers; garbage upload targets (rsync://-e..., ftp://, missing, file:, with spaces);
done answered with not-OK; lone surrogates; a stop while an answer is on its way.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.kit import Played, Seen, play, start_pipeline, write_pipeline
from tests.support.scripted_tracker import (
    HANG,
    RESET,
    Answer,
    ScriptedTracker,
    item_answer,
    json_answer,
    redirect,
)

TASKS = """\
    URL = %r
    class Quick(object):
        DEFAULT_RETRY_DELAY = 0.05
        RETRY_DELAY_INCREMENT = 0.02
    class Get(Quick, GetItemFromTracker): pass
    class Upload(Quick, UploadWithTracker): pass
    class Done(Quick, SendDoneToTracker): pass
    class File(SimpleTask):
        def process(self, item):
            item['item_name'] = item.get('item_name', 'x')
            item['file'] = item['data_dir'] + '/a.warc.gz'
            with open(item['file'], 'w') as f:
                f.write('warc')
    class Check(SimpleTask):
        def process(self, item):
            with open(item['file']) as f:
                item['kept'] = f.read()
    """


def tracked(folder: Path, tracker: ScriptedTracker, pipeline: str) -> Path:
    """A pipeline file of these tasks, with quick delays."""
    return write_pipeline(folder, (TASKS % tracker.url).rstrip() + f"\n    pipeline = {pipeline}\n")


def waits(seen: Seen) -> list[Any]:
    """The reasons for which the item waited."""
    return [w for w in seen.waits if w is not None]


BIG = Answer(200, b'{"item_name": "big", "pad": "' + b"x" * (1 << 20) + b'"}')
GARBAGE: dict[str, Answer] = {
    "html": Answer(200, b"<html><body>502 Bad Gateway</body></html>"),
    "null": Answer(200, b"null"),
    "list": Answer(200, b'["a", "b"]'),
    "string": Answer(200, b'"item"'),
    "number": Answer(200, b"42"),
    "true": Answer(200, b"true"),
    "empty": Answer(200, b""),
    "not UTF-8": Answer(200, b'{"item_name": "\xff\xfe"}'),
    "half": Answer(200, b'{"item_name": "a'),
    "two values": Answer(200, b'{"item_name": "a"} {"item_name": "b"}'),
    "name is a number": json_answer({"item_name": 5}),
    "name is a list": json_answer({"item_name": ["a", "b"]}),
    "name is an object": json_answer({"item_name": {"a": 1}}),
    "name is true": json_answer({"item_name": True}),
    "items is a string": json_answer({"item_name": "a", "items": "a"}),
    "items holds numbers": json_answer({"item_name": "a", "items": [1]}),
    "queues too short": json_answer({"item_name": "a\0b", "items": ["a", "b"], "queues": ["q"]}),
    "lone surrogate": Answer(200, b'{"item_name": "\\ud800"}'),
    "over 1 MiB": BIG,
    "reset": RESET,
    "not HTTP": Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
    "half an answer": Answer(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"item_'),
    "bad length": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"),
    "huge header": Answer(raw=b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n{}"),
    "bad gzip": Answer(200, b"not gzip", (("Content-Encoding", "gzip"),)),
    "redirect to file": redirect("file:///etc/passwd"),
    "redirect to nowhere": redirect("http://[bad"),
    "redirect without": Answer(302),
    "deep": Answer(200, b"[" * 100000 + b"]" * 100000),
    "NaN": Answer(200, b'{"item_name": NaN}'),
    "500": Answer(500), "502": Answer(502), "503": Answer(503), "400": Answer(400),
    "401": Answer(401), "405": Answer(405), "413": Answer(413),
}


@pytest.mark.parametrize("name", sorted(GARBAGE))
def test_garbage_for_an_item(tmp_path: Path, tracker: ScriptedTracker, name: str) -> None:
    """The answer is called unexpected, or trouble; the tracker is asked again; nobody fails."""
    tracker.queue("request", GARBAGE[name], item_answer("good:1"))
    seen = play(tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader))")).only
    assert seen.outcome == "completed"
    assert seen.item["item_name"] == "good:1"
    (wait,) = waits(seen)
    assert wait.code == "tracker-trouble" and wait.fault.name == "TRACKER"
    if name in ("html", "null", "list", "name is a number", "over 1 MiB"):
        assert "unexpected answer" in wait.reason.lower()
    assert "Traceback" not in seen.log
    assert len(seen.log) < 20000


DONE_GARBAGE = ["html", "null", "list", "empty", "reset", "over 1 MiB", "redirect to file",
                "half an answer", "500", "not UTF-8"]


@pytest.mark.parametrize("name", DONE_GARBAGE)
def test_garbage_for_done(tmp_path: Path, tracker: ScriptedTracker, name: str) -> None:
    """`done` is tried on with the same stats, and the item's files are untouched meanwhile."""
    tracker.queue("done", GARBAGE[name])
    path = tracked(tmp_path, tracker,
                   "Pipeline(File('File'), Done(URL, {'item': ItemValue('item_name')}),"
                   " Check('Check'))")
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["kept"] == "warc"
    assert [r.json for r in tracker.requests("done")] == [{"item": "x"}] * 2
    assert waits(seen)[0].code == "tracker-trouble"


def test_done_never_ok_is_tried_on(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """A tracker that does not say OK: asked again with growing delays, until it does."""
    tracker.always("done", Answer(200, b"NOT OK"))
    path = tracked(tmp_path, tracker, "Pipeline(File('File'), Done(URL, {'a': 1}))")

    async def script(played: Played) -> None:
        await played.until(lambda: len(tracker.requests("done")) >= 4)
        assert not played.items[0].item.finished
        assert Path(played.items[0].item["file"]).exists()
        tracker.always("done", Answer(200, b"OK"))

    seen = play(path, script).only
    assert seen.outcome == "completed"
    assert "NOT OK" in seen.log


TARGETS: dict[str, Any] = {
    "missing": {}, "null": {"upload_target": None}, "number": {"upload_target": 5},
    "list": {"upload_target": ["rsync://h/m/"]}, "empty": {"upload_target": ""},
    "ftp": {"upload_target": "ftp://host/dir/"}, "file": {"upload_target": "file:///tmp/"},
    "path": {"upload_target": "/tmp/"}, "option": {"upload_target": "-e sh -c id"},
    "rsync option": {"upload_target": "rsync://-e touch pwned/x/"},
    "rsync option 2": {"upload_target": "rsync://-oProxyCommand=touch/x/"},
    "rsync without host": {"upload_target": "rsync:///x/"},
    "shell": {"upload_target": "http://$(touch pwned)/"},
    "new line": {"upload_target": "http://host/\n--upload-file /etc/passwd"},
    "ssh": {"upload_target": "user@host:/dir/"}, "double colon": {"upload_target": "host::mod/"},
    "javascript": {"upload_target": "javascript:alert(1)"},
    "nul": {"upload_target": "http://host/\0"},
    "curl range": {"upload_target": "http://host{a,b}/[1-100]/"},
}


@pytest.mark.parametrize("target", ["{}/put", "{}/put/file", "{}/put/?key=word", "{}/put/?to=/"])
def test_a_target_to_which_curl_adds_no_name(
    tmp_path: Path, tracker: ScriptedTracker, target: str
) -> None:
    """An HTTP target without a slash at its end, or with a query, would hold one file only: it is
    refused with a sentence, nothing is sent there, and another is asked for."""
    wrong = target.format(tracker.url)
    tracker.queue("upload", json_answer({"upload_target": wrong}))
    path = tracked(tmp_path, tracker,
                   "Pipeline(File('File'), Upload(URL, downloader, [ItemValue('file')]),"
                   " Check('Check'))")
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert list(tracker.uploads) == ["/project/put/a.warc.gz"]
    assert f"Unexpected answer from the tracker: the upload target {wrong!r} " in seen.log
    assert "so curl adds no file name to it" in seen.log


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_garbage_for_a_target(tmp_path: Path, tracker: ScriptedTracker, name: str) -> None:
    """A target that is none of ours to use is not used: another is asked for."""
    tracker.queue("upload", json_answer(TARGETS[name]))
    path = tracked(tmp_path, tracker,
                   "Pipeline(File('File'), Upload(URL, downloader, [ItemValue('file')]),"
                   " Check('Check'))")
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert len(tracker.requests("upload")) == 2
    assert list(tracker.uploads) == ["/project/put/a.warc.gz"]
    assert not list(tmp_path.rglob("pwned*"))
    assert seen.item["kept"] == "warc"
    assert len(waits(seen)) == 1


@pytest.mark.parametrize("name", ["html", "null", "reset", "500", "redirect to file"])
def test_garbage_for_upload(tmp_path: Path, tracker: ScriptedTracker, name: str) -> None:
    """Garbage in place of a target: tried again, files untouched."""
    tracker.queue("upload", GARBAGE[name])
    path = tracked(tmp_path, tracker,
                   "Pipeline(File('File'), Upload(URL, downloader, [ItemValue('file')]))")
    assert play(path).only.outcome == "completed"
    assert len(tracker.uploads) == 1


@pytest.mark.parametrize("answer", [
    HANG, Answer(200, b'{"item_name": "' + b"a" * 5000, byte_delay=1.0)],
    ids=["no answer", "a byte a second"])
def test_a_stop_need_not_wait_for_a_slow_answer(tmp_path: Path, tracker: ScriptedTracker,
                                                answer: Answer) -> None:
    """While the tracker does not answer, the loop goes on, and two interrupts end at once."""
    tracker.always("request", answer)
    path = tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader))")
    with start_pipeline(path) as command:
        tracker.wait_requests("request", 1)
        command.interrupt()
        command.wait_output("(?i)stop|interrupt")
        command.interrupt()
        assert command.wait(30) == 0  # the answer has a minute


@pytest.mark.long
@pytest.mark.parametrize("answer", [
    HANG, Answer(200, b'{"item_name": "' + b"a" * 5000, byte_delay=1.0)],
    ids=["no answer", "a byte a second"])
def test_deadline_of_sixty_seconds(tmp_path: Path, tracker: ScriptedTracker,
                                   answer: Answer) -> None:
    """An answer that is not complete after 60 s is given up, and the tracker asked again."""
    tracker.queue("request", answer, item_answer("x"))
    path = tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader))")
    seen = play(path, timeout=200).only
    assert seen.outcome == "completed"
    first, second = tracker.requests("request")
    assert second.time - first.time > 59
    assert waits(seen)[0].code == "tracker-trouble"


@pytest.mark.long
def test_a_gigabyte_is_not_read(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """An answer of a gigabyte is given up after a megabyte or so."""
    tracker.queue("request", Answer(200, b"x" * (1 << 20), repeat=1024), item_answer("x"))
    path = tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader))")
    assert play(path, timeout=60).only.outcome == "completed"
    assert 1 << 20 <= tracker.sent < 64 << 20  # buffers of the system included


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_loop(tmp_path: Path, tracker: ScriptedTracker, status: int) -> None:
    """A loop of redirects is left after three, and is trouble at the tracker."""
    tracker.always("request", redirect(f"{tracker.url}/request", status))
    path = tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader))")

    async def script(played: Played) -> None:
        waiting = await played.until(lambda: played.items and waits(played.items[0]))
        assert waiting[0].code == "tracker-trouble"
        assert len(tracker.requests()) <= 5
        played.runner.stop_gracefully()

    play(path, script)


def test_redirects_keep_the_method(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """307 and 308 to http are followed with the same POST and body."""
    tracker.queue("request", redirect(f"{tracker.url}/moved/request", 307), item_answer("x"))
    seen = play(tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader))")).only
    first, second = tracker.requests("request")
    if second.path == "/project/moved/request":
        assert (second.method, second.body) == ("POST", first.body)
        assert waits(seen) == []
    else:
        assert len(waits(seen)) == 1
    assert seen.item["item_name"] == "x"


@pytest.mark.parametrize("status", [404, 420, 429, 455, 403, 500])
def test_nobody_is_hammered(tmp_path: Path, tracker: ScriptedTracker, status: int) -> None:
    """Six items that wait with the standard delays send one request in all, for now."""
    tracker.always("request", Answer(status))
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(GetItemFromTracker({tracker.url!r}, downloader))
        """)

    async def script(played: Played) -> None:
        await played.until(lambda: len(played.items) == 6 and all(
            seen.item.waiting for seen in played.items))
        assert len(tracker.requests()) == 1
        assert len({seen.item.waiting.next_try for seen in played.items}) == 1  # one schedule
        played.runner.stop_gracefully()

    played = play(path, script, items=None, concurrent=6)
    assert played.outcomes == ["canceled"] * 6
    assert len(tracker.requests()) == 1


def test_455_by_the_command_says_what_to_do(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """The command's output says that the project's code is too old; an interrupt ends it."""
    tracker.always("request", Answer(455))
    path = write_pipeline(tmp_path, f"pipeline = Pipeline(GetItemFromTracker({tracker.url!r}, 'x'))\n")
    with start_pipeline(path) as command:
        command.wait_output("(?i)(out of date|too old|update)")
        command.interrupt()
        assert command.wait(10) == 0


def test_403_says_who_is_blocked(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """403: says that this address or name is blocked; asks again after an hour."""
    tracker.always("request", Answer(403))
    path = write_pipeline(tmp_path, f"pipeline = Pipeline(GetItemFromTracker({tracker.url!r}, 'x'))\n")
    with start_pipeline(path) as command:
        command.wait_output("(?i)blocked")
        command.interrupt()
        assert command.wait(10) == 0
    assert len(tracker.requests()) == 1


def test_items_claimed_while_stopping_are_not_lost(tmp_path: Path,
                                                   tracker: ScriptedTracker) -> None:
    """An item whose answer arrives after the stop was asked for is worked on, or given back;
    what the tracker counts as claimed is not silently dropped."""
    gate = threading.Event()

    def late(request: Any) -> Answer:
        gate.wait(10)
        return item_answer("late:1")

    tracker.queue("request", late)
    path = tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader), Done(URL, {'a': 1}))")

    async def script(played: Played) -> None:
        await played.until(lambda: tracker.requests("request"))
        played.runner.stop_gracefully()
        gate.set()

    seen = play(path, script, items=None).only
    done = [r.json for r in tracker.requests("done")]
    released = [r.json["items"] for r in tracker.requests("release")]
    assert (seen.outcome == "completed" and done == [{"a": 1}]) or released == [["late:1"]]


def test_values_that_json_cannot_hold(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Stats that are no JSON fail that item with a traceback; nothing is sent."""
    path = tracked(tmp_path, tracker, "Pipeline(Done(URL, {'a': object()}))")
    seen = play(path).only
    assert seen.outcome == "failed" and "TypeError" in seen.log
    assert tracker.requests() == []


@pytest.mark.parametrize("url", ["", "not a url", "ftp://127.0.0.1/x", "file:///etc/passwd",
                                 "http://", "http://127.0.0.1:99999/", "http://no.invalid/"])
def test_bad_tracker_urls(tmp_path: Path, url: str) -> None:
    """A URL that cannot be used: the item waits or fails with a sentence; it never hangs mute."""
    path = write_pipeline(tmp_path, f"pipeline = Pipeline(GetItemFromTracker({url!r}, 'x'))\n")

    async def script(played: Played) -> None:
        await played.until(lambda: played.items and (
            played.items[0].item.waiting or played.items[0].item.finished))
        played.runner.stop_gracefully()

    seen = play(path, script).only
    assert seen.outcome in ("failed", "canceled")
    assert len(seen.log.splitlines()) >= 2


def test_hook_of_the_project_that_chokes_on_garbage(tmp_path: Path,
                                                    tracker: ScriptedTracker) -> None:
    """A project's own process_body that raises on garbage fails that item with its traceback."""
    tracker.queue("upload", Answer(200, b"<html>"))
    path = write_pipeline(tmp_path, f"""\
        class Own(UploadWithTracker):
            def process_body(self, body, item):
                json.loads(body)
        pipeline = Pipeline(SetItemKey('item_name', 'x'), Own({tracker.url!r}, 'x', []))
        """)
    seen = play(path).only
    assert seen.outcome == "failed" and "JSONDecodeError" in seen.log


def test_secret_of_the_answer_is_not_echoed_whole(tmp_path: Path,
                                                  tracker: ScriptedTracker) -> None:
    """An unexpected answer is shown in an excerpt, on one line."""
    tracker.queue("request", Answer(200, b"<html>\n<p>line two</p>\n" + b"z" * 50000),
                  item_answer("x"))
    log = play(tracked(tmp_path, tracker, "Pipeline(Get(URL, downloader))")).log
    lines = [line for line in log.splitlines() if "unexpected" in line.lower()]
    assert lines and max(map(len, lines)) < 1000


def test_body_is_json_whatever_the_name(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """Names of any Unicode are sent as valid JSON in UTF-8."""
    path = tracked(tmp_path, tracker,
                   "Pipeline(SetItemKey('item_name', '\\u4f60\\0\\U0001f600\\n\"'),"
                   " Done(URL, {'item': ItemValue('item_name')}))")
    assert play(path).only.outcome == "completed"
    assert json.loads(tracker.requests("done")[0].body.decode("utf-8")) == {
        "item": "\u4f60\0\U0001f600\n\""}
