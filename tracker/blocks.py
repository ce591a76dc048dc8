"""Downloaders and addresses that are sent away with 403."""

from __future__ import annotations

import ipaddress
import sqlite3
import time
from dataclasses import dataclass

from tracker.errors import AlreadyThere, BadValue, UnknownEntry
from tracker.names import check_downloader, shown

MOST_REASON = 200
"""Longest reason, in characters."""


@dataclass(frozen=True)
class Block:
    """One entry: a downloader's name, or an address or network; *project* None: everywhere."""

    id: int
    project: str | None
    kind: str
    value: str
    reason: str
    created_at: float


class Blocks:
    """The table of blocks; its methods run inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, project_id: int | None, value: str, reason: str = "") -> Block:
        """Block a downloader's name, an IP address or a network such as 192.0.2.0/24.

        What reads as an address is one. Raises AlreadyThere, BadValue.
        """
        if len(reason) > MOST_REASON or not reason.isprintable():
            raise BadValue(f"A reason is one line of at most {MOST_REASON} characters.")
        network = _network(value)
        kind, kept = ("address", str(network)) if network else ("name", check_downloader(value))
        first = _sixteen(network.network_address) if network else None
        last = _sixteen(network.broadcast_address) if network else None
        made = self._connection.execute(
            "INSERT OR IGNORE INTO blocks (project_id, kind, value, first, last, reason, "
            "created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (project_id, kind, kept, first, last, reason, time.time()),
        )
        if made.rowcount != 1:
            raise AlreadyThere(f"{kept} is blocked already.")
        return next(block for block in self.list() if block.id == made.lastrowid)

    def remove(self, project_id: int | None, value: str) -> None:
        """Let a name, address or network in again; raises UnknownEntry."""
        network = _network(value)
        removed = self._connection.execute(
            "DELETE FROM blocks WHERE project_id IS ? AND value = ?",
            (project_id, str(network) if network else value),
        )
        if not removed.rowcount:
            raise UnknownEntry(f"{shown(value)} is not blocked there: 'run-tracker blocks' lists.")

    def list(self) -> list[Block]:
        """Return every block, those for every project first."""
        rows = self._connection.execute(
            "SELECT blocks.id, projects.name, kind, value, reason, blocks.created_at FROM blocks "
            "LEFT JOIN projects ON projects.id = project_id ORDER BY projects.name, kind, value"
        )
        return [Block(*row) for row in rows]

    def find(self, project_id: int, downloader: str | None, address: str) -> str | None:
        """Return what is blocked of the two, the name or the address; None: come in."""
        place = _sixteen_of(address)
        row = self._connection.execute(
            "SELECT kind FROM blocks WHERE (project_id IS NULL OR project_id = ?) AND "
            "((kind = 'name' AND value = ?) OR (kind = 'address' AND first <= ? AND last >= ?)) "
            "LIMIT 1",
            (project_id, downloader, place, place),
        ).fetchone()
        return None if row is None else str(row[0])


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _network(text: str) -> Network | None:
    """Return *text* as a network (an address is one of its own); None when it is a name."""
    if not any(mark in text for mark in ".:/"):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadValue(
            f"{shown(text)} is neither a downloader's name nor an address: give a nickname, "
            "192.0.2.1, 192.0.2.0/24 or 2001:db8::/32."
        ) from None


def _sixteen(address: Address) -> bytes:
    """Return the address as 16 bytes, those of IPv4 in their place in IPv6: all compare."""
    if isinstance(address, ipaddress.IPv4Address):
        return b"\0" * 10 + b"\xff\xff" + address.packed
    return address.packed


def _sixteen_of(address: str) -> bytes | None:
    try:
        return _sixteen(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:  # a Unix socket has none
        return None
