"""The examples of the guide are run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCS = sorted((ROOT / "docs").glob("*.md"))
_BLOCK = re.compile(r"^```(python[a-z ]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(words: str) -> list[object]:
    """All blocks that begin with these words, with a name for the test."""
    found: list[object] = []
    for page in DOCS:
        for match in _BLOCK.finditer(page.read_text("utf-8")):
            if match[1] == words:
                found.append(pytest.param(
                    match[2], id=f"{page.stem}-{page.read_text('utf-8')[:match.start()].count(chr(10)) + 1}"))
    return found


def run_file(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """The code as a plain script."""
    (folder / "example.py").write_text(f"downloader = 'volunteer'\n{code}", "utf-8")
    return subprocess.run([sys.executable, "example.py"], cwd=folder, capture_output=True,
                          text=True, timeout=120, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})


def run_pipeline(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "pipeline.py").write_text(code, "utf-8")
    return subprocess.run(
        [sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server", "--max-items", "2",
         "pipeline.py", "volunteer"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_there_are_examples() -> None:
    """The pages are read at all, and no block is of a kind that nobody runs."""
    kinds = {match[1] for page in DOCS for match in _BLOCK.finditer(page.read_text("utf-8"))}
    assert {"python", "python raises", "python pipeline", "python pipeline tracker"} >= kinds
    assert len(examples("python")) >= 6
    assert examples("python pipeline")
    assert examples("python pipeline tracker")


@pytest.mark.parametrize("code", examples("python"))
def test_an_example_holds(tmp_path: Path, code: str) -> None:
    """It runs through, with all that it claims."""
    done = run_file(tmp_path, code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", examples("python raises"))
def test_what_the_author_says_is_what_is_read(tmp_path: Path, code: str) -> None:
    """The text of the exception stands on standard error."""
    done = run_pipeline(tmp_path, code)
    assert done.returncode == 1
    sentence = re.findall(r"'(.*)'", code)[-1]
    assert sentence in done.stderr


@pytest.mark.parametrize("code", examples("python pipeline"))
def test_a_pipeline_runs(tmp_path: Path, code: str) -> None:
    """Two items go through it."""
    done = run_pipeline(tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert "2 completed, 0 failed" in done.stderr, done.stdout


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[str]:
    """The URL of a practice tracker."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run-tracker"), "--data-dir", str(tmp_path / "tracker"),
         "--port", "0", "--practice", "--practice-items", "5"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+/practice\b", line):
                yield found[0]
                break
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@pytest.mark.parametrize("code", examples("python pipeline tracker"))
def test_a_pipeline_runs_with_a_tracker(tmp_path: Path, tracker: str, code: str) -> None:
    """Two items come from it and are reported done."""
    done = run_pipeline(tmp_path, code.replace("http://127.0.0.1:8900/practice", tracker))
    assert done.returncode == 0, done.stderr
    assert "2 completed, 0 failed" in done.stderr, done.stdout
