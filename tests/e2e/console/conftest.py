"""A real Chromium, and pages in it whose console stays silent."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.console.daemon import Daemon
from tests.support.browsing import FLAGS, silent_page

ROOT = Path(__file__).resolve().parents[3]
#: What the browser itself notes: each try while the server is away, each refused command,
#: and a socket that is given up before it stood (the page was closed, or the machine is busy
#: and sockjs-client goes on to its next transport).
ITS_OWN = ("ERR_CONNECTION", "the server responded with a status of 400",
           "closed before the connection is established")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: apt-get install chromium"
    built = subprocess.run([sys.executable, "tools/build_static.py"], cwd=ROOT, check=False,
                           capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A warrior; ask for it before the page, so that it outlives it."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.close()


#: For tests to which the width of the window makes no difference.
ONE_WIDTH = pytest.mark.parametrize("page", [(1280, "dark")], indirect=True, ids=["1280"])


@pytest.fixture(params=[(1280, "dark"), (390, "light")], ids=["1280", "390"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page whose console must stay silent: no error, no violation of the policy."""
    width, scheme = request.param
    with silent_page(browser, width, scheme, ITS_OWN, 60_000) as page:
        yield page
