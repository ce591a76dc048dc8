"""The practice project with an rsync target: a real daemon takes the uploads."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.kit import ROOT, Command, run_pipeline
from tests.support.rsync_daemon import rsync_daemon


@pytest.mark.parametrize(("items", "concurrent"), [
    (3, 3), pytest.param(20, 6, marks=pytest.mark.long),
])
def test_items_are_uploaded_by_rsync(tmp_path: Path, items: int, concurrent: int) -> None:
    """Every item is done at the tracker once, and its sound WARC is in the module's folder."""
    shutil.copytree(ROOT / "projects" / "practice", tmp_path / "practice",
                    ignore=shutil.ignore_patterns("data", "__pycache__"))
    with rsync_daemon(tmp_path / "rsync") as (target, uploads), Command(
            [sys.executable, str(ROOT / "run-tracker"), "--port", "0", "--practice",
             "--data-dir", str(tmp_path / "tracker"), "--upload-target", target],
            tmp_path) as tracker:
        url = tracker.wait_output(r"Practice project: (\S+)")[1]
        ended = run_pipeline(
            tmp_path / "practice" / "pipeline.py", "--max-items", str(items),
            "--concurrent", str(concurrent), "--context-value", f"tracker_url={url}", timeout=200)
        assert ended.status == 0, ended.output[-3000:]
        assert f"{items} completed, 0 failed" in ended.output
        with urllib.request.urlopen(f"{url}/status") as answer:
            assert json.load(answer)["done"] == items
        tracker.send(signal.SIGTERM)
        tracker.wait()
    files = sorted(uploads.rglob("*.warc.gz"))
    assert len(files) == items
    with Command([sys.executable, "-m", "warcio.cli", "check", *map(str, files)],
                 tmp_path) as check:
        assert check.wait() == 0, check.output
