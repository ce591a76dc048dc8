"""The daemon's own log file: rotated, and private."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from warrior.daemon import daemon_log
from warrior.daemon.daemon_log import DaemonLog


def test_all_files_are_private(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first, those after a rotation, and one that was there before, whatever the umask."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(daemon_log, "FILE_SIZE", 2000)
    path = tmp_path / "warrior.log"
    path.touch(0o644)
    before = os.umask(0)
    try:
        log = DaemonLog()
        log.keep_in(str(path))
        for number in range(200):
            logging.getLogger("warrior").info("line %d %s", number, "x" * 50)
        log.close()
    finally:
        os.umask(before)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["warrior.log", "warrior.log.1", "warrior.log.2"]
    assert [file for file in files if file.stat().st_mode & 0o177] == []
    assert b"line 199" in log.read()
