"""What the tests of the tracker's modules share: a real server, its commands, and a client."""

from __future__ import annotations

from tests.support.tracker_server import eventually, module_tracker, run_tracker, start_tracker

__all__ = ["eventually", "module_tracker", "run_tracker", "start_tracker"]
