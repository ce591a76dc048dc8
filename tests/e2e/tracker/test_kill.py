"""A server that is killed under load, several times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.tracker.load import Account, Load, check

Start = Callable[..., Any]
Eventually = Callable[..., None]


def hammer(
    start_tracker: Start, eventually: Eventually, items: int, clients: int, kills: int, each: int
) -> Account:
    """Kill the server *kills* times, each after *each* more answers, and compare every time; return
    the account."""
    account = Account()
    for round_number in range(kills):
        server = start_tracker()
        before = account.requests
        load = Load(server, account, clients, round_number)
        eventually(lambda before=before: account.requests > before + each, 240)
        server.kill()
        load.join()
        check(server.data_dir / "tracker.sqlite3", account, items)
    return account


def test_nothing_is_lost_or_handed_out_twice(
    start_tracker: Start, run_tracker: Callable[..., Any], eventually: Eventually
) -> None:
    """After each kill -9 the next server knows every claim, release and OK that was answered, and
    no item is handed out twice. Only answers that were cut off leave items out, and an operator can
    release those."""
    items = 6000
    run_tracker("add", "p", "-", given="".join(f"item-{n}\n" for n in range(items)))
    account = hammer(start_tracker, eventually, items, clients=8, kills=4, each=150)
    server = start_tracker()
    client = server.client()
    before = client.status("p")
    for name in sorted(account.done)[:200]:  # told again, nothing counts twice
        assert client.done("p", name) == (200, "OK\n")
    assert client.status("p") == before
    assert run_tracker("release", "p", "--all").stdout == f"p: {before['out']} released\n"
    while names := client.request("p", "LAST", multi=1000):
        assert not account.done.intersection(names)
        assert client.done("p", "\0".join(names), "LAST") == (200, "OK\n")
    assert client.status("p") == {"project": "p", "todo": 0, "out": 0, "done": items}


@pytest.mark.long
def test_a_million_items_and_ten_kills(
    start_tracker: Start, run_tracker: Callable[..., Any], eventually: Eventually
) -> None:
    """A tracker with a million items serves fifty clients and is killed and restarted ten times:
    nothing is lost, and nothing is handed out twice."""
    items = 1_000_000
    given = "".join(f"https://site.example/page/{n}?x={n * 7919 % items}\n" for n in range(items))
    added = run_tracker("add", "p", "-", given=given)
    assert added.stdout == f"p is a new project.\np: {items} new, 0 already there\n"
    hammer(start_tracker, eventually, items, clients=50, kills=10, each=5000)
