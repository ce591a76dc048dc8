"""kill -9 in the middle of the load, again and again."""

from __future__ import annotations

import contextlib
import http.client
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

CLIENTS = 8
ROUNDS = 4
ITEMS = 4000


class Load:
    """Clients that claim items and report them done until the server is gone."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.claimed: list[str] = []
        self.counted: list[str] = []
        self.cut_off: list[str] = []
        """What a client was doing when its answer did not come."""
        self.threads = [
            threading.Thread(target=self._work, args=(f"CLIENT-{number}",))
            for number in range(CLIENTS)
        ]
        for thread in self.threads:
            thread.start()

    def _work(self, me: str) -> None:
        client, doing = self.server.client(), "request"
        try:
            while True:
                doing = "request"
                names = client.request("p", me)
                if not names:
                    return
                self.claimed += names
                doing = names[0]
                assert client.done("p", names[0], me) == (200, "OK\n")
                self.counted += names
        except (http.client.HTTPException, OSError):
            self.cut_off.append(doing)

    def join(self) -> None:
        """Wait until every client has ended."""
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


def test_nothing_is_lost_or_given_twice(
    start_tracker: Callable[..., Any],
    run_tracker: Callable[..., Any],
    eventually: Callable[..., None],
) -> None:
    """After each kill -9 the next server knows every claim and every OK that was answered; no
    item is given twice; only answers that were cut off leave items out."""
    run_tracker("add", "p", "-", given="".join(f"item-{n}\n" for n in range(ITEMS)))
    claimed: list[str] = []
    counted: list[str] = []
    cut_off: list[str] = []
    for _ in range(ROUNDS):
        server = start_tracker()
        load = Load(server)
        eventually(lambda load=load: len(load.counted) > 150)
        server.kill()
        load.join()
        claimed, counted = claimed + load.claimed, counted + load.counted
        cut_off += load.cut_off
        assert len(load.cut_off) == CLIENTS  # it was killed at work
        _check(server.data_dir / "tracker.sqlite3", claimed, counted, cut_off)
    last = start_tracker()
    client, before = last.client(), last.client().status("p")
    for name in counted:  # told again, nothing counts twice
        assert client.done("p", name) == (200, "OK\n")
    assert client.status("p") == before
    _check(last.data_dir / "tracker.sqlite3", claimed, counted, cut_off)
    while names := client.request("p", multi=1000):
        claimed += names
        assert client.done("p", "\0".join(names)) == (200, "OK\n")
    assert len(claimed) == len(set(claimed))
    unheard = cut_off.count("request")
    assert ITEMS - unheard <= len(claimed) <= ITEMS
    assert client.status("p")["todo"] == 0


def _check(database: Any, claimed: list[str], counted: list[str], cut_off: list[str]) -> None:
    """Compare what the clients heard with what the database holds."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT name, state FROM items").fetchall()
        totals = connection.execute("SELECT todo, out, done FROM projects").fetchone()
        reports = connection.execute("SELECT count(*) FROM reports").fetchone()[0]
    by_state = {state: {name for name, its in rows if its == state} for state in _STATES}
    assert tuple(len(by_state[state]) for state in _STATES) == totals
    assert len(claimed) == len(set(claimed))
    assert set(counted) <= by_state["done"]
    assert by_state["done"] <= set(counted) | set(cut_off)
    assert set(claimed) <= by_state["out"] | by_state["done"]
    assert len(by_state["out"] - set(claimed)) <= cut_off.count("request")
    assert reports == len(by_state["done"])


_STATES = ("todo", "out", "done")
