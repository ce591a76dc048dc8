"""Several projects, and two versions of one, in one process.

Covered: helper modules beside the file (sys.path.insert, append '.', late imports,
importlib, packages), same-named helpers of two projects, two versions of one project,
a project's own copy of warcio and of seesaw, submodules, globals in helpers, sys.path
additions that never leak; in both ways of giving the worker its directory.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from pipeline_core.engine.loader import LoadedPipeline, LoadError, load_pipeline
from pipeline_core.runner import Runner
from tests.support.kit import load, play, write_pipeline


def project(folder: Path, word: str, way: str = "sys.path.insert(0, os.getcwd())",
            extra: str = "") -> Path:
    """A project that uses its helper.py, late.py and package beside it, all saying `word`."""
    path = write_pipeline(folder, f"""\
        {way}
        import helper
        from pack.inner import INNER
        from pack import sibling
        {extra}
        class Use(SimpleTask):
            def process(self, item):
                import late
                import importlib
                time.sleep(0.01)
                item['words'] = [helper.WORD, INNER, sibling.value(), late.WORD,
                                 importlib.import_module('later').WORD, helper.deferred()]
                item['cwd'] = os.getcwd()
                item['cached'] = sys.modules['helper'].WORD
        pipeline = Pipeline(Use('Use'), ExternalProcess('pwd', ['pwd']))
        """)
    (folder / "helper.py").write_text(
        f"import os\nWORD = {word!r}\ncount = []\n"
        "def deferred():\n    from pack import inner2\n    return inner2.WORD\n")
    for name in ("late", "later"):
        (folder / f"{name}.py").write_text(f"import helper\nWORD = helper.WORD\n"
                                           f"assert WORD == {word!r}\n")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "inner.py").write_text(f"INNER = {word!r}\n")
    (folder / "pack" / "inner2.py").write_text(f"WORD = {word!r}\n")
    (folder / "pack" / "sibling.py").write_text(
        "from . import inner\ndef value():\n    return inner.INNER\n")
    return path


async def together(paths: list[Path], own_directory: bool = True,
                   items: int = 5) -> list[list[dict[str, object]]]:
    """Load all, then run items of all side by side; what each item held."""
    loaded: list[LoadedPipeline] = []
    for path in paths:
        loaded.append(await load_pipeline(str(path), "x", own_directory=own_directory))
    held: list[list[dict[str, object]]] = []
    endings = []
    for one in loaded:
        runner = Runner(max_items=items, concurrent_items=2)
        runner.set_current_pipeline(one.pipeline)
        mine: list[dict[str, object]] = []
        held.append(mine)
        runner.on_pipeline_finish_item += (
            lambda runner, pipeline, item, mine=mine: mine.append(
                {**item, "state": item.item_state}))
        done = asyncio.Event()
        endings.append(done.wait())
        runner.on_finish += lambda runner, done=done: done.set()
        runner.start()
    await asyncio.wait_for(asyncio.gather(*endings), 30)
    for one in loaded:
        one.worker.close()
    return held


WAYS = ["sys.path.insert(0, os.getcwd())", "sys.path.append('.')", "sys.path.insert(0, '.')",
        "sys.path.append(os.path.dirname(os.path.abspath('pipeline.py')))",
        "sys.path.insert(0, '')", "sys.path.insert(1, os.path.abspath('.'))",
        "sys.path = [os.getcwd()] + sys.path"]


@pytest.mark.parametrize("way", WAYS)
def test_helpers_beside_the_file(tmp_path: Path, way: str) -> None:
    """Whichever way a file makes its folder importable, early and late imports work."""
    path = project(tmp_path, "word", way)
    before = list(sys.path)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["words"] == ["word"] * 6
    assert sys.path == before
    assert not {"helper", "late", "later", "pack", "pack.inner"} & set(sys.modules)


@pytest.mark.parametrize("own_directory", [True, False])
@pytest.mark.parametrize("way", WAYS[:2])
def test_two_projects_with_same_named_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                              way: str, own_directory: bool) -> None:
    """Each project has its own helpers, at load and in late imports, whatever runs beside it."""
    first = project(tmp_path / "a", "first", way)
    second = project(tmp_path / "b", "second", way)
    third = project(tmp_path / "c", "third", WAYS[0])
    before = os.getcwd()
    monkeypatch.chdir(before)  # gone back to: the shared way moves the process's own
    held = asyncio.run(together([first, second, third], own_directory))
    if own_directory:
        assert os.getcwd() == before
    for items, word, path in zip(held, ("first", "second", "third"), (first, second, third)):
        assert len(items) == 5
        for item in items:
            assert item["state"] == "completed"
            assert item["words"] == [word] * 6 and item["cached"] == word
            assert item["cwd"] == str(path.parent)


def test_two_versions_of_one_project(tmp_path: Path) -> None:
    """The old and the new code of one project run side by side, from two clones."""
    old = project(tmp_path / "project-1", "old")
    new = project(tmp_path / "project-2", "new")
    held = asyncio.run(together([old, new, old]))
    assert [item["words"] for items in held for item in items] == (
        [["old"] * 6] * 5 + [["new"] * 6] * 5 + [["old"] * 6] * 5)


def test_each_load_has_helpers_of_its_own(tmp_path: Path) -> None:
    """Loading one file twice gives two copies of its helpers: no state is shared."""
    path = project(tmp_path, "word", extra="helper.count.append(1)\npipelines = helper.count")
    assert path.exists()
    write_pipeline(tmp_path, """\
        sys.path.insert(0, os.getcwd())
        import helper
        helper.count.append(1)
        pipeline = Pipeline(SetItemKey('count', len(helper.count)))
        """)
    assert play(path).only.item["count"] == 1
    assert play(path).only.item["count"] == 1


@pytest.mark.parametrize("way", WAYS[:3])
def test_own_copy_of_warcio_shadows(tmp_path: Path, way: str) -> None:
    """A project's own older warcio is used by it alone; others get the installed one."""
    import warcio  # what is installed

    owner, other = tmp_path / "owner", tmp_path / "other"
    at_front = way.replace("append(", "insert(0, ")
    path = write_pipeline(owner, f"""\
        {at_front}
        import warcio
        from warcio.archiveiterator import ArchiveIterator
        assert warcio.__version__ == 'own-0.1', warcio
        class Use(SimpleTask):
            def process(self, item):
                import warcio.late
                item['warcio'] = [warcio.__version__, ArchiveIterator, warcio.late.VALUE]
        pipeline = Pipeline(Use('Use'))
        """)
    (owner / "warcio").mkdir()
    (owner / "warcio" / "__init__.py").write_text("__version__ = 'own-0.1'\n")
    (owner / "warcio" / "archiveiterator.py").write_text("ArchiveIterator = 'own'\n")
    (owner / "warcio" / "late.py").write_text("from warcio import __version__ as VALUE\n")
    plain = write_pipeline(other, """\
        import warcio
        from warcio.archiveiterator import ArchiveIterator
        pipeline = Pipeline(SetItemKey('warcio', [warcio.__file__, ArchiveIterator]))
        """)
    held = asyncio.run(together([path, plain, path], items=1))
    assert held[0][0]["warcio"] == held[2][0]["warcio"] == ["own-0.1", "own", "own-0.1"]
    assert held[1][0]["warcio"][0] == warcio.__file__  # type: ignore[index]
    assert sys.modules["warcio"] is warcio


@pytest.mark.parametrize("way", WAYS[:3])
def test_own_copy_of_seesaw_never_shadows(tmp_path: Path, way: str) -> None:
    """`seesaw` is always ours, also where a project carries an older copy beside its file."""
    for where in ("seesaw", "pipeline_core"):
        (tmp_path / where).mkdir()
        (tmp_path / where / "__init__.py").write_text("__version__ = '0.1'\n")
        (tmp_path / where / "task.py").write_text("raise Exception('the old copy')\n")
    path = write_pipeline(tmp_path, f"""\
        import os, sys
        {way}
        import seesaw
        from seesaw.task import SimpleTask, SetItemKey
        from seesaw.pipeline import Pipeline
        from seesaw.project import Project
        import importlib
        assert seesaw.__version__ == '0.10.3'
        assert importlib.import_module('seesaw.task').SimpleTask is SimpleTask
        project = Project(title='x')
        class Late(SimpleTask):
            def process(self, item):
                import seesaw.util
                import pipeline_core.task
                assert pipeline_core.task.SimpleTask is SimpleTask
                item['version'] = seesaw.__version__
        pipeline = Pipeline(Late('Late'))
        """, head="")
    assert play(path).only.item["version"] == "0.10.3"


def test_standard_names_beside_the_file_do_not_hurt_others(tmp_path: Path) -> None:
    """A project's json.py or utils.py is seen by that project at most, never by the toolkit."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "utils.py").write_text("WORD = 'mine'\n")
    (tmp_path / "a" / "tornado_helper.py").write_text("import tornado\nWORD = tornado.version\n")
    path = write_pipeline(tmp_path / "a", """\
        sys.path.insert(0, os.getcwd())
        import utils, tornado_helper
        pipeline = Pipeline(SetItemKey('words', [utils.WORD, bool(tornado_helper.WORD)]))
        """)
    assert play(path).only.item["words"] == ["mine", True]
    other = write_pipeline(tmp_path / "b", """\
        sys.path.insert(0, os.getcwd())
        try:
            import utils
        except ImportError:
            utils = None
        pipeline = Pipeline(SetItemKey('utils', utils))
        """)
    assert play(other).only.item["utils"] is None


def test_libraries_are_shared(tmp_path: Path) -> None:
    """What is installed is imported once: two projects see the same requests."""
    source = "import requests\npipeline = Pipeline(PrintItem())\npipeline.requests = requests\n"
    first = load(write_pipeline(tmp_path / "a", source))
    second = load(write_pipeline(tmp_path / "b", source))
    assert first.pipeline.requests is second.pipeline.requests  # type: ignore[attr-defined]


def test_a_helper_that_fails_to_import_can_be_loaded_later(tmp_path: Path) -> None:
    """A load that failed leaves nothing behind: once mended, the same file loads."""
    path = project(tmp_path, "word")
    helper = tmp_path / "helper.py"
    good = helper.read_text()
    helper.write_text("raise RuntimeError('not yet')\n")
    with pytest.raises(LoadError, match="not yet"):
        load(path)
    helper.write_text(good + "\n# mended\n")
    assert play(path).only.item["words"] == ["word"] * 6


def test_classes_of_helpers_pickle_and_super(tmp_path: Path) -> None:
    """Tasks defined in a helper module work as those in the file: in the worker, with super()."""
    (tmp_path / "tasks.py").write_text(
        "import threading\nfrom seesaw.task import SimpleTask\n"
        "class Helped(SimpleTask):\n"
        "    def process(self, item):\n"
        "        item['main'] = threading.current_thread() is threading.main_thread()\n"
        "        print('printed by a helper')\n")
    path = write_pipeline(tmp_path, """\
        sys.path.insert(0, os.getcwd())
        from tasks import *
        pipeline = Pipeline(Helped('Helped'))
        """)
    seen = play(path).only
    assert seen.item["main"] is False
    assert "printed by a helper\n" in seen.log


def test_sys_modules_of_the_file_itself(tmp_path: Path) -> None:
    """Things that look their module up (dataclasses, pickle) work in a pipeline file."""
    path = write_pipeline(tmp_path, """\
        import dataclasses, pickle, enum
        @dataclasses.dataclass
        class Record:
            n: int = 3
        class Kind(enum.Enum):
            ONE = 1
        class Use(SimpleTask):
            def process(self, item):
                item['record'] = pickle.loads(pickle.dumps(Record())).n
                item['kind'] = pickle.loads(pickle.dumps(Kind.ONE)) is Kind.ONE
                item['file'] = os.path.basename(__file__)
        pipeline = Pipeline(Use('Use'))
        """)
    item = play(path).only.item
    assert (item["record"], item["kind"], item["file"]) == (3, True, "pipeline.py")


def test_working_directories_do_not_mix(tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    """While one project sleeps in its folder another works in its own, in both ways."""
    paths = [write_pipeline(tmp_path / name, """\
        class Stay(SimpleTask):
            def process(self, item):
                before = os.getcwd()
                time.sleep(0.05)
                with open('mark-%d' % item.item_number, 'w') as f:
                    f.write(before)
                item['same'] = before == os.getcwd()
        pipeline = Pipeline(Stay('Stay'))
        """) for name in ("a", "b")]
    monkeypatch.chdir(os.getcwd())  # gone back to afterwards
    for own_directory in (True, False):
        held = asyncio.run(together(paths, own_directory, items=3))
        assert all(item["same"] for items in held for item in items)
        for path in paths:
            for number in (1, 2, 3):
                mark = path.parent / f"mark-{number}"
                assert mark.read_text() == str(path.parent)
                mark.unlink()
