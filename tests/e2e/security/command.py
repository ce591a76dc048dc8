"""The real commands with their consoles: run-warrior and run-pipeline, one like the other."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.support.waiting import until
from tests.warrior.web.talking import Asking

ROOT = Path(__file__).resolve().parents[3]

#: What strangers must never read: the title of the project, the name of its item.
TITLE, ITEM = "Title-of-the-project", "name-of-the-item"

#: Its item works until the file "go" lies beside; it counts, so that a stop can be seen. It
#: has the environment that the project's own code has.
PIPELINE = f"""\
import os
from seesaw.externalprocess import ExternalProcess
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask

class GetName(SimpleTask):
    def process(self, item):
        item["item_name"] = "{ITEM}"

project = Project(title="{TITLE}")
pipeline = Pipeline(
    GetName("GetName"),
    ExternalProcess("Work", ["sh", "-c", '''
        env > "$0/environment"
        n=0; while [ ! -e "$0/go" ]; do
            n=$((n + 1)); echo $n > "$0/beats.new"; mv "$0/beats.new" "$0/beats"; sleep 0.1
        done''', __FOLDER__], env=dict(os.environ)))
"""


class Command(Asking):
    """One of the two commands, at work on an item; all that it keeps lies in ``folder``.

    Passwords are hashed at their real cost only where the test says so.
    """

    def __init__(
        self, kind: str, folder: Path, password: str = "", real_hashes: bool = False,
        **environment: str,
    ) -> None:
        self.launcher = [] if real_hashes else [str(Path(__file__).with_name("quick.py"))]
        self.kind = kind
        self.folder = folder
        self.password = password
        self.project = folder / "project"
        self.log = folder / "stderr"
        self.out = folder / "stdout"
        self.project.mkdir(parents=True, exist_ok=True)
        (self.project / "pipeline.py").write_text(
            PIPELINE.replace("__FOLDER__", repr(str(self.project))))
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"),
                            **environment}
        if password:
            self.environment["HTTP_PASSWORD"] = password
        (folder / "home").mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        """Start it; it listens and its item works when this returns."""
        with self.log.open("ab") as err, self.out.open("ab") as out:
            before = err.tell()
            self.process = subprocess.Popen(
                [sys.executable, *self.launcher, *self._words()], env=self.environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)

        def listens() -> re.Match[str] | None:
            assert self.process.poll() is None, self.said()
            return re.search(r"The page is at http://127\.0\.0\.1:(\d+)/", self.said()[before:])

        self.port = int(until(listens, "the page")[1])
        until(lambda: self.beats() > 0, "the item")

    def _words(self) -> list[str]:
        if self.kind == "pipeline":
            return [str(ROOT / "run-pipeline"), "--port", "0", str(self.project / "pipeline.py"),
                    "a-volunteer"]
        config = self.folder / "warrior.conf"
        config.write_text(
            f"[warrior]\nstate_dir = {self.folder / 'state'}\naddress = 127.0.0.1\nport = 0\n"
            "warrior_hq =\nshipped_projects = no\nmin_free_disk = 0\n"
            f"[project test]\nrepository = {self.project}\ntitle = {TITLE}\n")
        self.environment.setdefault("DOWNLOADER", "a-volunteer")
        self.environment.setdefault("SELECTED_PROJECT", "test")
        self.environment.setdefault("CONCURRENT_ITEMS", "1")
        return [str(ROOT / "run-warrior"), "--config", str(config)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def said(self) -> str:
        """What it has written to standard error."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def beats(self) -> int:
        """How often the item at work has shown that it lives."""
        try:
            return int((self.project / "beats").read_text() or 0)
        except FileNotFoundError:
            return 0

    def memory(self) -> float:
        """What it holds in memory, in MiB."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2 ** 20

    def enter(self) -> dict[str, str]:
        """Cookie and token of a session that may do all."""
        return self.log_in(self.password) if self.password else self.session()

    def state(self, session: dict[str, str]) -> dict[str, Any]:
        """What it tells to who may know."""
        answer = self.ask("GET", "/api/state", session)
        assert answer.status == 200, answer
        state: dict[str, Any] = json.loads(answer.text)
        return state

    def answers(self) -> None:
        """It lives, and says so."""
        assert self.ask("GET", "/healthz").text == "healthy\n"

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(20)

    def close(self) -> None:
        (self.project / "go").touch()  # the item is done
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
