"""The real ``run-pipeline`` against a tracker that fails often."""

from __future__ import annotations

import http.client
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.kit import ROOT, Command, write_pipeline
from tests.support.world import Clock

ITEMS = [f"item:{number}" for number in range(12)]

PIPELINE = """\
    URL = %r
    class Quick(object):
        DEFAULT_RETRY_DELAY = 0.05
        RETRY_DELAY_INCREMENT = 0.02
        MAX_RETRY_DELAY = 0.3
    class Get(Quick, GetItemFromTracker): pass
    class Upload(Quick, UploadWithTracker): pass
    class Done(Quick, SendDoneToTracker): pass
    class File(SimpleTask):
        def process(self, item):
            item['file'] = item['data_dir'] + '/' + item['item_name'].replace(':', '-')
            with open(item['file'], 'w') as f:
                f.write(item['item_name'])
    pipeline = Pipeline(
        Get(URL, downloader), File('File'),
        PrepareStatsForTracker(defaults={'downloader': downloader},
                               file_groups={'data': [ItemValue('file')]}),
        Upload(URL, downloader, [ItemValue('file')]), Done(URL, ItemValue('stats')))
    """


def lost_items(server: Any) -> int:
    """How many items were handed out in answers that never arrived."""
    return len(re.findall(r"/p/request: fault: lost", "".join(server.errors)))


def release_lost(client: Any) -> int:
    """Release the items on which nobody works, as an operator would; return how many."""
    names = [name for name in ITEMS if client.status("p", name)["state"] == "out"]
    while True:  # this too meets faults
        try:
            if client.post("/p/release", {"downloader": "tester", "items": names}) == (
                200,
                {"items": names},
            ):
                return len(names)
        except (OSError, http.client.HTTPException):
            continue


def test_every_item_is_done_once_on_a_rough_day(
    start_tracker: Callable[..., Any],
    run_tracker: Callable[..., Any],
    eventually: Callable[..., None],
    tmp_path: Path,
) -> None:
    """In spite of refusals, garbage, slow answers, dead targets and lost answers no item fails, and
    each is done once and uploaded whole. Only items in lost answers have to be released."""
    assert run_tracker("add", "p", "-", given="\n".join(ITEMS)).returncode == 0
    server = start_tracker(
        "--faults", "rough seed=7 delay-seconds=0.1 byte-seconds=0.005 retry-after=0"
    )
    client = server.client()
    path = write_pipeline(tmp_path / "pipeline", PIPELINE % f"{server.url}/p")
    released = 0
    # It waits for what fails, ten times shorter than for others.
    words = Clock(10).words(tmp_path / "journal", ROOT / "run-pipeline", "--disable-web-server",
                            "--concurrent", "6", str(path), "tester")
    with Command(words, path.parent) as command:
        while client.status("p")["done"] < len(ITEMS):

            def settled(released: int = released) -> bool:
                counts = client.status("p")
                return bool(counts["todo"] == 0 and counts["out"] == lost_items(server) - released)

            eventually(settled, 250.0)
            released += release_lost(client)
        command.interrupt()
        assert command.wait() in (0, 130)
        output = command.output
    assert re.search(r"Done: \d+ completed, 0 failed", output), output[-5000:]
    server.stop()
    log = "".join(server.errors)
    for name in ("request", "upload", "done"):
        assert f"/p/{name}: fault:" in log
    assert len(set(re.findall("fault: (.*)", log))) > 8
    with sqlite3.connect(tmp_path / "data" / "tracker.sqlite3") as database:
        reports = database.execute("SELECT count(*), count(DISTINCT stats) FROM reports").fetchone()
        states = database.execute("SELECT state, count(*) FROM items GROUP BY state").fetchall()
    database.close()
    assert reports == (len(ITEMS), len(ITEMS))
    assert states == [("done", len(ITEMS))]
    files = {file.name: file.read_text() for file in (tmp_path / "data/uploads/p").iterdir()}
    assert files == {name.replace(":", "-"): name for name in ITEMS}
