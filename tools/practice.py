"""``make run``: the practice tracker, and the practice pipeline beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRACKER_PORT = "8900"


def main() -> int:
    """Run both until the pipeline ends; its exit status."""
    tracker = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, "run-tracker"), "--practice", "--port", TRACKER_PORT,
         "--data-dir", os.path.join(ROOT, "tracker-data")],
        stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert tracker.stdout is not None
    try:
        for line in tracker.stdout:
            print(line, end="", flush=True)
            if line.startswith("Uploads arrive"):
                break
        else:
            print("The practice tracker has not started; what it said stands above.",
                  file=sys.stderr)
            return tracker.wait()
        return run_pipeline()
    finally:
        tracker.send_signal(signal.SIGTERM)
        tracker.wait()


def run_pipeline() -> int:
    """The practice pipeline; an interrupt reaches it too, and it decides when to end."""
    pipeline = subprocess.Popen([
        sys.executable, os.path.join(ROOT, "run-pipeline"),
        os.path.join(ROOT, "projects", "practice", "pipeline.py"), "practice-volunteer",
        "--concurrent", "2",
        "--context-value", f"tracker_url=http://127.0.0.1:{TRACKER_PORT}/practice"])
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return pipeline.wait()


if __name__ == "__main__":
    sys.exit(main())
