"""What the tests of the contract share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from tests.support.scripted_tracker import ScriptedTracker  # noqa: E402


@pytest.fixture
def tracker() -> Iterator[ScriptedTracker]:
    """A scripted tracker on a port of its own."""
    with ScriptedTracker() as server:
        yield server
