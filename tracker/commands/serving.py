"""``serve``: runs the server. Its options may be given without the command too."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from tracker.commands.options import Commands, number, plain_command, size
from tracker.errors import BadValue
from tracker.faults.plan import help_text, parse
from tracker.web.rotation import Rotation

if TYPE_CHECKING:
    from tracker.app import Settings

MOST_PRACTICE_ITEMS = 10_000_000

DEFAULT_ITEMS = 10_000
"""Enough for a night of practice, but too few to fill a disk (about 30 KB for each item)."""


def register(commands: Commands) -> None:
    serve_options(plain_command(commands, "serve", run, "serve the projects (the default)"))


def run(options: argparse.Namespace) -> int:
    """Serve until a signal."""
    if options.faults == "help":
        print(help_text(), end="")
        return os.EX_OK
    # Imported here, so that no other command has to load a web server.
    from tracker.app import serve

    serve(_settings(options))
    return os.EX_OK


def serve_options(parser: argparse.ArgumentParser, first: bool = False) -> None:
    """Add the server's options; only the *first* parser has the defaults, see data_dir_option."""

    def option(name: str, default: object, help: str, **more: object) -> None:
        chosen = default if first else argparse.SUPPRESS
        parser.add_argument(name, default=chosen, help=help, **more)  # type: ignore[arg-type]

    option("--address", "127.0.0.1", "where to listen (default: 127.0.0.1)", metavar="HOST")
    option(
        "--port", 8900, "where to listen; 0 takes any free port (default: 8900)", metavar="PORT",
        type=number(0, 65535),
    )  # fmt: skip
    option(
        "--behind-proxy", False, "take clients' addresses from X-Real-IP or X-Forwarded-For; only "
        "use this behind a proxy that sets them", action="store_true",
    )  # fmt: skip
    option(
        "--upload-target", [], "send uploads to this URL instead of this server; you may repeat "
        "it, and write PROJECT=URL; see also the command 'targets'", metavar="URL",
        action="append",
    )  # fmt: skip
    option(
        "--max-upload-size", 1 << 40, "largest file that this server accepts: bytes, or a number "
        "with K, M, G or T (default: 1T)", metavar="SIZE", type=size,
    )  # fmt: skip
    option("--practice", False, "serve the practice project and its website", action="store_true")
    option(
        "--practice-items", None, "number of practice items waiting at the start "
        f"(default: {DEFAULT_ITEMS})", metavar="N", type=number(0, MOST_PRACTICE_ITEMS),
    )  # fmt: skip
    option(
        "--faults", None, "fail on purpose, to see how a pipeline handles it; give 'rough', or "
        "a list of faults: see '--faults help'", metavar="SPEC",
    )  # fmt: skip


def _settings(options: argparse.Namespace) -> Settings:
    if options.practice_items is not None and not options.practice:
        raise BadValue("--practice-items needs --practice.")
    from tracker.app import Settings

    waiting = DEFAULT_ITEMS if options.practice_items is None else options.practice_items
    return Settings(
        data_dir=options.data_dir,
        address=options.address,
        port=options.port,
        rotation=Rotation(options.upload_target),
        max_upload_bytes=options.max_upload_size,
        practice_items=waiting if options.practice else None,
        behind_proxy=options.behind_proxy,
        faults=None if options.faults is None else parse(options.faults),
    )
