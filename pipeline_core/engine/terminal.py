r"""Text of strangers on a terminal: it only shows, and commands nothing.

Names of items, titles and messages of servers are kept and sent as they are; only where a
terminal shows them do these functions write ``\x1b`` for what would be the beginning of a command.
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: Control characters of both kinds, and what turns the direction of text around; not tab and
#: newline, by which text of several lines is laid out.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("ascii", "backslashreplace").decode() if match[0] > "\x7f" \
        else f"\\x{ord(match[0]):02x}"


def shown(text: str, instead: str | Callable[[re.Match[str]], str] = _escape) -> str:
    """The text, its lines and tabs as they are, without anything that commands a terminal."""
    return _COMMANDS.sub(instead, text)


def shown_name(name: str) -> str:
    """The name of an item in one line; several that NUL joins stand behind commas."""
    text = shown(name.replace("\0", ", "))
    return text.replace("\n", "\\n").replace("\t", "\\t")


def shown_output(text: str, name: str) -> str:
    """What an item called ``name`` says, with its name as :func:`shown_name` has it.

    Everything else stays: programs and projects may colour their output and move in it.
    """
    if name not in text or (told := shown_name(name)) == name:
        return text
    text = text.replace(f"Item {name}", f"Item {told}")
    # A name such as a newline alone is found everywhere.
    return text.replace(name, told) if _COMMANDS.search(name) else text
