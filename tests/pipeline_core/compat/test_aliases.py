"""``seesaw`` is ``pipeline_core``: the same module objects, whichever comes first."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline_core

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(module.name for module in pkgutil.iter_modules(pipeline_core.__path__))


def python(code: str, cwd: Path, *options: str) -> str:
    """Run code in a fresh interpreter that knows the checkout; what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", code], cwd=cwd, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("first", ["seesaw", "pipeline_core"])
def test_every_module_is_one_object(first: str, tmp_path: Path) -> None:
    """In either order of importing, and its own name and spec stay those of pipeline_core."""
    second = "pipeline_core" if first == "seesaw" else "seesaw"
    assert python(f"""
import importlib
for name in {MODULES!r}:
    one = importlib.import_module('{first}.' + name)
    other = importlib.import_module('{second}.' + name)
    assert one is other, name
    assert one.__name__ == one.__spec__.name == 'pipeline_core.' + name, one.__spec__
import seesaw, pipeline_core
assert seesaw is pipeline_core
print('the same')
""", tmp_path) == "the same"


@pytest.mark.parametrize("statement", [
    "import seesaw.task", "from seesaw import task", "import seesaw.task as task",
    "from seesaw.task import *", "import pipeline_core, seesaw; import seesaw.task",
    "import pipeline_core.task, seesaw.task",
])
def test_ways_to_import(statement: str, tmp_path: Path) -> None:
    """Each of them gives the one class that isinstance knows."""
    assert python(f"""
{statement}
import sys
assert sys.modules['seesaw.task'] is sys.modules['pipeline_core.task'] \
    if 'seesaw.task' in sys.modules else True
import pipeline_core.task, seesaw.task
assert seesaw.task.SimpleTask is pipeline_core.task.SimpleTask
print(issubclass(seesaw.task.SimpleTask, pipeline_core.task.Task))
""", tmp_path) == "True"


def test_what_is_set_on_one_name_is_seen_under_the_other(tmp_path: Path) -> None:
    """``seesaw.runner_type`` is set by the program and read by projects."""
    assert python("import seesaw; seesaw.runner_type = 'Warrior'; import pipeline_core; "
                  "print(pipeline_core.runner_type)", tmp_path) == "Warrior"


def test_pipeline_core_alone_makes_seesaw_importable(tmp_path: Path) -> None:
    """Also where there is a seesaw of somebody else's on the path: it is always ours."""
    (tmp_path / "seesaw").mkdir()
    (tmp_path / "seesaw" / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    assert python("import pipeline_core, sys; sys.path.insert(0, '.'); "
                  "import seesaw.item; print(seesaw.__version__)", tmp_path) == "0.10.3"


@pytest.mark.parametrize("name", ["seesaw.no_such_module", "seesaw.task.no_such_module"])
def test_missing_modules_are_missing_under_their_name(name: str, tmp_path: Path) -> None:
    """The error names what was asked for."""
    assert name in python(
        f"try:\n    import seesaw.task, {name}\nexcept ModuleNotFoundError as error:\n"
        "    print(error)", tmp_path)


def test_distutils_version_is_ours_and_warns_of_nothing(tmp_path: Path) -> None:
    """On every Python, with or without a distutils of its own, warnings being errors."""
    assert python(
        "import seesaw, distutils.version\n"
        "from distutils import version\n"
        "from distutils.version import LooseVersion, StrictVersion\n"
        "assert version is distutils.version\n"
        "print(StrictVersion.__module__, StrictVersion(seesaw.__version__) < "
        "StrictVersion('0.8.5'))", tmp_path) == "pipeline_core.compat.distutils_version False"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python has no distutils")
def test_the_rest_of_distutils_is_pythons_own(tmp_path: Path) -> None:
    """Where Python has distutils, its other modules are to be had as before."""
    assert python("import seesaw; from distutils.spawn import find_executable; "
                  "print(find_executable('sh') is not None)", tmp_path) == "True"
