"""The real run-warrior for the browser tests, with small projects beside it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

#: A project without a tracker: gives each item a name, works on it, and is done.
PIPELINE = """\
from seesaw.config import NumberConfigValue, StringConfigValue
from seesaw.externalprocess import ExternalProcess
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask

{extra}

class GetName(SimpleTask):
    def process(self, item):
        item["item_name"] = "{name}:<i>%d</i>" % item.item_number

project = Project(title="{title}", project_html="{html}")
pipeline = Pipeline(
    GetName("GetName"), ExternalProcess("Download", ["sh", "-c", "echo at work; sleep {seconds}"]))
"""

SETTINGS = """\
NumberConfigValue(name="shared:rsync_threads", title="Rsync threads", min=1, max=64, default=20)
StringConfigValue(name="bind_address", title="Bind address", regex="^[0-9.]*$", default="")
"""

BROKEN = """\
print("Looking for wget-at in ./ and /usr/bin")
raise Exception("No usable Wget+At found.")
"""


class Daemon:
    """run-warrior with a state folder of its own, on a port that the system chose."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.projects: dict[str, Path] = {}
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    def add(self, name: str, code: str = "", seconds: float = 0.3, extra: str = "",
            html: str = "") -> None:
        """Offer a project; without ``code`` one whose items take so many seconds."""
        folder = self.folder / "projects" / name
        folder.mkdir(parents=True)
        (folder / "pipeline.py").write_text(code or PIPELINE.format(
            name=name, title=f"Title of {name}", seconds=seconds, extra=extra, html=html), "utf-8")
        self.projects[name] = folder

    def start(self, hq: str = "", **environment: str) -> None:
        """Start it; ``environment`` as for a container: DOWNLOADER, SELECTED_PROJECT …"""
        config = self.folder / "warrior.conf"
        sections = "".join(
            f"[project {name}]\nrepository = {path}\ntitle = Title of {name}\n"
            f"description = About <b>{name}</b>.\n" for name, path in self.projects.items())
        config.write_text(
            f"[warrior]\nstate_dir = {self.folder / 'state'}\naddress = 127.0.0.1\nport = 0\nwarrior_hq = {hq}\n"
            f"shipped_projects = no\nmin_free_disk = 0\n{sections}", "utf-8")
        log = self.folder / "stderr"
        with log.open("w", encoding="utf-8") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "run-warrior"), "--config", str(config)],
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment},
                stderr=stderr, start_new_session=True)
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"The page is at (\S+)\n", log.read_text("utf-8"))
            if found:
                self.url = found[1]
                return
            time.sleep(0.02)
        raise AssertionError(log.read_text("utf-8"))

    def wait(self) -> int:
        """Wait for its end; the exit status."""
        assert self.process is not None
        return self.process.wait(20)

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def close(self) -> None:
        if self.process is None:
            return
        # Two of a kind that come together may arrive as one.
        for number in (signal.SIGTERM, signal.SIGINT):
            if self.process.poll() is None:
                self.process.send_signal(number)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
