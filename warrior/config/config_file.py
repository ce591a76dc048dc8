"""Reads a file such as warrior.conf.example; its errors name the line."""

from __future__ import annotations

import configparser
import os
import re

#: The largest configuration file, in bytes.
MAX_SIZE = 1024 * 1024

#: Does not repeat the line, which may hold a password.
_NOT_AN_OPTION = ("this is neither an option nor a section. Write NAME = VALUE, [warrior] or "
                  "[project NAME]; a comment begins with '#'.")


class ConfigurationError(Exception):
    """An operator's setting cannot be used; ``str()`` says where it is, and what is allowed."""


class ConfigFile(configparser.RawConfigParser):
    """The sections ``warrior`` and ``project NAME`` of a file in UTF-8.

    Raises ConfigurationError. Neither a section nor an option of a section may appear twice.
    """

    SECTCRE = re.compile(r"\[\s*(?P<header>[^\s\[\]]+(?: [^\s\[\]]+)?)\s*\]$")

    def __init__(self, path: str) -> None:
        super().__init__(delimiters=("=",), default_section="")
        self.path = path
        # Without its indentation, no line continues the value above it.
        self._lines = [line.strip() for line in self._text().split("\n")]
        try:
            self.read_file(self._lines)
        except configparser.DuplicateSectionError as error:
            raise self._error(
                error.lineno, f"the section [{error.section}] appears twice; the first one is in "
                f"line {self._line(error.section)}. Put them together.") from None
        except configparser.DuplicateOptionError as error:
            first = self._line(error.section, error.option)
            raise self._error(
                error.lineno, f"{error.option} appears twice; the first one is in line {first}. "
                "Remove one of them.") from None
        except configparser.MissingSectionHeaderError as error:
            raise self._error(
                error.lineno, "no section begins in or above this line. Put [warrior] or "
                "[project NAME] above the options.") from None
        except configparser.ParsingError as error:
            raise self._error(error.errors[0][0], _NOT_AN_OPTION) from None
        for section in self.sections():
            for option in self[section]:
                if not option.isidentifier():
                    raise self.error(section, option, _NOT_AN_OPTION)

    def error(self, section: str, option: str, reason: str) -> ConfigurationError:
        """An error in the line of an option, or of the section's header if ``option`` is ''."""
        return self._error(self._line(section, option), reason)

    def comment(self, section: str, option: str) -> str:
        """The first line of the comment right above an option, without the ``#``."""
        number = self._line(section, option) - 1
        while number > 0 and self._lines[number - 1].startswith("#"):
            number -= 1
        return self._lines[number].lstrip("# ")

    def _line(self, section: str, option: str = "") -> int:
        """The number of an option's first line, or of the section's header."""
        current, name = "", ""
        for number, line in enumerate(self._lines, 1):
            header = self.SECTCRE.match(line)
            if header:
                current, name = header["header"], ""
            else:
                name = self.optionxform(line.partition("=")[0].strip())
            if (current, name) == (section, option):
                return number
        raise KeyError(section, option)

    def _error(self, number: int | None, reason: str) -> ConfigurationError:
        return ConfigurationError(f"{self.path}, line {number}: {reason}")

    def _text(self) -> str:
        path = self.path
        try:
            if os.path.exists(path) and not os.path.isfile(path):
                raise ConfigurationError(f"{path} is not a file. Give the path of a configuration "
                                         "file, or leave it out.")
            with open(path, "rb") as file:
                content = file.read(MAX_SIZE + 1)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}.") from None
        if len(content) > MAX_SIZE:
            raise ConfigurationError(f"{path} is longer than {MAX_SIZE} bytes, so it cannot be a "
                                     "configuration file.")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._error(content.count(b"\n", 0, error.start) + 1,
                              "this is not text in UTF-8.") from None
        if "\0" in text:
            raise self._error(text.count("\n", 0, text.index("\0")) + 1, "this is not text.")
        return text
