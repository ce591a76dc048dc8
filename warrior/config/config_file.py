"""Reads a file like warrior.conf.example: sections, ``name = value``, comments, line numbers."""

from __future__ import annotations

import dataclasses
import os
import re

#: A file of options is never longer, in bytes.
MAX_SIZE = 1024 * 1024

_SECTION = re.compile(r"\[([^\[\]]*)\]")
_OPTION = re.compile(r"([^=:\s#;\[\]]+)\s*=\s*(.*)")


class ConfigurationError(Exception):
    """An operator's setting cannot be used; ``str()`` says where it is, and what is allowed."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One option. ``comment`` is what stands right above it, without the ``#``.

    The value does not show in the repr: it may be a password.
    """

    number: int
    name: str
    value: str = dataclasses.field(repr=False)
    comment: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """A ``[kind name]`` with its options; ``name`` is '' in ``[kind]``."""

    number: int
    kind: str
    name: str
    lines: tuple[Line, ...]


def read_file(path: str) -> list[Section]:
    """The sections of the file, in order. Raises ConfigurationError.

    The text is UTF-8. No section may come twice, nor an option twice in a section.
    """
    return parse(_text(path), path)


def parse(text: str, path: str) -> list[Section]:
    """The sections of the text; ``path`` is for the sentences. Raises ConfigurationError."""
    sections: dict[tuple[str, str], tuple[int, list[Line]]] = {}
    current: list[Line] | None = None
    comment: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if line.startswith(("#", ";")):
            comment.append(line[1:].strip())
            continue
        above, comment = tuple(comment), []
        if not line:
            continue
        where = f"{path}, line {number}"
        if line.startswith("["):
            key = _section(line, where)
            if key in sections:
                raise ConfigurationError(f"{where}: the section {line} appears twice; the first "
                                         f"one is in line {sections[key][0]}. Put them together.")
            sections[key] = (number, current := [])
        elif current is None:
            raise ConfigurationError(f"{where}: there is no section yet. Put the line [warrior] "
                                     "above the options.")
        else:
            current.append(_option(line, where, number, current, above))
    return [Section(number, kind, name, tuple(lines))
            for (kind, name), (number, lines) in sections.items()]


def _section(line: str, where: str) -> tuple[str, str]:
    match = _SECTION.fullmatch(line)
    words = match[1].split() if match else []
    if not 1 <= len(words) <= 2:
        raise ConfigurationError(f"{where}: a section is written [warrior] or [project NAME], "
                                 f"not {line!r}.")
    return words[0], words[1] if len(words) == 2 else ""


def _option(
    line: str, where: str, number: int, before: list[Line], comment: tuple[str, ...]
) -> Line:
    match = _OPTION.fullmatch(line)
    if match is None:
        # The line itself is not repeated: it may be a password.
        raise ConfigurationError(f"{where}: this is no option. Write NAME = VALUE, or begin "
                                 "the line with '#' if it is a comment.")
    for other in before:
        if other.name == match[1]:
            raise ConfigurationError(f"{where}: {other.name} appears twice; the first one is in "
                                     f"line {other.number}. Remove one of them.")
    return Line(number, match[1], match[2].strip(), comment)


def _text(path: str) -> str:
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise ConfigurationError(f"{path} is not a file. Give the path of a file of options, "
                                     "or leave it out.")
        with open(path, "rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}.") from None
    if len(content) > MAX_SIZE:
        raise ConfigurationError(f"{path} is longer than {MAX_SIZE} bytes, so it cannot be a file "
                                 "of options.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}, line {number}: this is not text in UTF-8.") from None
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise ConfigurationError(f"{path}, line {number}: this is not text.")
    return text
