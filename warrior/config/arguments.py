"""The command line of run-warrior: its options are those of warrior.conf.example."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from warrior.config.config_file import ConfigFile
from warrior.config.options import OPTIONS, NotAllowed, Option
from warrior.process.command_line import Parser

_EPILOG = """\
Every option can also be set in a configuration file (see warrior.conf.example) or in the
environment: --port 8002, port = 8002, WARRIOR_PORT=8002. The command line overrides the
environment, which overrides the file.

After the first SIGTERM or SIGINT (Ctrl-C) no new items start, and the items at work get the
grace time to finish; a second signal ends them at once.

exit status: 0 shut down; 1 the installation is incomplete; 64 wrong usage; 69 the page's
address cannot be bound; 73 another warrior uses the state folder; 75 restart requested;
78 bad configuration, or anyone could command the warrior (see --address)."""


def parse_arguments(arguments: Sequence[str], example: ConfigFile) -> dict[str, Any]:
    """The options that were given, with their values; also ``config``. Exits with 64.

    The help comes from the comments of ``example``, which is warrior.conf.example.
    """
    parser = Parser(
        prog="run-warrior", usage="%(prog)s [OPTION]...",
        description="Take projects from git, run their items, and serve a page to choose them.",
        epilog=_EPILOG,
        # Options that are not given come from the environment, the file, or their defaults.
        argument_default=argparse.SUPPRESS)
    parser.add_argument(
        "--config", metavar="FILE",
        help="the configuration file (default: $WARRIOR_CONFIG, else /etc/warrior.conf if it "
             "exists)")
    for option in OPTIONS:
        comment = example.comment("warrior", option.name).rstrip(".")
        default = example["warrior"][option.name]
        text = comment[:1].lower() + comment[1:] + (f" (default: {default})" if default else "")
        kind: dict[str, Any] = ({"metavar": option.metavar, "type": _type(option)}
                                if option.metavar else {"action": argparse.BooleanOptionalAction})
        parser.add_argument(option.switch, help=text.replace("%", "%%"), **kind)
    parser.add_version()
    given, rest = parser.parse_known_args(list(arguments))
    for word in rest:
        if word.startswith("-") and word not in ("-", "--"):
            # The part after "=" may be a password.
            parser.error(f"there is no option {word.partition('=')[0]} (see --help)")
    if rest:
        parser.error("there are words that belong to no option (see --help)")
    return vars(given)


def _type(option: Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except NotAllowed as allowed:
            raise argparse.ArgumentTypeError(option.refusal(text, allowed)) from None

    return parse
