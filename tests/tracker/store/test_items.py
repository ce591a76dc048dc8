"""Claims, releases and reports on a real database file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tracker_server import counts
from tracker.errors import UnknownItem, UnknownProject
from tracker.store.items import ANSWER_BYTES, Added
from tracker.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new, empty store."""
    store = Store(tmp_path / "tracker.sqlite3")
    yield store
    store.close()


def take(store: Store, project: str, downloader: str, number: int) -> list[str]:
    """Claim items; return their names."""
    return [one.name for one in store.claim(project, downloader, number)]


def test_items_are_handed_out_once_in_order(store: Store) -> None:
    """Items go out oldest first, each to one downloader, until none is left."""
    assert store.add("p", ["c", "a", "b"]) == Added(3, 0)
    assert take(store, "p", "ONE", 2) == ["c", "a"]
    assert take(store, "p", "TWO", 2) == ["b"]
    assert take(store, "p", "ONE", 2) == []
    assert counts(store, "p") == (0, 3, 0)
    assert store.item("p", "b").downloader == "TWO"


def test_adding_again_changes_nothing(store: Store) -> None:
    """Items that exist already are counted as known, whatever their state."""
    store.add("p", ["todo", "out", "done"])
    store.claim("p", "ONE", 2)
    store.done("p", "ONE", ["done"], {})
    before = counts(store, "p")
    assert store.add("p", ["done", "out", "todo", "new", "new"]) == Added(1, 4)
    assert counts(store, "p") == (before[0] + 1, *before[1:])


def test_same_name_in_two_projects(store: Store) -> None:
    """The same item in another project is a different item."""
    store.add("p", ["a"])
    store.add("q", ["a"])
    assert take(store, "p", "ONE", 5) == ["a"]
    assert counts(store, "q") == (1, 0, 0)
    assert counts(store, "p") == (0, 1, 0)


def test_release_only_by_its_downloader(store: Store) -> None:
    """Only the downloader that holds an item can release it."""
    store.add("p", ["a", "b"])
    store.claim("p", "ONE", 1)
    assert store.release("p", "TWO", ["a"]) == 0
    assert store.item("p", "a").state == "out"
    assert store.release("p", "ONE", ["a"]) == 1
    assert store.release("p", "ONE", ["a"]) == 0
    status = store.item("p", "a")
    assert (status.state, status.downloader, status.claimed_at) == ("todo", None, None)


def test_released_items_go_behind(store: Store) -> None:
    """A downloader that refuses an item gets another one next, not the same one again."""
    store.add("p", ["a", "b", "c"])
    assert take(store, "p", "ONE", 2) == ["a", "b"]
    store.release("p", "ONE", ["a", "b"])
    assert take(store, "p", "ONE", 5) == ["c", "a", "b"]


def test_release_does_not_undo_done(store: Store) -> None:
    """An item that is done stays done."""
    store.add("p", ["a"])
    store.claim("p", "ONE", 1)
    store.done("p", "ONE", ["a"], {})
    assert store.release("p", "ONE", ["a"]) == 0
    assert counts(store, "p") == (0, 0, 1)


def test_done_counts_once(store: Store) -> None:
    """A repeated report counts nothing, and the statistics of the first are kept."""
    store.add("p", ["a", "b"])
    store.claim("p", "ONE", 2)
    assert store.done("p", "ONE", ["a", "a"], {"try": 1}) == 1
    assert store.done("p", "ONE", ["a"], {"try": 2}) == 0
    assert store.done("p", "TWO", ["a", "b"], {"try": 3}) == 1
    assert counts(store, "p") == (0, 0, 2)
    rows = store.connection.execute("SELECT downloader, stats FROM reports ORDER BY id")
    assert rows.fetchall() == [("ONE", '{"try": 1}'), ("TWO", '{"try": 3}')]


def test_done_without_the_claim_counts(store: Store) -> None:
    """Finished work counts whoever holds the item, and even if it waits; it is not handed out
    again."""
    store.add("p", ["held", "waits"])
    store.claim("p", "ONE", 1)
    assert store.done("p", "TWO", ["held", "waits"], {}) == 2
    assert store.item("p", "held").downloader == "TWO"
    assert take(store, "p", "ONE", 5) == []


def test_a_report_without_a_downloader_credits_the_claim(store: Store) -> None:
    """A report without a downloader credits whoever claimed the item."""
    store.add("p", ["a"])
    store.claim("p", "ONE", 1)
    store.done("p", None, ["a"], {})
    assert store.item("p", "a").downloader == "ONE"


def test_unknown_names_change_nothing(store: Store) -> None:
    """If one name is unknown, the whole command is refused before anything is changed."""
    store.add("p", ["a"])
    store.claim("p", "ONE", 1)
    with pytest.raises(UnknownItem):
        store.release("p", "ONE", ["a", "x"])
    with pytest.raises(UnknownItem):
        store.done("p", "ONE", ["a", "x"], {})
    assert counts(store, "p") == (0, 1, 0)
    with pytest.raises(UnknownProject):
        store.claim("q", "ONE", 1)
    with pytest.raises(UnknownProject):
        counts(store, "q")


def test_an_answer_has_a_size(store: Store) -> None:
    """An answer has fewer items if their names are long, but at least one."""
    names = [str(n) + "\x01" * 60_000 for n in range(4)]
    store.add("p", names)
    assert len(json.dumps(names[0])) > ANSWER_BYTES
    assert take(store, "p", "ONE", 4) == names[:1]
    short = [f"{n}:" + "x" * 50_000 for n in range(10)]
    store.add("q", short)
    assert take(store, "q", "ONE", 10) == short[:5]


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
        unique=True,
        max_size=8,
    )
)
def test_names_come_back_as_they_went_in(names: list[str]) -> None:
    """The database keeps any Unicode name unchanged, without normalisation."""
    store = Store(Path(":memory:"))
    store.add("p", names)
    assert take(store, "p", "ONE", 100) == names
    assert store.done("p", "ONE", names, {}) == len(names)
    store.close()
