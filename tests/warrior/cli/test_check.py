"""What --check tells of a file, as a value and as text; and the same on a project's card."""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pipeline_core.engine.loader import LoadError, load_pipeline
from tests.warrior.parts import make_parts
from warrior.cli.check_report import Report, as_json, of_failed, of_loaded, render

HEAD = """\
from seesaw.config import *
from seesaw.externalprocess import ExternalProcess
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import *
from seesaw.tracker import *
from seesaw.util import find_executable
project = Project(title='The title')
"""


def report(folder: Path, source: str) -> Report:
    path = folder / "pipeline.py"
    path.write_text(HEAD + textwrap.dedent(source))
    output: list[str] = []

    async def main() -> Report:
        try:
            loaded = await asyncio.wait_for(
                load_pipeline(str(path), "someone", on_output=output.append), 60)
        except LoadError as error:
            return of_failed("pipeline.py", error, "".join(output))
        needs = await loaded.needs()
        loaded.close()
        return of_loaded("pipeline.py", loaded, needs, "".join(output))

    return asyncio.run(main())


def test_tasks_and_settings(tmp_path: Path) -> None:
    """Tasks as they are nested, with what can be said of them; settings with their limits."""
    told = report(tmp_path, """
        print('loading')
        threads = NumberConfigValue('shared:rsync_threads', 'Upload threads', min=1, max=20,
                                    default='2')
        NumberConfigValue('least', min=0)
        StringConfigValue('language', regex='^[a-z]+$', default='en')
        class Mine(SimpleTask):
            def process(self, item): pass
        class Args:
            def realize(self, item): return ['sh']
        class Url:
            def realize(self, item): return 'http://127.0.0.1:1'
        pipeline = Pipeline(
            GetItemFromTracker('http://127.0.0.1:1/x/', downloader), Mine('Step'),
            ConditionalTask(lambda item: True, LimitConcurrent(threads, ExternalProcess(
                'Run', ['sh', '-c', 'true']))),
            LimitConcurrent(3, ExternalProcess('Args', Args())), SendDoneToTracker(Url(), {}))
    """)
    assert told.fine and told.title == "The title" and told.output == "loading\n"
    assert [(task.position, task.name, task.kind, task.detail) for task in told.tasks] == [
        ("0", "GetItemFromTracker", "GetItemFromTracker", "asks http://127.0.0.1:1/x/request"),
        ("1", "Step", "Mine", ""),
        ("2", "Conditional", "ConditionalTask", ""),
        ("2.0", "LimitConcurrent", "LimitConcurrent",
         "at most 2 at once (setting shared:rsync_threads)"),
        ("2.0.0", "Run", "ExternalProcess", "runs sh"),
        ("3", "LimitConcurrent", "LimitConcurrent", "at most 3 at once"),
        ("3.0", "Args", "ExternalProcess", "runs what Args returns for each item"),
        ("4", "SendDoneToTracker", "SendDoneToTracker",
         "asks a tracker that the project's code chooses"),
    ]
    assert [(one.name, one.least, one.most, one.form, one.value) for one in told.settings] == [
        ("shared:rsync_threads", 1, 20, None, 2), ("least", 0, None, None, None),
        ("language", None, None, "^[a-z]+$", "en")]
    text = render(told)
    assert "shared:rsync_threads  1 to 20" in text and "default 2" in text
    assert "text of the form ^[a-z]+$" in text and "no default" in text and "at least 0" in text
    assert "  2.0.0      Run (ExternalProcess)" in text
    assert " ".join(text.split()).endswith(
        "It can run here, as far as the check can see. Unknown, because it depends on the item: the "
        "program of Args.")


def test_what_is_missing_stands_with_how_to_get_it(tmp_path: Path) -> None:
    """And the last line names it; the traceback is left out, as nobody has to look there."""
    told = report(tmp_path, """
        if not find_executable('Wget+AT', '1.21-at', ['./wget-at']):
            raise Exception('No usable Wget+At found.')
    """)
    text = render(told)
    assert not told.loads and not told.fine
    assert "The program Wget+AT (1.21-at) is missing: ./wget-at is not there." in text
    assert "https://github.com/ArchiveTeam/wget-lua" in text and "Traceback" not in text
    assert text.endswith("It cannot run here: Wget+AT is missing.")


@pytest.mark.parametrize("source", [
    """
    if not find_executable('Wget+AT', '1.21-at', ['./wget-at']):
        raise Exception('Karl says: ask in the channel for a copy.')
    """, """
    try:
        import no_such_module
    except ImportError:
        raise Exception('Karl says: ask in the channel for a copy.')
    """, """
    try:
        import no_such_module
    except ImportError:
        import sys
        sys.exit('Karl says: ask in the channel for a copy.')
    """])
def test_the_sentence_of_the_files_author_is_told_as_text_too(tmp_path: Path, source: str) -> None:
    """Beside what is missing, as a run and the JSON have it, and once."""
    told = report(tmp_path, source)
    text = " ".join(render(told).split())
    sentence = "The project says: Karl says: ask in the channel for a copy."
    assert told.needs.missing and sentence in told.reason
    assert text.count(sentence) == 1 and text.count("is missing:") + text.count(
        "is missing. ") == 1


def test_a_file_that_does_not_load_for_another_reason(tmp_path: Path) -> None:
    """The reason, and where."""
    text = render(report(tmp_path, "pipeline = 1 / 0"))
    assert "ZeroDivisionError: division by zero" in text
    assert "pipeline = 1 / 0" in text and text.endswith("It does not load, so it cannot run.")


def test_what_loads_and_misses_something_is_not_fine(tmp_path: Path) -> None:
    """Several things are counted."""
    told = report(tmp_path, """
        class Later(SimpleTask):
            def process(self, item):
                import no_such_module
        pipeline = Pipeline(Later('Later'), ExternalProcess('Run', ['no-such-program']))
    """)
    assert told.loads and not told.fine
    text = render(told)
    assert text.endswith("It cannot run here: 2 things are missing.")
    assert "it is needed later, in Later.process (pipeline.py:12)" in " ".join(text.split())


NO_TASKS = "pipeline = Pipeline()"
WGET_ARGS = """
class Args:
    def realize(self, item):
        return [WGET, '-nv', item['item_name']]
pipeline = Pipeline(ExternalProcess('Get', Args()))
"""


@pytest.mark.parametrize(("source", "end"), [
    (NO_TASKS, "Nothing is missing: it can run here."),
    ("pipeline = Pipeline(ExternalProcess('Run', ['sh', ItemInterpolation('%(x)s')]))",
     "Nothing is missing: it can run here."),
    ("WGET = find_executable('Shell', None, ['./shell'])" + WGET_ARGS,
     "Nothing is missing: it can run here."),
    ("WGET = '/bin/sh'" + WGET_ARGS, "it depends on the item: the program of Get."),
    ("pipeline = Pipeline(ExternalProcess('Run', [ItemInterpolation('%(x)s')]))",
     "it depends on the item: the program of Run."),
    ("FFMPEG = find_executable('ffmpeg', None, ['./ffmpeg'])\n" + NO_TASKS,
     "Not found, but the file runs without it: ffmpeg."),
    ("try:\n    import no_such\nexcept ImportError:\n    no_such = None\n" + NO_TASKS,
     "Not found, but the file runs without it: no_such."),
    ("F = find_executable('ffmpeg', None, ['./f'])\n"
     "pipeline = Pipeline(ExternalProcess('Run', [ItemInterpolation('%(x)s')]))",
     "It can run here, as far as the check can see. Not found, but the file runs without it: ffmpeg. "
     "Unknown, because it depends on the item: the program of Run."),
])
def test_the_last_line_claims_no_more_than_is_known(tmp_path: Path, source: str, end: str) -> None:
    """All is fine in each case; what was not found or cannot be seen is named."""
    (tmp_path / "shell").write_text("#!/bin/sh\n")
    (tmp_path / "shell").chmod(0o755)
    told = report(tmp_path, "from seesaw.item import ItemInterpolation\n" + source)
    assert told.fine, told.reason
    assert " ".join(render(told).split()).endswith(end)


def test_what_old_toolkits_lack_is_named(tmp_path: Path) -> None:
    """Each once, with its lines, and nothing that the file does not use."""
    told = report(tmp_path, """
        class Later(SimpleTask):
            async def process(self, item):
                print(item['items'], item['queues'], item['item_name'])
        class Get(GetItemFromTracker):
            MAX_RETRY_DELAY = 20
        pipeline = Pipeline(
            GetItemFromTracker('http://127.0.0.1:1/x/', downloader,
                               item_filter=lambda items: [True for _ in items]),
            GetItemFromTracker('http://127.0.0.1:1/x/', downloader, None, len),
            Later('Later'), ReleaseItemsToTracker('http://127.0.0.1:1/x/', downloader, '1', []))
    """)
    assert told.fine
    text = render(told)
    assert "Not in old toolkits" in text
    assert [(one.what, one.lines) for one in told.needs.newer] == [
        ("has `async def process`", (11,)), ("reads item['items'] or item['queues']", (12,)),
        ("sets RETRY_DELAY_INCREMENT or MAX_RETRY_DELAY", (14,)),
        ("gives GetItemFromTracker an item_filter", (16, 18)),
        ("uses ReleaseItemsToTracker", (19,))]
    assert "  pipeline.py:16, 18 gives GetItemFromTracker an item_filter.\n" in text
    told = report(tmp_path, """
        class Mine(SimpleTask):
            def process(self, item):
                item['items'] = 1
        pipeline = Pipeline(
            GetItemFromTracker('http://127.0.0.1:1/x/', downloader, '1', item_filter=None))
    """)
    assert told.fine and told.needs.newer == () and "Not in old" not in render(told)


def test_json_holds_all_of_it(tmp_path: Path) -> None:
    """Whatever the values of a file's settings are."""
    told = report(tmp_path, """
        ConfigValue('strange', default={1, 2})
        pipeline = Pipeline(ExternalProcess('Run', ['no-such-program']))
    """)
    values = json.loads(json.dumps(as_json(told)))
    assert values["ok"] is False and values["loads"] is True
    assert values["settings"][0]["value"] == "{1, 2}"
    assert values["needs"]["missing"][0]["name"] == "no-such-program"
    assert values["needs"]["deprecated"][0]["lines"] == [1, 5, 6]


# -- the card in the warrior -----------------------------------------------------------------

def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 90)

    asyncio.run(limited())


def test_the_card_names_the_missing_program(tmp_path: Path) -> None:
    """The reason and the advice are those of --check."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": HEAD + textwrap.dedent("""
            if not find_executable('Wget+AT', '1.21-at', ['./wget-at']):
                raise Exception('No usable Wget+At found.')
        """)}, selected=["one"])
        await parts.until(lambda: parts.card("one").state == "broken")
        problem = parts.card("one").problem
        assert problem.code == "needs" and problem.next_try is not None
        assert "The program Wget+AT (1.21-at) is missing: ./wget-at is not there." in problem.reason
        assert "https://github.com/ArchiveTeam/wget-lua" in problem.advice
        await parts.close()
    run(test)


#: Its last task is left out for every item, so it runs although something is missing.
LATER = HEAD + """
import sys, time
sys.path.append({modules!r})
class Rest(SimpleTask):
    def process(self, item):
        time.sleep(0.1)
class Later(SimpleTask):
    def process(self, item):
        import no_such_module
pipeline = Pipeline(Rest('Rest'), ConditionalTask(lambda item: False, {later}))
"""


@pytest.mark.parametrize(("later", "name"), [
    ("Later('Later')", "no_such_module"), ("ExternalProcess('Run', ['TOOL'])", "tool")])
def test_the_card_of_a_project_that_runs_names_what_it_will_miss(
    tmp_path: Path, later: str, name: str
) -> None:
    """It runs; when the thing has come and somebody says "try again", the problem is gone."""
    modules, tool = tmp_path / "modules", tmp_path / "tool"
    modules.mkdir()
    later = later.replace("TOOL", str(tool))
    source = LATER.format(modules=str(modules), later=later)
    if name == "tool":
        source = source.replace("import no_such_module", "pass")

    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": source}, selected=["one"])
        await parts.until(lambda: parts.card("one").problem is not None)
        card = parts.card("one")
        assert card.state == "running" and card.problem.code == "needs"
        assert name in card.problem.reason and card.problem.advice
        (modules / "no_such_module.py").write_text("")
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        parts.warrior.update("one")
        await parts.until(lambda: parts.card("one").problem is None)
        await parts.until(lambda: parts.runner("one").counts["completed"] > 1)
        assert parts.card("one").problem is None
        await parts.close()
    run(test)
