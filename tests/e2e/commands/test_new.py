"""run-pipeline --new: a folder that is a whole project, from the check to an item done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def run_pipeline(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / "run-pipeline"), *words], cwd=cwd,
                          capture_output=True, text=True, timeout=200, check=False,
                          stdin=subprocess.DEVNULL)


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A practice tracker: its URL and the upload folder."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run-tracker"), "--data-dir", str(tmp_path / "data"),
         "--port", "0", "--practice", "--practice-items", "5"],
        stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = ""
    for line in process.stdout:
        if line.rstrip().endswith("/practice") and "http" in line:
            url = line.split()[-1]
        if line.startswith("Uploads arrive"):
            break
    try:
        yield url, tmp_path / "data" / "uploads" / "practice"
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_from_nothing_to_an_item_done(tmp_path: Path, tracker: tuple[str, Path]) -> None:
    """Written, checked, and run as it is: a sound WARC arrives, and the tracker counts it."""
    url, uploads = tracker
    done = run_pipeline(tmp_path, "--new", "my-site")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "my-site"
    assert sorted(os.listdir(folder)) == [".gitignore", "README.md", "pipeline.py"]
    assert "--check pipeline.py" in done.stdout and "run-tracker --practice" in done.stdout
    checked = run_pipeline(folder, "--check", "--json", "pipeline.py")
    told = json.loads(checked.stdout)
    assert checked.returncode == 0 and told["title"] == "my-site"
    assert told["needs"]["missing"] == [] and told["needs"]["deprecated"] == []
    assert "asks http://127.0.0.1:8900/practice/request" in [one["detail"] for one in told["tasks"]]
    ran = run_pipeline(folder, "--disable-web-server", "pipeline.py", "newcomer", "--max-items",
                       "1", "--context-value", f"tracker_url={url}")
    assert ran.returncode == 0 and "1 completed, 0 failed" in ran.stderr, ran.stdout[-3000:]
    (warc,) = uploads.glob("my-site-*.warc.gz")
    sound = subprocess.run([sys.executable, "-m", "warcio.cli", "check", str(warc)],
                           capture_output=True, text=True, check=False)
    assert sound.returncode == 0, sound.stdout
    with urllib.request.urlopen(f"{url}/status") as answer:
        assert json.load(answer)["done"] == 1
    assert os.listdir(folder / "data") == []


def test_nothing_unknown_to_git_after_a_run(tmp_path: Path) -> None:
    """What a run leaves is in .gitignore."""
    assert run_pipeline(tmp_path, "--new", "site").returncode == 0
    folder = tmp_path / "site"
    git = ["git", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "--quiet"], cwd=folder, check=True)
    (folder / "data").mkdir()
    (folder / "data" / "x").touch()
    (folder / "STOP").touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").touch()
    said = subprocess.run([*git, "status", "--porcelain", "--untracked-files=all"], cwd=folder,
                          check=True, capture_output=True, text=True).stdout
    assert sorted(said.split()[1::2]) == [".gitignore", "README.md", "pipeline.py"]


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """A folder, also an empty one, a file, or a link."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "file", "link"):
        done = run_pipeline(tmp_path, "--new", name)
        assert done.returncode == 1 and f"{name} already exists here" in done.stderr
    assert os.listdir(tmp_path / "folder") == [] and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "auto", "with blank", "x" * 65, "-x"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    """With what is allowed; nothing is written."""
    done = run_pipeline(tmp_path, f"--new={name}")
    assert done.returncode == 64 and "a name has up to 64 letters" in done.stderr
    assert os.listdir(tmp_path) == []


def test_it_stands_alone(tmp_path: Path) -> None:
    """With a file it would be unclear what is meant."""
    assert run_pipeline(tmp_path, "--new", "x", "pipeline.py", "someone").returncode == 64
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written() -> None:
    """The reason stands there."""
    done = run_pipeline(Path("/proc"), "--new", "x")
    assert done.returncode == 1 and "run-pipeline: x cannot be written: " in done.stderr
    assert "Traceback" not in done.stderr
