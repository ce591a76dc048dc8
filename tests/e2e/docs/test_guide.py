"""The commands of the guide, in their order, as a reader types them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_BLOCK = re.compile(r"^```(sh server|sh|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Where the guide has the tracker; the test takes any free port.
_ADDRESS = "127.0.0.1:8900"


class Reader:
    """Somebody who follows a page of the guide in an empty folder, with two terminals."""

    def __init__(self, folder: Path, page: str) -> None:
        self.folder = folder
        self.text = (ROOT / "docs" / page).read_text("utf-8")
        self.address = ""
        self.server: subprocess.Popen[str] | None = None
        #: All that was printed.
        self.seen = ""
        self.environment = {
            **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder), "GIT_CONFIG_GLOBAL": str(folder / "gitconfig")}
        (folder / "gitconfig").write_text("[user]\nname = A reader\nemail = reader@example.org\n")
        self.at = folder

    def follow(self) -> None:
        """Do all that stands there."""
        for kind, text in _BLOCK.findall(self.text):
            if kind == "sh server":
                self.serve(text)
            elif kind == "diff":
                self.type("git apply --verbose -", self.dated(text.replace(_ADDRESS, self.address)))
            else:
                self.type(text.replace(_ADDRESS, self.address))

    def dated(self, diff: str) -> str:
        """The diff with the day on which this reader has made the project."""
        there = re.search(r"^VERSION = '(\d{8})\.01'$", (self.at / "pipeline.py").read_text("utf-8"), re.M)
        assert there
        dated, times = re.subn(r"(?<=^[-+]VERSION = ')\d{8}", there[1], diff, flags=re.M)
        assert times == 2
        return dated

    def serve(self, text: str) -> None:
        command = text.strip().replace("run-tracker", "exec run-tracker --port 0", 1)
        self.server = subprocess.Popen(
            ["sh", "-c", command], cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self.server.stdout is not None
        for line in self.server.stdout:
            self.seen += line
            if found := re.search(r"http://(127\.0\.0\.1:\d+)", line):
                self.address = found[1]
                return
        raise AssertionError(self.seen)

    def type(self, text: str, given: str = "") -> None:
        """Type these lines; where they lead to is where the next ones are typed."""
        script = f"set -eu\n{text.replace('run-pipeline pipeline.py', 'run-pipeline --port 0 pipeline.py')}\npwd > {self.folder}/at\n"
        done = subprocess.run(["bash", "-c", script], cwd=self.at, env=self.environment,
                              input=given, text=True, capture_output=True, timeout=200, check=False)
        self.seen += done.stdout + done.stderr
        assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        self.at = Path((self.folder / "at").read_text().strip())
        for file in self.folder.glob("*/pipeline.py"):
            file.write_text(file.read_text("utf-8").replace(_ADDRESS, self.address), "utf-8")

    def close(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(30)
            assert self.server.stdout is not None
            self.server.stdout.close()


@pytest.fixture
def reader(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    reader = Reader(tmp_path, request.param)
    yield reader
    reader.close()


@pytest.mark.parametrize("reader", ["writing.md"], indirect=True)
def test_the_guide_leads_to_a_project_of_ones_own(reader: Reader) -> None:
    """From nothing to pages of the practice site that are archived and reported done."""
    reader.follow()
    assert "Nothing is missing: it can run here." in reader.seen
    assert "1 completed, 0 failed" in reader.seen
    assert "3 completed, 0 failed" in reader.seen
    uploads = reader.folder / "tracker-data" / "uploads"
    assert len(list((uploads / "practice").glob("*.warc.gz"))) == 1
    warcs = list((uploads / "pages").glob("*.warc.gz"))
    assert len(warcs) == 3
    checked = subprocess.run([sys.executable, "-m", "warcio.cli", "check", *map(str, warcs)],
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("reader", ["tracker.md"], indirect=True)
def test_a_tracker_is_run_as_the_guide_says(reader: Reader) -> None:
    """Each command works beside the server that runs."""
    reader.follow()
    assert (reader.folder / "shops.jsonl").exists()
    assert list((reader.folder / "tracker-data" / "backups").iterdir())
    assert "shops" in reader.seen
