"""``make run``: the warrior, and the practice tracker beside it.

    practice.py [OPTION...]      options for run-warrior

Each has a session of its own, so that Ctrl-C reaches this program alone; it passes the
signal on to the warrior, which decides when to end, and ends the tracker after it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRACKER_PORT = os.environ.get("PRACTICE_PORT", "8900")

HOW_TO = """\
Open the page, give a nickname, choose Practice, and watch items complete. The WARC files
arrive in %s. Ctrl-C ends it when the items at work are done, a second one at once."""


def start_tracker(folder: str) -> tuple[subprocess.Popen[str], str]:
    """The tracker, listening, and its address for the project; exits when it does not."""
    tracker = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, "run-tracker"), "--practice", "--port", TRACKER_PORT,
         "--data-dir", folder],
        stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert tracker.stdout is not None
    url = ""
    for line in tracker.stdout:
        print(line, end="", flush=True)
        words = line.split()
        if words and words[-1].startswith("http") and words[-1].endswith("/practice"):
            url = words[-1]
        if line.startswith("Uploads arrive"):
            return tracker, url
    tracker.wait()
    print("The practice tracker has not started; what it said stands above.", file=sys.stderr)
    sys.exit(tracker.returncode or 1)


def run_warrior(arguments: list[str], url: str, tracker: subprocess.Popen[str]) -> int:
    """The warrior until its end; its exit status."""
    warrior = subprocess.Popen([
        sys.executable, os.path.join(ROOT, "run-warrior"),
        "--state-dir", os.path.join(ROOT, "warrior-data"), "--warrior-hq", "",
        "--address", "127.0.0.1", *arguments,
    ], start_new_session=True, env={**os.environ, "PRACTICE_TRACKER_URL": url})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: warrior.send_signal(number))
    tracker_told = False
    while True:
        try:
            return warrior.wait(1)
        except subprocess.TimeoutExpired:
            if tracker.poll() is not None and not tracker_told:
                tracker_told = True
                print("The practice tracker has ended, so no items will come: stopping.",
                      file=sys.stderr)
                warrior.terminate()


def main() -> int:
    """Run both; the warrior's exit status."""
    folder = os.path.join(ROOT, "tracker-data")
    tracker, url = start_tracker(folder)
    print(HOW_TO % os.path.join(folder, "uploads"), flush=True)
    try:
        return run_warrior(sys.argv[1:], url, tracker)
    finally:
        tracker.terminate()
        tracker.wait()


if __name__ == "__main__":
    sys.exit(main())
