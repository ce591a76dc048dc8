"""What a pipeline file needs and what of it is missing: found by loading real files."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from pathlib import Path

import pytest

from pipeline_core.engine.loader import LoadError, load_pipeline
from pipeline_core.requirements.install_hints import module_advice, program_advice
from pipeline_core.requirements.needs import Needs, version_in_words

HEAD = """\
import os, re, subprocess
from seesaw.externalprocess import ExternalProcess, WgetDownload
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask, LimitConcurrent
from seesaw.tracker import UploadWithTracker
from seesaw.util import find_executable, test_executable
project = Project(title='Test')
pipeline = Pipeline()
"""


def write(folder: Path, source: str, **helpers: str) -> Path:
    for name, text in helpers.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    path = folder / "pipeline.py"
    path.write_text(HEAD + textwrap.dedent(source))
    return path


def program(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def load(path: Path) -> tuple[Needs, LoadError | None]:
    """The needs of a file, and why it does not load if it does not."""
    async def main() -> tuple[Needs, LoadError | None]:
        try:
            loaded = await asyncio.wait_for(load_pipeline(str(path), "someone"), 60)
        except LoadError as error:
            return error.needs, error
        needs = await loaded.needs()
        loaded.close()
        return needs, None

    return asyncio.run(main())


def missing(needs: Needs) -> list[tuple[str, str]]:
    return [(one.kind, one.name) for one in needs.missing]


# -- programs ------------------------------------------------------------------------------

def test_exactly_the_missing_program_is_named(tmp_path: Path) -> None:
    """Others that were looked for and found are not, and each path says what was wrong."""
    program(tmp_path, "tool", "echo tool 2.0")
    program(tmp_path, "old-wget", "echo GNU Wget 1.20")
    program(tmp_path, "broken-wget", "exit 3")
    (tmp_path / "no-program").write_text("text")
    needs, error = load(write(tmp_path, """
        assert find_executable('Tool', '2.0', ['./no', './tool'])
        WGET_AT = find_executable('Wget+AT', ['GNU Wget 1.21-at', 'GNU Wget 1.22-at'],
            ['./wget-at', './no-program', './old-wget', './broken-wget', 'nowhere-on-path'])
        if not WGET_AT:
            raise Exception('No usable Wget+At found.')
    """))
    assert missing(needs) == [("program", "Wget+AT")]
    reason = needs.missing[0].reason
    assert "Wget+AT (GNU Wget 1.21-at or GNU Wget 1.22-at) is missing" in reason
    for why in ("./wget-at is not there", "./no-program is not executable",
                "./old-wget is not of the wanted version", "it says: GNU Wget 1.20",
                "./broken-wget -V ended with exit status 3", "nowhere-on-path is not on PATH"):
        assert why in reason
    assert "https://github.com/ArchiveTeam/wget-lua" in needs.missing[0].advice
    assert "./wget-at" in needs.missing[0].advice
    assert error is not None and "Wget+AT" in str(error)
    assert "The project says: No usable Wget+At found." in str(error)
    assert error.advice == needs.missing[0].advice and "pipeline.py" in error.traceback


@pytest.mark.parametrize(("source", "name"), [
    ("pipeline = Pipeline(ExternalProcess('A', ['./tool.sh', 'x']))", "./tool.sh"),
    ("assert find_executable('Tool', None, ['./tool.sh'])", "Tool")])
def test_a_script_that_is_not_executable(tmp_path: Path, source: str, name: str) -> None:
    """It is there, so nothing has to be installed."""
    (tmp_path / "tool.sh").write_text("#!/bin/sh\n")
    needs, _ = load(write(tmp_path, source))
    assert missing(needs) == [("program", name)]
    assert "./tool.sh is not executable" in needs.missing[0].reason
    assert needs.missing[0].advice == "It is there: make it executable with chmod +x ./tool.sh"


def test_one_of_several_paths_is_not_executable(tmp_path: Path) -> None:
    """Both ways out are told; a folder is not made executable."""
    (tmp_path / "wget at").write_text("#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    needs, _ = load(write(tmp_path, """
        assert find_executable('Wget+AT', None, ['./wget at', './wget-at'])
        """))
    advice = needs.missing[0].advice
    assert "chmod +x './wget at' Or: " in advice and "ArchiveTeam/wget-lua" in advice
    needs, _ = load(write(tmp_path, "pipeline = Pipeline(ExternalProcess('A', ['./folder']))"))
    assert "./folder is a folder" in needs.missing[0].reason
    assert "chmod" not in needs.missing[0].advice


@pytest.mark.parametrize("then", [
    "import sys; sys.exit('no wget')", "assert WGET", "open('nothing-here')", "WGET.strip()"])
def test_however_the_file_fails_the_program_is_blamed(tmp_path: Path, then: str) -> None:
    """A file may raise, end itself, or stumble over the None."""
    needs, error = load(write(tmp_path, f"WGET = find_executable('Wget', None, ['./w'])\n{then}"))
    assert error is not None and missing(needs) == [("program", "Wget")]


@pytest.mark.parametrize("then", [
    "raise KeyError('x')", "no_such_name", "raise ConnectionRefusedError()"])
def test_a_mistake_of_the_code_blames_no_program(tmp_path: Path, then: str) -> None:
    """The file went on without the program; something else made it fail."""
    needs, error = load(write(tmp_path, f"W = find_executable('Wget', None, ['./w'])\n{then}"))
    assert error is not None and needs.missing == ()
    assert [(one.name, one.optional) for one in needs.programs] == [("Wget", True)]


def test_alternatives_count_as_one_when_one_is_there(tmp_path: Path) -> None:
    """A second lookup of the same name, and a file that goes on without a program."""
    program(tmp_path, "wget-lua", "echo lua")
    needs, error = load(write(tmp_path, """
        WGET = (find_executable('Wget', 'lua', ['./wget-at'])
                or find_executable('Wget', 'lua', ['./wget-lua']))
        FFMPEG = find_executable('ffmpeg', None, ['./ffmpeg-nowhere'])
        assert test_executable('Sh', 'lua', './wget-lua')
    """))
    assert error is None and needs.missing == ()
    assert [(one.name, one.found, one.optional) for one in needs.programs] == [
        ("Wget", "./wget-lua", False), ("ffmpeg", "", True), ("Sh", "./wget-lua", False)]


def test_a_program_that_was_not_found_and_is_used_all_the_same(tmp_path: Path) -> None:
    """The file loads, and its command line would begin with None."""
    needs, error = load(write(tmp_path, """
        WGET_AT = find_executable('Wget+AT', None, ['./wget-at'])
        class WgetArgs:
            def realize(self, item):
                return [WGET_AT, '-nv']
        pipeline = Pipeline(WgetDownload(WgetArgs()))
    """))
    assert error is None and missing(needs) == [("program", "Wget+AT")]
    needs, error = load(write(tmp_path, """
        pipeline = Pipeline(WgetDownload([find_executable('Wget+AT', None, ['./wget-at'])]))
        other = find_executable('Other', None, ['./other'])
    """))
    assert error is None and missing(needs) == [("program", "its program (None)")]


def test_programs_of_tasks(tmp_path: Path) -> None:
    """Where a task would look: on its own PATH, or beside the file; inside others too."""
    program(tmp_path, "here", "true")
    program(tmp_path / "bin" if (tmp_path / "bin").mkdir() else tmp_path / "bin", "mine", "true")
    needs, error = load(write(tmp_path, f"""
        from seesaw.config import StringConfigValue
        pipeline = Pipeline(
            ExternalProcess('A', ['./here']), ExternalProcess('B', ['./not-here', 'x']),
            LimitConcurrent(1, ExternalProcess('C', ['no-such-tool'])),
            ExternalProcess('D', ['mine'], env={{'PATH': {str(tmp_path / 'bin')!r}}}),
            ExternalProcess('E', ['mine']),
            ExternalProcess('F', [StringConfigValue('tool', default='no-such-tool-either')]),
            UploadWithTracker('http://127.0.0.1:1', 'someone', []))
    """))
    assert error is None
    names = {one.name: one for one in needs.programs}
    assert {"./here", "./not-here", "no-such-tool", "rsync", "curl", "mine"} <= set(names)
    assert [name for _, name in missing(needs)] == [
        "./not-here", "no-such-tool", "no-such-tool-either"]
    assert "C runs it" in names["no-such-tool"].wanted_by
    assert "is not on /bin:/usr/bin" in needs.missing[1].reason


def test_programs_started_by_hand(tmp_path: Path) -> None:
    """subprocess in a function, with a name written there."""
    needs, _ = load(write(tmp_path, """
        class Look(SimpleTask):
            def process(self, item):
                subprocess.run(['no-such-prober', item['item_name']])
                subprocess.check_output(('sh', '-c', 'true'))
    """))
    assert missing(needs) == [("program", "no-such-prober")]
    by_hand = {one.name: one.wanted_by for one in needs.programs}
    assert by_hand["no-such-prober"] == "Look.process runs it (pipeline.py:13)"
    assert "sh" in by_hand


def test_lookups_of_one_load_are_not_anothers(tmp_path: Path) -> None:
    """Two files at the same time, each with its own."""
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths.append(write(tmp_path / name, f"""
            import os, time
            def meet(when):
                open('../%s-{name}' % when, 'w').close()
                end = time.monotonic() + 30
                while not all(os.path.exists('../%s-%s' % (when, one)) for one in ('one', 'two')):
                    assert time.monotonic() < end
                    time.sleep(0.01)
            meet('before')
            find_executable('Tool {name}', None, ['./{name}'])
            meet('after')
        """))

    async def main() -> list[Needs]:
        loaded = await asyncio.gather(*(load_pipeline(str(path), "someone") for path in paths))
        needs = [await one.needs() for one in loaded]
        for one in loaded:
            one.close()
        return needs

    assert [[one.name for one in needs.programs] for needs in asyncio.run(main())] == [
        ["Tool one"], ["Tool two"]]


# -- modules -------------------------------------------------------------------------------

@pytest.mark.parametrize("source", [
    "import no_such_lupa",
    "import no_such_lupa.part as p",
    "from no_such_lupa import LuaRuntime",
    "try:\n    import no_such_lupa\nexcept ImportError:\n    raise Exception('lupa, please')",
    "try:\n    import no_such_lupa\nexcept ImportError:\n    import sys; sys.exit(1)",
    "__import__('no_such_lupa')",
])
def test_exactly_the_missing_module_is_named(tmp_path: Path, source: str) -> None:
    """However it is imported, also when the file says so in words of its own."""
    needs, error = load(write(tmp_path, "import requests\n" + source))
    assert error is not None and missing(needs) == [("module", "no_such_lupa")]
    assert "The Python module no_such_lupa is missing." in str(error)
    assert f"{sys.executable} -m pip install no_such_lupa" in error.advice


def test_what_comes_after_the_failure_is_told_too(tmp_path: Path) -> None:
    """So that nobody has to install one thing after the other."""
    needs, _ = load(write(tmp_path, """
        if not find_executable('Wget', None, ['./wget']):
            raise Exception('No wget')
        import no_such_module_two
    """))
    assert missing(needs) == [("module", "no_such_module_two"), ("program", "Wget")]


def test_modules_that_are_needed_later(tmp_path: Path) -> None:
    """Imports inside functions, in the file and in its helpers; the place is told."""
    needs, error = load(write(tmp_path, """
        import helper
        class Fetch(SimpleTask):
            def process(self, item):
                import no_such_late, json, requests
                from late_helper import work
            async def other(self):
                from seesaw import item
                try:
                    import no_such_optional
                except ImportError:
                    no_such_optional = None
    """, helper="def f():\n    import no_such_in_helper\n    from . import nothing\n",
        late_helper="import no_such_at_its_top\ndef work(): pass\n"))
    assert error is None
    late = {one.name: one for one in needs.modules}
    assert [name for _, name in missing(needs)] == [
        "no_such_late", "no_such_in_helper", "no_such_at_its_top"]
    assert late["no_such_late"].later == "in Fetch.process (pipeline.py:14)"
    assert late["no_such_in_helper"].later == "in f (helper.py:2)"
    assert late["no_such_at_its_top"].later == "in Fetch.process (pipeline.py:15)"
    assert late["no_such_optional"].optional
    assert late["requests"].found and late["requests"].version
    assert not {"json", "seesaw", "helper", "late_helper", "tornado"} & set(late)


def test_branches_of_other_pythons_are_not_missed(tmp_path: Path) -> None:
    """Half of the old files have them."""
    needs, error = load(write(tmp_path, """
        import sys
        if sys.version_info[0] < 3:
            import urllib2
        try:
            import cPickle
        except ImportError:
            import pickle
        def f():
            if sys.version_info >= (3, 99):
                import no_such_yet
    """))
    assert error is None and needs.missing == ()


def test_a_module_of_the_project_that_is_not_there(tmp_path: Path) -> None:
    """It may be a submodule of git as well as a package."""
    needs, error = load(write(tmp_path, "import no_such_helper"))
    assert error is not None and "git submodule update --init" in error.advice
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    needs, error = load(write(tmp_path, "import package.part"))
    assert missing(needs) == [("module", "package.part")]
    assert error is not None and "pip install package.part" not in error.advice


@pytest.mark.logs_errors("could not be determined")
def test_needs_that_cannot_be_found_out_hinder_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A task may be of any strange kind; that is told in the log, and the file loads."""
    needs, error = load(write(tmp_path, """
        class Bare(ExternalProcess):
            def __init__(self):
                pass
        pipeline = Pipeline(Bare(), ExternalProcess('B', ['./not-here']))
    """))
    assert error is None and missing(needs) == [("program", "./not-here")]
    assert not caplog.records
    needs, error = load(write(tmp_path, """
        class Strange(ExternalProcess):
            @property
            def args(self):
                raise RuntimeError('not now')
            @args.setter
            def args(self, value):
                pass
        pipeline = Pipeline(Strange('Strange', ['sh']))
    """))
    assert error is None and needs == Needs()
    assert "could not be determined" in caplog.text


def test_a_slip_in_the_file_is_told_without_frames_of_ours(tmp_path: Path) -> None:
    """Its line is all that helps."""
    _, error = load(write(tmp_path, "print 'x'"))
    assert error is not None and "loader.py" not in error.traceback
    assert 'pipeline.py", line 10' in error.traceback and "print 'x'" in error.traceback


# -- what is old, and words ------------------------------------------------------------------

def test_old_ways(tmp_path: Path) -> None:
    """Each is told once, with its lines and what to do instead."""
    path = write(tmp_path, """
        from distutils.version import StrictVersion
        from seesaw.config import *
        from seesaw.item import *
        from tornado.ioloop import IOLoop
        from tornado.httpclient import HTTPClient
        import seesaw.externalprocess
        class Popen(seesaw.externalprocess.AsyncPopen):
            def run(self):
                self.kwargs['preexec_fn'] = os.setpgrp
        seesaw.externalprocess.AsyncPopen = Popen
        def f(task):
            IOLoop.instance().add_callback(f)
            HTTPClient().fetch('http://127.0.0.1/')
            task.on_complete_item = f
            subprocess.run(['true'], preexec_fn=os.setpgrp)
            return unicode
    """)
    needs, _ = load(path)
    words = {one.what.split(",")[0].split(" (")[0]: one.lines for one in needs.deprecated}
    assert list(words.values()) == [
        (11,), (12, 13), (17,), (19,), (20,), (22,), (23,), (24,), (26,)]
    assert all(one.instead and one.file == "pipeline.py" for one in needs.deprecated)


@pytest.mark.parametrize(("source", "what", "instead"), [
    ("import urllib2", "imports urllib2, which only Python 2 has", "use urllib.request"),
    ("from urlparse import urljoin", "imports urlparse, which only Python 2", "use urllib.parse"),
    ("def f():\n    import Queue", "imports Queue, which only Python 2 has", "use queue"),
    ("def f(text):\n    return unicode(text)", "uses unicode, which only Python 2", "use str"),
    ("import sys\nif sys.version_info[0] < 3:\n    import urllib2", "never runs", "leave it out"),
    ("try:\n    import urllib2\nexcept ImportError:\n    pass", "never runs", "leave it out"),
    ("try:\n    import urllib.request\nexcept ImportError:\n    import urllib2", "never runs",
     "leave it out"),
    ("try:\n    input = raw_input\nexcept NameError:\n    pass", "never runs", "leave it out"),
    ("import urllib\ndef f(x):\n    return urllib.unquote(x)",
     "uses urllib.unquote, which only Python 2", "use urllib.parse.unquote"),
    ("import urllib, urllib.request\ndef f(x):\n    return urllib.urlopen(x).read()",
     "uses urllib.urlopen, which only Python 2", "use urllib.request.urlopen"),
    ("def f(x):\n    from urllib import urlencode\n    return urlencode(x)",
     "uses urllib.urlencode, which only Python 2", "use urllib.parse.urlencode"),
    ("import string\ndef f():\n    return string.letters",
     "uses string.letters, which only Python 2", "use string.ascii_letters"),
    ("import urllib, urllib.parse\ntry:\n    quote = urllib.quote\nexcept AttributeError:\n"
     "    quote = urllib.parse.quote", "never runs", "leave it out"),
    ("try:\n    from urllib import quote\nexcept ImportError:\n"
     "    from urllib.parse import quote", "never runs", "leave it out"),
])
def test_what_only_python_2_has(tmp_path: Path, source: str, what: str, instead: str) -> None:
    """It is told as what never runs only where the code goes on without it."""
    needs, error = load(write(tmp_path, source))
    (old,) = needs.deprecated
    assert what in old.what and old.instead == instead
    assert (error is not None) == (source.startswith(("import urllib2", "from urlparse")))


@pytest.mark.parametrize("source", [
    "import urllib\nx = urllib.unquote('%20')", "import urllib\nx = urllib.urlopen('http://h/')",
    "import urllib\nx = urllib.quote(' ')", "import urllib\nx = urllib.urlencode({})",
    "from urllib import unquote", "from itertools import izip", "import sys\nx = sys.maxint"])
def test_a_file_that_stops_at_what_only_python_2_has(tmp_path: Path, source: str) -> None:
    """The reason says that the file is for Python 2, and what it uses; nothing is missing that
    could be installed."""
    needs, error = load(write(tmp_path, source))
    assert error is not None and not needs.missing
    assert "is written for Python 2: it uses " in str(error)
    assert "which Python 3 does not have (instead: " in str(error)
    assert error.advice == "The project's author has to bring it to Python 3."


@pytest.mark.parametrize("source", [
    "def f(string):\n    return string.replace('a', 'b')", "import urllib.parse as urllib\n"
    "x = urllib.unquote('%20')", "from string import Template\nstring = 'x'\nx = string.upper()",
    "import urllib.parse\nx = urllib.parse.unquote('%20')"])
def test_names_that_only_look_like_python_2(tmp_path: Path, source: str) -> None:
    """A name of the file's own has the meaning that the file gives it."""
    needs, error = load(write(tmp_path, source))
    assert error is None and not needs.deprecated


def test_a_name_of_python_2_that_the_file_defines(tmp_path: Path) -> None:
    """It has a meaning then, and nothing fails; a helper may be called like a module of it."""
    needs, error = load(write(
        tmp_path, "unicode = str\nimport commands\ndef f(text):\n    return unicode(text)",
        commands="x = 1\n"))
    assert error is None and needs.deprecated == ()


def test_a_file_of_today_uses_nothing_old(tmp_path: Path) -> None:
    """The practice project's ways, and a coroutine."""
    needs, _ = load(write(tmp_path, """
        import asyncio
        from tornado.httpclient import AsyncHTTPClient
        class Fetch(SimpleTask):
            async def process(self, item):
                await AsyncHTTPClient().fetch('http://127.0.0.1/')
                asyncio.get_running_loop()
    """))
    assert needs.deprecated == ()


@pytest.mark.parametrize(("version", "words"), [
    (None, ""), ("1.2", "1.2"), (["1", "2"], "1 or 2"), (__import__("re").compile("a+"), "matching a+"),
    (object(), "as object decides"),
])
def test_versions_in_words(version: object, words: str) -> None:
    """All that find_executable takes."""
    assert version_in_words(version) == words


@pytest.mark.parametrize(("name", "package"), [
    ("dns", "dnspython"), ("yaml", "PyYAML"), ("bs4", "beautifulsoup4"), ("lupa", "lupa"),
    ("PIL", "pillow"),
])
def test_packages_of_other_names(name: str, package: str) -> None:
    """What is installed is not always called like what is imported."""
    assert module_advice(name).endswith(f"{sys.executable} -m pip install {package}")


def test_how_to_get_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With apt-get, without, and what Debian has not."""
    program(tmp_path, "apt-get", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program_advice("rsync", []) == "Install it with: sudo apt-get install rsync"
    assert "https://github.com/ArchiveTeam/wget-lua" in program_advice("Wget+Lua", ["./wget-lua"])
    assert "at ./wget" in program_advice("Wget", ["./wget"], other_version=True)
    monkeypatch.setenv("PATH", os.devnull)
    assert "package manager" in program_advice("curl", [])
