"""The projects that come with this program, without running them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from warrior.process import resources
from warrior.projects.catalogue import read_shipped


def make(folder: Path, name: str, readme: str | None = None) -> Path:
    path = folder / name
    path.mkdir()
    (path / "pipeline.py").write_text("raise SystemExit('it was run')\n")
    if readme is not None:
        (path / "README.md").write_bytes(readme.encode())
    return path


def test_title_and_description(tmp_path: Path) -> None:
    """The first heading and paragraph of the README, as text; the name where there is none."""
    make(tmp_path, "b", "# The <b> project #\r\n\r\nSaves <i>\r\n& more.\r\n\r\nNot this.\n")
    make(tmp_path, "a")
    make(tmp_path, "c", "# Only a title\n\n## Another\n\nUnder another heading.")
    make(tmp_path, "d", "No title\nat all.")
    make(tmp_path, "e", "# Title\nat once.")
    make(tmp_path, "f", "")
    found = [(e.name, e.title, e.description) for e in read_shipped(str(tmp_path))]
    assert found == [
        ("a", "a", ""), ("b", "The <b> project", "Saves &lt;i&gt; &amp; more."),
        ("c", "Only a title", ""), ("d", "d", "No title at all."), ("e", "Title", "at once."),
        ("f", "f", "")]


def test_only_projects(tmp_path: Path) -> None:
    """Folders with a pipeline.py and a name that a project may have."""
    good = make(tmp_path, "good")
    make(tmp_path, "auto")
    make(tmp_path, ".hidden")
    make(tmp_path, "a b")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (entry,) = read_shipped(str(tmp_path))
    assert (entry.repository, entry.source) == (str(good), "shipped")


def test_unreadable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No folder: nothing on offer, and it is said. A README that cannot be read: no text."""
    assert read_shipped(str(tmp_path / "nowhere")) == []
    assert "cannot be read" in caplog.text
    os.mkdir(make(tmp_path, "a") / "README.md")
    assert [entry.title for entry in read_shipped(str(tmp_path))] == ["a"]


def test_our_own() -> None:
    """The practice project is found."""
    entries = {entry.name: entry for entry in read_shipped(resources.projects_dir())}
    assert entries["practice"].title == "Practice"
    assert "items" in entries["practice"].description
    assert os.path.isfile(os.path.join(entries["practice"].repository, "pipeline.py"))
