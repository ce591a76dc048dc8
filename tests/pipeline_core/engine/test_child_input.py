"""The contract's part `externalprocess`: what a child gets on its standard input.

Input that the child does not take, or that is no bytes or text, fails the item, whatever the
exit status; only an upload that failed by itself is tried again as ever.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.kit import Played, play, write_pipeline

FED = """\
    class Fed(ExternalProcess):
        def stdin_data(self, item):
            return DATA
    class Mistaken(Exception):
        pass
    DATA = {data}
    pipeline = Pipeline(Fed('Fed', {args!r}, {options}))
    """


def fed(folder: Path, data: str, args: list[str], options: str = "") -> Played:
    """Play one item through a program that is given ``data`` (an expression)."""
    return play(write_pipeline(folder, FED.format(data=data, args=args, options=options)))


@pytest.mark.parametrize(("data", "called"), [
    ("None", "None"), ("5", "int"), ("0", "int"), ("True", "bool"), ("1.5", "float"),
    ("['a']", "list"), ("[65]", "list"), ("Mistaken", "type")])
def test_input_of_another_kind_fails_the_item(tmp_path: Path, data: str, called: str) -> None:
    """What is neither bytes nor text is refused with a sentence; the program is not started,
    and there is no further try."""
    seen = fed(tmp_path, data, ["sh", "-c", "echo RAN; cat"], "max_tries=3, retry_delay=0").only
    assert seen.outcome == "failed"
    assert ("Fed: the input of the program must be bytes or text, but it is "
            f"{called}.\n") in seen.log
    assert "Failed Fed for Item" in seen.log
    assert "RAN" not in seen.log and "\0" not in seen.log


@pytest.mark.parametrize("data", [
    "b'word'", "'word'", "bytearray(b'word')", "memoryview(b'word')"])
def test_bytes_and_text_are_given(tmp_path: Path, data: str) -> None:
    """Bytes in any form, and text as UTF-8, arrive whole."""
    seen = fed(tmp_path, data, ["sh", "-c", "echo got-$(cat)"]).only
    assert seen.outcome == "completed" and "got-word\n" in seen.log


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize("script", ["exit {code}", "exec <&-; exit {code}", "read -r x; exit {code}"])
@pytest.mark.parametrize("code", [0, 7])
def test_input_that_is_not_taken_fails_the_item(
    tmp_path: Path, size: int, script: str, code: int
) -> None:
    """A child that ends with input unread fails the item: a short input that still lies in the
    pipe, a long one that does not fit into it; after success and after an error, however many
    tries are left."""
    data = f"b'a\\n' + b'x' * {size}"
    seen = fed(tmp_path, data, ["sh", "-c", "echo RUN; " + script.format(code=code)],
               "max_tries=3, retry_delay=0").only
    assert seen.outcome == "failed"
    assert seen.log.count("RUN\n") == 1
    left = size if script.startswith("read") else size + 2
    assert (f"Fed returned exit code {code}, but did not read all of its input: {left} bytes "
            "are left unread.\n") in seen.log
    assert "Failed Fed for Item" in seen.log


@pytest.mark.parametrize("data", ["b''", "''"])
def test_no_input_need_not_be_taken(tmp_path: Path, data: str) -> None:
    """A child that closes its input at once misses nothing when there is none."""
    assert fed(tmp_path, data, ["sh", "-c", "exec <&-; exit 0"]).outcomes == ["completed"]


def test_input_may_be_read_late_and_slowly(tmp_path: Path) -> None:
    """More than a pipe holds, read in small pieces after the output was closed: all is well."""
    code = ("import os, sys, time\n"
            "os.close(1); os.close(2)\n"
            "total = 0\n"
            "while data := os.read(0, 4096):\n"
            "    total += len(data)\n"
            "sys.exit(0 if total == 300000 else 9)\n")
    assert fed(tmp_path, "b'x' * 300000", [sys.executable, "-c", code]).outcomes == ["completed"]


def test_the_function_of_wget_download(tmp_path: Path) -> None:
    """stdin_data_function that gives None fails the item; without one there is no input."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(
            WgetDownload(['sh', '-c', 'exec <&-; echo FIRST']),
            WgetDownload(['sh', '-c', 'echo SECOND'], stdin_data_function=lambda item: None))
        """)
    seen = play(path).only
    assert seen.outcome == "failed"
    assert "FIRST" in seen.log and "SECOND" not in seen.log
    assert "must be bytes or text, but it is None." in seen.log


REFUSED = """\
class Refused(RsyncUpload):
    def __init__(self, code):
        super().__init__('rsync://127.0.0.1:1/m/', [ItemInterpolation('%(data_dir)s/f')],
                         target_source_path=ItemInterpolation('%(data_dir)s/'))
        self.args = ['sh', '-c', 'echo RUN; test $TRY = 3 && cat && exit 0; exit ' + code]
        self.env = {'TRY': ItemInterpolation('%(tries)d')}
        self.retry_delay = 0
"""


@pytest.mark.parametrize("code", ["10", "0"])
def test_an_upload_is_tried_again(tmp_path: Path, code: str) -> None:
    """An upload whose program ends before it has read the list of files, as rsync does where
    nobody listens, is tried again; one that claims success then has sent nothing."""
    path = write_pipeline(tmp_path, REFUSED + f"pipeline = Pipeline(Refused({code!r}))\n")
    seen = play(path).only
    assert seen.outcome == "completed"
    assert seen.log.count("RUN\n") == 3
    assert seen.log.count("did not read all of its input: 2 bytes are left") == (
        2 if code == "0" else 0)
