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

#: The least characters of an API key: a shorter one may be guessed.
SHORTEST_KEY = 20

_EPILOG = """\
The first interrupt (Ctrl-C) lets the current items finish; a second one within five
seconds stops at once. Touching the stop file has the same effect as the first interrupt.

exit status: 0 stopped as requested, or all items done; 1 the pipeline could not be
loaded (--check: or something that it needs is missing; --new: the folder could not be
written); 64 wrong usage; 69 the page's address cannot be used; 78 refused to
start: the page would be open to anyone (see --address), or a newer version has written
the journal of finished items."""


def _checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def check(text: str) -> Any:
        try:
            return parse(text)
        except options.NotAllowed as allowed:
            raise argparse.ArgumentTypeError(f"{text!r} is not {allowed}") from None

    return check


#: The type of options that are a number of items or seconds.
_COUNT = _checked(options.whole_number(1, 1_000_000))


def _context_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TEXT")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise argparse.ArgumentTypeError(f"{name!r} is not a valid name of a Python variable")
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
    add("--concurrent", metavar="N", type=_COUNT, default=1,
        help="how many items run at once (default: 1), not counting those that only need to be "
             "uploaded. Trackers may ban clients with more than 6")
    add("--max-items", metavar="N", type=_COUNT, help="stop after N items")
    add("--stop-file", metavar="FILE", default="STOP",
        help="stop when this file is touched (default: STOP)")
    add("--disable-web-server", action="store_true", help="run without the page")
    add("--keep-data", action="store_true", help="keep the folders of finished items")
    add("--resume", action="store_true",
        help="first upload and report the finished items that earlier runs left in the data folder")
    add("--address", metavar="HOST", default="",
        help="the address of the page (default: this machine only); any other address requires a "
             "password")
    add("--port", metavar="PORT", type=_checked(options.whole_number(0, 65535)), default=8001,
        help="the port of the page (default: 8001; 0: any free port)")
    add("--http-username", metavar="U", help="the page's user name; also: HTTP_USERNAME in the "
        "environment")
    add("--http-password", metavar="P",
        help="the page's password; others on this machine can see it on the command line, so "
             "prefer the environment variable HTTP_PASSWORD")
    add("--public-url", metavar="URL", type=_checked(options.public_url), default="",
        help="the address at which a reverse proxy shows the page; requires a password")
    add("--proxy-addresses", metavar="ADDRESSES", type=_checked(options.networks), default=(),
        help="proxies whose X-Forwarded-For is trusted (default: proxies on this machine)")
    add("--insecure-no-password", action="store_true",
        help="allow anyone who can reach the address to control this program")
    add("--context-value", metavar="N=TEXT", type=_context_value, action="append", default=[],
        help="a global variable for the pipeline file (can be repeated)")
    add_author_options(add)
    parser.add_version()
    return parser


def add_author_options(add: Callable[..., object]) -> None:
    """Add the options for authors of pipelines, and --auto-update."""
    add("--check", action="store_true",
        help="load PIPELINE and print what it does, what it needs and what is missing; run no item")
    add("--json", action="store_true", help="with --check: print JSON")
    add("--load-time", metavar="SECONDS", type=_COUNT, default=LOAD_TIME,
        help=f"with --check: time limit for loading, in seconds (default: {LOAD_TIME})")
    add("--new", metavar="NAME", help="write a new project to start from, in the folder NAME")
    add("--auto-update", action="store_true",
        help="when the git repository of PIPELINE has a new version, finish the items at work, "
             "pull it, and restart")
    add("--update-interval", metavar="SECONDS", type=_COUNT, default=UPDATE_INTERVAL,
        help=f"with --auto-update: how often to look (default: {UPDATE_INTERVAL})")


def _words(
    parser: Parser, rest: list[str], after_dashes: list[str], *, check: bool, new: bool
) -> tuple[str, str]:
    """Return PIPELINE and DOWNLOADER; exit if there is anything else."""
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
                     f"give one PIPELINE and one DOWNLOADER; these are more: {words}")
    try:
        options.nickname(words[1])
    except options.NotAllowed as allowed:
        parser.error(f"{words[1]!r} is not a nickname, which has {allowed}")
    return words[0], words[1]


def parse_pipeline_options(
    arguments: list[str], environment: MutableMapping[str, str]
) -> PipelineOptions:
    """Return the options; exit with 64 or 78 and a sentence if something is wrong.

    HTTP_USERNAME, HTTP_PASSWORD and HTTP_API_KEY are removed from the environment, so that no
    program of a project inherits them.
    """
    parser = _parser()
    at = arguments.index("--") if "--" in arguments else len(arguments)
    given, rest = parser.parse_known_args(arguments[:at])
    if given.json and not given.check:
        parser.error("--json requires --check")
    pipeline, downloader = _words(
        parser, rest, arguments[at + 1:], check=given.check, new=given.new is not None)
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
            "run-pipeline: anyone could control this program at "
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
        parser.error(f"{name!r} is not a valid name of a project: {NAME_RULE}")
    return name or ""


def _not_a_pipeline(path: str) -> str:
    """Return a sentence that says why the path is not a pipeline file; '' if it may be one."""
    if os.path.isdir(path):
        return f"{path} is a folder. Name the pipeline file in it."
    if not os.path.exists(path):
        return f"There is no file {path}. Check the path of the pipeline file."
    return ""


def main_run_pipeline() -> int:
    """The entry point of run-pipeline; returns the exit status."""
    leave_first_process()
    environment = dict(os.environ)
    options = parse_pipeline_options(sys.argv[1:], os.environ)
    if options.new:
        from warrior.cli.new_project import write_project

        return write_project(options.new)
    trouble = _not_a_pipeline(options.pipeline) or missing_module(
        ["tornado", "psutil"] + (["sockjs", "jinja2", "nh3"] if options.web_server else []))
    if trouble:
        return refuse("run-pipeline", trouble, exits.NOT_LOADED)
    if options.check:
        from warrior.cli.check import check

        return check(options)
    from warrior.standalone.run import run

    return run(options, environment)
