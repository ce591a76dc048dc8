"""``projects``, ``create``, ``set``, ``remove``: the projects and their settings."""

from __future__ import annotations

import argparse

from tracker.commands.options import Commands, changing, command, number, opened, switch
from tracker.commands.output import cell, print_list, print_result
from tracker.errors import BadValue
from tracker.store.lock import FolderLock
from tracker.store.projects import (
    MOST_ITEMS,
    MOST_PER_MINUTE,
    SETTINGS,
    Project,
    Projects,
    remove_project,
)
from tracker.text import size

HEADER = (
    "PROJECT", "TITLE", "TO DO", "OUT", "DONE", "BYTES", "MIN VERSION", "PER MINUTE", "MAX ITEMS",
    "PAUSED",
)  # fmt: skip


def register(commands: Commands) -> None:
    """Add the commands to the parser."""
    command(commands, "projects", _list, "list the projects, their settings and counts")
    _settings_options(command(commands, "create", _create, "make a project", project=""))
    more = "Other settings stay as they are. A running server follows at its next request."
    _settings_options(
        command(commands, "set", _set, "change a project's settings", more, project="")
    )
    parser = command(
        commands, "remove", _remove, "remove a project with its items and results",
        "Its reports, totals, targets and blocks are removed too, and cannot be restored: export "
        "the reports or make a backup before. Uploaded files stay. Downloaders that still work on "
        "one of its items are refused.",
        project="",
    )  # fmt: skip
    parser.add_argument(
        "--yes", action="store_true", help="confirm; without this nothing is removed"
    )


def _settings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", metavar="TEXT", help="the name that people see")
    parser.add_argument(
        "--min-version", metavar="VERSION",
        help="answer 455 to older code, which makes it update; '' accepts any version",
    )  # fmt: skip
    parser.add_argument(
        "--requests-per-minute", metavar="N", type=number(0, MOST_PER_MINUTE),
        help="give items to N requests a minute at most, and answer 429 to the rest; 0: no limit",
    )  # fmt: skip
    parser.add_argument(
        "--max-items", metavar="N", type=number(0, MOST_ITEMS),
        help="give at most N items to one request, however many it asks for; 0: no limit",
    )  # fmt: skip
    switch(
        parser, "paused", ("--pause", "hand out no items"),
        ("--resume", "hand out items again"),
    )  # fmt: skip


def _settings(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were given."""
    found = {name: getattr(options, name) for name in SETTINGS}
    return {name: value for name, value in found.items() if value is not None}


def _create(options: argparse.Namespace) -> None:
    with changing(options, create=True) as store:
        project = Projects(store).create(options.project, _settings(options))
    _show(options, project)


def _set(options: argparse.Namespace) -> None:
    with changing(options) as store:
        project = Projects(store).change(options.project, _settings(options))
    _show(options, project)


def _remove(options: argparse.Namespace) -> None:
    """Remove the project; without --yes, raise BadValue that says what would be lost."""
    with opened(options) as store:
        project = Projects(store).get(options.project)
        if not options.yes:
            raise BadValue(
                f"{project.name} has {project.summary}. Removing it deletes these items and their "
                "reports for good. To do so, add --yes."
            )
        remove_project(store, project.name, FolderLock.taken(options.data_dir))
    value = {"removed": project.name, **project.counts}
    print_result(options, value, f"{project.name} is removed: {project.summary}")


def _show(options: argparse.Namespace, project: Project) -> None:
    """Print one project, with each setting on a line of its own."""
    settings = zip(HEADER[1:], _row(project)[1:])
    lines = [f"  {label.lower()}: {cell(value)}" for label, value in settings]
    print_result(options, project, "\n".join([project.name, *lines]))


def _list(options: argparse.Namespace) -> None:
    with opened(options) as store:
        projects = Projects(store).list()
    print_list(options, projects, HEADER, _row, "No projects yet: run-tracker create PROJECT")


def _row(project: Project) -> tuple[object, ...]:
    return (
        project.name, project.title, project.todo, project.out, project.done, size(project.bytes),
        project.min_version, project.requests_per_minute, project.max_items, project.paused,
    )  # fmt: skip
