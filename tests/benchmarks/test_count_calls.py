"""The count of calls: one item of the practice project, with the real commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
@pytest.mark.parametrize("command", ["run-pipeline", "run-warrior"])
def test_it_counts_from_the_claim_to_the_end(command: str) -> None:
    """The three answers of the tracker are processed, and the sums agree."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "count_calls.py"), "--command", command,
         "--items", "2", "--json"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    answers = [function for function in found["table"]
               if function["path"] == "pipeline_core/tracker.py"
               and function["name"].rpartition(".")[2] == "_process_body"]
    assert len(answers) == 3  # the claim, the target, the report
    paths = {function["path"] for function in found["table"]}
    assert {path.partition("/")[0] for path in paths} == {"pipeline_core", "warrior"}
    assert found["calls"] == found["pipeline_core"] + found["warrior"] \
        == sum(function["calls"] for function in found["table"])
    assert found["modules"] == len(paths)
    assert found["all_items"] == [found["calls"]]
