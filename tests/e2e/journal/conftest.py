"""A warrior, its tracker and its upload target, each of which a test can bring to a halt."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ctl import run_ctl
from tests.support.rsync_daemon import held_rsync_daemon
from tests.support.scripted_tracker import NOTHING, ScriptedTracker, item_answer, json_answer

ROOT = Path(__file__).resolve().parents[3]

HEAD = """
import os, time
from seesaw.config import *
from seesaw.externalprocess import *
from seesaw.item import *
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import *
from seesaw.tracker import *
project = Project(title='Test')
class Get(GetItemFromTracker):
    DEFAULT_RETRY_DELAY = 0.2
    RETRY_DELAY_INCREMENT = 0
class Work(SimpleTask):
    def process(self, item):
        item['cookie'] = 'a secret'
        item['item_dir'] = '%(data_dir)s/work' % item
        os.makedirs(item['item_dir'])
        with open('%(item_dir)s/a.warc.gz' % item, 'w') as file:
            file.write('the content of ' + item['item_name'])
"""

#: Nothing of the project's behind the work: no code of it is needed to go on.
PLAIN = """
pipeline = Pipeline(
    Get(TRACKER, downloader, 'v1'), Work('Work'),
    PrepareStatsForTracker({'downloader': downloader, 'version': 'v1'},
        {'data': [ItemInterpolation('%(item_dir)s/a.warc.gz')]}),
    LimitConcurrent(NumberConfigValue(name='shared:rsync_threads', min=1, max=6, default='2'),
        UploadWithTracker(TRACKER, downloader=downloader, version='v1',
            files=[ItemInterpolation('%(item_dir)s/a.warc.gz')],
            rsync_target_source_path=ItemInterpolation('%(data_dir)s/'),
            rsync_extra_args=['--partial'])),
    SendDoneToTracker(TRACKER, ItemValue('stats')))
"""


class Warrior:
    """A run-warrior in a folder, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.data = self.state / "data" / "one"
        self.source = folder / "source"
        self.source.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, tracker: ScriptedTracker, text: str) -> None:
        """The project's code."""
        code = HEAD + text.replace("TRACKER", repr(tracker.url))
        (self.source / "pipeline.py").write_text(textwrap.dedent(code))

    def start(self, *options: str, selected: str = "one") -> None:
        """Start it, with its project chosen."""
        config = self.folder / "warrior.conf"
        config.write_text("[warrior]\nshipped_projects = no\n"
                          f"[project one]\nrepository = {self.source}\n")
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "run-warrior"), "--config", str(config), "--state-dir",
                 str(self.state), "--warrior-hq", "", "--address", "127.0.0.1", "--port", "0",
                 *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
                env={**os.environ, "DOWNLOADER": "tester", "SELECTED_PROJECT": selected,
                     "CONCURRENT_ITEMS": "1"})

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> int:
        """End it as the system does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
        ends = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < ends, self.said() + str(self.rows())
            time.sleep(0.05)
        return found

    def status(self) -> dict[str, Any]:
        """What the console shows; {} while it does not answer."""
        done = run_ctl(self.state, "status")
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}

    def ctl(self, *words: str) -> bool:
        """Command it; whether it did as it was told."""
        return run_ctl(self.state, *words).returncode == 0

    # -- the journal -----------------------------------------------------------------
    @property
    def journal(self) -> Path:
        return self.state / "journal.db"

    def rows(self) -> list[tuple[str, str]]:
        """``(item id, state)`` of all that is in the journal."""
        if not self.journal.exists():
            return []
        database = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=20)
        try:
            return database.execute("SELECT id, state FROM items").fetchall()
        except sqlite3.OperationalError:
            return []  # it is being made
        finally:
            database.close()

    def states(self) -> list[str]:
        return [state for _, state in self.rows()]

    def shut_journal(self) -> sqlite3.Connection:
        """Let nobody write to the journal until the connection is closed."""
        database = sqlite3.connect(self.journal, timeout=20, isolation_level=None,
                                   check_same_thread=False)
        database.execute("BEGIN IMMEDIATE")
        return database

    def folders(self) -> list[str]:
        """The folders of items that have begun to work."""
        return sorted(path.parent.name for path in self.data.glob("*/work"))


@pytest.fixture
def warrior(tmp_path: Path) -> Iterator[Warrior]:
    one = Warrior(tmp_path)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.kill()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Any]:
    with held_rsync_daemon(tmp_path / "rsyncd") as daemon:
        yield daemon


@pytest.fixture
def tracker(target: Any) -> Iterator[ScriptedTracker]:
    """It has one item, once, and sends uploads to the rsync daemon."""
    with ScriptedTracker() as scripted:
        scripted.queue("request", item_answer("first"))
        scripted.always("request", NOTHING)
        scripted.always("upload", json_answer({"upload_target": target.url}))
        yield scripted

