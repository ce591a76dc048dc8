"""The contract's part `util`: find_executable, test_executable, unique_id_str."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline_core import util
from pipeline_core.util import find_executable, unique_id_str


def script(path: Path, body: str) -> str:
    """Write an executable shell script; return its path."""
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    """Programs that answer in different ways."""
    return {
        "out": script(tmp_path / "out", "echo GNU Wget 1.21.3-at.20230623.01 \"$@\"\n"),
        "err": script(tmp_path / "err", "echo tool 9.9 >&2\n"),
        "fails": script(tmp_path / "fails", "echo GNU Wget 1.21.3-at.20230623.01\nexit 1\n"),
        "silent": script(tmp_path / "silent", "exit 0\n"),
        "bytes": script(tmp_path / "bytes", "printf 'v\\377ersion 3.2\\n'\n"),
        "absent": str(tmp_path / "absent"),
        "folder": str(tmp_path),
    }


def test_first_that_matches(tools: dict[str, str]) -> None:
    """The first path whose output has the version is returned, as it was given."""
    paths = [tools[name] for name in ("absent", "folder", "fails", "silent", "err", "out")]
    assert find_executable("Wget+AT", ["20230623.01"], paths) == tools["out"]
    assert find_executable("Tool", "tool 9", paths) == tools["err"]
    assert find_executable("Any", None, paths) == tools["silent"]


def test_none_if_there_is_none(tools: dict[str, str]) -> None:
    """None when no path matches, and when there are no paths."""
    paths = [tools[name] for name in ("absent", "folder", "fails", "out")]
    assert find_executable("Wget+AT", ["19990101.01"], paths) is None
    assert find_executable("Wget+AT", "20230623.01", [tools["fails"]]) is None
    assert find_executable("Wget+AT", None, []) is None


@pytest.mark.parametrize(("version", "matches"), [
    ("1.21.3-at", True), ("9.9", False),
    (["9.9", "1.21.3-at.20230623.01"], True), (["9.9", "8"], False), ([], False),
    (("9.9", "GNU Wget"), True),
    (re.compile(r"GNU Wget 1\.(2\d)"), True), (re.compile(r"^Wget"), False), (None, True),
])
def test_kinds_of_version(tools: dict[str, str], version: object, matches: bool) -> None:
    """A substring, a list of them, an object with search(text), or None for any."""
    found = find_executable("Wget", version, [tools["out"]])
    assert (found == tools["out"]) is matches
    assert bool(util.test_executable("Wget", version, tools["out"])) is matches


def test_version_argument(tools: dict[str, str]) -> None:
    """The program is asked with -V, or with version_arg."""
    assert find_executable("Wget", "01 -V", [tools["out"]]) == tools["out"]
    assert find_executable("Wget", "01 --version", [tools["out"]], "--version") == tools["out"]
    assert find_executable("Wget", "01 -v", [tools["out"]], version_arg="-v") == tools["out"]
    assert util.test_executable("Wget", "01 --v", tools["out"], "--v")
    assert not util.test_executable("Wget", "01 --v", tools["out"])


def test_undecodable_output(tools: dict[str, str]) -> None:
    """Output that is no UTF-8 is no reason to fail."""
    assert find_executable("Bytes", "ersion 3.2", [tools["bytes"]]) == tools["bytes"]


def test_by_name(tmp_path: Path) -> None:
    """A bare name is looked up on PATH: find_executable(..., ['rsync'])."""
    assert find_executable("rsync", re.compile("rsync +version"), ["rsync"], "--version") == "rsync"


def test_unique_id_str() -> None:
    """Strings, all different, fit for a path part."""
    ids = [unique_id_str() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(re.fullmatch(r"[-_.0-9A-Za-z]+", text) and not text.startswith(".") for text in ids)
