"""Finding programs, and names that nobody else has."""

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

__all__ = [
    "find_executable", "test_executable", "unique_id_str",
    "datetime", "functools", "json", "os", "re", "subprocess", "time",
]

#: A program that has not told its version after so many seconds never will.
VERSION_TIMEOUT = 60.0


def unique_id_str() -> str:
    """A name that is used once: the time and a random part, in hexadecimal."""
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
    """Whether ``path version_arg`` exits with 0 and says the wanted version.

    ``version`` is a substring of its output (standard output and error), a list of
    which one must match, an object with ``.search(text)``, or None for any.
    """
    try:
        result = subprocess.run(
            [path, version_arg], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=VERSION_TIMEOUT, check=False)
    except (OSError, ValueError) as error:
        print(f"{name}: {path} cannot be run: {error}")
        return False
    except subprocess.TimeoutExpired:
        print(f"{name}: {path} {version_arg} gave no answer in {VERSION_TIMEOUT:.0f} s")
        return False
    if result.returncode != 0:
        print(f"{name}: {path} {version_arg} ended with exit status {result.returncode}")
        return False
    if not _matches(version, result.stdout.decode("utf-8", "replace")):
        print(f"{name}: {path} is not of the wanted version ({version})")
        return False
    return True


# pytest would collect a function of this name from every module that imports it.
test_executable.__test__ = False  # type: ignore[attr-defined]


def find_executable(
    name: str, version: Any, paths: Iterable[str], version_arg: str = "-V"
) -> str | None:
    """The first of ``paths`` that is the wanted program; None when there is none.

    A path without a slash is looked up on PATH. What was wrong with the others is
    printed, which under a pipeline means: into its load's log.
    """
    for path in paths:
        if test_executable(name, version, path, version_arg):
            print(f"Found {name}: {path}")
            return path
    return None
