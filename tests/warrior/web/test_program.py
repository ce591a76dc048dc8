"""What the sections of run-pipeline and of the warrior say."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.config import NumberConfigValue
from pipeline_core.engine.waiting import Fault, Waiting
from pipeline_core.item import Item
from pipeline_core.pipeline import Pipeline
from pipeline_core.project import Project
from pipeline_core.runner import Runner
from pipeline_core.task import LimitConcurrent, SimpleTask
from tests.warrior.web.smallwarrior import SmallWarrior
from warrior.daemon.view_models import Notice, Problem
from warrior.settings.scrypt import hash_password
from warrior.settings.settings import Settings
from warrior.web.messages import Until
from warrior.web.program import PipelineProgram, WarriorProgram, state_json


class Work(SimpleTask):
    pass


# -- run-pipeline ----------------------------------------------------------------------
@pytest.fixture
def program(tmp_path: Path) -> PipelineProgram:
    runner = Runner(concurrent_items=3)
    pipeline = Pipeline(Work("First"), LimitConcurrent(1, Work("Second")))
    pipeline.data_dir = str(tmp_path)
    runner.set_current_pipeline(pipeline)
    runner.status = "running"
    return PipelineProgram(runner, None, "someone", lambda: False)


def add(runner: Runner, number: int, name: str = "name") -> Item:
    pipeline = runner.current_pipeline
    assert pipeline is not None
    item = Item(pipeline, f"item-{number}", number, prepare_data_directory=False)
    item["item_name"] = name
    runner.active_items.add(item)
    runner.on_create_item(runner, item)
    return item


def section(program: PipelineProgram | WarriorProgram, name: str) -> Any:
    return program.sections[name]()


def test_ids_mean_something(program: PipelineProgram) -> None:
    """Items by their id, tasks by their position, pipelines by project and version."""
    item = add(program.runner, 1)
    pipeline = item.pipeline
    item.set_task_status(pipeline.tasks[0], "completed")
    item.set_task_status(pipeline.tasks[1].inner_task, "running")
    state = state_json(program)
    assert state["projects"][0]["id"] == state["items"][0]["project"] == "pipeline"
    steps = state["pipelines"][state["items"][0]["pipeline"]]
    assert steps["tasks"] == [["0", "First"], ["1.0", "Second"]]
    assert state["items"][0]["id"] == "item-1"
    assert state["items"][0]["tasks"] == {"0": "completed", "1.0": "running"}


def test_sentence_says_what_runs_and_why_it_waits(program: PipelineProgram) -> None:
    """Working, some waiting, all waiting: with the reason, whose turn, and the time."""
    assert program.status().text == "Starting the next item."
    first, second = add(program.runner, 1), add(program.runner, 2)
    assert program.status().text == "Working on 2 items."
    now = time.monotonic()
    first.set_waiting(Waiting("The tracker has no items.", Fault.TRACKER, now + 60, "no-items"))
    assert program.status().text == "Working on 1 item. 1 is waiting: The tracker has no items."
    second.set_waiting(Waiting("The disk is full.", Fault.MACHINE, now + 90, "resources"))
    assert section(program, "status") == {
        "text": "The disk is full. All 2 items are waiting.", "whose": "this machine",
        "next_in": Until(now + 90), "tone": "waiting", "note": ""}


def test_sentence_when_stopping_and_stopped(program: PipelineProgram) -> None:
    """Which items it waits for, and at the end the counts by outcome; with a note."""
    add(program.runner, 1)
    program.runner.status = "stopping"
    program.show_note("Asked to stop.")
    assert section(program, "status")["note"] == "Asked to stop."
    assert program.status().text == (
        "Stopping: 1 item is still being finished. No new items start.")
    program.runner.status = "stopped"
    program.runner.counts.update(completed=2, failed=1, canceled=3)
    assert program.status().text == "Stopped. 2 items completed, 1 failed, 3 cancelled."
    assert section(program, "runner")["state"] == "ended"


def test_trouble_with_starting_items_is_told(program: PipelineProgram) -> None:
    """When no item can be started, the reason is the sentence."""
    program.runner.waiting = Waiting("No folder.", Fault.MACHINE, 0.0, "resources")
    status = program.status()
    assert (status.text, status.whose, status.tone) == ("No folder.", "this machine", "trouble")


def test_the_one_project_of_run_pipeline(program: PipelineProgram) -> None:
    """As soon as it is loaded, it has the facts of a project, and no settings."""
    assert program.title == "Pipeline"
    program.show_project(Project("A title", "<h2>x</h2><script>y</script>",
                                 datetime.datetime(2030, 1, 2)))
    assert program.title == "A title"
    [project] = section(program, "projects")
    assert project["html"] == "<h2>x</h2>"
    assert project["deadline"] == "2030-01-02T00:00:00Z"
    assert (project["order"], project["state"], project["problem"]) == (0, "running", None)
    assert section(program, "settings") is None
    assert section(program, "notices") == []
    assert section(program, "program")["kind"] == "pipeline"


def test_closed_program_hears_nothing(program: PipelineProgram) -> None:
    """After close() it has no handlers at the runner."""
    program.close()
    program.close()
    add(program.runner, 1)
    assert not program.board.items


# -- the warrior --------------------------------------------------------------------------
@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def warrior(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[SmallWarrior]:
    async def make() -> SmallWarrior:
        settings = await Settings.open(
            str(tmp_path / "settings.json"), max_concurrent_items=6, seeds={})
        return SmallWarrior(settings, tmp_path)

    warrior = loop.run_until_complete(make())
    yield warrior
    warrior.settings.close()


def test_cards_of_strangers_are_made_safe(warrior: SmallWarrior) -> None:
    """HTML is cleaned, logos come by https, only web addresses are links."""
    warrior.add_card(
        "one", title="<i>One</i>", description="<b>About</b><img src=x onerror=y><script>z</script>",
        repository="https://example.org/one", logo="http://example.org/logo.png",
        leaderboard="javascript:alert(1)", order=0, state="broken",
        deadline=datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone.utc),
        problem=Problem("No wget-at.", "Install it.", "Traceback …", code="load", next_try=5.0))
    program = WarriorProgram(warrior, lambda: True)
    one = section(program, "projects")[1]
    assert one["title"] == "<i>One</i>"  # text, for the page to escape
    assert one["description"] == "<b>About</b><img>"
    assert one["logo"] == "https://example.org/logo.png"
    assert one["leaderboard"] == ""
    assert one["deadline"] == "2030-01-02T00:00:00Z"
    assert one["counts"] == {"completed": 0, "failed": 0, "canceled": 0}
    assert one["problem"] == {
        "reason": "No wget-at.", "advice": "Install it.", "traceback": "Traceback …",
        "output": "", "code": "load", "next_in": Until(5.0)}


def test_choice_comes_first(warrior: SmallWarrior, loop: asyncio.AbstractEventLoop) -> None:
    """Archive Team's choice can be chosen like a project and says what it is now."""
    program = WarriorProgram(warrior, lambda: False)
    [auto] = section(program, "projects")
    assert (auto["id"], auto["now"], auto["order"]) == ("auto", "", None)
    assert auto["sentence"] == "Archive Team has not chosen a project yet."
    warrior.add_card("one", title="Number one", auto=True)
    warrior.chosen_by_hq = "one"
    loop.run_until_complete(warrior.settings.select(["one", "auto"]))
    auto, one = section(program, "projects")
    assert (auto["now"], auto["order"]) == ("one", 1)
    assert auto["sentence"] == "Now it is Number one."
    assert one["auto"]
    assert set(auto) - {"now"} == set(one)


def test_loaded_project_has_its_own_header(warrior: SmallWarrior) -> None:
    """Its HTML, and its deadline if HQ has none; odd values do no harm."""
    project = Project("T", "<h2>x</h2><style>y</style>", datetime.datetime(2031, 1, 1))
    warrior.add_card("one", project=project)
    warrior.add_card("odd", title="", project=Project(7, 8, "soon"))  # type: ignore[arg-type]
    _, one, odd = section(WarriorProgram(warrior, lambda: False), "projects")
    assert (one["html"], one["deadline"]) == ("<h2>x</h2>", "2031-01-01T00:00:00Z")
    assert (odd["title"], odd["html"], odd["deadline"]) == ("7", "8", None)


@pytest.mark.parametrize("state,status,stopping", [
    ("starting", "idle", False), ("running", "running", False), ("draining", "stopping", True),
    ("paused", "stopped", True), ("ending", "stopping", True), ("ended", "stopped", True)])
def test_states(warrior: SmallWarrior, state: str, status: str, stopping: bool) -> None:
    """The warrior's state, and the corresponding status of a runner."""
    warrior.state = state
    runner = section(WarriorProgram(warrior, lambda: False), "runner")
    assert (runner["state"], runner["status"], runner["stopping"]) == (state, status, stopping)
    assert (runner["concurrent"], runner["downloader"], runner["ending"]) == (2, "", "")


def test_settings_never_tell_the_password(
        warrior: SmallWarrior, loop: asyncio.AbstractEventLoop) -> None:
    """Only whether there is one; all other fields have value, limits and default."""
    def fields() -> dict[str, Any]:
        found = section(WarriorProgram(warrior, lambda: bool(warrior.settings.password_record)),
                        "settings")
        return {field["name"]: field for field in found["fields"]} | {"first": found["first_visit"]}

    warrior.settings.attach("one", [
        NumberConfigValue("shared:rsync_threads", "Rsync threads", min=1, max=64, default=20)])
    before = fields()
    assert before["first"]
    assert not before["http_password"]["is_set"]
    loop.run_until_complete(warrior.settings.save(
        {"http_password": "a very good one", "downloader": "someone"}))
    after = fields()
    assert not after["first"]
    assert (after["http_password"]["is_set"], after["http_password"]["value"]) == (True, "")
    assert "scrypt" not in str(after)
    threads = after["shared:rsync_threads"]
    assert (threads["value"], threads["min"], threads["max"], threads["group"]) == (
        "20", 1, 64, "shared")


def test_notices(warrior: SmallWarrior) -> None:
    """The HTML of announcements is cleaned."""
    warrior.all_notices = [Notice("a", "announcement", html="<b onclick=x>Hi</b>"),
                           Notice("b", "hq", "HQ is away.", tone="waiting", new=False)]
    first, second = section(WarriorProgram(warrior, lambda: False), "notices")
    assert (first["html"], first["text"], first["new"]) == ("<b>Hi</b>", "", True)
    assert (second["html"], second["text"], second["tone"]) == ("", "HQ is away.", "waiting")


def test_program_facts(warrior: SmallWarrior) -> None:
    """The facts of the About page."""
    found = section(WarriorProgram(warrior, lambda: True), "program")
    assert found["kind"] == "warrior"
    assert (found["build"], found["max_concurrent"], found["password"]) == ("a build", 6, True)
    assert all(found[name] for name in ("version", "api", "python"))


def test_farewell(warrior: SmallWarrior) -> None:
    """Before a restart, it says that the page reconnects."""
    program = WarriorProgram(warrior, lambda: False)
    assert program.farewell() == "It has ended: 0 items completed."
    warrior.ending = "restart"
    assert "reconnects" in program.farewell()


def test_record_of_the_password_is_no_secret_of_the_page(warrior: SmallWarrior) -> None:
    """The state contains nothing of it."""
    warrior.settings.http_username = "me"
    warrior.settings.password_record = hash_password("secret")
    assert "scrypt" not in str(state_json(WarriorProgram(warrior, lambda: True)))
