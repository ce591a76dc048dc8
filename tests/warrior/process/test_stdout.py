"""The writer of standard output, on real pipes and files."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from warrior.process import stdout
from warrior.process.stdout import FULL, StdoutWriter, WriterHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's two ends; a test may close either itself."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def read_all(fd: int) -> bytes:
    data = b""
    while piece := os.read(fd, 1 << 20):
        data += piece
    return data


def test_all_is_written_in_order(pipe: tuple[int, int]) -> None:
    """What was written arrives complete, in order, as UTF-8, before close returns."""
    writer = StdoutWriter(pipe[1])
    for number in range(2000):
        writer.write(f"line {number} é\n")
    assert writer.close(10)
    os.close(pipe[1])
    assert read_all(pipe[0]).decode() == "".join(f"line {n} é\n" for n in range(2000))
    assert writer.backlog == 0


def test_lone_surrogates_are_replaced(pipe: tuple[int, int]) -> None:
    """Text that UTF-8 cannot hold costs one character, not the output."""
    writer = StdoutWriter(pipe[1])
    writer.write("a\ud800b")
    assert writer.close(10)
    assert os.read(pipe[0], 10) == b"a?b"


def test_reader_that_goes_away(pipe: tuple[int, int]) -> None:
    """EPIPE is reported once; later text is dropped without an error."""
    told: list[str] = []
    gone = threading.Event()
    writer = StdoutWriter(pipe[1], on_closed=lambda why: (told.append(why), gone.set()))
    os.close(pipe[0])
    writer.write("lost")
    assert gone.wait(10)
    writer.write("lost too")
    assert writer.close(10)
    assert told == ["Broken pipe"]
    assert writer.closed_by_reader and writer.backlog == 0


def test_no_standard_output_at_all() -> None:
    """A descriptor that is not open (``>&-``) is like a reader that has gone."""
    told: list[str] = []
    ends = os.pipe()
    for end in ends:
        os.close(end)
    writer = StdoutWriter(ends[1], on_closed=told.append)
    writer.write("lost")
    assert writer.close(10)
    assert told == ["Bad file descriptor"]


def test_full_disk_is_trouble_but_no_end() -> None:
    """ENOSPC is reported once, and writing is tried again with the next text."""
    told: list[str] = []
    tried = threading.Semaphore(0)
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        writer = StdoutWriter(fd, on_trouble=lambda why: (told.append(why), tried.release()))
        writer.write("lost")
        assert tried.acquire(timeout=10)
        writer.write("lost too")
        assert writer.close(10)
    finally:
        os.close(fd)
    assert told == ["No space left on device"]
    assert not writer.closed_by_reader


def test_writing_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    """After a full disk the output continues, and later trouble is reported again."""
    told: list[str] = []
    event = threading.Semaphore(0)
    fd = os.open("/dev/full", os.O_WRONLY)
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    try:
        writer = StdoutWriter(fd, on_trouble=lambda why: (told.append(why), event.release()))
        writer.write("lost")
        assert event.acquire(timeout=10)
        os.dup2(file, fd)  # now there is room
        writer.write("kept\n")
        assert writer.close(10)
    finally:
        os.close(fd)
        os.close(file)
    assert (tmp_path / "out").read_text() == "kept\n"
    assert len(told) == 1


def test_full_and_drained(pipe: tuple[int, int]) -> None:
    """A reader that does not read makes it ``full``; when it reads, ``on_drained`` comes."""
    drained = threading.Event()
    writer = StdoutWriter(pipe[1], on_drained=drained.set)
    writer.write("x" * FULL)
    assert not writer.full
    writer.write("y")
    assert writer.full and not drained.is_set()
    total = 0
    while total < FULL + 1:
        total += len(os.read(pipe[0], 1 << 20))
    assert drained.wait(10)
    assert not writer.full
    assert writer.close(10)


def test_memory_is_bounded(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit, text is omitted, and the output says how much."""
    monkeypatch.setattr(stdout, "MOST", 1 << 17)
    writer = StdoutWriter(pipe[1])
    writer.write("x" * (1 << 18))
    for _ in range(100):
        writer.write("z" * 1000)
    assert writer.backlog <= 1 << 18
    reader = threading.Thread(target=lambda: got.append(read_all(pipe[0])))
    got: list[bytes] = []
    reader.start()
    assert writer.close(10)
    os.close(pipe[1])
    reader.join(10)
    assert b"[100000 characters were left out here" in got[0]
    assert got[0].count(b"x") >= 1 << 18 and b"z" not in got[0]


def test_non_blocking_output(pipe: tuple[int, int]) -> None:
    """A non-blocking descriptor loses nothing (EAGAIN)."""
    os.set_blocking(pipe[1], False)
    got: list[bytes] = []
    writer = StdoutWriter(pipe[1])
    writer.write("w" * 1_000_000)
    reader = threading.Thread(target=lambda: got.append(read_all(pipe[0])))
    reader.start()
    assert writer.close(10)
    os.close(pipe[1])
    reader.join(10)
    assert got[0] == b"w" * 1_000_000


def test_close_gives_up_when_nobody_reads(pipe: tuple[int, int]) -> None:
    """``close`` reports that it could not write everything, and can be called again."""
    writer = StdoutWriter(pipe[1])
    writer.write("x" * 200_000)
    assert not writer.close(0.05)
    assert writer.stuck_for >= 0
    total = 0
    while total < 200_000:
        total += len(os.read(pipe[0], 1 << 20))
    assert writer.close(10)


def test_log_messages_are_lines(pipe: tuple[int, int]) -> None:
    """The handler writes each message as a line, with its traceback."""
    handler = WriterHandler(StdoutWriter(pipe[1]))
    log = logging.Logger("of this test")
    log.addHandler(handler)
    log.warning("careful: %s", "wet")
    try:
        raise ValueError("broken")
    except ValueError:
        log.warning("and this", exc_info=True)
    handler.close()
    os.close(pipe[1])
    text = read_all(pipe[0]).decode()
    assert text.startswith("careful: wet\nand this\nTraceback")
    assert text.endswith("ValueError: broken\n")


def test_log_messages_command_no_terminal(pipe: tuple[int, int]) -> None:
    """Control characters from outside become visible; lines and letters stay."""
    handler = WriterHandler(StdoutWriter(pipe[1]))
    log = logging.Logger("of this test")
    log.addHandler(handler)
    log.warning("refused: %s", "/\x1b[2J\x9b2J\r\x7f\0 \tb\u00e4r\nnext")
    handler.close()
    os.close(pipe[1])
    assert read_all(pipe[0]).decode() == (
        "refused: /\\x1b[2J\\x9b2J\\x0d\\x7f\\x00 \tb\u00e4r\nnext\n")
