"""warrior-ctl against a real HTTP server on a Unix socket."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

from warrior.cli import ctl, ctl_client, ctl_text

ROOT = Path(__file__).resolve().parents[3]


def a_project(name: str, **values: Any) -> dict[str, Any]:
    return {"id": name, "title": name.title(), "order": None, "auto": False, "state": "idle",
            "sentence": "", "active": 0, "problem": None, "has_log": False, **values}


def a_state() -> dict[str, Any]:
    """What a warrior might tell while one project works and one is broken."""
    return {
        "program": {"kind": "warrior", "version": "1.0", "max_concurrent": 6},
        "status": {"text": "Working on 1 item. 1 is waiting: No items now.", "whose": "the tracker",
                   "next_in": 41.6, "tone": "working", "note": "Asked to stop on the page."},
        "runner": {"state": "draining", "ending": "restart", "active": 2, "concurrent": 3,
                   "downloader": "someone",
                   "counts": {"completed": 120, "failed": 2, "canceled": 0}},
        "workers": [{"project": "slow", "label": "process of Hash", "item": None, "age": 75.0}],
        "projects": [
            a_project("auto", title="Archive Team’s choice", order=1, sentence="Now it is Other."),
            a_project("practice", order=0, state="running", active=2),
            a_project("other", auto=True, state="loading"),
            a_project("broken", order=2, state="broken", has_log=True, problem={
                "reason": "wget-at is not there.", "advice": "Put it into the data folder.",
                "traceback": "", "output": "", "code": "load", "next_in": 400.0}),
            a_project("idle")],
        "pipelines": {"practice@1": {"project": "practice", "version": "1", "tasks": [
            ["0", "Get an item"], ["1", "Download"]]}},
        "settings": {"first_visit": False, "fields": [
            {"name": "downloader", "group": "", "title": "Nickname", "kind": "text",
             "value": "someone", "is_set": True, "min": None, "max": None, "editable": True},
            {"name": "concurrent_items", "group": "", "title": "Concurrent items",
             "kind": "number", "value": "3", "is_set": True, "min": 1, "max": 6, "editable": True},
            {"name": "http_password", "group": "", "title": "Password", "kind": "password",
             "value": "", "is_set": True, "min": None, "max": None, "editable": True},
            {"name": "http_username", "group": "", "title": "User name", "kind": "text",
             "value": "", "is_set": False, "min": None, "max": None, "editable": True}]},
        "notices": [
            {"id": "1", "kind": "announcement", "text": "", "new": True,
             "html": "<p>Hello <b>all</b> of &quot;you&quot;</p>"},
            {"id": "2", "kind": "update", "text": "Read before.", "html": "", "new": False}],
        "items": [
            {"id": "a", "number": 1, "name": "urls:1", "project": "practice", "state": "running",
             "pipeline": "practice@1", "age": 62.0, "waiting": None, "line": "200 OK",
             "tasks": {"0": "completed", "1": "running"}},
            {"id": "b", "number": 2, "name": "", "project": "practice", "state": "running",
             "pipeline": "practice@1", "age": 3.0, "line": "", "tasks": {"0": "running"},
             "waiting": {"reason": "No items now.", "next_in": 41.6, "whose": "the tracker"}},
            {"id": "c", "number": 3, "name": "done", "project": "practice", "state": "completed",
             "pipeline": "practice@1", "age": 3.0, "line": "", "tasks": {}, "waiting": None}],
    }


class Daemon:
    """A server at the control socket that records what it is asked, and answers as told."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.state = a_state()
        self.asked: list[tuple[str, str, Any]] = []
        #: What to answer instead: status, content type, body.
        self.answer: tuple[int, str, str] | None = None
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        daemon = self

        class Handler(RequestHandler):
            def get(self, path: str) -> None:
                body = json.loads(self.request.body) if self.request.body else None
                daemon.asked.append((self.request.method or "", self.request.path, body))
                status, kind, text = daemon.answer or daemon.usual(self.request.path)
                self.set_status(status)
                self.set_header("Content-Type", kind)
                self.finish(text)

            post = get

        async def serve() -> None:
            server = HTTPServer(Application([(r"(/.*)", Handler)], log_function=lambda _: None))
            server.add_socket(bind_unix_socket(str(self.state_dir / "control.sock")))
            self._server = server
            self._ready.set()

        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(serve())
        self.loop.run_forever()

    def usual(self, path: str) -> tuple[int, str, str]:
        answers: dict[str, Any] = {
            "/api/state": self.state, "/api/projects/select": {"projects": self.state["projects"]},
            "/api/settings": {"settings": self.state["settings"]}}
        if path.endswith("/log"):
            return 200, "text/plain; charset=UTF-8", f"log of {path}\nä\x1b[2J\r\n"
        answer = answers.get(path, {"runner": self.state["runner"]})
        return 200, "application/json; charset=UTF-8", json.dumps(answer)

    def close(self) -> None:
        async def stop() -> None:
            self._server.stop()
            await self._server.close_all_connections()
            self.loop.call_soon(self.loop.stop)

        asyncio.run_coroutine_threadsafe(stop(), self.loop)
        self._thread.join(10)
        self.loop.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.close()


Said = tuple[int, str, str]


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs warrior-ctl on the test's state folder: exit status, output, errors."""
    def run(*arguments: str, state_dir: Path = tmp_path) -> Said:
        try:
            status = ctl.main(["--state-dir", str(state_dir), *arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capsys.readouterr()
        return status, out, err
    return run


def test_status(daemon: Daemon, said: Any) -> None:
    """The sentence, whose turn it is, the next try; then figures, projects, items, notices."""
    status, out, err = said("status")
    assert (status, err) == (0, "")
    assert out == """\
Working on 1 item. 1 is waiting: No items now.
Waiting for the tracker. Next try in 42 s.
Asked to stop on the page.

State             draining, then it restarts
Nickname          someone
Concurrent items  3 (at most 6)
Items             1 at work, 1 waiting, 120 completed, 2 failed
Version           1.0

Projects
  1.  practice  running  2 items  Practice
  2.  auto      idle              Archive Team’s choice – Now it is Other.
  3.  broken    broken            Broken
      other     loading           Other

Active items
  practice  urls:1  1:02  Download     200 OK
  practice  Item 2  0:03  Get an item  No items now. Next try in 42 s.

The code of slow has not returned from process of Hash for 1:15.

Hello all of "you"
"""


def test_status_of_a_new_warrior(daemon: Daemon, said: Any) -> None:
    """Nothing chosen, nothing at work, no nickname: it says what to do."""
    daemon.state.update(projects=[a_project("idle")], items=[], workers=[], notices=[])
    daemon.state["runner"].update(downloader="", ending="", active=0, counts={})
    status, out, _ = said("status")
    assert status == 0
    assert "Nickname          none yet: warrior-ctl set downloader=NICKNAME" in out
    assert "Items             0 at work" in out
    assert "No project is chosen. Choose one: warrior-ctl projects" in out


def test_projects(daemon: Daemon, said: Any) -> None:
    """The chosen ones first, in order; one that cannot run says why, what to do, and when."""
    _, out, _ = said("projects")
    assert out == """\
1.  practice  running  2 items  Practice
2.  auto      idle              Archive Team’s choice – Now it is Other.
3.  broken    broken            Broken
      wget-at is not there.
      Put it into the data folder.
      Next try in 7 min, or now: warrior-ctl retry broken
      What it printed: warrior-ctl log broken
    other     loading           Other
    idle      idle              Idle
"""


def test_settings(daemon: Daemon, said: Any) -> None:
    """Names, values and limits; never a password."""
    _, out, _ = said("settings")
    assert out == """\
downloader        =  someone    Nickname
concurrent_items  =  3          Concurrent items (1 to 6)
http_password     =  (set)      Password
http_username     =  (not set)  User name
"""


@pytest.mark.parametrize(("arguments", "path", "body", "words"), [
    ("select b auto", "projects/select", {"projects": ["b", "auto"]},
     "Chosen, in this order: practice, auto, broken."),
    ("set downloader=me concurrent_items=4 a=b=c d=", "settings", {"values": {
        "downloader": "me", "concurrent_items": "4", "a": "b=c", "d": ""}},
     "Set: downloader, concurrent_items, a, d."),
    ("stop", "stop", {}, "No new items start. 2 items are still at work. Undo this with: "
     "warrior-ctl keep-running"),
    ("stop --now", "stop-now", {}, "No new items start. 2 items are still at work."),
    ("keep-running", "keep-running", {}, "The warrior keeps running."),
    ("shutdown", "shut-down", {"now": False}, "The warrior shuts down when the items at work are done."),
    ("shutdown --now", "shut-down", {"now": True}, "The warrior shuts down now."),
    ("restart", "restart", {"now": False}, "The warrior restarts when the items at work are done."),
    ("restart --now", "restart", {"now": True}, "The warrior restarts now."),
    ("retry b", "projects/b/retry", {}, "Trying b again. Check the result with: warrior-ctl projects"),
    ("update b", "projects/b/update", {}, "Checking b for new code. Check the result with: warrior-ctl projects"),
    ("update a/../%62", "projects/a%2F..%2F%2562/update", {}, ""),
    ("install-anyway b", "projects/b/install-anyway", {}, "Loading b even though its installer failed."),
])
def test_commands(
    arguments: str, path: str, body: Any, words: str, daemon: Daemon, said: Any
) -> None:
    """Each sends one command, and says what that means."""
    status, out, err = said(*arguments.split())
    assert (status, err) == (0, "")
    assert daemon.asked == [("POST", f"/api/{path}", body)]
    assert words in out


def test_stop_of_one_project(daemon: Daemon, said: Any) -> None:
    """It is dropped from the order; the others keep theirs."""
    assert said("stop", "auto")[0] == 0
    assert daemon.asked[-1] == (
        "POST", "/api/projects/select", {"projects": ["practice", "broken"]})


@pytest.mark.parametrize(("name", "sentence"), [
    ("idle", "idle is not among the chosen projects. They are: practice, auto, broken."),
    ("other", "It runs because it is Archive Team's choice: warrior-ctl stop auto")])
def test_stop_of_a_project_that_is_not_chosen(
    name: str, sentence: str, daemon: Daemon, said: Any
) -> None:
    """CommandRefused with what can be done, and nothing is changed."""
    status, _, err = said("stop", name)
    assert status == 1 and sentence in err
    assert all(method == "GET" for method, _, _ in daemon.asked)


def test_log(daemon: Daemon, said: Any) -> None:
    """The daemon's, or what a project's code printed; nothing in it commands the terminal."""
    assert said("log")[1] == "log of /api/log\nä�[2J\n"
    assert said("log", "b")[1] == "log of /api/projects/b/log\nä�[2J\n"


@pytest.mark.parametrize("before", [True, False])
def test_json(before: bool, daemon: Daemon, said: Any) -> None:
    """The answer as it came, wherever --json stands."""
    def ask(*arguments: str) -> Any:
        line = ["--json", *arguments] if before else [*arguments, "--json"]
        return json.loads(said(*line)[1])
    assert ask("status") == daemon.state
    assert ask("projects") == daemon.state["projects"]
    assert ask("settings") == daemon.state["settings"]
    assert ask("stop") == {"runner": daemon.state["runner"]}
    assert ask("select", "a") == {"projects": daemon.state["projects"]}
    assert ask("log") == {"log": "log of /api/log\nä\x1b[2J\r\n"}


def test_settings_errors_field_by_field(daemon: Daemon, said: Any) -> None:
    """A line for each, on standard error, and status 1."""
    daemon.answer = (400, "application/json", json.dumps({"errors": {
        "downloader": "Use 3 to 30 letters.", "concurrent_items": "At most 6."}}))
    assert said("set", "downloader=x", "concurrent_items=9") == (
        1, "", "warrior-ctl: downloader: Use 3 to 30 letters.\n"
               "warrior-ctl: concurrent_items: At most 6.\n")
    daemon.answer = (400, "application/json", json.dumps({"errors": {
        "concurrent_items": "Concurrent items must be at most 6."}}))
    assert said("set", "concurrent_items=99") == (
        1, "", "warrior-ctl: Concurrent items must be at most 6.\n")


@pytest.mark.parametrize(("answer", "words"), [
    ((404, "text/plain", "There is no project\x1b[1m x.\n"), "There is no project�[1m x."),
    ((500, "text/plain", ""), "The warrior has answered with status 500."),
    ((400, "application/json", '{"error": "No."}'), "No."),
    ((200, "application/json", "{"), "The warrior has sent something that is not JSON: '{'"),
    ((200, "application/json", "[]"), "is not a warrior of this version: restart it"),
    ((200, "text/html", "hello"), "is not a warrior of this version: restart it"),
])
def test_refusals(answer: tuple[int, str, str], words: str, daemon: Daemon, said: Any) -> None:
    """The daemon's own words on standard error, status 1."""
    daemon.answer = answer
    status, out, err = said("retry", "x")
    assert (status, out) == (1, "") and words in err


def test_a_state_of_another_version(daemon: Daemon, said: Any) -> None:
    """A daemon that was not restarted after an update is named, not guessed at."""
    daemon.answer = (200, "application/json", '{"status": {}}')
    for command in ("status", "projects", "settings"):
        status, _, err = said(command)
        assert status == 1 and "is not a warrior of this version" in err


def test_no_warrior(tmp_path: Path, said: Any) -> None:
    """No folder, no socket, one that was left behind, or something else: status 69."""
    (tmp_path / "file").write_text("")
    (tmp_path / "left").mkdir()
    bind_unix_socket(str(tmp_path / "left" / "control.sock")).close()
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "file", tmp_path / "left"):
        status, out, err = said("status", state_dir=folder)
        assert (status, out) == (69, "")
        assert f"No warrior is running in {folder}. Start it with run-warrior" in err


def test_a_folder_whose_name_is_too_long_for_a_socket(tmp_path: Path, said: Any) -> None:
    """A sentence, not a traceback."""
    status, _, err = said("status", state_dir=tmp_path / ("x" * 120))
    assert status == 69 and "cannot be asked: AF_UNIX path too long" in err


def test_one_that_does_not_answer(
    tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the deadline it says where to look."""
    monkeypatch.setattr(ctl_client, "TIMEOUT", 0.1)
    with bind_unix_socket(str(tmp_path / "control.sock")):
        status, _, err = said("status")
    assert status == 69 and "has not answered within" in err and "warrior.log" in err


def test_one_that_ends_before_it_answers(tmp_path: Path, said: Any) -> None:
    """The connection is closed without an answer: status 69."""
    with bind_unix_socket(str(tmp_path / "control.sock")) as listening:
        listening.setblocking(True)

        def hang_up() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(10_000)

        thread = threading.Thread(target=hang_up)
        thread.start()
        status, _, err = said("stop")
        thread.join(10)
    assert status == 69 and "cannot be asked" in err


@pytest.mark.parametrize(("arguments", "sentence"), [
    ("", "the following arguments are required: COMMAND"),
    ("dance", "invalid choice: 'dance'"),
    ("select", "required: NAME"),
    ("set", "required: NAME=VALUE"),
    ("set =3", "'=3' is not NAME=VALUE"),
    ("set a=1 a=2", "a is given twice"),
    ("stop --now practice", "stop --now ends the items of all projects"),
    ("retry", "required: PROJECT"),
    ("status --jso", "unrecognized arguments: --jso"),
])
def test_wrong_usage(arguments: str, sentence: str, said: Any, daemon: Daemon) -> None:
    """Status 64, the usage, and what is wrong; nothing is asked of the daemon."""
    status, _, err = said(*arguments.split())
    assert status == 64
    assert err.startswith("usage: warrior-ctl") and sentence in err.splitlines()[-1]
    assert daemon.asked == []


def command(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The real command, with an environment that names nothing of this machine's."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **more.pop("env", {})}
    return subprocess.run(
        [sys.executable, ROOT / "warrior-ctl", *arguments], capture_output=True, text=True,
        timeout=60, check=False, env=environment, encoding="utf-8", **more)


def test_a_password_from_standard_input(daemon: Daemon) -> None:
    """A name alone reads its value there, where no other user of the machine sees it."""
    done = command("--state-dir", str(daemon.state_dir), "set", "http_password", "downloader=me",
                   input="päss word\n", env={"PYTHONUTF8": "1"})
    assert done.returncode == 0, done.stderr
    assert daemon.asked == [("POST", "/api/settings", {
        "values": {"http_password": "päss word", "downloader": "me"}})]
    assert "päss" not in done.stdout
    done = command("--state-dir", str(daemon.state_dir), "set", "http_password", input="")
    assert done.returncode == 1 and "standard input has no value" in done.stderr


def test_removing_the_password(daemon: Daemon) -> None:
    """An empty value on the command line removes it, and what that means is said; an empty line
    goes to the warrior as it is, which refuses it."""
    folder = ("--state-dir", str(daemon.state_dir), "set")
    done = command(*folder, "http_password=", "downloader=me")
    assert (done.returncode, done.stdout) == (0, (
        "Set: downloader. The password has been removed. Anyone who uses this machine can "
        "now control the warrior.\n")), done.stderr
    assert daemon.asked.pop() == ("POST", "/api/settings", {
        "values": {"http_password": None, "downloader": "me"}})
    done = command(*folder, "http_password", input="\n")
    assert daemon.asked.pop() == ("POST", "/api/settings", {"values": {"http_password": ""}})


def test_the_folder_that_the_configuration_names(daemon: Daemon, tmp_path: Path) -> None:
    """By environment, by a file named there or on the command line."""
    conf = tmp_path / "my.conf"
    conf.write_text(f"[warrior]\nstate_dir = {daemon.state_dir}\n")
    for arguments, environment in (
            ([], {"WARRIOR_STATE_DIR": str(daemon.state_dir)}),
            ([], {"WARRIOR_CONFIG": str(conf)}), (["--config", str(conf)], {})):
        done = command(*arguments, "keep-running", env=environment)
        assert (done.returncode, done.stdout) == (0, "The warrior keeps running.\n"), done.stderr
    assert len(daemon.asked) == 3


def test_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    """Status 78 with its sentence; a state folder on the command line needs none."""
    conf = tmp_path / "my.conf"
    conf.write_text("[warrior]\nprot = 1\n")
    done = command("--config", str(conf), "status")
    assert done.returncode == 78 and f"{conf}, line 2" in done.stderr
    done = command("--config", str(conf), "--state-dir", str(tmp_path), "status")
    assert done.returncode == 69


def test_a_terminal_of_few_characters(daemon: Daemon) -> None:
    """What it cannot show becomes a question mark; nothing fails."""
    done = command("--state-dir", str(daemon.state_dir), "projects",
                   env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "Archive Team?s choice" in done.stdout


def test_a_reader_that_goes_away(daemon: Daemon) -> None:
    """``warrior-ctl log | head -1`` ends without a complaint."""
    daemon.answer = (200, "text/plain", "x\n" * 500_000)
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        done = subprocess.run(
            [sys.executable, ROOT / "warrior-ctl", "--state-dir", daemon.state_dir, "log"],
            stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
@pytest.mark.parametrize(("owner", "words"), [
    (0, "Only root may control the warrior in {}: sudo warrior-ctl …"),
    (1, "Only {name} and root may control the warrior in {}: sudo -u {name} warrior-ctl …")])
def test_another_users_warrior(owner: int, words: str) -> None:
    """Says whose it is and how to be allowed."""
    # The first run, as root, imports all there is: this Python may be closed to others.
    code = ("import os, sys; from warrior.cli import ctl; ctl.main(sys.argv[1:])\n"
            "os.setgid(65534); os.setuid(65534); sys.exit(ctl.main(sys.argv[1:]))")
    # The folder of the test's own files is closed to others.
    with tempfile.TemporaryDirectory() as folder:
        bind_unix_socket(folder + "/control.sock", mode=0o600).close()
        os.chown(folder, owner, -1)
        os.chmod(folder, 0o700)
        done = subprocess.run(
            [sys.executable, "-c", code, "--state-dir", folder, "status"], cwd=ROOT,
            capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert words.format(folder, name=pwd.getpwuid(owner).pw_name) in done.stderr


@pytest.mark.parametrize(("seconds", "words"), [
    (0, "in 0 s"), (119, "in 119 s"), (600, "in 10 min"), (7200, "in 2 h")])
def test_when(seconds: float, words: str) -> None:
    """Moments in the unit that people would use."""
    assert ctl_text.soon(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [
    (0, "0:00"), (42.9, "0:42"), (723, "12:03"), (11045, "3:04:05"), (-1, "0:00")])
def test_how_long(seconds: float, words: str) -> None:
    """As on the page."""
    assert ctl_text.duration(seconds) == words


def test_strangers_cannot_command_the_terminal() -> None:
    """Escapes, C1 controls and what turns text around show as replacement characters."""
    assert ctl_text.one_line("a\x1b]0;x\x07b\x9bc\u202ed\ne\tf") == "a�]0;x�b�c�d e f"
    assert ctl_text.one_line("x" * 50, 10) == "x" * 9 + "…"
