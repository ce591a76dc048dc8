"""``backup``: copy the database."""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.commands.options import Commands, command
from tracker.commands.output import print_result
from tracker.store.backup import back_up, default_path
from tracker.store.schema import DATABASE
from tracker.text import size


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = command(
        commands, "backup", _backup, "copy the database, even while it is used",
        "The copy is checked, and then replaces an earlier file of that name. To restore a copy: "
        f"stop the server, remove {DATABASE}, {DATABASE}-wal and {DATABASE}-shm from the data "
        f"folder, and put the copy there as {DATABASE}. A copy does not include uploaded files.",
    )  # fmt: skip
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path,
        help="the copy (default: a new file in DIR/backups, named after the time)",
    )  # fmt: skip


def _backup(options: argparse.Namespace) -> None:
    target = options.file or default_path(options.data_dir)
    made = back_up(options.data_dir / DATABASE, target)
    counts = {"projects": made.projects, "items": made.items}
    value = {"file": str(made.path), "bytes": made.size, **counts}
    words = [f"{name}: {count}" for name, count in counts.items()]
    print_result(options, value, f"{made.path}: {', '.join([*words, size(made.size)])}")
