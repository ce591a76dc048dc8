"""The real daemon with everything around it: signals, locks, HQ, tracker and git that fail."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.ctl import run_ctl
from tests.support.processes import living
from tests.support.scripted_tracker import Answer, ScriptedTracker
from tests.support.world import Clock

ROOT = Path(__file__).resolve().parents[3]

PROJECT = """
import os
from seesaw.externalprocess import ExternalProcess
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.tracker import GetItemFromTracker
project = Project(title='Test')
class Get(GetItemFromTracker):
    DEFAULT_RETRY_DELAY = 0.3
    RETRY_DELAY_INCREMENT = 0
pipeline = Pipeline(Get({url!r}, downloader, '1'), ExternalProcess('Wait', ['sh', '-c', '''
    echo working > "$0/half"; while [ ! -e "$1/go" ]; do sleep 0.02; done''',
    __import__('seesaw.item', fromlist=['x']).ItemInterpolation('%(data_dir)s'),
    os.path.realpath('data')], env={{'PATH': os.environ['PATH']}}))
"""


class Daemon:
    """A run-warrior of its own; ``ctl`` speaks with it."""

    def __init__(self, folder: Path, *arguments: str, projects: dict[str, str] | None = None,
                 environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.state = folder / "state"
        config = folder / "warrior.conf"
        config.write_text("[warrior]\nshipped_projects = no\n" + "".join(
            f"[project {name}]\nrepository = {path}\n" for name, path in (projects or {}).items()))
        self.log = open(folder / "log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "run-warrior"), "--config", str(config), "--state-dir",
             str(self.state), "--warrior-hq", "", "--address", "127.0.0.1", "--port", "0",
             *arguments], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, **(environment or {})}, start_new_session=True)

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
        ends = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < ends, self.said()
            time.sleep(0.05)
        return found

    def ctl(self, *words: str) -> Any:
        """What warrior-ctl --json answers; None while the daemon does not listen yet."""
        done = run_ctl(self.state, *words)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def active(self) -> int:
        state = self.ctl("status")
        return 0 if state is None else sum(
            item["state"] == "running" and bool(item["name"]) for item in state["items"])

    def sentence(self) -> str:
        state = self.ctl("status")
        return "" if state is None else str(state["status"]["text"])

    def begin(self, nickname: str = "tester", projects: tuple[str, ...] = ("one",)) -> None:
        self.until(lambda: self.ctl("set", f"downloader={nickname}"))
        assert self.ctl("select", *projects) is not None

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        self.log.close()


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    made: list[Daemon] = []
    yield made
    for daemon in made:
        daemon.end()


@pytest.fixture
def one(tmp_path: Path, daemons: list[Daemon]) -> Iterator[tuple[Daemon, ScriptedTracker]]:
    """A daemon at work on two items of a project whose tracker is scripted."""
    with ScriptedTracker() as tracker:
        source = tmp_path / "source"
        source.mkdir()
        (source / "pipeline.py").write_text(PROJECT.format(url=tracker.url))
        tracker.always("request", Answer(200, b'{"item_name": "an item"}'))
        daemons.append(Daemon(tmp_path, projects={"one": str(source)}))
        daemons[0].begin()
        yield daemons[0], tracker


def folders(daemon: Daemon) -> list[str]:
    return [path.name for path in (daemon.state / "data" / "one").iterdir() if path.is_dir()]


def test_sigterm_lets_the_items_finish(one: tuple[Daemon, ScriptedTracker]) -> None:
    """No new claims; when the items are done it ends with 0, and nothing is left."""
    daemon, tracker = one
    daemon.until(lambda: daemon.active() == 2)
    daemon.process.send_signal(signal.SIGTERM)
    daemon.until(lambda: "Stopping: 2 items" in daemon.sentence())
    asked = len(tracker.requests("request"))
    (daemon.state / "data" / "one" / "go").touch()
    assert daemon.process.wait(20) == 0
    assert len(tracker.requests("request")) == asked
    assert folders(daemon) == []
    assert not (daemon.state / "control.sock").exists()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_items(
    one: tuple[Daemon, ScriptedTracker], second: signal.Signals
) -> None:
    """It ends within seconds, leaves no process and no half-written file behind."""
    daemon, _ = one
    daemon.until(lambda: daemon.active() == 2)
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    assert len(children) >= 2
    daemon.process.send_signal(signal.SIGTERM)
    daemon.until(lambda: "seconds to finish" in daemon.said())
    daemon.process.send_signal(second)
    assert daemon.process.wait(20) == 0
    assert folders(daemon) == []
    daemon.until(lambda: not living(children))


def test_what_a_kill_leaves_is_removed_at_the_next_start(
    one: tuple[Daemon, ScriptedTracker], daemons: list[Daemon]
) -> None:
    """The partial items go, the project's own files stay, and items are claimed anew."""
    daemon, _ = one
    daemon.until(lambda: daemon.active() == 2)
    (daemon.state / "data" / "one" / "cookies").mkdir()
    left = set(folders(daemon))
    daemon.process.kill()
    daemon.process.wait()
    again = Daemon(daemon.folder, projects={"one": str(daemon.folder / "source")})
    daemons.append(again)
    again.until(lambda: again.active() == 2)
    assert set(folders(again)) & left == {"cookies"}


def test_a_second_warrior_names_the_first(
    one: tuple[Daemon, ScriptedTracker], tmp_path: Path
) -> None:
    """On the same state folder it waits ten seconds (of a clock that goes faster), then exits
    with 73."""
    daemon, _ = one
    words = Clock(20).words(
        tmp_path / "journal", ROOT / "run-warrior", "--state-dir", str(daemon.state),
        "--warrior-hq", "", "--address", "127.0.0.1", "--port", "0")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 73
    assert f"process {daemon.process.pid}" in done.stderr


def test_a_port_in_use_exits_with_69(tmp_path: Path, daemons: list[Daemon]) -> None:
    """Nothing is started, and the sentence names the port."""
    first = Daemon(tmp_path)
    daemons.append(first)
    url = first.until(lambda: re.search(r"The page is at http://127\.0\.0\.1:(\d+)/", first.said()))
    done = subprocess.run(
        [sys.executable, str(ROOT / "run-warrior"), "--state-dir", str(tmp_path / "other"),
         "--warrior-hq", "", "--address", "127.0.0.1", "--port", url.group(1)],
        capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 69 and url.group(1) in done.stderr


def test_the_end_leaves_and_names_no_process_of_its_own(
    tmp_path: Path, daemons: list[Daemon]
) -> None:
    """What it started for itself (git needs a shell that minds it) it ends itself, at once."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "pipeline.py").write_text(PROJECT.format(url="http://127.0.0.1:9/"))
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b.c",
                                                "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=source, check=True)
    daemons.append(Daemon(tmp_path, projects={"one": str(source)}))
    daemons[0].begin()
    daemons[0].until(lambda: "tracker cannot be reached" in daemons[0].sentence())
    daemons[0].process.send_signal(signal.SIGTERM)
    assert daemons[0].process.wait(20) == 0
    assert "had left running" not in daemons[0].said()
    assert "The warrior has shut down." in daemons[0].said()


def test_a_dead_tracker_is_only_a_sentence(one: tuple[Daemon, ScriptedTracker]) -> None:
    """The daemon goes on, says whose turn it is, and works when the tracker is back."""
    daemon, tracker = one
    daemon.until(lambda: daemon.active() == 2)
    tracker.always("request", Answer(reset=True))
    (daemon.state / "data" / "one" / "go").touch()
    daemon.until(lambda: "tracker cannot be reached" in daemon.sentence())
    (daemon.state / "data" / "one" / "go").unlink()
    tracker.always("request", Answer(200, b'{"item_name": "an item"}'))
    daemon.until(lambda: daemon.active() == 2)


def test_a_restart_keeps_the_process_and_goes_on(one: tuple[Daemon, ScriptedTracker]) -> None:
    """Without systemd the process executes itself anew and works on what was chosen."""
    daemon, _ = one
    daemon.until(lambda: daemon.active() == 2)
    assert daemon.ctl("restart", "--now") is not None
    daemon.until(lambda: daemon.said().count("The page is at") == 2)
    daemon.until(lambda: daemon.active() == 2)
    assert daemon.process.poll() is None


def test_the_old_container_starts_it(tmp_path: Path, daemons: list[Daemon]) -> None:
    """The old options and a config.json with seven keys, unset ones empty, numbers as text."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "pipeline.py").write_text(
        PROJECT.format(url="http://127.0.0.1:9/"))
    projects = tmp_path / "projects"
    projects.mkdir()
    (projects / "config.json").write_text(json.dumps({
        "downloader": "volunteer", "selected_project": "one", "concurrent_items": "3",
        "http_username": "", "http_password": "", "warrior_id": "", "shared:rsync_threads": "5"}))
    config = tmp_path / "warrior.conf"
    config.write_text(f"[warrior]\n[project one]\nrepository = {source}\n")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run-warrior3"), "--projects-dir", str(projects), "--data-dir",
         str(tmp_path / "data"), "--warrior-hq", "", "--port", "0", "--address", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "WARRIOR_CONFIG": str(config)})
    daemon = Daemon.__new__(Daemon)
    daemon.folder, daemon.state, daemon.process = tmp_path, projects, process
    daemon.log = open(tmp_path / "log", "ab")  # noqa: SIM115
    daemons.append(daemon)
    state = daemon.until(lambda: daemon.ctl("status"))
    assert state["runner"]["downloader"] == "volunteer"
    assert state["runner"]["concurrent"] == 3
    daemon.until(lambda: (tmp_path / "data" / "one").is_dir())
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    kept = json.loads((projects / "config.json").read_text())
    assert kept["selected_project"] == "one" and kept["downloader"] == "volunteer"
