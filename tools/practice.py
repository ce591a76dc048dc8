"""``make run``: the warrior, and the practice tracker beside it.

Each has a session of its own, so that Ctrl-C reaches this program alone; it passes the
signal on to the warrior, which decides when to end, and ends the tracker after it.

A port that is in use is passed over for the next free one. Once the page answers, its
address stands alone on the last line.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from warrior.config.config import ConfigurationError, read_options  # noqa: E402
from warrior.daemon.state_dir import StateDirectory, StateInUse, StateUnusable  # noqa: E402
from warrior.process import exits  # noqa: E402

HOST = "127.0.0.1"
TRACKER_PORT = int(os.environ.get("PRACTICE_PORT", "8900"))
TRACKER_DIR = os.path.join(ROOT, "tracker-data")
OPTIONS = ["--state-dir", os.path.join(ROOT, "warrior-data"), "--warrior-hq", "",
           "--address", HOST]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

HOW_TO = """
Open the page, give a nickname, choose Practice, and watch items complete. The WARC files
arrive in %s. Ctrl-C ends it when the items at work are done, a second one at once.
The page is at
%s"""


# -- ports -----------------------------------------------------------------------------
def free_port(first: int, what: str) -> int:
    """The first port from ``first`` on that can be bound; says so when it is another one.

    0 is any. Exits when there is none.
    """
    for port in range(first, 65536):
        with socket.socket() as probe:
            # As servers do: what a server that has just ended leaves behind is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
        if first and found != first:
            print(f"Port {first} cannot be used; {what} takes {found}.", flush=True)
        return found
    sys.exit(f"There is no free port from {first} on.")


def taken_meanwhile(status: int, port: int, what: str) -> int:
    """The port to try next, when a program ended with ``status`` because another one was
    faster; else ``port`` itself."""
    return free_port(port, what) if status == exits.CANNOT_BIND else port


# -- the two programs ------------------------------------------------------------------
def start_tracker() -> tuple[subprocess.Popen[str], str]:
    """The tracker, listening, and its address for the project; exits when it does not."""
    what = "the practice tracker"
    port = free_port(TRACKER_PORT, what)
    while True:
        tracker = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "run-tracker"), "--practice", "--port", str(port),
             "--data-dir", TRACKER_DIR],
            stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            url = address_of(tracker)
        except SystemExit:  # a signal
            tracker.terminate()
            raise
        if url:
            return tracker, url
        tried, port = port, taken_meanwhile(tracker.wait(), port, what)
        if port == tried:
            print("The practice tracker has not started; what it said stands above.",
                  file=sys.stderr)
            sys.exit(tracker.returncode or 1)


def address_of(tracker: subprocess.Popen[str]) -> str:
    """Pass on what it says until it listens: the project's address; '' when it does not."""
    assert tracker.stdout is not None
    url = ""
    for line in tracker.stdout:
        print(line, end="", flush=True)
        words = line.split()
        if words and words[-1].startswith("http") and words[-1].endswith("/practice"):
            url = words[-1]
        if line.startswith("Uploads arrive"):
            return url
    return ""


def run_warrior(port: int, url: str, tracker: subprocess.Popen[str]) -> int:
    """The warrior until its end; its exit status."""
    warrior = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, "run-warrior"), *OPTIONS, "--port", str(port)],
        start_new_session=True, env={**os.environ, "PRACTICE_TRACKER_URL": url})
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: warrior.send_signal(number))
    if answers(port, warrior):
        print(HOW_TO % (os.path.join(TRACKER_DIR, "uploads"), f"http://{HOST}:{port}/"),
              flush=True)
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


def answers(port: int, warrior: subprocess.Popen[bytes]) -> bool:
    """Wait until the page answers; False when the warrior ends before that."""
    while warrior.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 5) as page:
            page.sendall(f"GET /healthz HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n".encode())
            if page.recv(100).startswith(b"HTTP/"):
                return True
        time.sleep(0.1)
    return False


# -- the terminal ----------------------------------------------------------------------
@contextlib.contextmanager
def foreground() -> Iterator[None]:
    """Be the one whom the terminal's Ctrl-C reaches.

    make, which has started us, would get it too: it fails then, and dies of the second one
    while the warrior still ends.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # there is none
        yield
        return
    before = os.tcgetpgrp(terminal)
    # 0 is a group that cannot be named here, of outside a container: nobody could give back.
    take = before == os.getpgrp() != os.getpid() and before != 0
    if take:
        os.setpgid(0, 0)
        give_terminal(terminal, os.getpgrp())
        # Nobody could wake us: the shell sees that make stops, not that we do.
        signal.signal(signal.SIGTSTP, lambda number, frame: None)
    try:
        yield
    finally:
        if take:
            give_terminal(terminal, before)
        os.close(terminal)


def give_terminal(terminal: int, group: int) -> None:
    """Make this process group the one that the terminal belongs to."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # it would stop who is in the background
    os.tcsetpgrp(terminal, group)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)


def main() -> int:
    """Run both; the warrior's exit status."""
    for number in SIGNALS:  # until there is a warrior to pass them on to
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    try:
        options = read_options(OPTIONS, dict(os.environ))
        # The warrior locks it itself; asked here, so that nothing is started in vain.
        state = StateDirectory(options.state_dir, options.data_dir)
        state.lock(timeout=1.0)
        state.release()
    except (ConfigurationError, StateInUse, StateUnusable) as error:
        print(error, file=sys.stderr)
        return exits.STATE_IN_USE if isinstance(error, StateInUse) else exits.BAD_CONFIGURATION
    tracker, url = start_tracker()
    try:
        port = free_port(options.port, "the page")
        while True:
            status = run_warrior(port, url, tracker)
            tried, port = port, taken_meanwhile(status, port, "the page")
            if port == tried:
                return status
    finally:
        tracker.terminate()
        tracker.wait()


if __name__ == "__main__":
    with foreground():
        status = main()
    sys.exit(status)
