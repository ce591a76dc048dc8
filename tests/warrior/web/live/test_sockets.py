"""What importing the console does to the rest of the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]

#: Another thread ignores all warnings for a while, and stops doing so in the middle of the import.
PROGRAM = """
import importlib.abc, sys, threading, warnings
began, middle = threading.Event(), threading.Event()

def other():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began.set()
        middle.wait(20)

thread = threading.Thread(target=other)

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "sockjs.tornado":
            middle.set()
            thread.join(20)

sys.meta_path.insert(0, Finder())
thread.start()
began.wait(20)
import warrior.web.live.sockets
assert middle.is_set() and not thread.is_alive()
warnings.warn("still to be seen")
"""


def test_warnings_are_still_seen_after_the_first_page() -> None:
    """Filters are global: changes by a worker at the same time must not stay."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "UserWarning: still to be seen" in done.stderr
