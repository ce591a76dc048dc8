"""Nothing that project code has started outlives the command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

STARTS = """
import psutil, subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from tests.support.processes import lives
from warrior.process.descendants import end_descendants

gentle = subprocess.Popen(['sleep', '600'])
stubborn = subprocess.Popen(
    ['/bin/sh', '-c', "trap '' TERM; echo ready; while :; do sleep 600; done"],
    stdout=subprocess.PIPE, start_new_session=True)
stubborn.stdout.readline()
while [child.name() for child in psutil.Process(stubborn.pid).children()] != ['sleep']:
    time.sleep(0.01)
names = end_descendants(grace=0.3)
print(sorted(names), [process.pid for process in (gentle, stubborn) if lives(process.pid)])
print(end_descendants())
"""


def test_all_descendants_are_ended() -> None:
    """Also one that ignores TERM, has a session of its own, and has children."""
    done = subprocess.run([sys.executable, "-c", STARTS, str(ROOT)], capture_output=True,
                          text=True, timeout=60, check=True)
    ended, none = done.stdout.splitlines()
    assert ended.startswith("['sh', 'sleep', 'sleep'") and ended.endswith(" []"), done.stdout
    assert none == "[]", done.stderr
