"""The bounded memory of items' output."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warrior.process.item_log import LINE_LIMIT, ItemLog, ItemLogs, LineLimiter

MARK = re.compile(r" … \(the rest of this line is left out(?:: ([\d,]+) characters\))?")


def fed(limiter: LineLimiter, pieces: list[str]) -> str:
    return "".join(limiter.feed(piece) for piece in pieces)


def test_short_lines_pass_unchanged() -> None:
    """Short lines stay unchanged."""
    text = "one\ntwo\r\nthree\rfour"
    assert LineLimiter().feed(text) == text


@pytest.mark.parametrize("piece", [1000, 8192, 65536, 1_000_001])
def test_long_line_is_cut_with_a_remark(piece: int) -> None:
    """Of a million characters, in any pieces, 8 KiB and a count of the rest are kept."""
    text = "x" * 1_000_000 + "\nnext\n"
    pieces = [text[i:i + piece] for i in range(0, len(text), piece)]
    kept = fed(LineLimiter(), pieces)
    left = 1_000_000 - LINE_LIMIT
    assert kept == ("x" * LINE_LIMIT + f" … (the rest of this line is left out: {left:,} "
                    "characters)\nnext\n")


def test_carriage_return_begins_the_line_anew() -> None:
    """A progress bar of any length is no long line."""
    text = ("progress" * 20 + "\r") * 1000
    assert LineLimiter().feed(text) == text


@given(st.lists(st.text(alphabet="ab\n\r", max_size=40), max_size=20))
def test_pieces_do_not_matter(pieces: list[str]) -> None:
    """However the text is split, the same is kept, and no line is longer than the limit."""
    whole = LineLimiter(10).feed("".join(pieces))
    assert fed(LineLimiter(10), pieces) == whole
    for line in re.split(r"[\r\n]", MARK.sub("", whole)):
        assert len(line) <= 10


def test_item_stays_in_its_memory_and_counts_what_it_dropped() -> None:
    """The last output is kept; dropped and kept lines together are all lines."""
    log = ItemLog(limit=64 * 1024)
    for number in range(20_000):
        log.append(f"line {number}\n")
        assert log.size <= log.limit
    text = log.text()
    assert text.endswith("line 19999\n")
    assert log.lines_dropped + text.count("\n") == 20_000
    assert log.size >= sum(map(len, text.splitlines()))


def test_one_huge_chunk_is_bounded() -> None:
    """Of a chunk larger than the limit, the end is kept."""
    log = ItemLog(limit=64 * 1024)
    log.append("".join(f"{number}\n" for number in range(100_000)))
    assert 0 < log.size <= log.limit
    assert log.text().endswith("99999\n")


def test_progress_does_not_push_lines_out() -> None:
    """An hour of a progress bar takes the place of one line."""
    log = ItemLog(limit=64 * 1024)
    log.append("the first line\n")
    for number in range(20_000):
        log.append(f"\rprogress {number:6d} of 20000 " + "." * 30)
    assert log.size <= log.limit
    assert "the first line\n" in log.text()
    assert "19999 of 20000" in log.text()


def test_tail_begins_with_a_whole_line() -> None:
    """A part of the log starts at a line, and says how many came before."""
    log = ItemLog()
    for number in range(1000):
        log.append(f"line {number}\n")
    tail = log.text(100)
    assert tail.startswith("line ")
    assert len(tail) <= 100
    assert log.lines_before(tail) == 1000 - tail.count("\n")


def test_last_line_skips_empty_ones() -> None:
    """The last line that is not blank."""
    log = ItemLog()
    log.append("first\n50%\r100%\n\n  \n")
    assert log.last_line() == "100%"
    assert ItemLog().last_line() == ""


def test_all_items_stay_in_the_memory_for_all() -> None:
    """Finished items lose their logs first; running ones keep their newest lines."""
    logs = ItemLogs(limit=256 * 1024, item_limit=64 * 1024)
    for number in range(8):
        logs.append(f"old{number}", "x" * 60 + "\n")
        logs.append(f"old{number}", ("y" * 99 + "\n") * 400)
        logs.finish(f"old{number}")
    for number in range(8):
        for line in range(800):
            logs.append(f"new{number}", f"{line} " + "z" * 90 + "\n")
            assert logs.size <= logs.limit
    kept = [logs.get(f"new{number}") for number in range(8)]
    assert all(log is not None and log.last_line().startswith("799 ") for log in kept)
    assert logs.size == sum(log.size for log in logs._logs.values())


def test_dropped_item_is_forgotten() -> None:
    """Its memory is released."""
    logs = ItemLogs()
    logs.append("a", "text\n")
    logs.drop("a")
    assert logs.get("a") is None
    assert logs.size == 0


def test_sizes_are_those_of_memory() -> None:
    """Wide characters count with the memory that they use."""
    log = ItemLog()
    log.append("é" * 5000 + "\n")
    log.append("\U0001f41d" * 5000 + "\n")
    assert log.size == sum(sys.getsizeof(chunk) for chunk in log._chunks)
    assert log.size > 5000 + 20_000
