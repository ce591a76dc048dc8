"""Items from files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.names import MAX_NAME_BYTES
from tracker.store import adding
from tracker.store.adding import REPORTED_LINES, BadLine, Lines, add_items
from tracker.store.items import queue_of
from tracker.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new, empty store."""
    store = Store(tmp_path / "t")
    yield store
    store.close()


def names_in(content: bytes, lines: Lines) -> list[str]:
    """The names in *content*, which arrives in pieces of seven bytes, or of a hundred thousand."""
    size = 7 if len(content) < 1000 else 100_000
    for start in range(0, len(content), size):
        lines.feed(content[start : start + size])
    lines.end()
    return lines.take()


def test_lines_become_names() -> None:
    """Only a line feed ends a name; bad lines are left out and reported with their numbers."""
    lines = Lines()
    content = b"\xef\xbb\xbfa\r\n\n\xff\n a \r\x0b\nx\0y\n\xed\xa0\x80\n\xef\xbb\xbfb\nlast"
    names = names_in(content, lines)
    assert names == ["a", " a \r\x0b", "\ufeffb", "last"]
    assert (lines.number, lines.bad_count) == (8, 3)
    assert [bad.number for bad in lines.bad] == [3, 5, 6]
    assert lines.bad[0] == BadLine(3, "This is not UTF-8.")


@pytest.mark.parametrize("more", [0, 1, 15, 16, 17, 18, 100_000, 300_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_long_lines(more: int, end: bytes) -> None:
    """The longest name is accepted. A longer line is one bad line, whatever its length, and does
    not affect the next one."""
    lines = Lines()
    first = b"x" * (MAX_NAME_BYTES + more)
    rest = b"next\n" if end else b""
    names = names_in(first + end + rest, lines)
    assert names == ([first.decode()] if more == 0 else []) + (["next"] if end else [])
    assert lines.bad_count == (more > 0)
    assert lines.number == (2 if end else 1)


def test_many_bad_lines_are_counted() -> None:
    """The first bad lines are reported and all are counted, so a binary file does not fill the
    memory."""
    lines = Lines()
    assert names_in(b"\xff\n" * 5000, lines) == []
    assert (len(lines.bad), lines.bad_count) == (REPORTED_LINES, 5000)


@pytest.mark.parametrize("polite", [True, False])
def test_order_is_that_of_the_file(
    store: Store, polite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items go out in the order of the file, each once, in however many transactions."""
    monkeypatch.setattr(adding, "CHUNK", 100)
    names = [f"item-{n * 7919 % 2000}" for n in range(2000)]
    added = list(add_items(store, "p", [*names, *names[:500]], polite=polite))
    assert (sum(a.new for a in added), sum(a.known for a in added)) == (2000, 500)
    assert len(added) > 4
    assert [one.name for one in store.claim("p", "ONE", 5000)] == names


def test_the_first_of_two_keeps_its_place(store: Store) -> None:
    """A name that is in a file twice has the position of the first."""
    list(add_items(store, "p", ["c", "a", "c", "b", "a"], queue_of("redo", None)))
    assert [(c.name, c.queue) for c in store.claim("p", "ONE", 9)] == [
        ("c", "todo:redo"), ("a", "todo:redo"), ("b", "todo:redo"),
    ]  # fmt: skip


@pytest.mark.parametrize(("limit", "value"), [("BATCH", 2), ("BATCH_CHARACTERS", 800)])
def test_a_batch_has_a_size(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    """A batch is full with many names, or with fewer long ones; the next one begins empty."""
    monkeypatch.setattr(adding, limit, value)
    lines = Lines()
    line = b"x" * 401 + b"\n"
    assert [lines.feed(line) for _ in range(2)] == [False, True]
    assert len(lines.take()) == 2
    assert not lines.feed(line)
