"""Tables for people, JSON for scripts."""

from __future__ import annotations

import json

import pytest

from tracker.commands.output import print_json, table
from tracker.store.claims import Claim


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as their contents, numbers are aligned right, and nothing is a dash."""
    print(table(("NAME", "N", "ON"), [("a", 5, True), ("long name", 1000, False), ("", 7, None)], "-"))
    assert capsys.readouterr().out == (
        "NAME          N  ON\n"
        "a             5  yes\n"
        "long name  1000  no\n"
        "-             7  -\n"
    )  # fmt: skip
    print(table(("NAME",), [], "Nothing is there."))
    assert capsys.readouterr().out == "Nothing is there.\n"


def test_hostile_text_stays_in_its_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """Names with newlines or control sequences are escaped."""
    print(table(("ITEM",), [("\x1b[2Jgone",), ("two\nlines",), ("日本語",)], "-"))
    out = capsys.readouterr().out
    assert "\x1b" not in out and out.count("\n") == 4
    assert '"\\u001b[2Jgone"' in out and '"two\\nlines"' in out and "日本語" in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A dataclass becomes an object, on one line."""
    print_json([Claim("a\nb", "ONE", 1.5)])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == [{"name": "a\nb", "downloader": "ONE", "claimed_at": 1.5}]
