r"""Make untrusted text safe to print on a terminal.

Item names, titles and server messages are stored and sent unchanged. These functions escape
control characters (``\x1b`` for the start of an escape sequence) only where text is printed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

#: C0 and C1 control characters, and the characters that change the direction of text. Tab and
#: newline are not among them: they lay out text of several lines.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("ascii", "backslashreplace").decode() if match[0] > "\x7f" \
        else f"\\x{ord(match[0]):02x}"


def shown(text: str, instead: str | Callable[[re.Match[str]], str] = _escape) -> str:
    """Return the text with its control characters escaped; lines and tabs stay."""
    return _COMMANDS.sub(instead, text)


@functools.lru_cache(maxsize=256)
def shown_name(name: str) -> str:
    """Return an item's name on one line; names joined by NUL are separated by commas."""
    text = shown(name.replace("\0", ", "))
    return text.replace("\n", "\\n").replace("\t", "\\t")


def shown_output(text: str, name: str) -> str:
    """Return the output of the item ``name``, with the name as :func:`shown_name` shows it.

    All other output is unchanged: programs and projects may use colours and move the cursor.
    """
    if (escaped := shown_name(name)) == name or name not in text:
        return text
    text = text.replace(f"Item {name}", f"Item {escaped}")
    # A name such as a newline alone is found everywhere.
    return text.replace(name, escaped) if _COMMANDS.search(name) else text
