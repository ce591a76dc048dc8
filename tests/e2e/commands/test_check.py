"""The real run-pipeline --check: what it prints, how it ends, and that it runs no item."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.kit import PIPELINES, Command, long_time, no_process_left

ROOT = Path(__file__).resolve().parents[3]

HEAD = """\
import os, subprocess, sys, time
from seesaw.externalprocess import ExternalProcess
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask
project = Project(title='Test')
pipeline = Pipeline(ExternalProcess('Mark', ['touch', 'an-item-was-run']))
"""


def check(
    path: Path, *options: str, python: Path | str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, str(ROOT / "run-pipeline"), "--check", *options, str(path)], cwd=path.parent,
        capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, **environment})


def write(folder: Path, source: str) -> Path:
    path = folder / "pipeline.py"
    path.write_text(HEAD + source)
    return path


@pytest.fixture(scope="module")
def without_lupa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has all that is installed here, save lupa."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith("lupa") and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    return venv / "bin" / "python"


def test_the_missing_program_of_a_file_that_needs_wget_at(tmp_path: Path) -> None:
    """It alone is named, with the version, the paths tried and how to get it."""
    shutil.copytree(PIPELINES / "grab", tmp_path / "grab")
    (tmp_path / "grab" / "wget-at").unlink()
    path = tmp_path / "grab" / "pipeline.py"
    done = check(path, TEST_TRACKER_HOST="127.0.0.1:1")
    assert done.returncode == 1
    words = " ".join(done.stdout.split())
    assert ("The program Wget+AT (GNU Wget 1.21.3-at.20230623.01) is missing: ./wget-at is not "
            "there, /home/warrior/data/wget-at-gnutls-not-here is not there.") in words
    assert "https://github.com/ArchiveTeam/wget-lua" in words
    assert done.stdout.endswith("It cannot run here: Wget+AT is missing.\n")
    told = json.loads(check(path, "--json", TEST_TRACKER_HOST="127.0.0.1:1").stdout)
    assert [(one["kind"], one["name"]) for one in told["needs"]["missing"]] == [
        ("program", "Wget+AT")]
    assert told["ok"] is False and "No usable Wget+At found." in told["reason"]


@pytest.mark.parametrize("source", ["import lupa\n", """
class Late(SimpleTask):
    def process(self, item):
        import lupa
"""])
def test_the_missing_module_of_a_file_that_imports_lupa(
    tmp_path: Path, without_lupa: Path, source: str
) -> None:
    """At once or later, with the command for this very Python; with lupa all is well."""
    path = write(tmp_path, source)
    done = check(path, python=without_lupa)
    assert done.returncode == 1
    words = " ".join(done.stdout.split())
    assert "The Python module lupa is missing" in words
    assert f"{without_lupa} -m pip install lupa" in words
    assert done.stdout.endswith("It cannot run here: lupa is missing.\n")
    told = json.loads(check(path, "--json", python=without_lupa).stdout)
    assert [(one["kind"], one["name"]) for one in told["needs"]["missing"]] == [("module", "lupa")]
    pytest.importorskip("lupa")
    assert check(path).returncode == 0


@pytest.mark.parametrize("name", ["practice", "example"])
def test_the_projects_of_this_program_are_fine(name: str, tmp_path: Path) -> None:
    """Status 0, and nothing in their folder changes."""
    folder = tmp_path / name
    shutil.copytree(ROOT / "projects" / name, folder, ignore=shutil.ignore_patterns("data"))
    before = sorted(folder.rglob("*"))
    done = check(folder / "pipeline.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Nothing is missing: it can run here.\n")
    assert [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts] == before


def test_no_item_is_run_and_nothing_listens(tmp_path: Path) -> None:
    """It ends by itself, without a nickname, whatever the options of a run are."""
    path = write(tmp_path, "assert downloader == 'somebody' and bind_address == '127.0.0.1'\n")
    done = check(path, "--context-value", "bind_address=127.0.0.1", "--concurrent", "3",
                 "--address", "0.0.0.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "an-item-was-run").exists() and not (tmp_path / "data").exists()
    assert "The page" not in done.stderr


def test_json_is_all_that_stands_on_standard_output(tmp_path: Path) -> None:
    """Also when the file prints, and starts programs that do."""
    done = check(write(tmp_path, "print('printed')\nsubprocess.call(['echo', 'echoed'])\n"), "--json")
    told = json.loads(done.stdout)
    assert told["ok"] is True and told["output"] == "printed\n" and "echoed" in done.stderr
    assert told["tasks"] == [{"position": "0", "name": "Mark", "kind": "ExternalProcess",
                              "detail": "runs touch"}]


def test_a_file_that_never_returns(tmp_path: Path) -> None:
    """It is given up after a time, and what it had started ends with it."""
    mark = long_time()
    path = write(tmp_path, f"subprocess.run(['sleep', {mark!r}])\n")
    with no_process_left(mark):
        done = check(path, "--load-time", "1")
    assert done.returncode == 1
    assert "It has not finished loading after 1 seconds." in done.stdout


def test_an_interrupt_ends_it(tmp_path: Path) -> None:
    """Without a traceback."""
    mark = long_time()
    path = write(tmp_path, f"print('x')\nsubprocess.run(['sh', '-c', 'echo begun >&2; sleep {mark}'])\n")
    with no_process_left(mark), Command(
            [sys.executable, str(ROOT / "run-pipeline"), "--check", str(path)], tmp_path) as command:
        command.wait_output("begun", 60)
        command.send(signal.SIGINT)
        assert command.wait() == 1
        assert "interrupted" in command.output and "Traceback" not in command.output


def test_wrong_usage(tmp_path: Path) -> None:
    """A file has to be given; what belongs to a check goes with one."""
    for options, sentence in ((["--check"], "PIPELINE is missing"),
                              (["--json", "a", "someone"], "--json requires --check"),
                              (["--check", "a", "b", "c"], "these are more")):
        done = subprocess.run([sys.executable, str(ROOT / "run-pipeline"), *options],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 64 and sentence in done.stderr
    done = check(tmp_path / "nothing.py")
    assert done.returncode == 1 and "There is no file" in done.stderr


def test_a_run_that_does_not_load_says_the_same(tmp_path: Path) -> None:
    """One knowledge: the missing program and how to get it."""
    shutil.copytree(PIPELINES / "grab", tmp_path / "grab")
    (tmp_path / "grab" / "wget-at").unlink()
    done = subprocess.run(
        [sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server",
         str(tmp_path / "grab" / "pipeline.py"), "someone"], cwd=tmp_path, capture_output=True,
        text=True, timeout=120, check=False, env={**os.environ, "TEST_TRACKER_HOST": "127.0.0.1:1"})
    assert done.returncode == 1
    assert "The program Wget+AT (GNU Wget 1.21.3-at.20230623.01) is missing" in done.stderr
    assert "https://github.com/ArchiveTeam/wget-lua" in done.stderr
