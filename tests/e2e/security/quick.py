"""Runs one of our commands with passwords that are hashed in a millisecond.

    python quick.py run-warrior --config …

For tests that ask what a password opens, and not what its hash costs: a real one takes a
third of a second of the processor. Everything else of the command is as it is.
"""

from __future__ import annotations

import hashlib
import runpy
import sys
from typing import Any

real_scrypt = hashlib.scrypt


def scrypt(password: bytes, **parameters: Any) -> bytes:
    """``hashlib.scrypt`` with the same parameters, but for the costly one."""
    return real_scrypt(password, **{**parameters, "n": 2 ** 4})


def main() -> None:
    """Become the command that the arguments name."""
    sys.argv = sys.argv[1:]
    # This folder was put there for us; the command's own is put there by itself.
    sys.path.pop(0)
    hashlib.scrypt = scrypt
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
