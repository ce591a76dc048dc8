"""Find programs, and make unique names."""

from __future__ import annotations

import datetime
import functools
import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from pipeline_core.requirements.needs import NOT_EXECUTABLE, Tried, lookup_of, version_in_words

__all__ = [
    "find_executable", "test_executable", "unique_id_str",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

#: Seconds that a program gets to print its version.
VERSION_TIMEOUT = 60.0


def unique_id_str() -> str:
    """Return a unique name: the time and a random part, in hexadecimal."""
    return f"{int(time.time()):08x}{secrets.token_hex(6)}"


def _matches(version: Any, text: str) -> bool:
    if version is None:
        return True
    if isinstance(version, str):
        return version in text
    if hasattr(version, "search"):
        return bool(version.search(text))
    return any(_matches(one, text) for one in version)


def test_executable(name: str, version: Any, path: str, version_arg: str = "-V") -> bool:
    """Return whether ``path version_arg`` exits with 0 and prints the wanted version.

    ``version`` is a substring of the output (standard output and error), a list of which one
    must match, an object with ``.search(text)``, or None for any.
    """
    why = _problem_with(version, path, version_arg)
    lookup = lookup_of(name, version)
    lookup.tried.append(Tried(str(path), why))
    lookup.found = lookup.found or ("" if why else str(path))
    if why:
        print(f"{name}: {path} {why}")
    return not why


def _problem_with(version: Any, path: str, version_arg: str) -> str:
    try:
        result = subprocess.run(
            [path, version_arg], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=VERSION_TIMEOUT, check=False)
    except FileNotFoundError:
        if os.path.exists(path):
            return "cannot be run: the interpreter in its first line is not there"
        return "is not there" if os.sep in str(path) else "is not on PATH"
    except PermissionError:
        return "is a folder" if os.path.isdir(path) else NOT_EXECUTABLE
    except (OSError, ValueError) as error:
        return f"cannot be run: {getattr(error, 'strerror', None) or error}"
    except subprocess.TimeoutExpired:
        return f"{version_arg} gave no answer in {VERSION_TIMEOUT:.0f} s"
    output = result.stdout.decode("utf-8", "replace")
    if result.returncode != 0:
        return f"{version_arg} ended with exit status {result.returncode}{_first_line(output)}"
    if not _matches(version, output):
        return f"is not of the wanted version ({version_in_words(version)}){_first_line(output)}"
    return ""


def _first_line(output: str) -> str:
    line = next((line.strip() for line in output.splitlines() if line.strip()), "")
    return f"; it says: {line[:100]}" if line else ""


# pytest would collect a function of this name from every module that imports it.
test_executable.__test__ = False  # type: ignore[attr-defined]


def find_executable(
    name: str, version: Any, paths: Iterable[str], version_arg: str = "-V"
) -> str | None:
    """Return the first of ``paths`` that is the wanted program; None when there is none.

    A path without a slash is looked up on PATH. What is wrong with the others is printed; while
    a pipeline file loads, that goes to the load's log.
    """
    lookup_of(name, version)  # recorded even when there are no paths
    for path in paths:
        if test_executable(name, version, path, version_arg):
            print(f"Found {name}: {path}")
            return path
    return None
