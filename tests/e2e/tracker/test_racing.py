"""Fifty downloaders at once."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CLIENTS = 50
ITEMS = 500


def test_every_item_is_claimed_and_counted_once(
    start_tracker: Callable[..., Any], run_tracker: Callable[..., Any]
) -> None:
    """Fifty clients race for items, release some and report twice: each item is held by one client
    at a time, and counts once."""
    run_tracker("add", "p", "-", given="".join(f"item-{n}\n" for n in range(ITEMS)))
    server = start_tracker()

    def work(number: int) -> list[str]:
        client, me = server.client(), f"CLIENT-{number}"
        mine: list[str] = []
        while names := client.request("p", me, multi=number % 4):
            if number % 10 == 0 and not mine:  # some give their first items back
                ask = {"downloader": me, "items": names}
                assert client.post("/p/release", ask) == (200, {"items": names})
                mine = [""]
                continue
            for name in names:
                assert client.status("p", name)["downloader"] == me
            for _ in range(2):
                assert client.done("p", "\0".join(names), me) == (200, "OK\n")
            mine += names
        return [name for name in mine if name]

    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = list(pool.map(work, range(CLIENTS)))
    client = server.client()
    # An item given back when the others had found nothing more is claimed by nobody else.
    while names := client.request("p"):
        client.done("p", names[0])
        shares.append(names)
    everything = [name for share in shares for name in share]
    assert len(everything) == ITEMS == len(set(everything))
    assert client.status("p") == {"project": "p", "todo": 0, "out": 0, "done": ITEMS}
    with contextlib.closing(sqlite3.connect(server.data_dir / "tracker.sqlite3")) as database:
        holders = dict(database.execute("SELECT name, downloader FROM items").fetchall())
    for number, share in enumerate(shares[:CLIENTS]):
        assert all(holders[name] == f"CLIENT-{number}" for name in share)
