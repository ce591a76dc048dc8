"""Where the files outside the packages are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from warrior.process import resources

ROOT = Path(__file__).resolve().parents[3]


def test_in_a_checkout() -> None:
    """They are beside the packages."""
    assert Path(resources.static_dir()) == ROOT / "static"
    assert Path(resources.templates_dir()) == ROOT / "templates"
    assert Path(resources.projects_dir()) == ROOT / "projects"
    assert Path(resources.conf_example()).samefile(ROOT / "warrior.conf.example")


def test_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the package; a folder of that name in site-packages belongs to others."""
    (tmp_path / "static").mkdir()
    (tmp_path / "warrior" / "share" / "static").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", str(tmp_path / "warrior"))
    assert Path(resources.static_dir()) == tmp_path / "warrior" / "share" / "static"


def test_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for an incomplete installation names the folder."""
    monkeypatch.setattr(resources, "_PACKAGE", str(tmp_path / "warrior"))
    with pytest.raises(resources.ResourceError, match="templates is missing"):
        resources.templates_dir()
    with pytest.raises(resources.ResourceError, match="warrior.conf.example is missing"):
        resources.conf_example()
