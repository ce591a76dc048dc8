"""Names that strangers choose, on the terminals of the real commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.kit import ROOT, write_pipeline
from tests.support.scripted_tracker import HANG, ScriptedTracker, item_answer

#: Sets the title, wipes the screen in two ways, turns text around, and tells a tale.
NAME = "\x1b]0;pwned\x07\x1b[2J\x9b2J\x7f\u202e\nDone: 1000 completed"
ALLOWED = "\x1b[31mred\x1b[0m\r50%\r100%"


def run(command: str, *arguments: str, cwd: Path) -> tuple[str, str]:
    """What the command printed on its two outputs."""
    done = subprocess.run(
        [sys.executable, str(ROOT / command), *arguments], cwd=cwd, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=90, check=False, env={**os.environ, "PYTHONUTF8": "1"})
    return done.stdout.decode(), done.stderr.decode()


def commands(text: str) -> set[str]:
    """The characters in it that command a terminal."""
    return {one for one in text if one not in "\n\t" and (
        ord(one) < 32 or 127 <= ord(one) < 160 or one in "\u202a\u202b\u202c\u202d\u202e")}


def test_run_pipeline(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """The names in our own lines only show; programs print as they like; the tracker gets the
    names as it gave them."""
    tracker.queue("request", item_answer(NAME, "second"))
    path = write_pipeline(tmp_path, f"""\
        class Print(SimpleTask):
            def process(self, item):
                item['stats'] = {{'item': item['item_name']}}
                print('by the project: ' + item['item_name'])
        project = Project(title='A \\x1b[2J title')
        pipeline = Pipeline(
            GetItemFromTracker({tracker.url!r} + '/multi=2', downloader), Print('Print'),
            ExternalProcess('Colours', ['printf', '%s', {ALLOWED!r}]),
            SendDoneToTracker({tracker.url!r}, ItemValue('stats')))
        """)
    out, err = run("run-pipeline", "--disable-web-server", "--max-items", "1", str(path), "tester",
                   cwd=tmp_path)
    assert ALLOWED in out, out
    assert not commands(out.replace(ALLOWED, "")) and not commands(err)
    shown = r"\x1b]0;pwned\x07\x1b[2J\x9b2J\x7f\u202e\nDone: 1000 completed, second"
    for line in (f"Received Item {shown} from the tracker", f"Starting Print for Item {shown}",
                 f"by the project: {shown}"):
        assert line in out.splitlines(), out
    assert r"Running A \x1b[2J title as tester" in err
    assert not [line for line in (out + err).splitlines() if line.startswith("Done: 1000")]
    assert tracker.requests("done")[0].json["item"] == f"{NAME}\0second"


def test_items_left_behind(tmp_path: Path, tracker: ScriptedTracker) -> None:
    """They are named at the next start."""
    tracker.queue("request", item_answer(NAME))
    tracker.always("a.warc.gz", HANG)
    path = write_pipeline(tmp_path, f"""\
        class Make(SimpleTask):
            def process(self, item):
                with open(item['data_dir'] + '/a.warc.gz', 'w') as file:
                    file.write('warc')
        pipeline = Pipeline(
            GetItemFromTracker({tracker.url!r}, downloader), Make('Make'),
            CurlUpload({tracker.url!r} + '/put/', ItemInterpolation('%(data_dir)s/a.warc.gz')))
        """)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server", str(path), "tester"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        tracker.wait_requests("a.warc.gz", 1)
    finally:
        process.kill()
        process.wait()
    # One that ends by itself.
    write_pipeline(tmp_path, "pipeline = Pipeline(SetItemKey('a', 1))\n")
    _, err = run("run-pipeline", "--disable-web-server", "--max-items", "1", str(path), "tester",
                 cwd=tmp_path)
    assert r"Earlier runs left finished items that are not reported yet: \x1b]0;pwned\x07" in err, err
    assert not commands(err)


def test_check(tmp_path: Path) -> None:
    """The title, the settings, and what the file prints."""
    path = write_pipeline(tmp_path, """\
        project = Project(title='A \\x1b[2J title')
        print('\\x1b[2Jprinted')
        setting = StringConfigValue(name='s', title='\\x9b2J', default='\\x1b[2J')
        pipeline = Pipeline(SetItemKey('\\x1b[2J', 1))
        """)
    out, err = run("run-pipeline", "--check", str(path), cwd=tmp_path)
    assert r"A \x1b[2J title" in out and r"\x1b[2Jprinted" in out
    assert not commands(out) and not commands(err)


def test_run_tracker(tmp_path: Path) -> None:
    """Tables and sentences; an export is JSON, which has escapes of its own."""
    (tmp_path / "names").write_text("\n".join([NAME.replace("\n", " "), "\x1b[2J\0x"]) + "\n")
    said = [run("run-tracker", "--data-dir", "data", *words, cwd=tmp_path) for words in (
        ("add", "p", "names"), ("projects",), ("claims", "p"), ("blocks", "add", "\x1b[2J"),
        ("export", "p"), ("release", "p", "--item", "\x1b[2J\x7f"), ("status", "\x1b[2J\x7f"))]
    assert "1 new" in said[0][0]
    assert not commands("".join(out + err for out, err in said))


def test_json_stays_what_it_is(tmp_path: Path) -> None:
    """Scripts get the text itself, written as JSON writes it."""
    path = write_pipeline(tmp_path, """\
        project = Project(title='A \\x1b[2J title')
        pipeline = Pipeline(PrintItem())
        """)
    out, _ = run("run-pipeline", "--check", "--json", str(path), cwd=tmp_path)
    assert json.loads(out)["title"] == "A \x1b[2J title"
    assert "\x1b" not in out
