"""All that a real daemon writes is for its user alone, whatever it was started with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.warrior.test_daemon import PROJECT, Daemon
from tests.support.git_remote import Repository, git_server
from tests.support.scripted_hq import ScriptedHQ, project
from tests.support.scripted_tracker import ScriptedTracker, item_answer

ROOT = Path(__file__).resolve().parents[3]


class OpenDaemon(Daemon):
    """Started with umask 000, on a state folder that was open to all."""

    def __init__(self, folder: Path, hq: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        self.state.chmod(0o755)
        self.log = open(folder / "log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            ["sh", "-c", 'umask 000; exec "$@"', "sh", sys.executable, str(ROOT / "run-warrior"),
             "--state-dir", str(self.state), "--data-dir", str(folder / "data"), "--warrior-hq", hq,
             "--no-shipped-projects", "--address", "127.0.0.1", "--port", "0"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env={**os.environ},
            start_new_session=True)


def open_to_others(folder: Path) -> Iterator[str]:
    """What others can reach below the folder: they need every folder above it, too."""
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not mode & 0o077:
            continue
        yield str(path)


def test_nothing_is_open_to_others(tmp_path: Path) -> None:
    """Settings, list, log, socket, code, data of items: none can be reached by anybody else."""
    with ScriptedTracker() as tracker, git_server(tmp_path / "git") as server:
        (tmp_path / "git").mkdir(exist_ok=True)
        Repository(tmp_path / "git" / "one").commit(
            {"pipeline.py": PROJECT.format(url=tracker.url),
             "warrior-install.sh": "#!/bin/sh\necho installed > installed\n"})
        tracker.always("request", item_answer("an item"))
        with ScriptedHQ([project("one", server.url("one"))]) as hq:
            daemon = OpenDaemon(tmp_path, hq.url)
            try:
                daemon.until(lambda: daemon.ctl("set", "downloader=tester"))
                daemon.until(lambda: daemon.ctl("select", "one"))
                assert daemon.ctl("make-key", "script") is not None
                daemon.until(lambda: daemon.active() == 2)
                names = {path.name for path in daemon.state.iterdir()}
                assert {"settings.json", "settings.json.last-good", "catalogue.json", "warrior.log",
                        "lock", "item-prefixes", "checkouts"} <= names
                assert any(stat.S_ISSOCK(path.lstat().st_mode) for path in daemon.state.iterdir())
                assert list((tmp_path / "data" / "one").glob("*/half"))
                assert daemon.state.stat().st_mode & 0o777 == 0o700
                assert list(open_to_others(daemon.state)) == []
                assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
                assert list(open_to_others(tmp_path / "data")) == []
                assert list(open_to_others(daemon.state / "checkouts")) == []
            finally:
                daemon.end()
