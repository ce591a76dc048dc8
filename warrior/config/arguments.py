"""The command line of run-warrior: its options are those of warrior.conf.example."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any

from warrior.config import config_file
from warrior.config.options import OPTIONS, NotAllowed, Option
from warrior.process.command_line import Parser

_EPILOG = """\
Every option can also stand in a file (see warrior.conf.example) or in the environment:
--port 8002, port = 8002, WARRIOR_PORT=8002. The command line is the strongest.

The first SIGTERM or SIGINT (Ctrl-C) stops claiming and gives the items at work the
grace time; a second one ends them at once.

exit status: 0 shut down; 1 the installation is incomplete; 64 wrong usage; 69 the page's
address cannot be bound; 73 another warrior uses the state folder; 75 to be started
again; 78 the configuration is wrong, or anyone could command it (see --address)."""


def parse_arguments(
    arguments: Sequence[str], example: Sequence[config_file.Section]
) -> dict[str, Any]:
    """The values that were given, by option; also ``config``. Exits with 64.

    ``example`` is warrior.conf.example: its comments are the help.
    """
    parser = _parser({line.name: line for section in example for line in section.lines})
    given, rest = parser.parse_known_args(list(arguments))
    for word in rest:
        if word.startswith("-") and word not in ("-", "--"):
            # Not what follows the "=": it may be a password.
            parser.error(f"there is no option {word.partition('=')[0]} (see --help)")
    if rest:
        parser.error("there are words that belong to no option (see --help)")
    return vars(given)


def _parser(lines: dict[str, config_file.Line]) -> Parser:
    parser = Parser(
        prog="run-warrior", usage="%(prog)s [OPTION]...",
        description="Take projects from git, run their items, and serve a page to choose them.",
        epilog=_EPILOG,
        # What is not given is left to the environment and the file.
        argument_default=argparse.SUPPRESS)
    parser.add_argument(
        "--config", metavar="FILE",
        help="the file of options (default: $WARRIOR_CONFIG, else /etc/warrior.conf if there)")
    for option in OPTIONS:
        explanation = _explanation(lines[option.name])
        if option.metavar:
            parser.add_argument(option.switch, metavar=option.metavar, type=_type(option),
                                help=explanation)
        else:
            parser.add_argument(option.switch, action=argparse.BooleanOptionalAction,
                                help=explanation)
    parser.add_version()
    return parser


def _explanation(line: config_file.Line) -> str:
    """The first sentence of its comment, and the default."""
    text = re.split(r"(?<=\.)\s", " ".join(line.comment), maxsplit=1)[0]
    text = text[:1].lower() + text[1:].rstrip(".")
    return (text + (f" (default: {line.value})" if line.value else "")).replace("%", "%%")


def _type(option: Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except NotAllowed as allowed:
            raise argparse.ArgumentTypeError(option.refusal(text, allowed)) from None

    return parse
