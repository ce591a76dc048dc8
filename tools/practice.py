"""``make run``: runs the warrior, with the practice tracker beside it.

Each has its own session, so that Ctrl-C only reaches this program. It passes the signal on to the
warrior, which decides when to end, and then ends the tracker.

If a port is in use, the next free one is taken. Once the page answers, its address is printed on
the last line.
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
The WARC files of completed items arrive in
%s. Press Ctrl-C to stop after the current items, twice to stop now.
Open this page, enter a nickname, choose Practice, and watch items complete:
%s"""


# -- ports -----------------------------------------------------------------------------
def free_port(first: int, what: str) -> int:
    """Return the first free port from ``first`` on (0: any port), and print it if it is another
    one. Exit if there is none."""
    for port in range(first, 65536):
        with socket.socket() as probe:
            # As servers do: the port of a server that has just ended is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
        if first and found != first:
            print(f"Port {first} cannot be used; {what} uses {found} instead.", flush=True)
        return found
    sys.exit(f"There is no free port from {first} on.")


def taken_meanwhile(status: int, port: int, what: str) -> int:
    """Return the next port to try if another program was faster; else ``port`` itself."""
    return free_port(port, what) if status == exits.CANNOT_BIND else port


# -- the two programs ------------------------------------------------------------------
def start_tracker() -> tuple[subprocess.Popen[str], str]:
    """Start the tracker; return it and the project's address. Exit if it does not start."""
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
            print("The practice tracker has not started; see its output above.",
                  file=sys.stderr)
            sys.exit(tracker.returncode or 1)


def address_of(tracker: subprocess.Popen[str]) -> str:
    """Print the tracker's output until it listens; return the project's address, '' if it ends."""
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
    """Run the warrior to its end; return its exit status."""
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
                print("The practice tracker has ended, so there are no more items: stopping.",
                      file=sys.stderr)
                warrior.terminate()


def answers(port: int, warrior: subprocess.Popen[bytes]) -> bool:
    """Wait until the page answers; return False if the warrior ends before that."""
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
    """Become the only process that gets the terminal's Ctrl-C.

    make would get it too: it would fail, and a second Ctrl-C would kill it while the warrior is
    still ending.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # there is none
        yield
        return
    before = os.tcgetpgrp(terminal)
    # 0 is a group outside of this container: the terminal could not be given back to it.
    take = before == os.getpgrp() != os.getpid() and before != 0
    if take:
        os.setpgid(0, 0)
        give_terminal(terminal, os.getpgrp())
        # Ignore Ctrl-Z: the shell only notices when make stops, so nobody could continue us.
        signal.signal(signal.SIGTSTP, lambda number, frame: None)
    try:
        yield
    finally:
        if take:
            give_terminal(terminal, before)
        os.close(terminal)


def give_terminal(terminal: int, group: int) -> None:
    """Make this process group the foreground group of the terminal."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # it would stop a background process
    os.tcsetpgrp(terminal, group)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)


def main() -> int:
    """Run both; return the warrior's exit status."""
    for number in SIGNALS:  # until there is a warrior to receive them
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    try:
        options = read_options(OPTIONS, dict(os.environ))
        # The warrior locks it itself; this check avoids starting the tracker in vain.
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
