"""Keys for commands over HTTP.

A key is 256 random bits and is shown once. The database keeps its SHA-256, which is of no use
to a reader of the file. A fast hash is enough, because such a key cannot be guessed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass

from tracker.errors import AlreadyExists, BadValue, UnknownEntry
from tracker.names import shown
from tracker.store.base import Base

_NAME = re.compile(r"[-_.@A-Za-z0-9]{1,64}")


@dataclass(frozen=True)
class Key:
    """The name under which a key was made."""

    name: str
    created_at: float


class Keys(Base):
    """The valid keys."""

    def make_key(self, name: str) -> str:
        """Return a new key called *name*: it cannot be read again. Raises AlreadyExists."""
        if not _NAME.fullmatch(name):
            raise BadValue(
                f"{shown(name)} cannot be the name of a key. Use 1 to 64 letters, digits, dots, "
                "hyphens, underscores and @."
            )
        key = secrets.token_urlsafe(32)
        made = self.execute(
            "INSERT OR IGNORE INTO keys (name, hash, created_at) VALUES (?, ?, ?)",
            (name, _hash(key), time.time()),
        )
        if made.rowcount != 1:
            raise AlreadyExists(f"There is already a key called {name}: revoke it first.")
        return key

    def revoke_key(self, name: str) -> None:
        """Make a key invalid at once; raises UnknownEntry."""
        if not self.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount:
            raise UnknownEntry(f"There is no key called {shown(name)}: see 'run-tracker keys'.")

    def key_list(self) -> list[Key]:
        """Return the valid keys, by name."""
        rows = self.execute("SELECT name, created_at FROM keys ORDER BY name")
        return [Key(*row) for row in rows]

    def key_owner(self, key: str) -> str | None:
        """Return the name of *key*; None if the key is not valid."""
        row = self.execute("SELECT name FROM keys WHERE hash = ?", (_hash(key),)).fetchone()
        return None if row is None else str(row[0])


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", errors="replace")).digest()
