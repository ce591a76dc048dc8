"""The wheel, really built and installed into an environment of its own."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = shutil.ignore_patterns(
    ".git*", ".ci", ".venv*", ".hypothesis", ".*_cache", "__pycache__", "build", "dist", "*.egg-info", "data", "tracker-data", "tests",
    "node_modules", "STOP")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True,
                          timeout=300, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; what it needs is lent by the one of the tests."""
    folder = tmp_path_factory.mktemp("packaging")
    source, venv = folder / "source", folder / "venv"
    shutil.copytree(ROOT, source, ignore=NOT_COPIED)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
        "--wheel-dir", folder, source, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=folder)
    run(sys.executable, "-m", "pip", f"--python={venv / 'bin' / 'python'}", "install",
        "--no-deps", "--no-index", wheel, cwd=folder)
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv


def test_commands_are_installed(installed: Path, tmp_path: Path) -> None:
    """Both names of run-pipeline and of run-warrior, and run-tracker."""
    for name in ("run-pipeline", "run-pipeline3", "run-warrior", "run-warrior3"):
        assert run(installed / "bin" / name, "--version", cwd=tmp_path).startswith("0.10.3 (")
    assert "usage" in run(installed / "bin" / "run-tracker", "--help", cwd=tmp_path)


def test_every_package_is_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    """A package forgotten in setup.cfg would only be noticed by who installs."""
    packages = sorted(
        str(path.parent.relative_to(ROOT)).replace(os.sep, ".")
        for top in ("pipeline_core", "seesaw", "tracker", "warrior")
        for path in (ROOT / top).rglob("__init__.py"))
    code = ("import importlib, sys\nfor name in sys.argv[1:]:\n"
            "    print(importlib.import_module(name).__file__)")
    said = run(installed / "bin" / "python", "-c", code, *packages, cwd=tmp_path)
    assert len(said.splitlines()) == len(packages)
    assert all(line.startswith(str(installed)) for line in said.splitlines()), said


def test_the_files_outside_the_packages_come_along(installed: Path, tmp_path: Path) -> None:
    """All of static/, templates/ and projects/."""
    code = ("from warrior.process import resources\n"
            "print(resources.static_dir(), resources.templates_dir(), resources.projects_dir())")
    for folder in run(installed / "bin" / "python", "-c", code, cwd=tmp_path).split():
        original = ROOT / Path(folder).name
        wanted = {path.relative_to(original) for path in original.rglob("*")
                  if path.is_file() and path.suffix != ".pyc"
                  and not any(part == "data" or part.startswith(".")
                              for part in path.relative_to(original).parts)}
        there = {path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file()}
        assert wanted, original
        assert wanted - there == set()
        assert Path(folder).is_relative_to(installed)


def test_the_example_comes_along(installed: Path, tmp_path: Path) -> None:
    """As a file; the defaults are read from it."""
    path = Path(run(installed / "bin" / "python", "-c",
                    "from warrior.process import resources\nprint(resources.conf_example())",
                    cwd=tmp_path).strip())
    assert path.is_relative_to(installed) and not path.is_symlink()
    assert path.read_bytes() == (ROOT / "warrior.conf.example").read_bytes()
    assert "(default: 8001)" in run(installed / "bin" / "run-warrior", "--help", cwd=tmp_path)


def test_the_trackers_page_comes_along(installed: Path, tmp_path: Path) -> None:
    """Its templates, script and style sheet are beside the code."""
    folder = Path(run(installed / "bin" / "python", "-c",
                      "import tracker\nprint(tracker.__path__[0])", cwd=tmp_path).strip())
    assert folder.is_relative_to(installed)
    for name in ("static", "templates"):
        wanted = {path.name for path in (ROOT / "tracker" / name).iterdir()}
        assert wanted and {path.name for path in (folder / name).iterdir()} == wanted


def test_the_installed_program_writes_new_projects(installed: Path, tmp_path: Path) -> None:
    """The files to start from come along, and their pipeline loads."""
    run(installed / "bin" / "run-pipeline", "--new", "site", cwd=tmp_path)
    said = run(installed / "bin" / "run-pipeline", "--check", "pipeline.py", cwd=tmp_path / "site")
    assert "can run here" in said


def test_the_settings_of_curl_come_along(installed: Path, tmp_path: Path) -> None:
    """Without them curl would read those of the user."""
    code = ("from pipeline_core.externalprocess import CurlUpload\n"
            "print(CurlUpload('http://h/', 'x').env['CURL_HOME'])")
    folder = Path(run(installed / "bin" / "python", "-c", code, cwd=tmp_path).strip())
    assert folder.is_relative_to(installed)
    assert "max-redirs = 0" in (folder / ".curlrc").read_text()


@pytest.fixture
def page(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of the page of the installed program, which runs the example."""
    example = tmp_path / "pipeline.py"
    shutil.copy(ROOT / "projects" / "example" / "pipeline.py", example)
    process = subprocess.Popen(
        [installed / "bin" / "run-pipeline", example, "someone", "--port", "0"], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = next(iter(process.stderr))
        found = re.search(r"http://\S+", line)
        assert found, line
        yield found[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_installed_program_has_its_page(page: str) -> None:
    """The page and its parts are served from the installed files."""
    with urllib.request.urlopen(page) as answer:
        text = answer.read().decode()
    assert answer.status == 200
    parts = re.findall(r'(?:src|href)="/?(static/[^"]+)"', text)
    assert parts, text
    for part in parts:
        with urllib.request.urlopen(page + part) as answer:
            assert answer.status == 200 and answer.read()


def test_setup_cfg_and_requirements_agree() -> None:
    """requirements.txt is what the wheel requires: there is one list."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["options"]["install_requires"] == "file: requirements.txt"
    assert config["metadata"]["version"] == "attr: warrior.__version__"
