"""What the options of run-tracker refuse."""

from __future__ import annotations

import pytest

from tests.support.tracker_server import Run


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"], ["dance"], ["add"], ["add", "p"], ["add", "../p", "-"], ["status"],
        ["--port", "65536"], ["--port", "x"], ["--upload-target", "/srv"], ["status", "p q"],
        ["--max-upload-size", "0"], ["--max-upload-size", "5X"], ["--practice-items", "3"],
        ["--practice", "--practice-items", "-1"], ["add", "practice-site", "-"],
    ],
)  # fmt: skip
def test_bad_usage(run_tracker: Run, arguments: list[str]) -> None:
    """Bad usage gives 64 and a sentence on standard error."""
    run_tracker("add", "there", "-", given="a\n")
    ended = run_tracker(*arguments)
    assert (ended.returncode, ended.stdout) == (64, "")
    assert "run-tracker" in ended.stderr and "Traceback" not in ended.stderr
