"""How a pipeline file is loaded: each line of that part of the contract.

Covered: executed with `downloader`; late ConfigValue downloader; context values;
source decoding (BOM, coding line, CRLF, tabs); tracebacks with file and line; own
folder as working directory, also for find_executable and for hashing itself;
`project` and `pipeline` left behind, `pipeline.project` set; ConfigValues collected
in order, remembered ones applied if valid; prints while loading and in tasks; raising,
SystemExit; sys.argv, os.environ; distutils.version; seesaw's version, runner_type,
warrior_build; same module objects; plain scripts; star imports and unimported
modules; Python 2 files.
Not here: helper modules and several projects (compat/test_project_imports), a load that
never returns (tests/e2e/faults).
"""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_core.config import StringConfigValue
from pipeline_core.engine.loader import LoadError
from tests.support.kit import HEAD, ROOT, load, play, run_pipeline, write_pipeline

MODULES = ["config", "event", "item", "task", "pipeline", "project", "runner",
           "externalprocess", "tracker", "util"]


def test_downloader_is_a_global(tmp_path: Path) -> None:
    """`downloader` is defined before the first line of the file runs."""
    path = write_pipeline(tmp_path, """\
        assert downloader == 'some-body', downloader
        seen_downloader = downloader
        pipeline = Pipeline(SetItemKey('who', downloader))
        """)
    assert play(path, downloader="some-body").only.item["who"] == "some-body"


def test_downloader_as_config_value_is_realized_late(tmp_path: Path) -> None:
    """A ConfigValue as downloader takes effect with the value it has when used."""
    path = write_pipeline(tmp_path, """\
        assert realize(downloader) == 'before'
        pipeline = Pipeline(SetItemKey('who', downloader),
                            SetItemKey('path', ConfigInterpolation('/x/%s', downloader)))
        """)
    value = StringConfigValue(name="downloader", default="before")
    played = play(path, downloader=value, prepare=lambda played: value.set_value("after") and None)
    assert played.only.item["who"] == "after"
    assert played.only.item["path"] == "/x/after"


def test_context_values_are_globals(tmp_path: Path) -> None:
    """`--context-value NAME=TEXT` gives a global; without it the name is not there."""
    path = write_pipeline(tmp_path, """\
        if 'bind_address' in globals():
            where = globals()['bind_address']
        else:
            where = 'nowhere'
        pipeline = Pipeline(SetItemKey('where', where))
        """)
    assert play(path).only.item["where"] == "nowhere"
    bound = play(path, context_values={"bind_address": "127.0.0.1"})
    assert bound.only.item["where"] == "127.0.0.1"


def test_context_values_by_the_command(tmp_path: Path) -> None:
    """The option may be given several times; only the first `=` divides."""
    path = write_pipeline(tmp_path, """\
        print('LOADED', bind_address, other)
        pipeline = Pipeline(PrintItem())
        """)
    ended = run_pipeline(path, "--context-value", "bind_address=10.0.0.1",
                         "--context-value", "other=a=b c")
    assert ended.status == 0, ended.output
    assert "LOADED 10.0.0.1 a=b c" in ended.output


@pytest.mark.parametrize("encoded", [
    pytest.param(lambda text: "\ufeff".encode() + text.encode("utf-8"), id="byte-order-mark"),
    pytest.param(lambda text: ("# -*- coding: latin-1 -*-\n" + text).encode("latin-1"),
                 id="latin-1"),
    pytest.param(lambda text: ("#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n"
                               + text).encode("cp1252"), id="second-line-cp1252"),
    pytest.param(lambda text: text.replace("\n", "\r\n").encode("utf-8"), id="crlf"),
    pytest.param(lambda text: text.replace("    ", "\t").encode("utf-8"), id="tabs"),
])
def test_source_is_decoded_as_python_does(tmp_path: Path, encoded) -> None:  # type: ignore[no-untyped-def]
    """BOM, coding lines, CRLF and tabs change nothing about what the file means."""
    text = HEAD + (
        "class Word(SimpleTask):\n"
        "    def __init__(self):\n"
        "        SimpleTask.__init__(self, 'Word')\n"
        "    def process(self, item):\n"
        "        item['word'] = 'caf\u00e9'\n"
        "        item['line'] = '''a\nb'''\n"
        "pipeline = Pipeline(Word())\n")
    path = tmp_path / "pipeline.py"
    path.write_bytes(encoded(text))
    item = play(path).only.item
    assert item["word"] == "caf\u00e9"
    assert item["line"] == "a\nb"


def test_tracebacks_name_file_and_line(tmp_path: Path) -> None:
    """A traceback from a task shows the file's path, the line's number and its text."""
    path = write_pipeline(tmp_path, """\
        class Bad(SimpleTask):
            def process(self, item):
                raise ValueError('on purpose')  # here
        pipeline = Pipeline(Bad('Bad'))
        """)
    line = 1 + path.read_text().splitlines().index("        raise ValueError('on purpose')  # here")
    seen = play(path).only
    assert f'File "{path}", line {line}, in process' in seen.log
    assert "raise ValueError('on purpose')" in seen.log
    assert "ValueError: on purpose" in seen.log


FAILING = {
    "process": "Bad('Bad')",
    "hook": "Hook('Hook', ['true'])",
    "callback": "Callback('Callback')",
    "enqueue": "Enqueue('Enqueue')",
    "inner": "LimitConcurrent(1, Bad('Bad'))",
    "limit": "LimitConcurrent(Value(), PrintItem())",
    "coroutine": "Coroutine('Coroutine')",
    "realize": "SetItemKey('key', Value())",
    "nested realize": "SetItemKey('key', [ItemInterpolation(Value())])",
    "condition": "ConditionalTask(lambda item: boom(), PrintItem())",
    "handler": "handled",
    "data": "Asks('http://127.0.0.1:9/', 'downloader')",
}


@pytest.mark.parametrize("name", FAILING)
def test_tracebacks_begin_with_the_project(tmp_path: Path, name: str) -> None:
    """Wherever its code was called from: the frames of the toolkit, of Tornado and of Python
    that led to it are left out, and what the exception says is the last line. After it the task
    is named that has failed."""
    path = write_pipeline(tmp_path, f"""\
        def boom(*ignored):
            raise ValueError('on purpose')
        class Bad(SimpleTask):
            process = lambda self, item: boom()
        class Hook(ExternalProcess):
            def on_subprocess_end(self, item, code): boom()
        class Callback(Task):
            def enqueue(self, item):
                self.start_item(item)
                IOLoop.instance().add_timeout(datetime.timedelta(0), lambda: boom())
        class Enqueue(Task):
            def enqueue(self, item): boom()
        class Coroutine(SimpleTask):
            async def process(self, item): boom()
        class Value(object):
            def realize(self, item): boom()
        class Asks(GetItemFromTracker):
            def data(self, item): boom()
        handled = PrintItem()
        if {name!r} == 'handler':
            handled.on_start_item += lambda task, item: boom()
        task = {FAILING[name]}
        project.failed = 'Bad' if {name!r} == 'inner' else task.name
        pipeline = Pipeline(task)
        """)
    played = play(path)
    lines = played.only.log.splitlines()
    assert played.outcomes == ["failed"]
    begin = lines.index("Traceback (most recent call last):")
    assert lines[begin + 1].startswith(f'  File "{path}", line '), played.log
    failed = played.loaded.project.failed  # type: ignore[attr-defined]
    assert lines[-1] == f"Failed {failed} for Item "
    assert played.log.count("Failed ") == 1
    assert lines[-2] == "ValueError: on purpose"
    assert lines[-3].strip(" ^~") in ("raise ValueError('on purpose')", "")


def test_the_text_of_an_exception_ends_its_traceback(tmp_path: Path) -> None:
    """Also a text of several lines with empty ones behind it, and one with a cause."""
    path = write_pipeline(tmp_path, """\
        class Bad(SimpleTask):
            def process(self, item):
                try:
                    json.loads('{')
                except ValueError as error:
                    raise RuntimeError('first line\\nlast line\\n\\n') from error
        pipeline = Pipeline(Bad('Bad'))
        """)
    log = play(path).only.log
    assert log.endswith("RuntimeError: first line\nlast line\nFailed Bad for Item \n")
    # What the project called is told, as its error came from there.
    assert "json" + os.sep + "decoder.py" in log and "direct cause" in log


def test_what_python_2_had_is_named_in_a_task(tmp_path: Path) -> None:
    """A task that stops at something of Python 2 says so in the item's log."""
    path = write_pipeline(tmp_path, """\
        import urllib
        class Old(SimpleTask):
            def process(self, item):
                if item.item_number == 1:
                    urllib.unquote('%20')
                if item.item_number == 2:
                    import urllib2
                return unicode('x')
        pipeline = Pipeline(Old('Old'))
        """)
    played = play(path, items=3, concurrent=3)
    for seen, name in zip(played.items, ("urllib.unquote", "urllib2", "unicode")):
        assert (f"The project is written for Python 2: it uses {name}, which Python 3 does not "
                "have.\n") in seen.log


def test_traceback_of_a_load_names_file_and_line(tmp_path: Path) -> None:
    """A load that raises says file, line and reason, to the caller and on the command."""
    path = write_pipeline(tmp_path, "x = 1\nraise RuntimeError('no such luck')\n")
    with pytest.raises(LoadError) as caught:
        load(path)
    line = len(path.read_text().splitlines())
    assert f'File "{path}", line {line}' in caught.value.traceback
    assert "no such luck" in str(caught.value)
    ended = run_pipeline(path)
    assert ended.status == 1
    assert f'File "{path}", line {line}' in ended.output


def test_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    """A syntax error is a load error that names the file and the line."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(\n    PrintItem()\nx = = 2\n")
    with pytest.raises(LoadError) as caught:
        load(path)
    assert str(path) in caught.value.traceback
    assert "SyntaxError" in caught.value.traceback


def test_working_directory_is_the_files_own_folder(tmp_path: Path) -> None:
    """os.getcwd, open and find_executable at module level work from the file's folder."""
    tool = tmp_path / "own-tool"
    tool.write_text("#!/bin/sh\necho own-tool 20250101.01 $1\n")
    tool.chmod(0o755)
    (tmp_path / "user-agents.txt").write_text("Mozilla/5.0 (one)\nMozilla/5.0 (two)\n")
    path = write_pipeline(tmp_path, """\
        import hashlib
        from seesaw.util import find_executable
        def get_hash(filename):
            with open(filename, 'rb') as in_file:
                return hashlib.sha1(in_file.read()).hexdigest()
        CWD = os.getcwd()
        PIPELINE_SHA1 = get_hash(os.path.join(CWD, 'pipeline.py'))
        TOOL = find_executable('Own tool', ['20250101.01'], ['./nothing', './own-tool'])
        with open('user-agents.txt') as agents:
            AGENTS = [line.strip() for line in agents]
        pipeline = Pipeline(SetItemKey('facts', {
            'cwd': CWD, 'sha1': PIPELINE_SHA1, 'tool': TOOL, 'agents': AGENTS}))
        """)
    before = os.getcwd()
    facts = play(path).only.item["facts"]
    assert os.getcwd() == before
    assert Path(facts["cwd"]) == tmp_path
    assert facts["sha1"] == hashlib.sha1(path.read_bytes()).hexdigest()
    assert facts["tool"] == "./own-tool"
    assert facts["agents"] == ["Mozilla/5.0 (one)", "Mozilla/5.0 (two)"]


def test_relative_path_and_data_folder(tmp_path: Path) -> None:
    """Started from elsewhere by a relative path, files still lie beside the pipeline."""
    folder = tmp_path / "project"
    write_pipeline(folder, """\
        assert os.path.exists('pipeline.py')
        class Show(SimpleTask):
            def process(self, item):
                assert os.path.isdir(item['data_dir'])
                print('DATA', item['data_dir'], os.getcwd())
        pipeline = Pipeline(Show('Show'))
        """)
    ended = run_pipeline(Path("project/pipeline.py"), cwd=tmp_path)
    assert ended.status == 0, ended.output
    assert f"DATA {folder}/data/" in ended.output
    assert ended.output.count(f" {folder}\n") >= 1


@pytest.mark.parametrize("missing", ["project", "pipeline"])
def test_file_must_leave_project_and_pipeline(tmp_path: Path, missing: str) -> None:
    """Without one of the two names the load fails, saying which is missing."""
    path = write_pipeline(tmp_path, f"pipeline = Pipeline(PrintItem())\ndel {missing}\n")
    with pytest.raises(LoadError, match=missing):
        load(path)
    ended = run_pipeline(path)
    assert ended.status == 1
    assert missing in ended.output


def test_pipeline_project_is_set(tmp_path: Path) -> None:
    """`pipeline.project` is the file's project, for tasks too."""
    path = write_pipeline(tmp_path, """\
        class Show(SimpleTask):
            def process(self, item):
                item['title'] = item.pipeline.project.title
        pipeline = Pipeline(Show('Show'))
        """)
    played = play(path)
    assert played.loaded.pipeline.project is played.loaded.project
    assert played.only.item["title"] == "Test"


CONFIGURED = """\
    threads = NumberConfigValue(name='shared:rsync_threads', title='Rsync threads',
                                description='The maximum number.', min=1, max=64,
                                default='20', editable=True, advanced=True)
    word = StringConfigValue(name='word', regex='^[a-z]+$', default='abc')
    third = ConfigValue('third', title='Third', default='x', editable=False)
    pipeline = Pipeline(SetItemKey('values', [threads, word, third]))
    """


def test_config_values_are_collected_in_order(tmp_path: Path) -> None:
    """ConfigValues created while the file executes are offered, in order, with their facts."""
    loaded = load(write_pipeline(tmp_path, CONFIGURED))
    assert [value.name for value in loaded.config_values] == [
        "shared:rsync_threads", "word", "third"]
    first = loaded.config_values[0]
    assert (first.title, first.description, first.editable) == (
        "Rsync threads", "The maximum number.", True)
    assert loaded.config_values[2].editable is False


def test_remembered_values_are_applied_if_valid(tmp_path: Path) -> None:
    """A remembered valid value counts, an invalid one leaves the default, unknown is ignored."""
    path = write_pipeline(tmp_path, CONFIGURED)
    played = play(path, remembered={"shared:rsync_threads": "7", "word": "NOT OK", "gone": "1"})
    assert played.only.item["values"] == [7, "abc", "x"]


def test_remembered_value_counts_while_the_file_executes(tmp_path: Path) -> None:
    """A file that realizes its own value at module level sees the remembered one."""
    path = write_pipeline(tmp_path, """\
        count = NumberConfigValue(name='count', default='3', min=0)
        PrintedCount = count.realize(None)
        print('count is', PrintedCount)
        pipeline = Pipeline(PrintItem())
        """)
    output: list[str] = []
    load(path, remembered={"count": "9"}, on_output=output.append)
    assert "count is 9" in "".join(output)


def test_config_values_made_in_tasks_are_not_offered(tmp_path: Path) -> None:
    """Only values created while the file executes are settings; a load never sees another's."""
    first = write_pipeline(tmp_path / "a", CONFIGURED)
    second = write_pipeline(tmp_path / "b", "pipeline = Pipeline(PrintItem())\n")
    assert len(load(first).config_values) == 3
    assert load(second).config_values == ()


def test_prints_go_to_the_log_of_the_load_or_of_the_item(tmp_path: Path) -> None:
    """Prints while loading go to the load's log, prints in a task to that item's log only."""
    path = write_pipeline(tmp_path, """\
        print('loading', end=' ')
        sys.stdout.write('now\\n')
        sys.stdout.flush()
        class Talk(SimpleTask):
            def process(self, item):
                print('talking', item.item_number)
                sys.stdout.write('written %d' % item.item_number)
                print('to stderr', item.item_number, file=sys.stderr)
        pipeline = Pipeline(Talk('Talk'))
        """)
    played = play(path, items=2)
    assert "loading now\n" in played.load_output
    assert "talking" not in played.load_output
    for number, seen in enumerate(played.items, 1):
        other = 3 - number
        assert f"talking {number}\n" in seen.log
        assert f"written {number}" in seen.log
        assert f"to stderr {number}" in seen.log
        assert f"talking {other}" not in seen.log
        assert "loading" not in seen.log


def test_a_subprocess_of_the_load_may_print(tmp_path: Path) -> None:
    """Loading may take its time and run programs (wget-at --version)."""
    path = write_pipeline(tmp_path, """\
        VERSION = subprocess.check_output([PYTHON, '-c', 'print("tool 1.2")']).decode().strip()
        time.sleep(0.2)
        pipeline = Pipeline(SetItemKey('version', VERSION))
        """)
    assert play(path).only.item["version"] == "tool 1.2"


@pytest.mark.parametrize("how", ["sys.exit('a reason of its own')", "raise SystemExit(3)",
                                 "raise KeyboardInterrupt()", "raise Exception('plain')",
                                 "class Odd(BaseException): pass\nraise Odd('odd')"])
def test_whatever_the_file_raises_is_a_load_error(tmp_path: Path, how: str) -> None:
    """Any exception, SystemExit included, becomes a LoadError; nothing ends our process."""
    path = write_pipeline(tmp_path, how + "\n")
    with pytest.raises(LoadError) as caught:
        load(path)
    assert "Traceback" in caught.value.traceback
    if "reason" in how:
        assert "a reason of its own" in str(caught.value) + caught.value.traceback


def test_missing_file_is_a_load_error(tmp_path: Path) -> None:
    """A path where nothing is: a sentence and status 1, no traceback of ours."""
    with pytest.raises(LoadError, match="nothing.py"):
        load(tmp_path / "nothing.py")
    ended = run_pipeline(tmp_path / "nothing.py", cwd=tmp_path)
    assert ended.status == 1
    assert "nothing.py" in ended.output
    assert "Traceback" not in ended.output


def test_sys_argv_is_as_the_user_gave_it(tmp_path: Path) -> None:
    """Files look into sys.argv for --concurrent and what follows it."""
    path = write_pipeline(tmp_path, """\
        if '--concurrent' in sys.argv:
            print('CONCURRENT', sys.argv[sys.argv.index('--concurrent') + 1])
        print('ARGV', json.dumps(sys.argv[1:]))
        pipeline = Pipeline(PrintItem())
        """)
    ended = run_pipeline(path, "--concurrent", "2", "--max-items", "2")
    assert "CONCURRENT 2\n" in ended.output
    assert (f'ARGV ["--disable-web-server", "--concurrent", "2", "--max-items", "2", "{path}", '
            '"tester"]') in ended.output


def test_environment_reaches_the_file(tmp_path: Path) -> None:
    """os.environ (PREFER_IPV4, CONCURRENT_ITEMS) is what the user set."""
    path = write_pipeline(tmp_path, """\
        print('ENV', os.environ.get('PREFER_IPV4'), os.environ.get('CONCURRENT_ITEMS'))
        pipeline = Pipeline(PrintItem())
        """)
    ended = run_pipeline(path, env={"PREFER_IPV4": "1", "CONCURRENT_ITEMS": "4"})
    assert "ENV 1 4" in ended.output


def test_distutils_version_works(tmp_path: Path) -> None:
    """`from distutils.version import StrictVersion` works on every Python; versions compare."""
    path = write_pipeline(tmp_path, """\
        import distutils
        from distutils.version import StrictVersion, LooseVersion
        import distutils.version
        assert not StrictVersion(seesaw.__version__) < StrictVersion('0.8.5')
        if StrictVersion(seesaw.__version__) < StrictVersion('0.8.5'):
            raise Exception('This pipeline needs seesaw version 0.8.5 or higher.')
        assert StrictVersion('0.10.3') > StrictVersion('0.9.12')
        assert StrictVersion('1.0a1') < StrictVersion('1.0') == '1.0.0'
        assert LooseVersion('1.20.3-at.20200401.01') < LooseVersion('1.21.3-at.20230623.01')
        assert str(StrictVersion('0.10.3')) == '0.10.3'
        try:
            StrictVersion('not.a.version')
        except ValueError:
            pass
        else:
            raise AssertionError('accepted')
        pipeline = Pipeline(PrintItem())
        """)
    assert play(path).outcomes == ["completed"]


def test_what_seesaw_says_of_itself(tmp_path: Path) -> None:
    """Version 0.10.3, Standalone, warrior_build ''."""
    path = write_pipeline(tmp_path, """\
        import seesaw as s
        assert s.__version__ == '0.10.3'
        assert s.runner_type == 'Standalone'
        assert s.warrior_build == ''
        assert isinstance(seesaw.__version__, str)
        pipeline = Pipeline(PrintItem())
        """)
    assert run_pipeline(path).status == 0


def test_seesaw_and_pipeline_core_are_the_same_objects() -> None:
    """Every module is one object under both names, whichever is imported first."""
    for first, second in (("seesaw", "pipeline_core"), ("pipeline_core", "seesaw")):
        script = (
            "import importlib\n"
            f"a = importlib.import_module('{first}'); b = importlib.import_module('{second}')\n"
            "assert a is b\n"
            f"for name in {MODULES!r}:\n"
            f"    one = importlib.import_module('{first}.' + name)\n"
            f"    two = importlib.import_module('{second}.' + name)\n"
            "    assert one is two, name\n"
            "    assert getattr(a, name) is one, name\n"
            "from seesaw.task import Task as T; from pipeline_core.task import Task as U\n"
            "assert T is U\n"
            "import seesaw.externalprocess as e, pipeline_core.externalprocess as p\n"
            "assert e is p\n")
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True,
                              text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr


def test_plain_script_runs_a_simple_runner(tmp_path: Path) -> None:
    """A plain script may import seesaw and call SimpleRunner(pipeline).start()."""
    script = tmp_path / "script.py"
    script.write_text(
        "import seesaw\n"
        "from seesaw.runner import SimpleRunner\n"
        "from seesaw.pipeline import Pipeline\n"
        "from seesaw.task import SimpleTask, SetItemKey\n"
        "from seesaw.externalprocess import ExternalProcess\n"
        "class Hello(SimpleTask):\n"
        "    def process(self, item):\n"
        "        item.log_output('hello from %s' % item['who'])\n"
        "pipeline = Pipeline(SetItemKey('who', 'script'), Hello('Hello'),\n"
        "                    ExternalProcess('Echo', ['echo', 'from', 'child']))\n"
        "runner = SimpleRunner(pipeline, max_items=2)\n"
        "runner.start()\n"
        "print('ended with', runner.item_count)\n")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True,
                          text=True, timeout=30, env={**os.environ, "PYTHONPATH": str(ROOT)},
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("hello from script") == 2
    assert done.stdout.count("from child") == 2
    assert done.stdout.rstrip().endswith("ended with 2")


PUBLIC = {
    "config": {"realize", "ConfigValue", "StringConfigValue", "NumberConfigValue",
               "ConfigInterpolation"},
    "event": {"Event"},
    "item": {"Item", "ItemValue", "ItemInterpolation"},
    "task": {"Task", "SimpleTask", "LimitConcurrent", "ConditionalTask", "SetItemKey",
             "PrintItem"},
    "pipeline": {"Pipeline"},
    "project": {"Project"},
    "runner": {"Runner", "SimpleRunner"},
    "externalprocess": {"ExternalProcess", "WgetDownload", "RsyncUpload", "CurlUpload",
                        "AsyncPopen", "AsyncPopen2"},
    "tracker": {"TrackerRequest", "GetItemFromTracker", "PrepareStatsForTracker",
                "UploadWithTracker", "SendDoneToTracker", "ReleaseItemsToTracker",
                "RsyncUpload", "CurlUpload"},
    "util": {"find_executable", "test_executable", "unique_id_str"},
}


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_star_import_gives_all_public_names(module: str) -> None:
    """`from seesaw.X import *` gives the module's public names, and the usual modules."""
    names: dict[str, object] = {}
    exec(f"from seesaw.{module} import *", names)
    assert PUBLIC[module] <= names.keys()
    real = importlib.import_module(f"pipeline_core.{module}")
    for name in PUBLIC[module]:
        assert names[name] is getattr(real, name)


def test_star_importers_use_modules_they_did_not_import(tmp_path: Path) -> None:
    """datetime, json, os, re, time, functools and subprocess come along with the stars."""
    path = write_pipeline(tmp_path, """\
        import seesaw
        from seesaw.project import *
        from seesaw.config import *
        from seesaw.item import *
        from seesaw.task import *
        from seesaw.pipeline import *
        from seesaw.externalprocess import *
        from seesaw.tracker import *
        from seesaw.util import *
        project = Project(title='Stars', project_html='',
                          utc_deadline=datetime.datetime(2030, 1, 2, 3, 4, 5))
        started = time.time()
        WORD = re.compile('[a-z]+')
        class Use(SimpleTask):
            def process(self, item):
                item['json'] = json.dumps({'sep': os.sep})
                item['word'] = WORD.findall('12ab')
                item['partial'] = functools.partial(int, '7')()
                item['echo'] = subprocess.check_output(['echo', 'hi'])
                item['old'] = time.time() - started < 60
        pipeline = Pipeline(Use('Use'))
        """, head="")
    item = play(path).only.item
    assert item["json"] == '{"sep": "/"}'
    assert item["word"] == ["ab"]
    assert item["partial"] == 7
    assert item["echo"] == b"hi\n"
    assert item["old"] is True


PYTHON_2 = {
    "print statement": "print 'hello'\n",
    "except comma": "try:\n    pass\nexcept Exception, e:\n    raise\n",
    "octal": "import os\nmode = 0755\n",
    "unicode raw": "x = ur'abc'\n",
    "raise comma": "def f():\n    raise ValueError, 'x'\n",
    "backticks": "x = `1`\n",
    "exec statement": "exec 'x = 1' in {}\n",
    "not equal": "x = 1 <> 2\n",
    "long": "x = 10L\n",
    "mixed tabs": "if True:\n\tx = 1\n        y = 2\n",
    "urllib2": "import urllib2\n",
    "urlparse": "from urlparse import urljoin\n",
    "ConfigParser": "import ConfigParser\n",
    "StringIO": "import StringIO\n",
    "unicode name": "x = unicode('x')\n",
    "xrange": "for i in xrange(3):\n    pass\n",
    "reload": "import sys\nreload(sys)\nsys.setdefaultencoding('utf-8')\n",
}


@pytest.mark.parametrize("kind", sorted(PYTHON_2))
def test_python_2_file_says_just_that(tmp_path: Path, kind: str) -> None:
    """A file that is Python 2 only cannot load, and the message says so in plain words."""
    path = write_pipeline(tmp_path, PYTHON_2[kind] + "pipeline = Pipeline(PrintItem())\n")
    with pytest.raises(LoadError) as caught:
        load(path)
    assert "Python 2" in str(caught.value)


def test_python_2_file_by_the_command(tmp_path: Path) -> None:
    """The command says it in a sentence, too, and ends with status 1."""
    path = write_pipeline(tmp_path, "print 'hello'\npipeline = Pipeline(PrintItem())\n")
    ended = run_pipeline(path)
    assert ended.status == 1
    assert "Python 2" in ended.output


def test_ordinary_errors_are_not_called_python_2(tmp_path: Path) -> None:
    """A plain mistake (missing module, wrong name, bad syntax) is not blamed on Python 2."""
    for number, source in enumerate(["import no_such_module_xyz\n", "x = undefined_name_xyz\n",
                                     "x = (1,\n", "d = {}\nd.nothing\n"]):
        path = write_pipeline(tmp_path / str(number), source)
        with pytest.raises(LoadError) as caught:
            load(path)
        assert "Python 2" not in str(caught.value), source


def test_missing_module_says_what_to_install(tmp_path: Path) -> None:
    """A project that needs a module that is not there says its name and what to install."""
    path = write_pipeline(tmp_path, "import no_such_module_xyz\npipeline = Pipeline()\n")
    with pytest.raises(LoadError, match="no_such_module_xyz") as caught:
        load(path)
    assert "no_such_module_xyz" in caught.value.advice
    assert "install" in caught.value.advice.lower()
    ended = run_pipeline(path)
    assert ended.status == 1
    assert "no_such_module_xyz" in ended.output and "install" in ended.output.lower()


def test_old_sources_with_doubtful_escapes_load(tmp_path: Path) -> None:
    """Files full of '\\d' in plain strings (a SyntaxWarning of newer Pythons) still load."""
    path = write_pipeline(tmp_path, "\
import re\nPATTERN = re.compile('^item:\\d+\\.\\w+$')\n\
if 1 is not None and 'x' is 'x':\n    pass\npipeline = Pipeline(PrintItem())\n")
    assert play(path).outcomes == ["completed"]


def test_two_loads_of_one_file_are_separate(tmp_path: Path) -> None:
    """The file is executed, not imported: each load makes all things anew."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem())\n")
    first, second = load(path), load(path)
    assert first.pipeline is not second.pipeline
    assert first.project is not second.project
