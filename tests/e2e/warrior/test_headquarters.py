"""The real daemon with Warrior HQ and a git remote, and what it does when both go away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.warrior.test_daemon import PROJECT, Daemon
from tests.support.git_remote import Repository, git_server
from tests.support.scripted_hq import ScriptedHQ, project
from tests.support.scripted_tracker import Answer, ScriptedTracker

BROKEN = "raise Exception('No usable Wget+At found.')\n"


def notices(daemon: Daemon) -> str:
    state = daemon.ctl("status")
    return "" if state is None else " ".join(one.get("text") or "" for one in state["notices"])


def card(daemon: Daemon, name: str) -> dict[str, object]:
    state = daemon.ctl("status") or {"projects": []}
    return next((one for one in state["projects"] if one["id"] == name), {})


@pytest.mark.parametrize("chosen", ["one", "auto"])
def test_hq_and_remote_that_die_change_nothing_but_a_sentence(tmp_path: Path, chosen: str) -> None:
    """A project of HQ, cloned over HTTP, goes on when HQ and the remote are gone; after a kill
    and a start without both, the last good list and the last good code are used."""
    with ScriptedTracker() as tracker, git_server(tmp_path / "git") as server:
        repository = Repository(tmp_path / "git" / "one")
        repository.commit({"pipeline.py": PROJECT.format(url=tracker.url)})
        tracker.always("request", Answer(200, b'{"item_name": "an item"}'))
        with ScriptedHQ([project("one", server.url("one"))], auto_project="one") as hq:
            daemon = Daemon(tmp_path, "--warrior-hq", hq.url)
            try:
                daemon.until(lambda: card(daemon, "one"))
                daemon.begin(projects=(chosen,))
                daemon.until(lambda: daemon.active() == 2)
                daemon.until(lambda: hq.told()[-1]["selected_project"] == chosen)
                assert hq.told()[-1]["downloader"] == "tester" and not hq.violations
                hq.down()
                server.status = 503
                assert daemon.ctl("set", "concurrent_items=3") is not None
                assert daemon.ctl("update", "one") is not None
                daemon.until(lambda: daemon.active() == 3)
                daemon.until(lambda: card(daemon, "one")["problem"])
                assert card(daemon, "one")["state"] == "running"
            finally:
                daemon.end()
            again = Daemon(tmp_path, "--warrior-hq", hq.url)
            try:
                again.until(lambda: "Warrior HQ" in notices(again))
                again.until(lambda: again.active() == 3)
            finally:
                again.end()
            hq.up()


def test_a_missing_program_is_on_the_card_while_another_project_runs(tmp_path: Path) -> None:
    """The slots are the other one's, and the card says why and what to do."""
    with ScriptedTracker() as tracker:
        tracker.always("request", Answer(200, b'{"item_name": "an item"}'))
        sources = {"broken": BROKEN, "one": PROJECT.format(url=tracker.url)}
        for name, text in sources.items():
            (tmp_path / "sources" / name).mkdir(parents=True)
            (tmp_path / "sources" / name / "pipeline.py").write_text(text)
        daemon = Daemon(tmp_path, projects={
            name: str(tmp_path / "sources" / name) for name in sources})
        try:
            daemon.begin(projects=("broken", "one"))
            daemon.until(lambda: daemon.active() == 2)
            problem = card(daemon, "broken")["problem"]
            assert isinstance(problem, dict)
            assert "No usable Wget+At found." in problem["reason"]
            assert "install" in problem["advice"] and "pipeline.py" in problem["traceback"]
        finally:
            daemon.end()
