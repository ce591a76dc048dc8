"""``projects``, ``create``, ``set``, ``remove``: the projects and their settings."""

from __future__ import annotations

import argparse

from tracker.errors import BadValue
from tracker.lock import FolderLock
from tracker.options import EX_OK, Commands, as_json, command, number, opened
from tracker.output import cell, print_json, print_table, size
from tracker.projects import MOST_ITEMS, MOST_PER_MINUTE, Project, Projects
from tracker.removing import remove_project

HEADER = (
    "PROJECT", "TITLE", "TO DO", "OUT", "DONE", "BYTES", "MIN VERSION", "PER MINUTE", "MAX ITEMS",
    "PAUSED",
)  # fmt: skip


def register(commands: Commands) -> None:
    """Add the commands to the parser."""
    command(commands, "projects", _list, "list the projects, their settings and counts")
    parser = command(commands, "create", _create, "make a project")
    parser.add_argument("project", metavar="PROJECT")
    _settings_options(parser)
    parser = command(
        commands, "set", _set, "change a project's settings",
        "What is not named stays as it is. A running server follows at its next request.",
    )  # fmt: skip
    parser.add_argument("project", metavar="PROJECT")
    _settings_options(parser)
    parser = command(
        commands, "remove", _remove, "remove a project with its items, and what was done of it",
        "Its reports, totals, targets and blocks go too, for good: export or backup first. Files "
        "that were uploaded stay. Who still works on one of its items is refused.",
    )  # fmt: skip
    parser.add_argument("project", metavar="PROJECT")
    parser.add_argument("--yes", action="store_true", help="it is meant; without, nothing is done")


def _settings_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", metavar="TEXT", help="what people read")
    parser.add_argument(
        "--min-version", metavar="VERSION",
        help="older code gets 455, which makes it update; '' takes any",
    )  # fmt: skip
    parser.add_argument(
        "--requests-per-minute", metavar="N", type=number(0, MOST_PER_MINUTE),
        help="so many requests are given items, the rest gets 429; 0: no limit",
    )  # fmt: skip
    parser.add_argument(
        "--max-items", metavar="N", type=number(0, MOST_ITEMS),
        help="most items for one request, whatever it asks for; 0: no limit",
    )  # fmt: skip
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--pause", dest="paused", action="store_const", const=True, help="hand out no items"
    )
    group.add_argument(
        "--resume", dest="paused", action="store_const", const=False, help="hand them out again"
    )


def _settings(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were named."""
    names = ("title", "min_version", "requests_per_minute", "max_items", "paused")
    found = {name: getattr(options, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _create(options: argparse.Namespace) -> int:
    with opened(options, create=True) as store, store.transaction():
        its = Projects(store.connection).create(options.project, _settings(options))
    return _show(options, its)


def _set(options: argparse.Namespace) -> int:
    with opened(options) as store, store.transaction():
        its = Projects(store.connection).change(options.project, _settings(options))
    return _show(options, its)


def _remove(options: argparse.Namespace) -> int:
    """Remove the project; raises BadValue, with what would go, when it is not clearly meant."""
    with opened(options) as store:
        its = Projects(store.connection).get(options.project)
        counts = f"{its.todo} to do, {its.out} out, {its.done} done"
        if not options.yes:
            raise BadValue(
                f"{its.name} has {counts}; all of that, and the reports of it, would be gone for "
                "good. If this is meant, add --yes."
            )
        remove_project(store, its.name, FolderLock.taken(options.data_dir))
    if as_json(options):
        print_json({"removed": its.name, "todo": its.todo, "out": its.out, "done": its.done})
    else:
        print(f"{its.name} is removed: {counts}")
    return EX_OK


def _show(options: argparse.Namespace, its: Project) -> int:
    """Print one project, a setting a line."""
    if as_json(options):
        print_json(its)
        return EX_OK
    print(its.name)
    for label, value in zip(HEADER[1:], _row(its)[1:]):
        print(f"  {label.lower()}: {cell(value)}")
    return EX_OK


def _list(options: argparse.Namespace) -> int:
    with opened(options) as store:
        projects = Projects(store.connection).list()
    if as_json(options):
        print_json(projects)
    else:
        nothing = "No projects yet: run-tracker create PROJECT"
        print_table(HEADER, map(_row, projects), nothing)
    return EX_OK


def _row(its: Project) -> tuple[object, ...]:
    return (
        its.name, its.title, its.todo, its.out, its.done, size(its.bytes), its.min_version,
        its.requests_per_minute, its.max_items, its.paused,
    )  # fmt: skip
