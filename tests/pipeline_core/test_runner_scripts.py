"""The contract for plain scripts: `start()` and `run()` before the loop runs, and what is printed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.kit import HEAD, run_pipeline, write_pipeline

ROOT = Path(__file__).resolve().parents[2]

#: How a script gets to its loop.
LOOPS = {
    "current": ("from tornado.ioloop import IOLoop", "IOLoop.current().start()",
                "IOLoop.current().stop()"),
    "instance": ("from tornado.ioloop import IOLoop", "IOLoop.instance().start()",
                 "IOLoop.instance().stop()"),
    "asyncio": ("import asyncio; loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)",
                "loop.run_forever()", "loop.stop()"),
}


def run_script(folder: Path, code: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """The code as a plain script, with every warning an error."""
    (folder / "script.py").write_text(textwrap.dedent(code), "utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error", "script.py"], cwd=folder, capture_output=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env}, check=False)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_runner_started_before_the_loop(tmp_path: Path, loop: str) -> None:
    """Runner.start() returns at once; the items are made when the loop runs, with what was set
    in between; nothing is warned of."""
    prepare, run, stop = LOOPS[loop]
    done = run_script(tmp_path, f"""\
        import seesaw
        from seesaw.externalprocess import ExternalProcess
        from seesaw.pipeline import Pipeline
        from seesaw.runner import Runner
        from seesaw.task import SimpleTask, SetItemKey
        {prepare}
        class Hello(SimpleTask):
            def process(self, item):
                item.log_output('hello %d' % item.item_number)
        pipeline = Pipeline(SetItemKey('item_name', 'x'), Hello('Hello'),
                            ExternalProcess('Echo', ['echo', 'from', 'a', 'child']))
        runner = Runner(stop_file='STOP', max_items=2)
        runner.set_current_pipeline(pipeline)
        def created(runner, item):
            print('created', item.item_number, len(runner.active_items))
            item.on_output += lambda item, text: print(text, end='')
        runner.on_create_item += created
        runner.on_finish += lambda runner: {stop}
        runner.start()
        runner.concurrent_items = 2
        print('started', runner.item_count)
        {run}
        print('ended', runner.counts['completed'])
        """)
    out = done.stdout.decode()
    assert done.returncode == 0 and done.stderr == b"", out + done.stderr.decode()
    assert out.startswith("started 0\ncreated 1 2\n") and out.endswith("ended 2\n")
    assert out.count("from a child\n") == 2 and "hello 2\n" in out


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", ["AsyncPopen", "AsyncPopen2"])
def test_a_program_run_before_the_loop(tmp_path: Path, loop: str, kind: str) -> None:
    """run() starts the program; what it says, and its end, come when the loop runs."""
    prepare, run, stop = LOOPS[loop]
    done = run_script(tmp_path, f"""\
        import time
        from seesaw.externalprocess import {kind}
        {prepare}
        said = []
        def ended(code):
            said.append(code)
            {stop}
        popen = {kind}(args=['sh', '-c', 'cat; echo error >&2; exit 3'])
        popen.on_output += said.append
        popen.on_end += ended
        popen.run()
        popen.stdin.write(b'given ')
        popen.stdin.close()
        assert popen.pipe.pid and not said
        {run}
        print(b''.join(said[:-1]).decode().split(), said[-1])
        """)
    assert done.stdout == b"['given', 'error'] 3\n", done.stderr.decode()
    assert done.returncode == 0 and done.stderr == b""


PRINTS = r"""
    class Prints(SimpleTask):
        def process(self, item):
            print('printed caf\u00e9')
            item.log_output('logged caf\u00e9 \u4f60\ud800.')
    pipeline = Pipeline(Prints('Prints'), ExternalProcess('Echo', ['printf', 'child caf\\303\\251\\n']))
    project.title = 'Proj\u00e9t'
    """
#: Environments in which standard output is ASCII, and how é then looks.
ASCII = [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "",
                                         "PYTHONCOERCECLOCALE": "0"}]


@pytest.mark.parametrize("env", ASCII)
def test_a_simple_runner_where_stdout_is_ascii(tmp_path: Path, env: dict[str, str]) -> None:
    """What ASCII does not have is printed as a question mark; all the rest is printed as it is."""
    code = HEAD + textwrap.dedent(PRINTS) + (
        "from seesaw.runner import SimpleRunner\nSimpleRunner(pipeline, max_items=1).start()\n")
    done = run_script(tmp_path, code, **env)
    assert done.returncode == 0 and done.stderr == b""
    lines = done.stdout.decode("ascii").splitlines()
    assert {"printed caf?", "logged caf? ??.", "child caf?"} <= set(lines)


@pytest.mark.parametrize("env", ASCII)
def test_run_pipeline_where_stdout_is_ascii(tmp_path: Path, env: dict[str, str]) -> None:
    """The same for the command, and for what it says of itself."""
    path = write_pipeline(tmp_path, PRINTS)
    ended = run_pipeline(path, env=env)
    assert ended.status == 0
    lines = ended.output.splitlines()
    assert {"printed caf?", "logged caf? ??.", "child caf?"} <= set(lines)
    assert any(line.startswith("Running Proj?t as tester") for line in lines)
