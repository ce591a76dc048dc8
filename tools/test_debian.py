"""``make test-debian``: runs ``make run`` and ``make test``, as in the README, in minimal Debians.

    test_debian.py [--suites "bookworm trixie"] [--users "root user"] [--parts "run test"]
                   [--tests PATHS] [--again]

For each suite debootstrap makes one root, with the prerequisites from the top of the README. Each
user gets a copy of it as a separate machine, with a clean clone of HEAD; one user has no sudo.
There ``make`` must name everything that is missing in one sentence. It tells the user what an
administrator has to run; that command, and nothing else, is run.

Parts that have passed for this commit are skipped, unless ``--again`` is given. ``--tests`` runs
only a part of the suite, and does not count as passed.

All processes have their own mounts and process ids: they end with the first process, and no mount
is visible from outside. No folder of this machine is mounted.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

import debian_root
from debian_root import ROOT, DebianRoot, Failed

SUITES = ("bookworm", "trixie")
USERS = ("root", "user")
PARTS = ("run", "test")
WORK = ROOT / "build" / "debian"

#: Time limits in seconds.
SET_UP, START, ITEMS, SUITE = 1200, 1200, 300, 3600
#: How many practice items must complete.
ENOUGH = 3

RUN_PACKAGES = {"wget", "rsync", "curl"}
TEST_PACKAGES = RUN_PACKAGES | {"chromium", "libatomic1"}


# -- what make says is missing ---------------------------------------------------------
def missing(said: str) -> tuple[set[str], str]:
    """Return the packages that make named, and the command for an administrator ('' for none).

    Raises Failed unless this is one sentence.
    """
    sentences = [line for line in said.splitlines() if line.startswith("Missing")]
    if "not found" in said or len(sentences) > 1:
        raise Failed(f"make did not name what is missing in one sentence:\n{said}")
    if not sentences:
        return set(), ""
    named = re.match(r"Missing[^:]*: ([^.]*)\.", sentences[0])
    command = re.search(r"run this, then try again: (.*)", sentences[0])
    if named is None:
        raise Failed(f"this sentence names nothing: {sentences[0]}")
    return set(named[1].split(", ")), command[1] if command else ""


def check_sentence(where: DebianRoot, target: str, wanted: set[str]) -> str:
    """Check that the user's ``make`` names everything on an empty machine; return the command for
    an administrator."""
    done = where.run(f"make {target}", timeout=SET_UP)
    named, command = missing(done.stdout)
    if not done.returncode or named != wanted or not command:
        raise Failed(f"make {target} did not name {sorted(wanted)}:\n{done.stdout}")
    if (where.checkout / ".venv").exists():
        raise Failed(f"make {target} made files although packages were missing")
    return command


def by_administrator(where: DebianRoot, command: str) -> None:
    """Run the command for an administrator that make printed."""
    done = where.run(command, user="root", timeout=SET_UP)
    if done.returncode:
        raise Failed(f"{command}:\n{done.stdout[-3000:]}")


# -- the parts -------------------------------------------------------------------------
def part_run(where: DebianRoot) -> None:
    """Check that ``make run`` completes items, and that one Ctrl-C ends it with status 0."""
    if where.user != "root":
        check_sentence(where, "test", TEST_PACKAGES)
        by_administrator(where, check_sentence(where, "run", RUN_PACKAGES))
    with where.terminal("make run") as terminal:
        page = terminal.wait_line(r"http://127\.0\.0\.1:\d+/", START)
        print(f"   the page is at {page}", flush=True)
        for words in ("set downloader=debian", "select practice"):
            told = where.run(f".venv/bin/warrior-ctl --state-dir warrior-data {words}", timeout=60)
            if told.returncode:
                raise Failed(f"warrior-ctl {words}: {told.stdout}")
        ends = time.monotonic() + ITEMS
        while done_items(where) < ENOUGH:
            if time.monotonic() > ends or terminal.ended():
                raise Failed(f"{done_items(where)} items completed:\n{terminal.said()[-3000:]}")
            time.sleep(0.5)
        terminal.interrupt()
        status = terminal.wait_end(ITEMS)
    named, _ = missing(terminal.said())
    if status != 0 or (where.user == "root" and named != RUN_PACKAGES):
        raise Failed(f"make run ended with {status}:\n{terminal.said()[-3000:]}")
    print(f"   {done_items(where)} items completed, exit status {status}", flush=True)


def done_items(where: DebianRoot) -> int:
    """Return how many items are done, according to the practice tracker."""
    told = where.run(".venv/bin/run-tracker status practice --json", timeout=60)
    with contextlib.suppress(ValueError, KeyError):
        return int(json.loads(told.stdout)["done"])
    raise Failed(f"run-tracker status: {told.stdout}")


def part_test(where: DebianRoot, tests: str) -> None:
    """Check that ``make test`` passes."""
    command = f"make test TESTS={shlex.quote(tests)}" if tests else "make test"
    if where.user != "root":
        done = where.run(command, timeout=SUITE)
        _, administrator = missing(done.stdout)
        if administrator:
            by_administrator(where, administrator)
            done = where.run(command, timeout=SUITE)
    else:
        done = where.run(command, timeout=SUITE)
    if done.returncode:
        raise Failed(f"{command} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    print("   " + done.stdout.strip().splitlines()[-1], flush=True)


# -- all parts -------------------------------------------------------------------------
def one(suite: str, user: str, part: str, given: argparse.Namespace) -> None:
    """Run one part on one machine, unless it has passed. Raises Failed."""
    commit = debian_root.head()
    stamp = WORK / suite / f"passed-{user}-{part}"
    if not given.again and stamp.exists() and stamp.read_text() == commit:
        print(f"== {suite}, {user}, make {part}: already passed for {commit[:12]}", flush=True)
        return
    print(f"== {suite}, {user}, make {part}: the log is {WORK / suite / user}.log", flush=True)
    where = DebianRoot(WORK / suite, suite, user)
    where.prepare(commit, fresh=part == "run", timeout=SET_UP)
    if part == "run":
        part_run(where)
    else:
        part_test(where, given.tests)
    where.keep(commit)
    if part == "run" or not given.tests:
        stamp.write_text(commit)


def all_of_it(given: argparse.Namespace) -> list[str]:
    """Run all parts; return the names of those that failed."""
    failed = []
    for suite in given.suites:
        for user in given.users:
            for part in given.parts:
                try:
                    one(suite, user, part, given)
                except (Failed, subprocess.TimeoutExpired) as error:
                    print(f"   FAILED: {error}", flush=True)
                    failed.append(f"{suite} {user} {part}")
    return failed


def words(allowed: Sequence[str]) -> object:
    """Return a converter for options with some of these words; an empty text means all."""
    def convert(text: str) -> list[str]:
        wrong = sorted(set(text.split()) - set(allowed))
        if wrong:
            raise argparse.ArgumentTypeError(f"{wrong[0]!r} is not one of {', '.join(allowed)}")
        return text.split() or list(allowed)
    return convert


def main() -> int:
    """Return exit status 0 if all requested parts have passed, else 1."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description="make run and make test in minimal Debians")
    for name, allowed in (("suites", SUITES), ("users", USERS), ("parts", PARTS)):
        parser.add_argument(f"--{name}", type=words(allowed), default="", help=" ".join(allowed))
    parser.add_argument("--tests", default="", help="paths of the tests to run (default: all)")
    parser.add_argument("--again", action="store_true", help="also run parts that have passed")
    given = parser.parse_args()
    lacking = [name for name in ("debootstrap", "unshare", "git") if shutil.which(name) is None]
    if os.geteuid() != 0 or lacking:
        print("make test-debian needs root"
              + (f", and these programs: {' '.join(lacking)} (apt-get install debootstrap)"
                 if lacking else ""), file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    WORK.mkdir(parents=True, exist_ok=True)
    try:
        with open(WORK / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            failed = all_of_it(given)
    except KeyboardInterrupt:
        print("Interrupted. The parts that have passed are not run again.")
        return 130
    print(f"Failed: {', '.join(failed)}" if failed else "All parts have passed.")
    return 1 if failed else 0


def stop(number: int, frame: object) -> NoReturn:
    """End as after Ctrl-C, so that all processes end too."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
