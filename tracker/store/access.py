"""Who may use the tracker: blocked downloaders and addresses, and keys for commands over HTTP.

A key is 256 random bits and is shown once. The database keeps its SHA-256, which is of no use
to a reader of the file. A fast hash is enough, because such a key cannot be guessed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import time
from dataclasses import dataclass

from tracker.errors import AlreadyExists, BadValue, UnknownEntry
from tracker.names import check_downloader, shown
from tracker.store.base import Base

_KEY_NAME = re.compile(r"[-_.@A-Za-z0-9]{1,64}")

LONGEST_REASON = 200
"""Longest reason, in characters."""


@dataclass(frozen=True)
class Block:
    """A blocked nickname, address or network; *project* None blocks it in every project."""

    id: int
    project: str | None
    kind: str
    """``name`` or ``address``."""
    value: str
    reason: str
    created_at: float


@dataclass(frozen=True)
class Key:
    """The name under which a key was made."""

    name: str
    created_at: float


class Access(Base):
    """The blocks of every project, and the valid keys."""

    def block(self, project: str | None, value: str, reason: str = "") -> Block:
        """Block a nickname, an IP address or a network such as 192.0.2.0/24.

        Raises AlreadyExists, BadValue, UnknownProject.
        """
        if len(reason) > LONGEST_REASON or not reason.isprintable():
            raise BadValue(f"A reason must be one line of at most {LONGEST_REASON} characters.")
        network = _network(value)
        kind, kept = ("address", str(network)) if network else ("name", check_downloader(value))
        first = _sixteen_bytes(network.network_address) if network else None
        last = _sixteen_bytes(network.broadcast_address) if network else None
        made = self.execute(
            "INSERT OR IGNORE INTO blocks (project_id, kind, value, first, last, reason, "
            "created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self.scope_id(project), kind, kept, first, last, reason, time.time()),
        )
        if made.rowcount != 1:
            raise AlreadyExists(f"{kept} is already blocked.")
        return next(block for block in self.blocks() if block.id == made.lastrowid)

    def unblock(self, project: str | None, value: str) -> None:
        """Unblock a nickname, address or network; raises UnknownEntry, UnknownProject."""
        removed = self.execute(
            "DELETE FROM blocks WHERE project_id IS ? AND value = ?",
            (self.scope_id(project), str(_network(value) or value)),
        )
        if not removed.rowcount:
            where = project or "every project"
            raise UnknownEntry(
                f"{shown(value)} is not blocked in {where}: see 'run-tracker blocks'."
            )

    def blocks(self) -> list[Block]:
        """Return every block; those for every project come first."""
        rows = self.execute(
            "SELECT blocks.id, projects.name, kind, value, reason, blocks.created_at FROM blocks "
            "LEFT JOIN projects ON projects.id = project_id ORDER BY projects.name, kind, value"
        )
        return [Block(*row) for row in rows]

    def blocked(self, project: str, downloader: str | None, address: str) -> str | None:
        """Return which of the two is blocked, ``name`` or ``address``; None if neither is.

        Raises UnknownProject.
        """
        try:
            place = _sixteen_bytes(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:  # a Unix socket has no address
            place = None
        row = self.execute(
            "SELECT kind FROM blocks WHERE (project_id IS NULL OR project_id = ?) AND "
            "((kind = 'name' AND value = ?) OR (kind = 'address' AND first <= ? AND last >= ?)) "
            "LIMIT 1",
            (self.project_id(project), downloader, place, place),
        ).fetchone()
        return None if row is None else str(row[0])

    def make_key(self, name: str) -> str:
        """Return a new key called *name*: it cannot be read again. Raises AlreadyExists."""
        if not _KEY_NAME.fullmatch(name):
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


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return *text* as a network (of one address, if it is one); None if it is a nickname."""
    if not any(mark in text for mark in ".:/"):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadValue(
            f"{shown(text)} is neither a nickname nor an address. Write a nickname, 192.0.2.1, "
            "192.0.2.0/24 or 2001:db8::/32."
        ) from None


def _sixteen_bytes(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """Return the address as 16 bytes, IPv4 as its IPv6 equivalent, so that all can be compared."""
    return b"\0" * 10 + b"\xff\xff" + address.packed if address.version == 4 else address.packed


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", errors="replace")).digest()
