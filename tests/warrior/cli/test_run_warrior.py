"""run-warrior as it is started: what it refuses, and with which exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from warrior.process import exits

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str, name: str = "run-warrior", **environment: str
        ) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WARRIOR_")}
    return subprocess.run([sys.executable, ROOT / name, *arguments], text=True, timeout=60,
                          capture_output=True, check=False, env=clean | environment)


@pytest.mark.parametrize("name", ["run-warrior", "run-warrior3"])
def test_both_names(name: str) -> None:
    """The old one is an alias."""
    done = run("--version", name=name)
    assert done.returncode == exits.OK and done.stdout.startswith("0.10.3 (")


def test_wrong_usage() -> None:
    """Status 64, the usage and a sentence; nothing is started."""
    done = run("--bogus")
    assert done.returncode == exits.USAGE == 64
    assert done.stderr.splitlines()[-1] == "run-warrior: there is no option --bogus (see --help)"


def test_bad_file(tmp_path: Path) -> None:
    """Status 78, and one line: the file, the line, what is allowed."""
    file = tmp_path / "w.conf"
    file.write_text("[warrior]\nport = many\n")
    done = run("--config", str(file))
    assert done.returncode == exits.BAD_CONFIGURATION == 78
    assert done.stderr == (f"run-warrior: {file}, line 2: port must be a whole number from 0 to "
                           "65535, not 'many'.\n")


def test_bad_environment() -> None:
    """Status 78 as well."""
    done = run(WARRIOR_PROT="1", WARRIOR_CONFIG=os.devnull)
    assert done.returncode == exits.BAD_CONFIGURATION
    assert "is not a file" in done.stderr
    done = run("--config", str(ROOT / "warrior.conf.example"), WARRIOR_PROT="1")
    assert done.returncode == exits.BAD_CONFIGURATION
    assert "Did you mean WARRIOR_PORT?" in done.stderr and len(done.stderr.splitlines()) == 1


def test_missing_module() -> None:
    """Status 1, which one, and what to do; not a traceback."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
         "sys.argv = ['run-warrior', '--config', sys.argv[1]]\n"
         "from warrior.cli.run_warrior import main_run_warrior\nsys.exit(main_run_warrior())",
         ROOT / "warrior.conf.example"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == exits.NOT_LOADED, done.stderr
    assert "The Python module tornado is not installed" in done.stderr
    assert "-m pip install -r requirements.txt" in done.stderr
