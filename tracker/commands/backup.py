"""``backup``: a copy of the database."""

from __future__ import annotations

import argparse
from pathlib import Path

from tracker.backup import back_up, default_path
from tracker.options import EX_OK, Commands, as_json, command
from tracker.output import print_json, size
from tracker.schema import DATABASE


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = command(
        commands, "backup", _backup, "copy the database, also while it is used",
        "The copy is checked, then replaces what stood under its name. To use one: stop the "
        f"server, remove {DATABASE}, {DATABASE}-wal and {DATABASE}-shm from the data folder, and "
        f"put the copy there as {DATABASE}. Uploaded files are not in it.",
    )  # fmt: skip
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path,
        help="the copy (default: a new one in DIR/backups, named after the time)",
    )  # fmt: skip


def _backup(options: argparse.Namespace) -> int:
    target = options.file or default_path(options.data_dir)
    made = back_up(options.data_dir / DATABASE, target)
    if as_json(options):
        told = {"file": str(made.path), "bytes": made.size}
        print_json({**told, "projects": made.projects, "items": made.items})
    else:
        print(f"{made.path}: projects: {made.projects}, items: {made.items}, {size(made.size)}")
    return EX_OK
