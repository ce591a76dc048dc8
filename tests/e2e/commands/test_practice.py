"""The practice project from tracker to upload, with the real commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A practice tracker: its URL and the upload folder."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run-tracker"), "--data-dir", str(tmp_path / "data"),
         "--port", "0", "--practice", "--practice-items", "30"],
        stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    try:
        yield lines[1].split()[-1], tmp_path / "data" / "uploads" / "practice"
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def run_practice(folder: Path, url: str, items: int, concurrent: int) -> subprocess.CompletedProcess[str]:
    shutil.copytree(ROOT / "projects" / "practice", folder / "practice",
                    ignore=shutil.ignore_patterns("data"))
    return subprocess.run(
        [sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server",
         str(folder / "practice" / "pipeline.py"), "volunteer", "--max-items", str(items),
         "--concurrent", str(concurrent), "--context-value", f"tracker_url={url}"],
        cwd=folder, capture_output=True, text=True, timeout=200, check=False)


def check(done: subprocess.CompletedProcess[str], url: str, uploads: Path, items: int) -> None:
    assert done.returncode == 0, done.stderr
    assert " 0 failed" in done.stderr, done.stdout[-3000:]
    assert f"{items} completed, 0 failed" in done.stderr
    files = sorted(uploads.glob("*.warc.gz"))
    assert len(files) == items
    checked = subprocess.run([sys.executable, "-m", "warcio.cli", "check", *map(str, files)],
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    with urllib.request.urlopen(f"{url}/status") as answer:
        counts = json.load(answer)
    assert counts["done"] == items, counts


def test_three_items_over_http(tracker: tuple[str, Path], tmp_path: Path) -> None:
    """Three items are done at the tracker, and three sound WARCs have arrived."""
    url, uploads = tracker
    check(run_practice(tmp_path, url, 3, 3), url, uploads, 3)
    assert os.listdir(tmp_path / "practice" / "data") == []


@pytest.mark.long
def test_twenty_items_six_at_once(tracker: tuple[str, Path], tmp_path: Path) -> None:
    """Twenty items, each done exactly once."""
    url, uploads = tracker
    check(run_practice(tmp_path, url, 20, 6), url, uploads, 20)
