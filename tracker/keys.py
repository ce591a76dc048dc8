"""Keys that let scripts command the tracker by HTTP.

A key is 256 random bits, shown once; what is kept is its SHA-256, of no use to who reads it.
No slow hash is needed: such a key cannot be guessed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import time
from dataclasses import dataclass

from tracker.errors import AlreadyThere, BadValue, UnknownEntry
from tracker.names import shown

_NAME = re.compile(r"[-_.@A-Za-z0-9]{1,64}")


@dataclass(frozen=True)
class Key:
    """A key, by the name it was made under."""

    name: str
    created_at: float


class Keys:
    """The table of keys; its methods run inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def make(self, name: str) -> str:
        """Return a new key called *name*: the only time it is seen. Raises AlreadyThere."""
        if not _NAME.fullmatch(name):
            raise BadValue(
                f"{shown(name)} cannot be a key's name: it takes 1 to 64 letters, digits, dots, "
                "hyphens, underscores and @."
            )
        key = secrets.token_urlsafe(32)
        made = self._connection.execute(
            "INSERT OR IGNORE INTO keys (name, hash, created_at) VALUES (?, ?, ?)",
            (name, _hash(key), time.time()),
        )
        if made.rowcount != 1:
            raise AlreadyThere(f"There is a key called {name}: revoke it first, or name another.")
        return key

    def revoke(self, name: str) -> None:
        """Make a key worthless at once; raises UnknownEntry."""
        if not self._connection.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount:
            raise UnknownEntry(f"There is no key called {shown(name)}: 'run-tracker keys' lists.")

    def list(self) -> list[Key]:
        """Return the keys that are good, by name."""
        rows = self._connection.execute("SELECT name, created_at FROM keys ORDER BY name")
        return [Key(*row) for row in rows]

    def owner(self, key: str) -> str | None:
        """Return the name that *key* was made under; None when it is worthless."""
        row = self._connection.execute(
            "SELECT name FROM keys WHERE hash = ?", (_hash(key),)
        ).fetchone()
        return None if row is None else str(row[0])


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", errors="replace")).digest()
