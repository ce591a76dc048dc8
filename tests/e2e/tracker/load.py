"""Clients that claim, release and report until their server is killed, and a record of the answers,
which is compared with the database."""

from __future__ import annotations

import contextlib
import http.client
import random
import sqlite3
import threading
from pathlib import Path
from typing import Any

MULTI = 5
"""Most items that one request of the load asks for."""


class Account:
    """All answers that the clients of a test got, from every run of the server."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders: dict[str, str] = {}
        """Item -> who heard that it got it, and has not tried to give it back since."""
        self.done: set[str] = set()
        """Items whose OK was heard."""
        self.told_done: set[str] = set()
        """Items reported whose answer was cut off."""
        self.given_back: set[str] = set()
        """Items whose release was cut off."""
        self.unheard = 0
        """Items that may have been claimed by requests whose answers were cut off."""
        self.requests = 0
        """Answers heard, of every kind."""

    def got(self, names: list[str], me: str) -> None:
        """Record a claim; nobody else may hold any of the items."""
        with self.lock:
            self.requests += 1
            for name in names:
                assert name not in self.holders, f"{name} was given twice"
                self.holders[name] = me

    def releases(self, names: list[str]) -> None:
        """Record that *names* may go to others from now on."""
        with self.lock:
            for name in names:
                del self.holders[name]


class Load:
    """Clients of one server, each in a thread, until the server is gone or has no items."""

    def __init__(self, server: Any, account: Account, clients: int, seed: int) -> None:
        self.account = account
        self.broken: list[BaseException] = []
        self.threads = [
            threading.Thread(target=self._run, args=(server.client(), f"CLIENT-{n}", seed * 997 + n))
            for n in range(clients)
        ]
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        """Wait until every client has ended; raise the first error of a client."""
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive()
        if self.broken:
            raise self.broken[0]

    def _run(self, client: Any, me: str, seed: int) -> None:
        try:
            while self._turn(client, me, random.Random(seed)):
                seed += 1_000_003
        except BaseException as error:
            self.broken.append(error)

    def _turn(self, client: Any, me: str, dice: random.Random) -> bool:
        """Claim some items, release some of them and report the rest; return False at the end."""
        account, number = self.account, dice.randint(1, MULTI)
        try:
            names = client.request("p", me, multi=number if dice.random() < 0.8 else 0)
        except (http.client.HTTPException, OSError):
            with account.lock:
                account.unheard += number
            return False
        account.got(names, me)
        if not names:
            return False
        back = [name for name in names if dice.random() < 0.1]
        kept = [name for name in names if name not in back]
        return (not back or self._release(client, me, back)) and (
            not kept or self._report(client, me, kept)
        )

    def _release(self, client: Any, me: str, names: list[str]) -> bool:
        account = self.account
        account.releases(names)
        try:
            answer = client.post("/p/release", {"downloader": me, "items": names})
        except (http.client.HTTPException, OSError):
            with account.lock:
                account.given_back |= set(names)
            return False
        assert answer == (200, {"items": names})
        with account.lock:
            account.requests += 1
        return True

    def _report(self, client: Any, me: str, names: list[str]) -> bool:
        account = self.account
        try:
            assert client.done("p", "\0".join(names), me) == (200, "OK\n")
        except (http.client.HTTPException, OSError):
            with account.lock:
                account.told_done |= set(names)
            return False
        with account.lock:
            account.requests += 1
            account.done |= set(names)
        return True


def check(database: Path, account: Account, items: int) -> None:
    """Compare the answers with the database, and the totals in it with its items."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT name, state, downloader FROM items").fetchall()
        _check_totals(connection, items)
    assert len(rows) == items
    extra = 0
    for name, state, downloader in rows:
        holder = account.holders.get(name)
        if name in account.done:
            assert state == "done", name
        elif name in account.told_done:
            assert state in ("out", "done"), name
        elif holder is not None:
            assert (state, downloader) == ("out", holder), name
        else:
            assert state in ("todo", "out"), name
            extra += state == "out" and name not in account.given_back
    assert extra <= account.unheard


def _check_totals(connection: sqlite3.Connection, items: int) -> None:
    """The totals must be those of the items and reports."""
    counted = dict(connection.execute("SELECT state, count(*) FROM items GROUP BY state"))
    kept = connection.execute("SELECT todo, out, done, bytes FROM projects").fetchone()
    assert kept[:3] == tuple(counted.get(state, 0) for state in ("todo", "out", "done"))
    assert sum(kept[:3]) == items
    reports = connection.execute(
        "SELECT coalesce(sum(items), 0), coalesce(sum(bytes), 0) FROM reports"
    ).fetchone()
    assert reports == (kept[2], kept[3])
    for table in ("downloaders", "spans WHERE seconds = 3600", "spans WHERE seconds = 86400"):
        total = connection.execute(
            f"SELECT coalesce(sum(items), 0), coalesce(sum(bytes), 0) FROM {table}"
        )
        assert total.fetchone() == reports, table
    groups = connection.execute("SELECT coalesce(sum(bytes), 0) FROM groups").fetchone()
    assert groups == reports[1:]
