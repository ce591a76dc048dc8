"""The command line of warrior-ctl, which controls a running warrior without a browser."""

from __future__ import annotations

import argparse
import functools
import getpass
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import warrior
from warrior.cli import ctl_text
from warrior.cli.ctl_client import Client, CommandRefused, NoWarrior, of_project
from warrior.process import exits
from warrior.process.command_line import Parser

#: The exit status if the warrior refuses.
REFUSED = 1
#: The exit status if no warrior runs there (EX_UNAVAILABLE).
NO_WARRIOR = exits.CANNOT_BIND

#: The setting that is never shown, and that an empty value on the command line removes.
_PASSWORD = "http_password"

_EPILOG = """\
The state folder is the one that run-warrior would use here: --state-dir if given, else
the one from /etc/warrior.conf (or --config FILE) and the environment.

exit status: 0 done; 1 the warrior refused, and standard error says why; 64 wrong usage;
69 no warrior runs there; 78 the configuration is wrong."""


def _options(parser: argparse.ArgumentParser, **default: Any) -> None:
    """Add the options that may stand before or after the command."""
    parser.add_argument("--state-dir", metavar="DIR", help="the state folder of the warrior",
                        **default)
    parser.add_argument("--config", metavar="FILE",
                        help="the warrior.conf that sets the state folder", **default)
    parser.add_argument("--json", action="store_true", help="print the answer as JSON",
                        **(default or {"default": False}))


def _parser() -> Parser:
    parser = Parser(
        prog="warrior-ctl", description="Control the warrior that runs on this machine.",
        epilog=_EPILOG)
    _options(parser)
    parser.add_argument("--version", action="version",
                        version=f"warrior-ctl (archive-warrior {warrior.__version__})")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, words: str, function: Callable[[Client, Any], Any]) -> Parser:
        made: Parser = commands.add_parser(name, help=words,
                                            description=f"{words[0].upper()}{words[1:]}.")
        _options(made, default=argparse.SUPPRESS)
        made.set_defaults(function=function)
        return made

    def now(made: Parser, words: str) -> None:
        made.add_argument("--now", action="store_true", help=words)

    command("status", "show what the warrior does, or why it does nothing and when it tries next",
            _status)
    command("projects", "list the projects on offer and the chosen ones", _projects)
    command("select", "choose these projects, in this order", _select).add_argument(
        "names", metavar="NAME", nargs="+", help="a project; auto is Archive Team's choice")
    command("settings", "list the settings and their values", _settings)
    command("set", "change settings; if one is invalid, none is saved", _set).add_argument(
        "values", metavar="NAME=VALUE", nargs="+", type=_assignment,
        help="NAME alone reads the value from standard input, where others cannot see it; "
             "http_password= removes the password")
    stop = command("stop", "start no new items; with PROJECT: deselect that project", _stop)
    stop.add_argument("project", metavar="PROJECT", nargs="?")
    now(stop, "also stop running items")
    command("keep-running", "undo a stop", _keep_running)
    for name, what, words, told in (
            ("shutdown", "shut-down", "shut down", "The warrior shuts down"),
            ("restart", "restart", "restart", "The warrior restarts")):
        now(command(name, f"finish the items at work, then {words}",
                    functools.partial(_end, what, told)), "end them now")
    for name, words, told in (
            ("retry", "retry a project that failed to start", "Trying {} again."),
            ("update", "check for new code of a project now", "Checking {} for new code."),
            ("install-anyway", "run a project even if its installer failed",
             "Loading {} even though its installer failed.")):
        command(name, words, functools.partial(_of_project, name, told)).add_argument(
            "project", metavar="PROJECT")
    command("keys", "list the API keys of scripts", _keys)
    command("make-key", "make an API key; it is printed once", _make_key).add_argument(
        "name", metavar="NAME", help="what the key is for")
    command("revoke-key", "revoke an API key", _revoke_key).add_argument(
        "name", metavar="NAME")
    command("log", "show the warrior's log, or what a project's code printed", _log).add_argument(
        "project", metavar="PROJECT", nargs="?")
    return parser


def _assignment(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value if equals else None


# -- commands: each returns the answer (for --json) and the text for people -------
Answer = tuple[Any, str]


def _status(client: Client, given: Any) -> Answer:
    state = client.state()
    return state, ctl_text.status_text(state)


def _projects(client: Client, given: Any) -> Answer:
    projects = client.state()["projects"]
    return projects, ctl_text.projects_text(projects)


def _settings(client: Client, given: Any) -> Answer:
    settings = client.state().get("settings") or {"fields": []}
    return settings, ctl_text.settings_text(settings)


def _select(client: Client, given: Any) -> Answer:
    answer = client.post("/api/projects/select", {"projects": list(given.names)})
    return answer, ctl_text.chosen_text(answer.get("projects") or ())


def _set(client: Client, given: Any) -> Answer:
    values = {name: _read_value(name) if value is None else value for name, value in given.values}
    removed = (_PASSWORD, "") in given.values
    answer = client.post("/api/settings", {
        # The API refuses an empty password, so that only "http_password=" removes it.
        "values": {**values, _PASSWORD: None} if removed else values})
    done = [ctl_text.one_line(name) for name in values if not (removed and name == _PASSWORD)]
    words = [f"Set: {', '.join(done)}."] if done else []
    if removed:
        words.append("The password has been removed. Anyone who uses this machine can now "
                     "control the warrior.")
    return answer, " ".join(words)


def _read_value(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{name}: ")
    line = sys.stdin.readline()
    if not line:
        raise CommandRefused(f"{name}: standard input has no value for it.")
    return line.rstrip("\n")


def _stop(client: Client, given: Any) -> Answer:
    if given.project is None:
        answer = client.post("/api/stop-now" if given.now else "/api/stop", {})
        return answer, (f"No new items start. {_at_work(answer)} Undo this with: warrior-ctl "
                        "keep-running")
    projects = client.state()["projects"]
    chosen = [one for one in projects if one.get("order") is not None]
    names = [one["id"] for one in sorted(chosen, key=lambda one: int(one["order"]))]
    if given.project not in names:
        automatic = any(one["id"] == given.project and one.get("auto") for one in projects)
        raise CommandRefused(f"{given.project} is not among the chosen projects." + (
            " It runs because it is Archive Team's choice: warrior-ctl stop auto"
            if automatic else f" They are: {', '.join(names) or 'none'}."))
    given.names = [name for name in names if name != given.project]
    return _select(client, given)


def _keep_running(client: Client, given: Any) -> Answer:
    return client.post("/api/keep-running", {}), "The warrior keeps running."


def _end(what: str, words: str, client: Client, given: Any) -> Answer:
    answer = client.post(f"/api/{what}", {"now": given.now})
    when = "now" if given.now else "when the items at work are done"
    return answer, f"{words} {when}. {_at_work(answer)}"


def _at_work(answer: Any) -> str:
    return ctl_text.runner_text(answer.get("runner") or {})


def _of_project(what: str, words: str, client: Client, given: Any) -> Answer:
    answer = client.post(of_project(given.project, what), {})
    told = words.format(ctl_text.one_line(given.project))
    return answer, f"{told} Check the result with: warrior-ctl projects"


def _keys(client: Client, given: Any) -> Answer:
    keys = client.get("/api/keys").get("keys", [])
    return keys, ctl_text.keys_text(keys)


def _make_key(client: Client, given: Any) -> Answer:
    answer = client.post("/api/keys", {"name": given.name})
    return answer, str(answer.get("key", ""))


def _revoke_key(client: Client, given: Any) -> Answer:
    answer = client.post(f"/api/keys/{quote(given.name, safe='')}/revoke", {})
    return answer, f"{ctl_text.one_line(given.name)} is revoked."


def _log(client: Client, given: Any) -> Answer:
    address = "/api/log" if given.project is None else of_project(given.project, "log")
    text = str(client.get(address))
    return {"log": text}, ctl_text.clean(text).rstrip("\n")


# -- the command line --------------------------------------------------------------
def _state_dir(given: Any) -> str:
    """Return the state folder. Raises ConfigurationError, ResourceError."""
    if given.state_dir is not None:
        return os.path.abspath(str(given.state_dir))
    from warrior.config.config import read_options

    arguments = [] if given.config is None else ["--config", given.config]
    return read_options(arguments, dict(os.environ)).state_dir


def _check(parser: Parser, given: Any) -> None:
    if given.command == "stop" and given.now and given.project is not None:
        parser.error("stop --now ends the items of all projects; leave PROJECT out")
    if given.command == "set":
        names = [name for name, _ in given.values]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            parser.error(f"{twice} is given twice; give it one value")


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point of warrior-ctl; returns the exit status."""
    from warrior.config.config import ConfigurationError
    from warrior.process.resources import ResourceError

    parser = _parser()
    given = parser.parse_args(arguments)
    _check(parser, given)
    try:
        answer, text = given.function(Client(_state_dir(given)), given)
        text = json.dumps(answer, indent=2) if given.json else ctl_text.clean(text)
        try:
            print(_printable(text, sys.stdout), flush=True)
        except BrokenPipeError:
            # A reader that closes early (``| head``) is not an error. Python flushes once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return exits.OK
    except (NoWarrior, CommandRefused, ConfigurationError, ResourceError) as error:
        for line in str(error).splitlines():
            text = f"warrior-ctl: {ctl_text.clean(line)}"
            print(_printable(text, sys.stderr), file=sys.stderr)
        return {NoWarrior: NO_WARRIOR, CommandRefused: REFUSED,
                ConfigurationError: exits.BAD_CONFIGURATION,
                ResourceError: exits.NOT_LOADED}[type(error)]
    except KeyboardInterrupt:
        return 130


def _printable(text: str, stream: Any) -> str:
    """Replace the characters that the terminal's encoding lacks."""
    encoding: str = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
