"""Projects side by side: real code, loaded from real folders, on one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.scripted_tracker import Answer, ScriptedTracker, item_answer
from tests.warrior.parts import ASKS, WORKS, make_parts
from warrior.daemon.view_models import UnknownProject
from warrior.projects import project_code


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def works(name: str) -> str:
    return WORKS.format(title=name.title())


def test_a_chosen_project_gets_the_slots(tmp_path: Path) -> None:
    """Choosing loads the code and starts as many items as there are slots; dropping lets
    them finish and starts none."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": works("one")})
        assert "No project is chosen" in parts.overview.status().text
        await parts.warrior.select(["one"])
        await parts.until(lambda: parts.named("one") == 2)
        runner = parts.runner("one")
        assert parts.overview.status().text == "Working on 2 items."
        await parts.warrior.select([])
        assert parts.card("one").state == "draining"
        assert parts.card("one").sentence == "Finishing its last 2 items."
        parts.go("one")
        await parts.until(lambda: not parts.supervisor.runs)
        assert runner.counts["completed"] == 2
        await parts.close()
    run(test)


def test_more_slots_start_items_at_once_and_fewer_start_none(tmp_path: Path) -> None:
    """From 1 to 6 five more start within a second; from 6 to 1 no new one starts until the
    last but one has ended."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": works("one")}, selected=["one"], concurrent=1)
        await parts.until(lambda: parts.active("one") == 1)
        await parts.warrior.save_settings({"concurrent_items": "6"})
        await parts.until(lambda: parts.active("one") == 6, 1.0)
        await parts.warrior.save_settings({"concurrent_items": "1"})
        for number in range(1, 6):
            parts.go("one", f"go-{number}")
        await parts.until(lambda: parts.runner("one").counts["completed"] == 5)
        assert parts.runner("one").item_count == 6
        parts.go("one", "go-6")
        await parts.until(lambda: parts.runner("one").item_count == 7)
        await parts.close()
    run(test)


def test_without_a_nickname_nothing_runs(tmp_path: Path) -> None:
    """The sentence asks for a nickname; giving one starts what is chosen."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": works("one")}, nickname="", selected=["one"])
        assert "nickname" in parts.overview.status().text and not parts.supervisor.runs
        assert parts.overview.status().whose == "you"
        await parts.warrior.save_settings({"downloader": "somebody"})
        await parts.until(lambda: parts.active("one") == 2)
        await parts.close()
    run(test)


def test_a_command_for_a_project_that_does_not_run(tmp_path: Path) -> None:
    """An unknown name gets the names on offer; a known one is not running."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": works("one")})
        with pytest.raises(UnknownProject, match=r"no project 'nosuch' on offer.* are: one\.$"):
            parts.warrior.update("nosuch")
        with pytest.raises(UnknownProject, match="'one' is not running: choose it first"):
            parts.warrior.update("one")
        await parts.close()
    run(test)


def test_slots_are_lent_while_the_first_only_waits_and_come_back(tmp_path: Path) -> None:
    """The second project takes the slots when the first runs dry, and gives them back."""
    async def test() -> None:
        with ScriptedTracker() as tracker:
            tracker.always("request", Answer(404))
            parts = await make_parts(
                tmp_path, {"first": ASKS.format(title="First", url=tracker.url, version=1,
                                                delay=0.2), "second": works("second")},
                selected=["first", "second"], concurrent=3)
            await parts.until(lambda: parts.active("second") == 3, 10)
            await parts.until(lambda: parts.active("first") == 1)
            assert parts.runner("first").counts["completed"] == 0
            tracker.always("request", item_answer("work"))
            await parts.until(lambda: parts.supervisor.runs["first"].demand().working == 1)
            assert parts.supervisor.active() == 4
            parts.go("second")
            await parts.until(lambda: parts.active("first") == 3)
            await parts.until(lambda: parts.active("second") == 0)
            assert parts.runner("second").item_count == 3
            await parts.close()
    run(test)


def test_a_project_that_cannot_run_says_so_while_another_runs(tmp_path: Path) -> None:
    """The card has reason and traceback; its slots are the next one's."""
    async def test() -> None:
        broken = "print('looking')\nraise Exception('No usable Wget+At found.')\n"
        parts = await make_parts(tmp_path, {"broken": broken, "two": works("two")},
                                 selected=["broken", "two"])
        await parts.until(lambda: parts.active("two") == 2)
        await parts.until(lambda: parts.card("broken").state == "broken")
        card = parts.card("broken")
        assert card.state == "broken" and card.problem is not None
        assert "No usable Wget+At found." in card.problem.reason
        assert "pipeline.py" in card.problem.traceback and card.problem.next_try is not None
        assert "looking" in parts.warrior.project_log("broken")
        assert "Broken cannot run" in parts.overview.status().note
        (tmp_path / "sources" / "broken" / "pipeline.py").write_text(works("broken"))
        parts.warrior.update("broken")
        await parts.until(lambda: parts.card("broken").state == "running")
        parts.go("two")
        await parts.until(lambda: parts.active("broken") == 2 and not parts.active("two"))
        await parts.close()
    run(test)


def test_new_code_takes_over_while_the_old_finishes(tmp_path: Path) -> None:
    """An update changes nothing under running items; the old version is removed after them."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": works("one")}, selected=["one"])
        await parts.until(lambda: parts.named("one") == 2)
        old = parts.supervisor.runs["one"].current
        new_text = works("one") + "\nprint('newer')\n"
        (tmp_path / "sources" / "one" / "pipeline.py").write_text(new_text)
        parts.warrior.update("one")
        await parts.until(lambda: parts.supervisor.runs["one"].current is not old)
        assert "Finishing 2 items on the old version" in parts.card("one").sentence
        assert Path(old.version.path).is_dir()
        parts.go("one", "go-1")
        parts.go("one", "go-2")
        await parts.until(lambda: not Path(old.version.path).exists())
        await parts.until(lambda: parts.active("one") == 2)
        assert {item.pipeline for item in parts.runner("one").active_items} == {
            parts.supervisor.runs["one"].current.loaded.pipeline}
        await parts.close()
    run(test)


def test_a_new_version_that_does_not_load_leaves_the_old_one_running(tmp_path: Path) -> None:
    """The problem stands on the card of a project that goes on."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": works("one")}, selected=["one"])
        await parts.until(lambda: parts.named("one") == 2)
        (tmp_path / "sources" / "one" / "pipeline.py").write_text("import nothing_of_the_kind\n")
        parts.warrior.update("one")
        await parts.until(lambda: parts.card("one").problem is not None
                          and parts.card("one").problem.next_try is not None)
        card = parts.card("one")
        assert card.state == "running" and card.problem is not None
        assert "nothing_of_the_kind" in card.problem.reason
        parts.go("one", "go-1")
        await parts.until(lambda: parts.runner("one").item_count == 3)
        await parts.close()
    run(test)


def test_stop_and_keep_running(tmp_path: Path) -> None:
    """A stop starts nothing new, can be taken back, and pauses when the items are done."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": works("one")}, selected=["one"])
        await parts.until(lambda: parts.named("one") == 2)
        parts.warrior.stop()
        assert "Stopping: 2 items are still being finished" in parts.overview.status().text
        parts.go("one", "go-1")
        await parts.until(lambda: parts.active("one") == 1)
        parts.warrior.keep_running()
        await parts.until(lambda: parts.named("one") == 2)
        parts.warrior.stop()
        parts.go("one")
        await parts.until(lambda: parts.warrior.state == "paused")
        parts.warrior.keep_running()
        await parts.until(lambda: parts.runner("one").counts["completed"] > 0)
        await parts.close()
    run(test)


def test_stop_now_leaves_no_item_folder(tmp_path: Path) -> None:
    """The items end at once, their folders go, the project's own things stay."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": works("one")}, selected=["one"])
        await parts.until(lambda: parts.named("one") == 2)
        own = Path(parts.data_dir, "one", "cookies.txt")
        own.write_text("mine")
        parts.warrior.stop_now()
        await parts.until(lambda: parts.warrior.state == "paused", 5)
        assert [path.name for path in own.parent.iterdir()] == ["cookies.txt"]
        await parts.close()
    run(test)


def test_a_shared_limit_holds_across_projects(tmp_path: Path) -> None:
    """With shared:rsync_threads 1 only one item of both projects is inside; raised, the other
    goes in at once."""
    async def test() -> None:
        text = works("x").replace("pipeline = Pipeline(Name('Name'), ", """
from seesaw.config import NumberConfigValue
from seesaw.task import LimitConcurrent
pipeline = Pipeline(Name('Name'), LimitConcurrent(NumberConfigValue(
    min=1, max=20, default='1', name='shared:rsync_threads', title='Threads'), """) + ")"
        text = text.rstrip()
        parts = await make_parts(
            tmp_path, {"a": text, "b": text}, selected=["a"], concurrent=1)
        await parts.until(lambda: parts.active("a") == 1)
        await parts.warrior.select(["b", "a"])
        await parts.until(lambda: parts.card("b").state == "running")
        await parts.warrior.save_settings({"concurrent_items": "2"})
        await parts.until(lambda: parts.active("b") == 1)
        await parts.until(lambda: len(parts.supervisor.waiting()) == 1)
        assert parts.supervisor.waiting()[0].code == "queue"
        await parts.warrior.save_settings({"shared:rsync_threads": "2"})
        await parts.until(lambda: not parts.supervisor.waiting(), 1.0)
        await parts.close()
    run(test)


def test_a_setting_without_a_value_is_asked_for(tmp_path: Path) -> None:
    """A project whose setting has no default runs when it has been given one."""
    async def test() -> None:
        text = works("one") + """
from seesaw.config import StringConfigValue
key = StringConfigValue(name='key', title='API key', regex='^[a-z]+$')
"""
        parts = await make_parts(tmp_path, {"one": text}, selected=["one"])
        await parts.until(lambda: parts.card("one").state == "broken")
        status = parts.overview.status()
        assert "Settings have no value yet: API key." in status.text and status.whose == "you"
        await parts.warrior.save_settings({"one/key": "abc"})
        await parts.until(lambda: parts.active("one") == 2)
        await parts.close()
    run(test)


def test_a_tracker_that_calls_the_code_too_old_brings_the_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 455 makes it look for new code at once; the waiting items end, new ones ask anew."""
    monkeypatch.setattr(project_code, "OUTDATED_INTERVAL", 0.2)

    async def test() -> None:
        with ScriptedTracker() as tracker:
            tracker.always("request", Answer(455))
            text = ASKS.format(title="One", url=tracker.url, version=1, delay=0.3)
            parts = await make_parts(tmp_path, {"one": text}, selected=["one"], concurrent=1)
            source = tmp_path / "sources" / "one" / "pipeline.py"
            await parts.until(lambda: parts.active("one") == 1)
            run_ = parts.supervisor.runs["one"]
            old = run_.current
            source.write_text(text.replace("'v1'", "'v2'"))
            await parts.until(lambda: run_.current is not old)
            tracker.always("request", item_answer("work"))
            await parts.until(lambda: tracker.requests("request")[-1].json["version"] == "v2")
            await parts.close()
    run(test)
