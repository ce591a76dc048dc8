"""What holds for every test: a stray error in the log fails it, and it ends in time.

And the scripted tracker that many of them ask."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Iterator

import pytest

from tests.support.scripted_tracker import ScriptedTracker


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "logs_errors(pattern='.*'): the test makes such errors be logged")


#: Seconds for one test that is marked as long.
LONG_TIMEOUT = 1200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_TIMEOUT))


@pytest.fixture(autouse=True)
def no_stray_errors(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Fail a test in which something logged an error that it does not announce."""
    yield
    marker = request.node.get_closest_marker("logs_errors")
    expected = re.compile(marker.args[0] if marker and marker.args else ".*", re.DOTALL)
    stray = [
        record.getMessage()
        for when in ("setup", "call") for record in caplog.get_records(when)
        if record.levelno >= logging.ERROR
        and not (marker and expected.search(record.getMessage()))]
    if stray:
        pytest.fail("logged as an error: " + "\n".join(stray))


@pytest.fixture
def tracker() -> Iterator[ScriptedTracker]:
    """A scripted tracker on a port of its own."""
    with ScriptedTracker() as server:
        yield server


@pytest.fixture
def heeds_hang_up() -> Iterator[None]:
    """A program that is started ends by SIGHUP, also when ``nohup`` started the tests: to ignore
    a signal is inherited."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
