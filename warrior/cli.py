"""The command line of run-pipeline: options, checks, exit statuses."""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import os
import re
import sys
from typing import NoReturn

import pipeline_core
from warrior import exits

_NICKNAME = re.compile(r"[-_a-zA-Z0-9]{3,30}")

_EPILOG = """\
exit status: 0 stopped as asked, or all items done; 1 the pipeline could not be
loaded; 64 wrong usage; 69 the page's address cannot be bound; 78 refused, because
anybody could command it (see --address).

The first interrupt (Ctrl-C) lets the current items finish, a second one within five
seconds stops at once. Touching the stop file is like the first interrupt."""


@dataclasses.dataclass(frozen=True)
class PipelineOptions:
    """What run-pipeline was asked to do."""

    pipeline: str
    downloader: str
    concurrent: int
    max_items: int | None
    stop_file: str
    web_server: bool
    keep_data: bool
    address: str
    port: int
    http_username: str
    http_password: str
    context_values: dict[str, str]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(exits.USAGE, f"{self.prog}: {message}\n")


def _number(least: int, most: int | None = None) -> type:
    def parse(text: str) -> int:
        wanted = f"at least {least}" if most is None else f"from {least} to {most}"
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {wanted}") from None
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{number} is not a whole number {wanted}")
        return number

    return parse  # type: ignore[return-value]


def _nickname(text: str) -> str:
    if not _NICKNAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no nickname: 3 to 30 letters, digits, '-' and '_' are allowed")
    return text


def _context_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TEXT, with NAME a Python name")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="run-pipeline", description="Run the items of a project's pipeline file.",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("pipeline", metavar="PIPELINE", help="the pipeline file")
    add("downloader", metavar="DOWNLOADER", type=_nickname, help="your nickname")
    add("--concurrent", metavar="N", type=_number(1), default=1,
        help="how many items run at once (default: 1)")
    add("--max-items", metavar="N", type=_number(1), help="stop after so many items")
    add("--stop-file", metavar="FILE", default="STOP",
        help="stop when this file is touched (default: STOP)")
    add("--disable-web-server", action="store_true", help="run without the page")
    add("--keep-data", action="store_true", help="keep the folders of finished items")
    add("--address", metavar="HOST", default="",
        help="where the page listens (default: this machine only); elsewhere it needs a password")
    add("--port", metavar="PORT", type=_number(0, 65535), default=8001,
        help="the page's port (default: 8001; 0: any free one)")
    add("--http-username", metavar="U", default="", help="the page's user name")
    add("--http-password", metavar="P", default=os.environ.get("HTTP_PASSWORD", ""),
        help="the page's password; others on this machine can see it here, so better "
             "put it into the environment variable HTTP_PASSWORD")
    add("--insecure-no-password", action="store_true",
        help="let everybody who reaches the address command this program")
    add("--context-value", metavar="N=TEXT", type=_context_value, action="append", default=[],
        help="a global variable for the pipeline file (may be given more than once)")
    add("--version", action="version", version=f"run-pipeline {pipeline_core.__version__}")
    return parser


def _is_loopback(address: str) -> bool:
    if address in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def parse_pipeline_options(arguments: list[str]) -> PipelineOptions:
    """Exits with 64, or 78, and a sentence when something is wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not (given.disable_web_server or given.http_password or given.insecure_no_password
            or _is_loopback(given.address)):
        parser.exit(exits.BAD_CONFIGURATION, (
            f"run-pipeline: at {given.address} anybody could command this program. Set a "
            "password (the environment variable HTTP_PASSWORD, or --http-password), leave "
            "--address out, or say --insecure-no-password if you mean it.\n"))
    return PipelineOptions(
        pipeline=given.pipeline, downloader=given.downloader, concurrent=given.concurrent,
        max_items=given.max_items, stop_file=given.stop_file,
        web_server=not given.disable_web_server, keep_data=given.keep_data,
        address=given.address, port=given.port, http_username=given.http_username,
        http_password=given.http_password, context_values=dict(given.context_value))


def main_run_pipeline() -> int:
    """The entry point of run-pipeline; the exit status."""
    options = parse_pipeline_options(sys.argv[1:])
    try:
        import tornado  # noqa: F401
    except ImportError as error:
        print(f"run-pipeline: {error}. Install what it needs with: "
              f"{sys.executable} -m pip install -r requirements.txt", file=sys.stderr)
        return exits.NOT_LOADED
    from warrior.standalone import run

    return run(options)
