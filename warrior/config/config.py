"""What the operator has set: defaults < configuration file < environment < command line."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from warrior.config.config_file import ConfigFile, ConfigurationError
from warrior.config.options import (
    CONFIG_VARIABLE,
    OPTIONS,
    PROJECT_OPTIONS,
    SEEDS,
    SERVICE_LINK,
    NotAllowed,
    Option,
    is_url,
)
from warrior.process import resources
from warrior.process.command_line import Parser
from warrior.projects.entry import NAME_RULE, is_project_name

__all__ = ["ConfigurationError", "OperatorProject", "WarriorOptions", "read_options"]

#: Read if no file is named; only this one may be missing.
DEFAULT_FILE = "/etc/warrior.conf"

_EPILOG = """\
Every option can also be set in a configuration file (see warrior.conf.example) or in the
environment: --port 8002, port = 8002, WARRIOR_PORT=8002. The command line overrides the
environment, which overrides the file.

After the first SIGTERM or SIGINT (Ctrl-C) no new items start, and running items have
--grace-time to finish; a second signal ends them at once.

exit status: 0 shut down; 1 the installation is incomplete; 64 wrong usage; 69 the page's
address cannot be bound; 73 another warrior uses the state folder; 75 restart requested;
78 bad configuration, or anyone could command the warrior (see --address)."""

_BY_NAME = {option.name: option for option in OPTIONS}
_PROJECT_BY_NAME = {option.name: option for option in PROJECT_OPTIONS}
_BY_VARIABLE = {option.variable: option for option in OPTIONS}


@dataclasses.dataclass(frozen=True)
class OperatorProject:
    """A project that the operator offers; ``repository`` is for git, or a folder's path."""

    name: str
    repository: str
    title: str = ""
    description: str = ""


@dataclasses.dataclass(frozen=True)
class WarriorOptions:
    """The options of run-warrior, as warrior.conf.example explains them; paths are absolute."""

    #: '' if none was read.
    config_file: str
    state_dir: str
    #: '' unless given; if given, its config.json holds the settings.
    projects_dir: str
    settings_file: str
    data_dir: str
    #: '' if no Warrior HQ is asked.
    warrior_hq: str
    address: str
    port: int
    http_username: str
    http_password: str = dataclasses.field(repr=False)
    insecure_no_password: bool
    host_names: tuple[str, ...]
    #: Where a reverse proxy shows the page; '' without one.
    public_url: str
    #: The proxies that are trusted about the client's address; () are those of this machine.
    proxy_addresses: tuple[str, ...]
    password_on_command_line: bool
    keep_data: bool
    real_shutdown: bool
    warrior_build: str
    max_concurrent_items: int
    #: Seconds that items have to finish after a stop.
    grace_time: float
    #: Bytes; no item starts while less is free.
    min_free_disk: int
    shipped_projects: bool
    projects: tuple[OperatorProject, ...]
    #: Values from the environment for settings that were never set, by their keys.
    seeds: Mapping[str, str] = dataclasses.field(repr=False)

    @property
    def fixed_settings(self) -> tuple[str, ...]:
        """The settings that the operator has set, so that the page cannot change them."""
        if self.http_password:
            return ("http_username", "http_password")
        return ("http_username",) if self.http_username else ()

    def facts(self) -> dict[str, Any]:
        """The options that the About page shows."""
        return {"build": self.warrior_build, "real_shutdown": self.real_shutdown,
                "max_concurrent": self.max_concurrent_items, "state_dir": self.state_dir,
                "data_dir": self.data_dir}


def read_options(
    arguments: Sequence[str], environment: MutableMapping[str, str], *,
    default_file: str = DEFAULT_FILE,
) -> WarriorOptions:
    """Everything that the operator has set. Exits with 64 if the command line is wrong.

    Raises ConfigurationError for the file and the environment. Removes user names and passwords
    from ``environment``, so that no program that a project starts inherits them.
    """
    variables = dict(environment)
    for name in ("HTTP_USERNAME", "HTTP_PASSWORD", "HTTP_API_KEY", "WARRIOR_HTTP_USERNAME",
                 "WARRIOR_HTTP_PASSWORD"):
        environment.pop(name, None)
    example = ConfigFile(resources.conf_example())
    given = _parse_arguments(arguments, example)
    layers = _OptionLayers(variables, example)
    path = given.pop("config", None) or variables.get(CONFIG_VARIABLE, "")
    if not path and os.path.lexists(default_file):
        path = default_file
    if path:
        path = os.path.abspath(path)
        layers.add_file(ConfigFile(path))
    layers.add_environment()
    layers.add_arguments(given)
    return layers.options(path)


def _parse_arguments(arguments: Sequence[str], example: ConfigFile) -> dict[str, Any]:
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


class _OptionLayers:
    """The values so far; each layer overrides those before it."""

    def __init__(self, environment: Mapping[str, str], example: ConfigFile) -> None:
        self.environment = environment
        self.values: dict[str, Any] = {}
        self.projects: list[OperatorProject] = []
        self.password_on_command_line = False
        self.add_file(example)
        self.default_state_dir = self.values["state_dir"]
        self.state_dir_given = False

    def add_file(self, file: ConfigFile) -> None:
        for section in file.sections():
            kind, _, name = section.partition(" ")
            if section == "warrior":
                self.values |= self._section(file, section, _BY_NAME)
            elif kind == "project" and name:
                self.projects.append(self._project(file, section, name))
            else:
                raise file.error(section, "", f"there is no section [{section}]. [warrior] and "
                                 "[project NAME] are allowed.")

    def _section(
        self, file: ConfigFile, section: str, known: Mapping[str, Option]
    ) -> dict[str, Any]:
        values = {}
        for name, text in file[section].items():
            option = known.get(name)
            if option is None:
                raise file.error(section, name, f"there is no option {name!r}"
                                 + _instead(name, known))
            try:
                values[name] = self._value(option, text, os.path.dirname(file.path))
            except NotAllowed as allowed:
                raise file.error(
                    section, name, f"{name} {option.refusal(text, allowed)}.") from None
        return values

    def _project(self, file: ConfigFile, section: str, name: str) -> OperatorProject:
        if not is_project_name(name):
            raise file.error(section, "", f"{name!r} cannot be the name of a project; "
                             f"{NAME_RULE}.")
        values = self._section(file, section, _PROJECT_BY_NAME)
        if "repository" not in values:
            raise file.error(section, "", f"the project {name} has no repository. Say where "
                             "its code is: repository = …")
        if not is_url(values["repository"]):
            values["repository"] = self._path(values["repository"], os.path.dirname(file.path))
        return OperatorProject(name, **values)

    def add_environment(self) -> None:
        for name in sorted(self.environment):
            text = self.environment[name]
            if (not name.startswith("WARRIOR_") or name in SEEDS or name == CONFIG_VARIABLE
                    or not text or SERVICE_LINK.fullmatch(name)
                    or (name == "WARRIOR_PORT" and text.startswith(("tcp://", "udp://")))):
                continue
            option = _BY_VARIABLE.get(name)
            if option is None:
                raise ConfigurationError(f"The environment has {name}, and there is no such option"
                                         + _instead(name, _BY_VARIABLE))
            try:
                self.values[option.name] = self._value(option, text.strip(), os.curdir)
            except NotAllowed as allowed:
                raise ConfigurationError(
                    f"{name} in the environment {option.refusal(text, allowed)}.") from None
            self.state_dir_given |= option.name == "state_dir"

    def add_arguments(self, given: Mapping[str, Any]) -> None:
        for name, value in given.items():
            path = _BY_NAME[name].is_path
            self.values[name] = self._path(value, os.curdir) if path else value
        self.state_dir_given |= "state_dir" in given
        self.password_on_command_line = bool(given.get("http_password"))

    def _value(self, option: Option, text: str, base: str) -> Any:
        value = option.parse(text)
        return self._path(value, base) if option.is_path else value

    def _path(self, text: str, base: str) -> str:
        """The absolute path; '' stays ''."""
        if not text:
            return ""
        home = self.environment.get("HOME", "")
        if home and (text == "~" or text.startswith("~/")):
            text = home + text[1:]
        path = os.path.expanduser(text)
        if path.startswith("~"):
            raise ConfigurationError(f"The home folder in {text} is unknown. Write an absolute "
                                     "path.")
        return os.path.abspath(os.path.join(base, path))

    def options(self, config_file: str) -> WarriorOptions:
        values = self.values
        projects, state = values["projects_dir"], values["state_dir"]
        # A file with the default in it, such as a copy of the example, sets nothing.
        if not state or (state == self.default_state_dir and not self.state_dir_given):
            # systemd makes a folder for the unit, and may name several.
            folder = self.environment.get("STATE_DIRECTORY", "").partition(":")[0]
            state = values["state_dir"] = folder or projects or self.default_state_dir
        values["data_dir"] = values["data_dir"] or os.path.join(state, "data")
        return WarriorOptions(
            config_file=config_file, projects=tuple(self.projects),
            seeds={key: self.environment[name] for name, key in SEEDS.items()
                   if self.environment.get(name)},
            settings_file=(os.path.join(projects, "config.json") if projects
                           else os.path.join(state, "settings.json")),
            password_on_command_line=self.password_on_command_line, **values)


def _instead(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name."""
    near = difflib.get_close_matches(name, known, 1)
    return (f". Did you mean {near[0]}?" if near else ".") + f" Allowed are: {', '.join(known)}."
