"""``projects``, ``create``, ``set``, ``remove``, ``status``, ``export``: projects and results;
``backup``: copies of the database."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tracker.commands.options import (
    Commands,
    Result,
    command,
    moment,
    number,
    opened,
    plain_command,
    switch,
)
from tracker.commands.output import cell, table
from tracker.errors import BadValue
from tracker.store.backup import back_up, default_path
from tracker.store.lock import FolderLock
from tracker.store.projects import MOST_ITEMS, MOST_PER_MINUTE, SETTINGS, Project
from tracker.store.schema import DATABASE
from tracker.store.store import Store
from tracker.text import size

HEADER = (
    "PROJECT", "TITLE", "TO DO", "OUT", "DONE", "BYTES", "MIN VERSION", "PER MINUTE", "MAX ITEMS",
    "PAUSED",
)  # fmt: skip


def register(commands: Commands) -> None:
    command(commands, "projects", _list, "list the projects, their settings and counts")
    _settings_options(
        command(
            commands, "create", _create, "make a project", project="", write=True, create=True
        )
    )
    _settings_options(
        command(
            commands, "set", _set, "change a project's settings",
            "Other settings stay as they are. A running server applies the change at its next "
            "request.",
            project="", write=True,
        )
    )  # fmt: skip
    parser = command(
        commands, "remove", _remove, "remove a project with its items and results",
        "Its reports, totals, targets and blocks are removed too, and cannot be restored: export "
        "the reports or make a backup first. Uploaded files stay. Downloaders that have "
        "one of its items can no longer report it.",
        project="",
    )  # fmt: skip
    parser.add_argument(
        "--yes", action="store_true", help="confirm; without this nothing is removed"
    )
    command(commands, "status", _status, "count a project's items", project="")
    parser = plain_command(
        commands, "export", _export, "write the reports of a project as lines of JSON",
        "Each line is one report: its time, downloader, items, bytes, and everything that was "
        "reported.",
    )  # fmt: skip
    parser.add_argument("project", metavar="PROJECT")
    parser.add_argument(
        "--since", metavar="TIME", type=moment, default=0.0,
        help="omit earlier reports; TIME is 2026-01-02 or 2026-01-02T03:04:05Z",
    )  # fmt: skip
    parser = command(
        commands, "backup", _backup, "copy the database, even while the server runs",
        "The copy is checked, and then replaces an earlier file of that name. To restore a copy: "
        f"stop the server, remove {DATABASE}, {DATABASE}-wal and {DATABASE}-shm from the data "
        f"folder, and put the copy there as {DATABASE}. A copy does not include uploaded files.",
    )  # fmt: skip
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=Path,
        help="the copy (default: a new file in DIR/backups, named after the time)",
    )  # fmt: skip


def _settings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", metavar="TEXT", help="the name that people see")
    parser.add_argument(
        "--min-version", metavar="VERSION",
        help="answer 455 to older code, which makes it update; '' accepts any version",
    )  # fmt: skip
    parser.add_argument(
        "--requests-per-minute", metavar="N", type=number(0, MOST_PER_MINUTE),
        help="answer at most N requests for items a minute, and 429 to the rest; 0: no limit",
    )  # fmt: skip
    parser.add_argument(
        "--max-items", metavar="N", type=number(0, MOST_ITEMS),
        help="hand out at most N items in one answer, however many were asked for; 0: no limit",
    )  # fmt: skip
    switch(
        parser, "paused", ("--pause", "hand out no items"),
        ("--resume", "hand out items again"),
    )  # fmt: skip


def _settings(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were given."""
    found = {name: getattr(options, name) for name in SETTINGS}
    return {name: value for name, value in found.items() if value is not None}


def _create(store: Store, options: argparse.Namespace) -> Result:
    return _shown(store.create_project(options.project, _settings(options)))


def _set(store: Store, options: argparse.Namespace) -> Result:
    return _shown(store.change_project(options.project, _settings(options)))


def _shown(project: Project) -> Result:
    """Return one project, with each setting on a line of its own."""
    settings = zip(HEADER[1:], _row(project)[1:])
    lines = [f"  {label.lower()}: {cell(value)}" for label, value in settings]
    return Result(project, "\n".join([project.name, *lines]))


def _remove(store: Store, options: argparse.Namespace) -> Result:
    """Remove the project; without --yes, raise BadValue that says what would be lost."""
    project = store.project(options.project)
    if not options.yes:
        raise BadValue(
            f"{project.name} has {project.summary}. Removing it deletes these items and their "
            "reports for good. To do so, add --yes."
        )
    store.remove_project(project.name, FolderLock.taken(options.data_dir))
    value = {"removed": project.name, **project.counts}
    return Result(value, f"{project.name} is removed: {project.summary}")


def _list(store: Store, options: argparse.Namespace) -> Result:
    projects = store.projects()
    nothing = "No projects yet: run-tracker create PROJECT"
    return Result(projects, table(HEADER, map(_row, projects), nothing))


def _row(project: Project) -> tuple[object, ...]:
    return (
        project.name, project.title, project.todo, project.out, project.done, size(project.bytes),
        project.min_version, project.requests_per_minute, project.max_items, project.paused,
    )  # fmt: skip


def _status(store: Store, options: argparse.Namespace) -> Result:
    project = store.project(options.project)
    return Result(project, f"{project.name}: {project.summary}")


def _export(options: argparse.Namespace) -> int:
    with opened(options) as store:
        for line in store.export_lines(options.project, options.since):
            sys.stdout.write(line + os.linesep)
    return os.EX_OK


def _backup(store: Store, options: argparse.Namespace) -> Result:
    made = back_up(options.data_dir / DATABASE, options.file or default_path(options.data_dir))
    counts = {"projects": made.projects, "items": made.items}
    words = [f"{name}: {count}" for name, count in counts.items()]
    text = f"{made.path}: {', '.join([*words, size(made.size)])}"
    return Result({"file": str(made.path), "bytes": made.size, **counts}, text)
