"""The command line of run-pipeline: options, checks, exit statuses."""

from __future__ import annotations

import argparse
import keyword
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

from warrior.config import options
from warrior.process import exits
from warrior.process.command_line import Parser, missing_module, refuse
from warrior.process.first_process import leave_first_process
from warrior.projects.entry import NAME_RULE, is_project_name
from warrior.settings.access import is_loopback
from warrior.standalone.options import LOAD_TIME, PipelineOptions

#: Seconds between two looks of --auto-update.
UPDATE_INTERVAL = 1800

#: A key that somebody thought up may be guessed.
SHORTEST_KEY = 20

_EPILOG = """\
The first interrupt (Ctrl-C) lets the current items finish, a second one within five
seconds stops at once. Touching the stop file is like the first interrupt.

exit status: 0 stopped as asked, or all items done; 1 the pipeline could not be
loaded (--check: or something that it needs is missing; --new: the folder could not be
written); 64 wrong usage; 69 the page's address cannot be bound; 78 refused, because
anyone could command it (see --address), or a newer version has written the journal of
finished items."""


def _number(least: int, most: int | None = None) -> Callable[[str], int]:
    def parse(text: str) -> int:
        wanted = f"at least {least}" if most is None else f"from {least} to {most}"
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {wanted}") from None
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{number} is not a whole number {wanted}")
        return number

    return parse


def _checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def check(text: str) -> Any:
        try:
            return parse(text)
        except options.NotAllowed as allowed:
            raise argparse.ArgumentTypeError(f"{text!r} is not {allowed}") from None

    return check


def _context_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TEXT")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise argparse.ArgumentTypeError(f"{name!r} cannot be the name of a Python variable")
    if name == "downloader" or name.startswith("__"):
        raise argparse.ArgumentTypeError(f"{name!r} is already taken; choose another name")
    return name, value


def _parser() -> Parser:
    parser = Parser(
        prog="run-pipeline", usage="%(prog)s [OPTION]... PIPELINE DOWNLOADER\n"
              "       %(prog)s --check [--json] PIPELINE [DOWNLOADER]\n       %(prog)s --new NAME",
        description="Run the items of a project: PIPELINE is the path of its pipeline file, "
                    "DOWNLOADER your nickname.",
        epilog=_EPILOG)
    add = parser.add_argument
    add("--concurrent", metavar="N", type=_number(1), default=1,
        help="how many items run at once (default: 1), not counting those that only need to be "
             "uploaded. Trackers may ban clients with more than 6")
    add("--max-items", metavar="N", type=_number(1), help="stop after so many items")
    add("--stop-file", metavar="FILE", default="STOP",
        help="stop when this file is touched (default: STOP)")
    add("--disable-web-server", action="store_true", help="run without the page")
    add("--keep-data", action="store_true", help="keep the folders of finished items")
    add("--resume", action="store_true",
        help="first upload and report the finished items that earlier runs left in the data folder")
    add("--address", metavar="HOST", default="",
        help="where the page listens (default: this machine only); elsewhere it needs a password")
    add("--port", metavar="PORT", type=_number(0, 65535), default=8001,
        help="the page's port (default: 8001; 0: any free one)")
    add("--http-username", metavar="U", help="the page's user name; also: HTTP_USERNAME in the "
        "environment")
    add("--http-password", metavar="P",
        help="the page's password; others on this machine can see it here, so put it into the "
             "environment variable HTTP_PASSWORD instead")
    add("--public-url", metavar="URL", type=_checked(options.public_url), default="",
        help="where a reverse proxy shows the page; it then needs a password")
    add("--proxy-addresses", metavar="ADDRESSES", type=_checked(options.networks), default=(),
        help="the proxies that are believed about who asks (default: one on this machine)")
    add("--insecure-no-password", action="store_true",
        help="allow anyone who can reach the address to command this program")
    add("--context-value", metavar="N=TEXT", type=_context_value, action="append", default=[],
        help="a global variable for the pipeline file (may be given more than once)")
    add_author_options(add)
    parser.add_version()
    return parser


def add_author_options(add: Callable[..., object]) -> None:
    """The options of those who write pipelines, and --auto-update."""
    add("--check", action="store_true",
        help="load PIPELINE and say what it does, what it needs and what is missing; run no item")
    add("--json", action="store_true", help="with --check: say it as JSON")
    add("--load-time", metavar="SECONDS", type=_number(1), default=LOAD_TIME,
        help=f"with --check: how long loading may take (default: {LOAD_TIME})")
    add("--new", metavar="NAME", help="write a project to start from into a new folder NAME")
    add("--auto-update", action="store_true",
        help="when the git repository of PIPELINE has something new, pull it and restart as soon "
             "as the items at work are done")
    add("--update-interval", metavar="SECONDS", type=_number(1), default=UPDATE_INTERVAL,
        help=f"with --auto-update: how often to look (default: {UPDATE_INTERVAL})")


def _words(
    parser: Parser, rest: list[str], after_dashes: list[str], *, check: bool, new: bool
) -> tuple[str, str]:
    """PIPELINE and DOWNLOADER; exits when there is anything else."""
    for word in rest:
        if word.startswith("-") and word != "-":
            parser.error(f"there is no option {word} (before a nickname that begins with '-', "
                         "write --)")
    words = rest + after_dashes
    if new:
        if words or check:
            parser.error("--new NAME takes no other arguments")
        return "", ""
    if check and not words:
        parser.error("PIPELINE is missing")
    if check and len(words) == 1:
        words.append("somebody")
    if len(words) != 2:
        missing = ("PIPELINE and DOWNLOADER are missing", "DOWNLOADER, your nickname, is missing")
        parser.error(missing[len(words)] if len(words) < 2 else
                     f"one PIPELINE and one DOWNLOADER are wanted, and these are more: {words}")
    try:
        options.nickname(words[1])
    except options.NotAllowed as allowed:
        parser.error(f"{words[1]!r} is no nickname, which has {allowed}")
    return words[0], words[1]


def parse_pipeline_options(
    arguments: list[str], environment: MutableMapping[str, str]
) -> PipelineOptions:
    """Exits with 64, or 78, and a sentence when something is wrong.

    HTTP_USERNAME, HTTP_PASSWORD and HTTP_API_KEY are taken out of the environment, so that
    no program that a project starts inherits them.
    """
    parser = _parser()
    before, after = _split_at_dashes(arguments)
    given, rest = parser.parse_known_args(before)
    if given.json and not given.check:
        parser.error("--json goes with --check")
    pipeline, downloader = _words(
        parser, rest, after, check=given.check, new=given.new is not None)
    username, password, api_key = (environment.pop(name, "") for name in (
        "HTTP_USERNAME", "HTTP_PASSWORD", "HTTP_API_KEY"))
    if api_key and len(api_key) < SHORTEST_KEY:
        parser.exit(exits.BAD_CONFIGURATION, (
            f"run-pipeline: HTTP_API_KEY in the environment is too easy to guess: use at least "
            f"{SHORTEST_KEY} random characters, or remove it.\n"))
    on_command_line = bool(given.http_password)
    password = password if given.http_password is None else given.http_password
    web_server = not (given.disable_web_server or given.check or given.new is not None)
    insecure = web_server and not password and (
        not is_loopback(given.address) or bool(given.public_url))
    if insecure and not given.insecure_no_password:
        option = "--public-url" if given.public_url else "--address"
        parser.exit(exits.BAD_CONFIGURATION, (
            "run-pipeline: anyone could command this program at "
            f"{given.public_url or given.address}. Set a password (the environment variable "
            f"HTTP_PASSWORD, or --http-password), remove {option}, or use --insecure-no-password "
            "if that is what you want.\n"))
    return PipelineOptions(
        pipeline=pipeline, downloader=downloader, concurrent=given.concurrent,
        max_items=given.max_items, stop_file=given.stop_file, web_server=web_server,
        keep_data=given.keep_data, resume=given.resume, address=given.address, port=given.port,
        http_username=username if given.http_username is None else given.http_username,
        http_password=password, password_on_command_line=on_command_line, insecure=insecure,
        context_values=dict(given.context_value), new=_new_name(parser, given.new),
        check=given.check, as_json=given.json, load_time=given.load_time,
        update_interval=given.update_interval if given.auto_update else None,
        public_url=given.public_url, proxy_addresses=given.proxy_addresses, api_key=api_key)


def _new_name(parser: Parser, name: str | None) -> str:
    if name is not None and not is_project_name(name):
        parser.error(f"{name!r} cannot be the name of a project: {NAME_RULE}")
    return name or ""


def _split_at_dashes(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1:]


def _is_no_pipeline(path: str) -> str:
    """Why the path cannot be a pipeline file, in a sentence; '' when it can."""
    if os.path.isdir(path):
        return f"{path} is a folder. Give the path of the pipeline file in it."
    if not os.path.exists(path):
        return f"There is no file {path}. Check the path of the pipeline file."
    return ""


def main_run_pipeline() -> int:
    """The entry point of run-pipeline; the exit status."""
    leave_first_process()
    environment = dict(os.environ)
    options = parse_pipeline_options(sys.argv[1:], os.environ)
    if options.new:
        from warrior.cli.new_project import write_project

        return write_project(options.new)
    trouble = _is_no_pipeline(options.pipeline)
    if not trouble:
        trouble = missing_module(
            ["tornado", "psutil"] + (["sockjs", "jinja2", "nh3"] if options.web_server else []))
    if trouble:
        return refuse("run-pipeline", trouble, exits.NOT_LOADED)
    if options.check:
        from warrior.cli.check import check

        return check(options)
    from warrior.standalone.run import run

    return run(options, environment)
