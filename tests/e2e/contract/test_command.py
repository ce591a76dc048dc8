"""The contract's command line of run-pipeline where it opens its page.

Covered: --address, --port, the page's answer, a port that is taken (69), --concurrent and
--max-items by the command, CONCURRENT_ITEMS left as the user set it, the alias.
Options that need no page are in tests/e2e/faults/test_command.py; the page itself is
tested by the tests of the console.
"""

from __future__ import annotations

import re
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.kit import ROOT, Command, run_pipeline, write_pipeline

GATED = """\
    code = 'import os, time\\nprint("RUN" + "NING", flush=True)\\nwhile not os.path.exists("go"): time.sleep(.01)'
    pipeline = Pipeline(ExternalProcess('Gate', [PYTHON, '-c', code]))
    """


@pytest.mark.parametrize(("options", "warned"), [
    ((), False), (("--concurrent", "6"), False), (("--concurrent", "7"), True),
    (("--concurrent", "40"), True)])
def test_many_items_at_once_are_warned_of(
    tmp_path: Path, options: tuple[str, ...], warned: bool
) -> None:
    """--concurrent over 6 works, with a warning that says what may come of it."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem())\n")
    ended = run_pipeline(path, *options)
    assert ended.status == 0 and "1 completed" in ended.output
    assert ("trackers ban clients" in ended.output) is warned
    if warned:
        assert f"--concurrent {options[1]}: with more than 6 items at once" in ended.output


@pytest.mark.parametrize("name", ["run-pipeline", "run-pipeline3"])
def test_page_is_served_where_it_is_said(tmp_path: Path, name: str) -> None:
    """With --address and --port the page answers at the URL that the command prints."""
    path = write_pipeline(tmp_path, GATED)
    argv = [sys.executable, str(ROOT / name), "--address", "127.0.0.1", "--port", "0",
            "--max-items", "1", str(path), "nick"]
    with Command(argv, tmp_path) as command:
        url = command.wait_output(r"http://127\.0\.0\.1:(\d+)/").group()
        command.wait_output("RUNNING")
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
            assert "html" in answer.headers["Content-Type"]
        (tmp_path / "go").write_text("")
        assert command.wait(20) == 0


def test_port_in_use(tmp_path: Path) -> None:
    """A port that is taken: status 69 and a sentence; nothing was started, not even loaded."""
    path = write_pipeline(tmp_path, "print('LOADED')\npipeline = Pipeline(PrintItem())\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        argv = [sys.executable, str(ROOT / "run-pipeline"), "--address", "127.0.0.1",
                "--port", str(port), str(path), "nick"]
        with Command(argv, tmp_path) as command:
            assert command.wait(20) == 69
            assert str(port) in command.output and "LOADED" not in command.output
            assert "Traceback" not in command.output


def test_concurrent_by_the_command(tmp_path: Path) -> None:
    """--concurrent N runs so many at once."""
    path = write_pipeline(tmp_path, """\
        code = (
            'import os, time\\n'
            'open("at-%d" % os.getpid(), "w").close()\\n'
            'end = time.monotonic() + 20\\n'
            'while len([n for n in os.listdir(".") if n.startswith("at-")]) < 3:\\n'
            '    assert time.monotonic() < end\\n'
            '    time.sleep(.01)\\n')
        pipeline = Pipeline(ExternalProcess('Meet', [PYTHON, '-c', code]))
        """)
    ended = run_pipeline(path, "--concurrent", "3", "--max-items", "3")
    assert ended.status == 0
    assert len(re.findall("Finished Meet", ended.output)) == 3
