"""What the operator has set: warrior.conf.example < the file < environment < command line."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from warrior.config import config_file
from warrior.config.arguments import parse_arguments
from warrior.config.config_file import ConfigurationError
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
from warrior.projects.entry import NAME_RULE, is_project_name

__all__ = ["ConfigurationError", "OperatorProject", "WarriorOptions", "read_options"]

#: Read when no file is named; the only one that may be missing.
DEFAULT_FILE = "/etc/warrior.conf"

_BY_NAME = {option.name: option for option in OPTIONS}
_PROJECT_BY_NAME = {option.name: option for option in PROJECT_OPTIONS}
_BY_VARIABLE = {option.variable: option for option in OPTIONS}


@dataclasses.dataclass(frozen=True)
class OperatorProject:
    """A project that the operator offers: a git repository or the path of a folder."""

    name: str
    repository: str
    title: str = ""
    description: str = ""


@dataclasses.dataclass(frozen=True)
class WarriorOptions:
    """What run-warrior was asked to do. Paths are absolute; warrior.conf.example explains."""

    #: '' when none was read.
    config_file: str
    state_dir: str
    #: '' unless given: then the settings are its config.json.
    projects_dir: str
    settings_file: str
    data_dir: str
    #: '' when none is to be asked.
    warrior_hq: str
    address: str
    port: int
    http_username: str
    http_password: str = dataclasses.field(repr=False)
    insecure_no_password: bool
    host_names: tuple[str, ...]
    #: Where a reverse proxy shows the page; '' without one.
    public_url: str
    #: Of proxies that are believed about who asks; () are those of this machine.
    proxy_addresses: tuple[str, ...]
    password_on_command_line: bool
    keep_data: bool
    real_shutdown: bool
    warrior_build: str
    max_concurrent_items: int
    #: Seconds from a stop to the end of the items.
    grace_time: float
    #: Bytes; with less than this free, no item is begun.
    min_free_disk: int
    shipped_projects: bool
    projects: tuple[OperatorProject, ...]
    #: Settings that the environment plants where none was ever set; keys of settings.json.
    seeds: Mapping[str, str] = dataclasses.field(repr=False)

    @property
    def fixed_settings(self) -> tuple[str, ...]:
        """The settings that the operator has decided, so that the page cannot change them."""
        if self.http_password:
            return ("http_username", "http_password")
        return ("http_username",) if self.http_username else ()

    def facts(self) -> dict[str, Any]:
        """What the about page shows of them."""
        return {"build": self.warrior_build, "real_shutdown": self.real_shutdown,
                "max_concurrent": self.max_concurrent_items, "state_dir": self.state_dir,
                "data_dir": self.data_dir}


def read_options(
    arguments: Sequence[str], environment: MutableMapping[str, str], *,
    default_file: str = DEFAULT_FILE,
) -> WarriorOptions:
    """Everything that the operator says. Exits with 64 when the command line is wrong.

    Raises ConfigurationError for the file and the environment. User names and passwords
    are taken out of the environment, so that no program that a project starts inherits them.
    """
    variables = dict(environment)
    for name in ("HTTP_USERNAME", "HTTP_PASSWORD", "HTTP_API_KEY", "WARRIOR_HTTP_USERNAME",
                 "WARRIOR_HTTP_PASSWORD"):
        environment.pop(name, None)
    collected = _OptionLayers(variables)
    example = config_file.read_file(resources.conf_example())
    given = parse_arguments(arguments, example)
    collected.add_file(example, resources.conf_example())
    collected.end_of_defaults()
    path = given.pop("config", None) or variables.get(CONFIG_VARIABLE, "")
    if not path and os.path.lexists(default_file):
        path = default_file
    if path:
        path = os.path.abspath(path)
        collected.add_file(config_file.read_file(path), path)
    collected.add_environment()
    collected.add_arguments(given)
    return collected.options(path, bool(given.get("http_password")))


class _OptionLayers:
    """The values so far; what is added later is stronger."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.values: dict[str, Any] = {}
        self.projects: list[OperatorProject] = []
        #: Options that were set at all, beyond their defaults.
        self.given: set[str] = set()
        self.default_state_dir = ""

    def end_of_defaults(self) -> None:
        """What has been added are the defaults; what comes now is given."""
        self.given.clear()
        self.default_state_dir = self.values["state_dir"]

    def add_file(self, sections: Sequence[config_file.Section], path: str) -> None:
        for section in sections:
            where = f"{path}, line {section.number}"
            if (section.kind, section.name) == ("warrior", ""):
                self._add(path, section, _BY_NAME, self.values)
                self.given |= {line.name for line in section.lines}
                if self.values["state_dir"] == self.default_state_dir:
                    # A copy of the example says nothing: the folder of a unit still wins.
                    self.given.discard("state_dir")
            elif section.kind == "project" and section.name:
                self.projects.append(self._project(path, section))
            else:
                raise ConfigurationError(
                    f"{where}: there is no section [{section.kind}"
                    f"{' ' + section.name if section.name else ''}]. [warrior] and "
                    "[project NAME] are allowed.")

    def _add(
        self, path: str, section: config_file.Section, known: Mapping[str, Option],
        values: dict[str, Any],
    ) -> None:
        for line in section.lines:
            where = f"{path}, line {line.number}"
            option = known.get(line.name)
            if option is None:
                raise ConfigurationError(f"{where}: there is no option {line.name!r}"
                                         + _instead(line.name, known))
            try:
                values[line.name] = self._value(option, line.value, os.path.dirname(path))
            except NotAllowed as allowed:
                raise ConfigurationError(
                    f"{where}: {line.name} {option.refusal(line.value, allowed)}.") from None

    def _project(self, path: str, section: config_file.Section) -> OperatorProject:
        where = f"{path}, line {section.number}"
        values: dict[str, str] = {}
        name = section.name
        if not is_project_name(name):
            raise ConfigurationError(f"{where}: {name!r} cannot be the name of a project; "
                                     f"{NAME_RULE}.")
        self._add(path, section, _PROJECT_BY_NAME, values)
        if "repository" not in values:
            raise ConfigurationError(f"{where}: the project {name} has no repository. Say where "
                                     "its code is: repository = …")
        if not is_url(values["repository"]):
            values["repository"] = self._path(values["repository"], os.path.dirname(path))
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
            self.given.add(option.name)

    def add_arguments(self, given: Mapping[str, Any]) -> None:
        for name, value in given.items():
            path = _BY_NAME[name].is_path
            self.values[name] = self._path(value, os.curdir) if path else value
            self.given.add(name)

    def _value(self, option: Option, text: str, base: str) -> Any:
        value = option.parse(text)
        return self._path(value, base) if option.is_path else value

    def _path(self, text: str, base: str) -> str:
        """Absolute; '' stays ''."""
        if not text:
            return ""
        home = self.environment.get("HOME", "")
        if home and (text == "~" or text.startswith("~/")):
            text = home + text[1:]
        path = os.path.expanduser(text)
        if path.startswith("~"):
            raise ConfigurationError(f"The home folder in {text} is not known. Write the path "
                                     "from / on.")
        return os.path.abspath(os.path.join(base, path))

    def options(self, config_file: str, password_on_command_line: bool) -> WarriorOptions:
        values = self.values
        if "state_dir" not in self.given or not values["state_dir"]:
            # systemd makes a folder for the unit, and may name several.
            folder = self.environment.get("STATE_DIRECTORY", "").partition(":")[0]
            values["state_dir"] = folder or values["projects_dir"] or self.default_state_dir
        projects, state = values["projects_dir"], values["state_dir"]
        values["data_dir"] = values["data_dir"] or os.path.join(state, "data")
        seeds = {key: self.environment[name] for name, key in SEEDS.items()
                 if self.environment.get(name)}
        return WarriorOptions(
            config_file=config_file, projects=tuple(self.projects), seeds=seeds,
            settings_file=(os.path.join(projects, "config.json") if projects
                           else os.path.join(state, "settings.json")),
            password_on_command_line=password_on_command_line, **values)


def _instead(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known."""
    near = difflib.get_close_matches(name, known, 1)
    return (f". Did you mean {near[0]}?" if near else ".") + f" Allowed are: {', '.join(known)}."
