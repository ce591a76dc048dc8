"""``make run``: the practice tracker, and the practice pipeline beside it.

    practice.py NICKNAME

Each has a session of its own, so that Ctrl-C reaches this program alone; it passes the
signal on to the pipeline, which decides when to end, and ends the tracker after it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRACKER_PORT = "8900"


def start_tracker() -> subprocess.Popen[str]:
    """The tracker, listening; exits when it does not."""
    tracker = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, "run-tracker"), "--practice", "--port", TRACKER_PORT,
         "--data-dir", os.path.join(ROOT, "tracker-data")],
        stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert tracker.stdout is not None
    for line in tracker.stdout:
        print(line, end="", flush=True)
        if line.startswith("Uploads arrive"):
            return tracker
    tracker.wait()
    print("The practice tracker has not started; what it said stands above.", file=sys.stderr)
    sys.exit(tracker.returncode or 1)


def run_pipeline(nickname: str, tracker: subprocess.Popen[str]) -> int:
    """The pipeline until its end; its exit status."""
    pipeline = subprocess.Popen([
        sys.executable, os.path.join(ROOT, "run-pipeline"),
        os.path.join(ROOT, "projects", "practice", "pipeline.py"), nickname, "--concurrent", "2",
        "--context-value", f"tracker_url=http://127.0.0.1:{TRACKER_PORT}/practice",
    ], start_new_session=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: pipeline.send_signal(number))
    tracker_told = False
    while True:
        try:
            return pipeline.wait(1)
        except subprocess.TimeoutExpired:
            if tracker.poll() is not None and not tracker_told:
                tracker_told = True
                print("The practice tracker has ended, so no items will come: stopping.",
                      file=sys.stderr)
                pipeline.terminate()


def main() -> int:
    """Run both; the pipeline's exit status."""
    tracker = start_tracker()
    try:
        return run_pipeline(sys.argv[1], tracker)
    finally:
        tracker.terminate()
        tracker.wait()


if __name__ == "__main__":
    sys.exit(main())
