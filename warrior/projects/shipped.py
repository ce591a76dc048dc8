"""The project definitions that come with this program, as entries of the catalogue."""

from __future__ import annotations

import html
import logging
import os

from warrior.projects.entry import Entry, is_project_name

logger = logging.getLogger(__name__)

#: Bytes of a README that are looked at.
_README_READ = 64 * 1024


def read_shipped(folder: str) -> list[Entry]:
    """Each folder in ``folder`` with a ``pipeline.py``, by name. Reads files: for a thread.

    Title and description are the first heading and the first paragraph of its
    ``README.md``: what the pipeline says of itself is not known before it is loaded.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        logger.warning("The projects that come with this program cannot be read: %s", error)
        return []
    return [_entry(name, os.path.join(os.path.abspath(folder), name)) for name in names
            if is_project_name(name) and os.path.isfile(os.path.join(folder, name, "pipeline.py"))]


def _entry(name: str, path: str) -> Entry:
    heading, paragraph = "", ""
    try:
        with open(os.path.join(path, "README.md"), "rb") as file:
            heading, paragraph = _beginning(file.read(_README_READ).decode("utf-8", "replace"))
    except FileNotFoundError:
        pass  # it needs none
    except OSError as error:
        logger.warning("The description of the project %s cannot be read: %s", name, error)
    return Entry(name=name, title=heading or name, description=html.escape(paragraph),
                 repository=path, source="shipped")


def _beginning(text: str) -> tuple[str, str]:
    """The first heading and the first paragraph of a Markdown text."""
    heading, paragraph = "", ""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = block.strip().split("\n")
        if lines[0].startswith("#"):
            if heading:
                break
            heading = lines.pop(0).strip("# ")
        paragraph = " ".join(" ".join(lines).split())
        if paragraph:
            break
    return heading, paragraph
