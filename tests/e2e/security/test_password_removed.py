"""The password of a real warrior, removed from the command line, or not."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.warrior.test_daemon import ROOT, Daemon


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    """Those that a test has started; ended with it."""
    made: list[Daemon] = []
    yield made
    for daemon in made:
        daemon.end()


def ctl(daemon: Daemon, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """warrior-ctl, for people."""
    return subprocess.run(
        [sys.executable, str(ROOT / "warrior-ctl"), "--state-dir", str(daemon.state), *words],
        capture_output=True, text=True, check=False, input=given, timeout=60)


def has_password(daemon: Daemon) -> bool:
    """As warrior-ctl says, and the page: with a password it is a login page."""
    fields = daemon.until(lambda: daemon.ctl("settings"))["fields"]
    found = next(field for field in fields if field["name"] == "http_password")
    port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/", daemon.said())[-1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    page = connection.getresponse().read().decode()
    connection.close()
    assert ('type="password"' in page) == found["is_set"]
    return bool(found["is_set"])


def test_where_only_this_machine_reaches_the_page(tmp_path: Path, daemons: list[Daemon]) -> None:
    """It is removed, and it is said what that means. An empty line removes nothing."""
    daemons.append(daemon := Daemon(tmp_path))
    daemon.until(lambda: daemon.ctl("set", "http_password=a good one"))
    assert has_password(daemon)
    done = ctl(daemon, "set", "http_password", given="\n")
    assert done.returncode == 1 and "A password cannot be empty" in done.stderr
    assert has_password(daemon)
    done = ctl(daemon, "set", "http_password=")
    assert done.returncode == 0 and done.stdout.startswith("The password has been removed"), done
    assert not has_password(daemon)
    assert json.loads((daemon.state / "settings.json").read_text())["http_password"] == ""


def test_where_others_reach_the_page(tmp_path: Path, daemons: list[Daemon]) -> None:
    """It is refused with a sentence, nothing else that was given is saved, and the old one
    counts."""
    daemons.append(daemon := Daemon(tmp_path))
    daemon.until(lambda: daemon.ctl("set", "http_password=a good one", "downloader=before"))
    daemon.end()
    daemons.append(daemon := Daemon(tmp_path, "--public-url", "https://home.example"))
    daemon.until(lambda: daemon.ctl("status"))
    done = ctl(daemon, "set", "http_password=", "downloader=after")
    assert done.returncode == 1 and "so it needs a password" in done.stderr
    assert has_password(daemon)
    assert "before" in ctl(daemon, "settings").stdout
