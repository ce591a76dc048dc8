"""warrior-ctl within the tests' process: to start one takes longer than what it asks."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path

from warrior.cli.ctl import main


def run_ctl(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Give the warrior with this state folder a command; what came of it, as JSON."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["--state-dir", str(state), "--json", *words])
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())
