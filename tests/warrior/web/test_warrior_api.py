"""The warrior's commands: what they do, and how they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.warrior.web.conftest import MakeWarrior, WarriorRunning
from tests.warrior.web.talking import Answer


def send(warrior: WarriorRunning, path: str, body: Any) -> Answer:
    return warrior.post(path, warrior.session(), json.dumps(body).encode())


def is_refusal(answer: Answer, status: int) -> bool:
    return (answer.status == status and answer.text.count("\n") == 1
            and answer.headers["content-type"].startswith("text/plain"))


@pytest.mark.parametrize("path,body,called", [
    ("stop", {}, ("stop",)), ("stop-now", {}, ("stop_now",)),
    ("keep-running", {}, ("keep_running",)), ("shut-down", {}, ("shut_down", False)),
    ("shut-down", {"now": True}, ("shut_down", True)), ("restart", {}, ("restart", False)),
    ("restart", {"now": False}, ("restart", False))])
def test_stopping(warrior: WarriorRunning, path: str, body: Any, called: Any) -> None:
    """Each command works, and answers with the new state of the runner."""
    answer = send(warrior, f"/api/{path}", body)
    assert answer.status == 200
    assert warrior.called == [called]
    runner = json.loads(answer.text)["runner"]
    assert runner["state"] == warrior.warrior.state
    assert runner["ending"] == warrior.warrior.ending


@pytest.mark.parametrize("body", [{"now": 1}, {"now": None}, {"now": "yes"}, {"later": True}])
def test_ending_wants_a_truth_value(warrior: WarriorRunning, body: Any) -> None:
    """Nothing ends by mistake."""
    assert is_refusal(send(warrior, "/api/shut-down", body), 400)
    assert warrior.called == []


def test_state_of_the_warrior(warrior: WarriorRunning) -> None:
    """All sections and all items, moments as seconds."""
    warrior.on_loop(warrior.warrior.add_card, "one")
    state = json.loads(warrior.ask("GET", "/api/state", warrior.session()).text)
    assert set(state) == {"program", "status", "runner", "workers", "projects", "pipelines",
                          "settings", "notices", "items"}
    assert [project["id"] for project in state["projects"]] == ["auto", "one"]
    assert 55 < state["status"]["next_in"] <= 60


def test_choosing_projects(warrior: WarriorRunning) -> None:
    """In order; the answer has the projects. Unknown names and other types are refused."""
    for name in ("one", "two"):
        warrior.on_loop(warrior.warrior.add_card, name)
    answer = send(warrior, "/api/projects/select", {"projects": ["two", "auto"]})
    assert answer.status == 200
    assert json.loads(answer.text)["projects"][0]["order"] == 1
    assert warrior.settings.selected == ("two", "auto")
    for body in ({}, {"projects": "one"}, {"projects": [1]}, {"projects": [], "more": 1}):
        assert is_refusal(send(warrior, "/api/projects/select", body), 400), body
    for count in (201, 1001):
        answer = send(warrior, "/api/projects/select", {"projects": ["one"] * count})
        assert is_refusal(answer, 400)
        assert answer.text == "At most 200 projects can be chosen.\n"
    answer = send(warrior, "/api/projects/select", {"projects": ["two", "no\nsuch"]})
    assert is_refusal(answer, 400)
    assert answer.text == "There is no project 'no\\nsuch'; 100% sure.\n"
    assert warrior.settings.selected == ("two", "auto")
    assert send(warrior, "/api/projects/select", {"projects": []}).status == 200
    assert warrior.settings.selected == ()


@pytest.mark.parametrize("command,called", [
    ("retry", "update"), ("update", "update"), ("install-anyway", "install_anyway")])
def test_commands_for_one_project(warrior: WarriorRunning, command: str, called: str) -> None:
    """For a known project; an unknown one gets 404 with a sentence."""
    warrior.on_loop(warrior.warrior.add_card, "a.b-c_d")
    answer = send(warrior, f"/api/projects/a.b-c_d/{command}", {})
    assert answer.status == 200
    assert json.loads(answer.text)["projects"][1]["id"] == "a.b-c_d"
    assert warrior.called == [(called, "a.b-c_d")]
    missing = send(warrior, f"/api/projects/no%20such/{command}", {})
    assert is_refusal(missing, 404)
    assert missing.text == "There is no project 'no such'; 100% sure.\n"
    assert is_refusal(send(warrior, f"/api/projects/a.b-c_d/{command}", {"a": 1}), 400)
    assert send(warrior, f"/api/projects/../{command}", {}).status == 404
    assert len(warrior.called) == 1


def test_logs(warrior: WarriorRunning) -> None:
    """As text, whatever bytes it contains."""
    warrior.on_loop(warrior.warrior.add_card, "one")
    session = warrior.session()
    answer = warrior.ask("GET", "/api/projects/one/log", session)
    assert (answer.status, answer.text) == (200, "Cloning one … done\n")
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert warrior.ask("GET", "/api/projects/two/log", session).status == 404
    answer = warrior.ask("GET", "/api/log", session)
    assert (answer.status, answer.text) == (200, "started \N{REPLACEMENT CHARACTER}\n")
    warrior.warrior.trouble = PermissionError(13, "Permission denied")
    answer = warrior.ask("GET", "/api/log", session)
    assert is_refusal(answer, 500)
    assert "Permission denied" in answer.text


def test_saving_settings(warrior: WarriorRunning) -> None:
    """Numbers may come as numbers; the answer has the settings."""
    answer = send(warrior, "/api/settings",
                  {"values": {"downloader": "other", "concurrent_items": 3}})
    assert answer.status == 200
    fields = {field["name"]: field for field in json.loads(answer.text)["settings"]["fields"]}
    assert fields["downloader"]["value"] == "other"
    assert fields["concurrent_items"]["value"] == "3"
    assert warrior.settings.concurrent_items.value == 3


@pytest.mark.parametrize("values,wrong", [
    ({"downloader": "a b", "concurrent_items": "4"}, {"downloader"}),
    ({"downloader": "good", "concurrent_items": "7"}, {"concurrent_items"}),
    ({"downloader": "x", "concurrent_items": "none"}, {"downloader", "concurrent_items"}),
    ({"nonsense": "1", "downloader": "good"}, {"nonsense"}),
    ({"downloader": ["good"], "concurrent_items": {}}, {"downloader", "concurrent_items"})])
def test_nothing_is_saved_when_anything_is_wrong(
        warrior: WarriorRunning, values: Any, wrong: set[str]) -> None:
    """The answer is JSON with a sentence for each wrong field."""
    answer = send(warrior, "/api/settings", {"values": values})
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("application/json")
    errors = json.loads(answer.text)["errors"]
    assert set(errors) == wrong
    assert all(len(sentence) > 10 for sentence in errors.values())
    assert warrior.settings.downloader.value == "someone"
    assert warrior.settings.concurrent_items.value == 2


@pytest.mark.parametrize("body", [{}, {"values": []}, {"values": {}, "more": 1}])
def test_settings_of_another_form(warrior: WarriorRunning, body: Any) -> None:
    """One line of text, as for every command."""
    assert is_refusal(send(warrior, "/api/settings", body), 400)
    assert warrior.called == []


def test_a_disk_that_is_full_is_told(warrior: WarriorRunning) -> None:
    """A failed write is not an error of the program."""
    warrior.warrior.trouble = OSError(28, "No space left on device")
    for path, body in (("/api/settings", {"values": {"downloader": "good"}}),
                       ("/api/projects/select", {"projects": []}),
                       ("/api/notices/a/read", {})):
        answer = send(warrior, path, body)
        assert is_refusal(answer, 500)
        assert "No space left on device" in answer.text


def test_notices_are_read(warrior: WarriorRunning) -> None:
    """The answer has the remaining notices."""
    answer = send(warrior, "/api/notices/announcement-1/read", {})
    assert json.loads(answer.text) == {"notices": []}
    assert warrior.called == [("read_notice", "announcement-1")]


def test_run_pipeline_has_none_of_it(make_running: Any) -> None:
    """It has no projects and no settings."""
    console = make_running()
    for path in ("/api/settings", "/api/restart", "/api/projects/select", "/api/notices/a/read"):
        assert console.post(path, console.session()).status == 404
    assert console.ask("GET", "/api/log", console.session()).status == 404


# -- the page without its scripts --------------------------------------------------------
def test_page_says_what_there_is_without_scripts(make_warrior: MakeWarrior) -> None:
    """The sentence, chosen projects with their problems, and notices, as text."""
    from warrior.daemon.view_models import Notice, Problem

    warrior = make_warrior()
    small = warrior.warrior
    warrior.on_loop(small.add_card, "idle")
    warrior.on_loop(lambda: small.add_card(
        "two", title="<b>Two</b>", order=1, state="broken", problem=Problem("No wget-at.")))
    warrior.on_loop(lambda: small.add_card("one", order=0, state="running", sentence="Ready."))
    small.all_notices = [Notice("a", "insecure", "Everybody can <command> this.")]
    text = warrior.ask("GET", "/").text
    assert "<title>Warrior</title>" in text
    assert "Nothing to do. You need to act." in text
    assert "&lt;b&gt;Two&lt;/b&gt;" in text
    assert "No wget-at." in text
    assert "Everybody can &lt;command&gt; this." in text
    assert "Idle" not in text
    assert text.index("One") < text.index("Two")
