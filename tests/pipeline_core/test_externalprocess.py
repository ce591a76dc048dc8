"""The contract's part `externalprocess`, but for uploads.

Covered: arguments; args and env realized per try; the child's exact environment; default
path; cwd; a process group of its own; stdout and stderr to the log as they come;
max_tries, retry_delay, accept_on_exit_code, retry_on_exit_code; max_tries=None; a missing
program; every hook; item['tries']; WgetDownload with stdin_data_function; AsyncPopen,
AsyncPopen2, a subclass assigned to the module.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.externalprocess import ExternalProcess, WgetDownload
from tests.support.kit import Played, Seen, play, run_pipeline, write_pipeline


def test_signatures() -> None:
    """Arguments, their order and defaults are the contract's."""
    def shape(kind: Any) -> dict[str, Any]:
        return {name: p.default for name, p in inspect.signature(kind).parameters.items()}

    expected = {"max_tries": 1, "retry_delay": 2, "accept_on_exit_code": [0],
                "retry_on_exit_code": None, "env": None}
    found = shape(ExternalProcess)
    assert list(found)[:7] == ["name", "args", *expected]
    found = shape(WgetDownload)
    assert list(found)[:6] == ["args", "max_tries", "accept_on_exit_code", "retry_on_exit_code",
                               "env", "stdin_data_function"]
    assert found["max_tries"] == 1


def test_instances_do_not_share_defaults() -> None:
    """The list of accepted codes of one task is not another's."""
    first, second = ExternalProcess("a", ["true"]), ExternalProcess("b", ["true"])
    first.accept_on_exit_code.append(7)
    assert 7 not in second.accept_on_exit_code
    assert 7 not in ExternalProcess("c", ["true"]).accept_on_exit_code


ENVIRON = "import json, os; print('ENV', json.dumps(dict(os.environ), sort_keys=True))"


def environment(played: Played) -> Any:
    """What the child printed of its environment, less what a C locale makes Python add."""
    line = next(line for line in played.only.log.splitlines() if line.startswith("ENV "))
    found = json.loads(line[4:])
    found.pop("LC_CTYPE", None)
    return found


def test_child_gets_exactly_its_environment(tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the parent's environment reaches the child, no proxy, no HOME."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("HOST_SECRET", "x")
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(ExternalProcess('Env', [PYTHON, '-c', {ENVIRON!r}]))
        """)
    assert environment(play(path)) == {"PYTHONIOENCODING": "utf8:replace"}


def test_child_gets_env_and_it_is_realized(tmp_path: Path) -> None:
    """`env` is realized and given, plus PYTHONIOENCODING; the dict itself is not changed."""
    path = write_pipeline(tmp_path, f"""\
        ENV = {{'WORD': ItemInterpolation('<%(word)s>'), 'http_proxy': 'mine'}}
        pipeline = Pipeline(SetItemKey('word', 'x\\u00e9'),
                            ExternalProcess('Env', [PYTHON, '-c', {ENVIRON!r}], env=ENV))
        pipeline.env = ENV
        """)
    played = play(path)
    assert environment(played) == {
        "PYTHONIOENCODING": "utf8:replace", "WORD": "<x\u00e9>", "http_proxy": "mine"}
    assert set(played.loaded.pipeline.env) == {"WORD", "http_proxy"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("env", "found"), [
    ("None", False), ("{'OTHER': '1'}", False), ("{'PATH': os.getcwd() + '/bin'}", True),
    ("{'PATH': '/nowhere:' + os.getcwd() + '/bin:/bin'}", True)])
def test_the_program_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: str,
                                  found: bool) -> None:
    """On /bin:/usr/bin, unless `env` has PATH; never on the parent's PATH."""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "my-own-tool"
    tool.write_text("#!/bin/sh\necho tool ran\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(ExternalProcess('Tool', ['my-own-tool'], env={env}))
        """)
    seen = play(path).only
    assert seen.outcome == ("completed" if found else "failed")
    assert ("tool ran" in seen.log) is found


def test_program_by_relative_path(tmp_path: Path) -> None:
    """./wget-at is found from the task's folder."""
    tool = tmp_path / "wget-at"
    tool.write_text("#!/bin/sh\necho own wget in $(pwd)\n")
    tool.chmod(0o755)
    path = write_pipeline(tmp_path, "pipeline = Pipeline(ExternalProcess('W', ['./wget-at']))\n")
    assert f"own wget in {tmp_path}" in play(path).only.log


def test_missing_program_fails_the_item(tmp_path: Path) -> None:
    """A program that is not there fails the item with a sentence; it does not raise."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Gone', ['no-such-program-xyz', 'arg']),
                            PrintItem())
        """)
    seen = play(path).only
    assert seen.outcome == "failed"
    assert "no-such-program-xyz" in seen.log
    assert "Failed Gone for Item" in seen.log and "Starting PrintItem" not in seen.log
    assert "Traceback" not in seen.log


def test_a_group_of_its_own(tmp_path: Path) -> None:
    """The child leads a process group (so that a Ctrl-C of the terminal does not reach it)."""
    path = write_pipeline(tmp_path, """\
        code = 'import os; print("GROUP", os.getpgrp() == os.getpid(), os.getpgid(os.getppid()) != os.getpgrp())'
        pipeline = Pipeline(ExternalProcess('Group', [PYTHON, '-c', code]))
        """)
    assert "GROUP True True" in play(path).only.log


def test_both_streams_arrive_in_order_as_they_come(tmp_path: Path) -> None:
    """stdout and stderr go to the log together, in order, before the child has ended."""
    path = write_pipeline(tmp_path, """\
        code = (
            'import os, sys, time\\n'
            'for i in range(3):\\n'
            '    os.write(1, b"out%d " % i); os.write(2, b"err%d\\\\n" % i)\\n'
            'while not os.path.exists("go"): time.sleep(.01)\\n'
            'os.write(1, b"no newline at the end")\\n')
        pipeline = Pipeline(ExternalProcess('Both', [PYTHON, '-c', code]))
        """)

    async def script(played: Played) -> None:
        await played.until_log("out0 err0\nout1 err1\nout2 err2\n")
        assert "no newline" not in played.log
        (tmp_path / "go").write_text("")

    log = play(path, script).only.log
    assert "no newline at the end\nFinished Both for Item" in log


def test_output_comes_before_the_next_task(tmp_path: Path) -> None:
    """All that a child printed is in the log before its task is finished."""
    path = write_pipeline(tmp_path, """\
        code = 'for i in range(3000): print("line", i)'
        pipeline = Pipeline(ExternalProcess('Many', [PYTHON, '-c', code]), PrintItem())
        """)
    for seen in play(path, items=4, concurrent=4).items:
        body, rest = seen.log.split("Finished Many")
        assert body.count("line ") == 3000 and "line " not in rest


@pytest.mark.parametrize(("options", "code", "outcome", "runs"), [
    ("", 0, "completed", 1),
    ("", 3, "failed", 1),
    ("accept_on_exit_code=[0, 4, 8]", 8, "completed", 1),
    ("accept_on_exit_code=[4]", 0, "failed", 1),
    ("max_tries=3, retry_delay=0.05", 1, "failed", 3),
    ("max_tries=3, retry_delay=0.05, retry_on_exit_code=[1]", 1, "failed", 3),
    ("max_tries=3, retry_delay=0.05, retry_on_exit_code=[1]", 2, "failed", 1),
    ("max_tries=3, retry_delay=0.05, accept_on_exit_code=[0, 2], retry_on_exit_code=[1]", 2,
     "completed", 1),
])
def test_exit_codes_and_tries(tmp_path: Path, options: str, code: int, outcome: str,
                              runs: int) -> None:
    """Accepted codes complete; others are tried again while tries are left and it is allowed."""
    path = write_pipeline(tmp_path, f"""\
        pipeline = Pipeline(ExternalProcess('Exit', ['sh', '-c', 'echo RUN; exit {code}'],
                                            {options}))
        """)
    seen = play(path).only
    assert seen.outcome == outcome
    assert seen.log.count("RUN\n") == runs
    if outcome == "failed":
        assert str(code) in seen.log


def test_killed_by_a_signal_is_a_failure(tmp_path: Path) -> None:
    """A child that a signal ended has not been accepted."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Dies', ['sh', '-c', 'kill -9 $$']))
        """)
    assert play(path).only.outcome == "failed"


@pytest.mark.parametrize("tries", ["None", "20", "NumberConfigValue(name='t', default='20')"])
def test_tries_until_it_works(tmp_path: Path, tries: str) -> None:
    """max_tries=None tries for ever; item['tries'] counts; args and env are realized per try."""
    path = write_pipeline(tmp_path, f"""\
        class Args(object):
            def realize(self, item):
                item['asked'] = item.get('asked', 0) + 1
                item['counts'] = item.get('counts', []) + [item['tries']]
                return ['sh', '-c', 'echo TRY %d $E; test %d -ge 5' % (item['asked'], item['asked'])]
        pipeline = Pipeline(ExternalProcess('Try', Args(), max_tries={tries}, retry_delay=0.02,
                                            env={{'E': ItemInterpolation('e%(asked)s')}}))
        """)
    seen = play(path).only
    assert seen.outcome == "completed"
    assert [line for line in seen.log.splitlines() if line.startswith("TRY")] == [
        f"TRY {n} e{n}" for n in range(1, 6)]
    counts = seen.item["counts"]
    assert counts == list(range(counts[0], counts[0] + 5))
    waits = [w for w in seen.waits if w is not None]
    assert waits and all(w.code == "retry" for w in waits)


def test_tries_begin_anew_for_each_task(tmp_path: Path) -> None:
    """Two tasks of one item have their tries each."""
    path = write_pipeline(tmp_path, """\
        def step(name):
            return ExternalProcess(name, ['sh', '-c', 'echo %s; exit 1' % name], max_tries=2,
                                   retry_delay=0.02, accept_on_exit_code=[0])
        class Go(ExternalProcess):
            def handle_process_error(self, code, item):
                if item['tries'] >= 2:
                    return self.complete_item(item)
                return ExternalProcess.handle_process_error(self, code, item)
        def lenient(name):
            return Go(name, ['sh', '-c', 'echo %s; exit 1' % name], max_tries=5, retry_delay=0.02)
        pipeline = Pipeline(lenient('one'), lenient('two'), step('three'))
        """)
    log = play(path).only.log
    for name in ("one", "two", "three"):
        assert log.count(f"\n{name}\n") == 2


def delays(seen: Seen) -> list[str]:
    """The seconds before each retry, as the log tells them."""
    return re.findall(r"^Retrying .* after (.*) seconds\.\.\.$", seen.log, re.MULTILINE)


def test_retry_delay_is_kept(tmp_path: Path) -> None:
    """Between two tries retry_delay seconds pass, the same from try to try; the item tells when."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Try', ['sh', '-c', 'echo RUN; exit 1'], max_tries=6,
                                            retry_delay=0.05))
        """)
    seen = play(path).only
    assert delays(seen) == ["0.05"] * 5
    runs = [t for t, text in seen.output if "RUN" in text]
    assert len(runs) == 6
    waits = [w for w in seen.waits if w is not None]
    assert len(waits) == 5 and all(w.reason.endswith(".") for w in waits)
    for wait, after in zip(waits, runs[1:]):
        assert wait.next_try is not None and wait.next_try <= after + 0.01


def test_retry_delay_may_be_set_by_handle_process_error(tmp_path: Path) -> None:
    """What a file sets there holds for the retry that follows, of that item."""
    path = write_pipeline(tmp_path, """\
        class Patient(ExternalProcess):
            def handle_process_error(self, code, item):
                self.retry_delay = item.item_number / 10 + item['tries'] / 100
                super().handle_process_error(code, item)
        pipeline = Pipeline(Patient('Try', ['false'], max_tries=4, retry_delay=300))
        """)
    played = play(path, items=3, concurrent=3)
    assert [delays(seen) for seen in played.items] == [
        ["0.11", "0.12", "0.13"], ["0.21", "0.22", "0.23"], ["0.31", "0.32", "0.33"]]


@pytest.mark.parametrize("upload", [
    "RsyncUpload('rsync://127.0.0.1:1/m/', [])", "CurlUpload('http://127.0.0.1:1/', 'x')"])
def test_the_delay_of_uploads_is_constant_too(tmp_path: Path, upload: str) -> None:
    """An upload that is tried for ever waits 2 seconds each time, unless the file says otherwise."""
    path = write_pipeline(tmp_path, f"""\
        class Counted(SimpleTask):
            def process(self, item):
                item['delay'] = upload.retry_delay
                upload.retry_delay = 0.02
                upload.max_tries = 5
        upload = {upload}
        pipeline = Pipeline(Counted('Counted'), upload)
        """)
    seen = play(path).only
    assert seen.item["delay"] == 2
    assert delays(seen) == ["0.02"] * 4


@pytest.mark.parametrize("wrong", ["max_tries='many'", "retry_delay='long'"])
def test_a_wrong_number_fails_the_item(tmp_path: Path, wrong: str) -> None:
    """Also where an override of the project calls ours: the item does not hang."""
    path = write_pipeline(tmp_path, f"""\
        class Own(ExternalProcess):
            def handle_process_error(self, code, item):
                super().handle_process_error(code, item)
        pipeline = Pipeline(Own('Try', ['false'], {wrong}))
        """)
    seen = play(path).only
    assert seen.outcome == "failed" and "ValueError: " in seen.log


HOOKED = """\
    class Hooked(ExternalProcess):
        def __init__(self, args):
            ExternalProcess.__init__(self, 'Hooked', args)
        def process(self, item):
            item['calls'] = ['process']
            ExternalProcess.process(self, item)
        def stdin_data(self, item):
            item['calls'].append('stdin')
            return ('x' * 5 + item['word']).encode('utf-8')
        def on_subprocess_stdout(self, pipe, item, data):
            assert isinstance(data, bytes), type(data)
            item['calls'].append('stdout')
            item['raw'] = item.get('raw', b'') + data
            item.log_output(data.upper(), full_line=False)
        def on_subprocess_end(self, item, returncode):
            item['calls'].append('end %r' % returncode)
            ExternalProcess.on_subprocess_end(self, item, returncode)
        def handle_process_result(self, exit_code, item):
            item['calls'].append('result %r' % exit_code)
            ExternalProcess.handle_process_result(self, exit_code, item)
        def handle_process_error(self, exit_code, item):
            item['calls'].append('error %r' % exit_code)
            ExternalProcess.handle_process_error(self, exit_code, item)
    """


@pytest.mark.parametrize("code", [0, 5])
def test_all_hooks(tmp_path: Path, code: int) -> None:
    """Every hook of the contract is called with what it says, in this order."""
    path = write_pipeline(tmp_path, HOOKED.rstrip() + f"""
    pipeline = Pipeline(SetItemKey('word', 'abc'), Hooked(['sh', '-c', 'cat; exit {code}']))
    """)
    seen = play(path).only
    calls = seen.item["calls"]
    assert calls[:2] == ["process", "stdin"] and "stdout" in calls
    assert [c for c in calls if c != "stdout"][2:] == (
        ["end 0", "result 0"] if code == 0 else ["end 5", "error 5"])
    assert seen.item["raw"] == b"xxxxxabc"
    assert "XXXXXABC" in seen.log
    assert seen.outcome == ("completed" if code == 0 else "failed")


@pytest.mark.parametrize("accepted", ["[6]", "[0]"])
def test_result_and_error_hooks_may_decide_otherwise(tmp_path: Path, accepted: str) -> None:
    """Accepted codes go to handle_process_result, others to handle_process_error; there files
    complete, fail or try again by hand."""
    path = write_pipeline(tmp_path, f"""\
        class Odd(ExternalProcess):
            def handle_process_result(self, exit_code, item):
                item['accepted'] = exit_code
                self.decide(exit_code, item)
            def handle_process_error(self, exit_code, item):
                self.decide(exit_code, item)
            def decide(self, exit_code, item):
                item['codes'] = item.get('codes', []) + [exit_code]
                if len(item['codes']) < 3:
                    item.log_output('Trying again by hand.')
                    IOLoop.instance().add_timeout(datetime.timedelta(seconds=0.05),
                                                  functools.partial(self.process, item))
                elif item.item_number == 1:
                    self.complete_item(item)
                else:
                    self.fail_item(item)
        pipeline = Pipeline(Odd('Odd', ['sh', '-c', 'exit 6'], accept_on_exit_code={accepted}))
        """)
    played = play(path, items=2)
    assert played.outcomes == ["completed", "failed"]
    assert all(seen.item["codes"] == [6, 6, 6] for seen in played.items)
    assert all(("accepted" in seen.item) is (accepted == "[6]") for seen in played.items)


def test_large_stdin_and_output(tmp_path: Path) -> None:
    """A megabyte goes through stdin and comes back whole."""
    path = write_pipeline(tmp_path, """\
        class Big(ExternalProcess):
            def stdin_data(self, item):
                return b'0123456789abcde\\n' * 65536
            def on_subprocess_stdout(self, pipe, item, data):
                item['size'] = item.get('size', 0) + len(data)
        pipeline = Pipeline(Big('Big', ['cat']))
        """)
    assert play(path).only.item["size"] == 1 << 20


def test_no_stdin_means_end_of_file(tmp_path: Path) -> None:
    """Without stdin_data the child reads an end of file at once, not the terminal."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Cat', ['sh', '-c', 'cat; echo END']))
        """)
    assert "END" in play(path).only.log


def test_arguments_of_every_kind(tmp_path: Path) -> None:
    """Realizables, numbers from config and nested realizing classes end up as arguments."""
    path = write_pipeline(tmp_path, """\
        class WgetArgs(object):
            def realize(self, item):
                wget_args = [PYTHON, '-c', 'import sys; print("ARGS", sys.argv[1:])', '-U', agent,
                             '--warc-file', ItemInterpolation('%(data_dir)s/%(item_name)s')]
                wget_args.extend(['--concurrent', ConfigInterpolation('%d', number)])
                wget_args.append(b'bytes')
                if 'bind_address' in globals():
                    wget_args.extend(['--bind-address', globals()['bind_address']])
                return realize(wget_args, item)
        agent = 'Mozilla/5.0 "quoted" $HOME'
        number = NumberConfigValue(name='n', default='4')
        pipeline = Pipeline(SetItemKey('item_name', 'i1'), WgetDownload(WgetArgs()))
        """)
    seen = play(path, context_values={"bind_address": "127.0.0.2"}).only
    assert seen.outcome == "completed", seen.log
    assert "ARGS ['-U', 'Mozilla/5.0 \"quoted\" $HOME', '--warc-file', " in seen.log
    assert f"{seen.item['data_dir']}/i1', '--concurrent', '4', 'bytes', " in seen.log
    assert "'--bind-address', '127.0.0.2']" in seen.log


def test_wget_download(tmp_path: Path) -> None:
    """WgetDownload: its name, codes, and stdin_data_function(item)."""
    path = write_pipeline(tmp_path, """\
        def stdin(item):
            return ('urls of %s\\n' % item['item_name']).encode()
        pipeline = Pipeline(
            SetItemKey('item_name', 'i1'),
            WgetDownload(['sh', '-c', 'cat; exit 8'], max_tries=2, accept_on_exit_code=[0, 4, 8],
                         retry_on_exit_code=[1], env={'X': '1'}, stdin_data_function=stdin),
            WgetDownload(['sh', '-c', 'cat; echo none']))
        """)
    seen = play(path).only
    assert seen.outcome == "completed"
    assert "urls of i1\n" in seen.log and "\nnone\n" in seen.log
    assert "Starting WgetDownload for Item i1" in seen.log


def test_real_wget(tmp_path: Path, tracker: Any) -> None:
    """GNU Wget, as a project calls it, writes its WARC into the item's folder."""
    path = write_pipeline(tmp_path, f"""\
        class Look(SimpleTask):
            def process(self, item):
                item['files'] = sorted(os.listdir(item['data_dir']))
        pipeline = Pipeline(WgetDownload(
            ['wget', '-nv', '--no-proxy', '-O', ItemInterpolation('%(data_dir)s/tmp'),
             '--warc-file', ItemInterpolation('%(data_dir)s/site'), '--no-warc-compression',
             '--post-data', 'x', {tracker.url!r} + '/done'], accept_on_exit_code=[0, 8]),
            Look('Look'))
        """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["files"] == ["site.warc", "tmp"]


def test_async_popen(tmp_path: Path) -> None:
    """AsyncPopen and AsyncPopen2: run(), on_output, on_end, stdin, pipe, as files use them."""
    path = write_pipeline(tmp_path, """\
        import seesaw.externalprocess
        class Direct(Task):
            def __init__(self, kind):
                Task.__init__(self, 'Direct')
                self.kind = kind
            def enqueue(self, item):
                self.start_item(item)
                p = self.kind(args=['sh', '-c', 'cat; echo $WORD; pwd; exit 3'], env={'WORD': 'w'},
                              cwd='/', stdin=subprocess.PIPE, close_fds=True)
                p.on_output += functools.partial(self.output, item)
                p.on_end += functools.partial(self.end, p, item)
                p.run()
                assert p.pipe is not None
                p.stdin.write(b'given\\n')
                p.stdin.close()
            def output(self, item, data):
                assert isinstance(data, bytes)
                item['got'] = item.get('got', b'') + data
            def end(self, p, item, returncode):
                item['code'] = returncode
                self.complete_item(item)
        pipeline = Pipeline(Direct(AsyncPopen), PrintItem(),
                            Direct(seesaw.externalprocess.AsyncPopen2))
        """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["got"] == b"given\nw\n/\n" * 2
    assert seen.item["code"] == 3


def test_async_popen_subclass_assigned_to_the_module(tmp_path: Path) -> None:
    """Old files put their subclass into seesaw.externalprocess: nothing of ours depends on it,
    and no other project sees it."""
    first = write_pipeline(tmp_path / "a", """\
        import seesaw.externalprocess
        class AsyncPopenFixed(seesaw.externalprocess.AsyncPopen):
            \"\"\"Start the wait in a later turn of the loop.\"\"\"
            @classmethod
            def ignore_sigint(cls):
                os.setpgrp()
            def run(self):
                raise Exception('must not be used by others')
        seesaw.externalprocess.AsyncPopen = AsyncPopenFixed
        pipeline = Pipeline(ExternalProcess('Echo', ['echo', 'still works']))
        """)
    second = write_pipeline(tmp_path / "b", """\
        import seesaw.externalprocess
        from pipeline_core.externalprocess import AsyncPopen as Ours
        assert seesaw.externalprocess.AsyncPopen is Ours
        assert AsyncPopen is Ours
        assert AsyncPopen.__name__ == 'AsyncPopen', AsyncPopen
        pipeline = Pipeline(ExternalProcess('Echo', ['echo', 'other works']))
        """)
    assert "still works" in play(first).only.log
    assert "other works" in play(second).only.log
    assert "still works" in play(first).only.log


def test_slow_child_is_not_waited_for_by_others(tmp_path: Path) -> None:
    """Children of different items run side by side."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(ExternalProcess('Meet', [
            'sh', '-c', '> here.$$; while [ $(ls here.* | wc -l) -lt 6 ]; do sleep 0.02; done']))
        """)
    assert play(path, items=6, concurrent=6).outcomes == ["completed"] * 6


def test_child_output_by_the_command_is_utf8(tmp_path: Path) -> None:
    """Child output reaches the command's stdout; what is not UTF-8 becomes U+FFFD."""
    path = write_pipeline(tmp_path, """\
        code = 'import os; os.write(1, b"caf\\\\xc3\\\\xa9 \\\\xff end\\\\n")'
        pipeline = Pipeline(ExternalProcess('Bytes', [PYTHON, '-c', code]))
        """)
    ended = run_pipeline(path, env={"LC_ALL": "C", "PYTHONIOENCODING": ""})
    assert ended.status == 0
    assert "caf\u00e9 \ufffd end" in ended.output
