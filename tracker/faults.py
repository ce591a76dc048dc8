"""Which faults a tracker puts in on purpose, how often, and the seeded choice of each.

A spec is words: ``request:404=0.2,lost=0.1`` gives rates for a command, ``all:`` for every
command that the fault fits, ``rough`` is a preset, and ``seed=7`` and its like are settings.
What stands later counts over what stood before. Nothing here knows of HTTP.
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tracker.errors import BadValue

COMMANDS = ("request", "upload", "done", "release")

PLAIN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "html": ("html",),
        "null": ("null",),
        "list": ("list",),
        "types": ("types",),
        "big": ("big",),
        "garbage": ("html", "null", "list", "types", "big"),
        "delay": ("delay",),
        "trickle": ("trickle",),
        "cut": ("cut",),
        "lost": ("lost-whole", "lost-half"),
        "refused": ("refused",),
        "module": ("module",),
        "http500": ("http500",),
        "dead": ("refused", "module", "http500"),
    }
)
"""Fault -> the forms it takes, one of which is chosen each time. Statuses are faults too."""

TARGETS = frozenset(("refused", "module", "http500", "dead"))
"""Faults of upload targets: only an answer to ``upload`` can have them."""

SETTINGS: Mapping[str, float] = MappingProxyType(
    {"seed": 0, "delay-seconds": 5.0, "byte-seconds": 1.0, "retry-after": 5}
)
"""Setting -> its default; ``seed`` has none, see ``parse``."""

PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "rough": "all:420=0.02,429=0.04,455=0.01,500=0.03,502=0.02,503=0.02,garbage=0.06,"
        "delay=0.03,trickle=0.01,cut=0.03,lost=0.04 request:404=0.06 upload:dead=0.15"
    }
)

HELP = """\
--faults SPEC makes the tracker fail on purpose, to show what a pipeline does then. Give what
is to happen to each command (request, upload, done, release, or all of them) at which rate:

  --faults 'request:404=0.2,429=0.1 done:lost=0.1,500=0.05 upload:dead=0.2 seed=7'

Faults of every command:
  400 … 599  that status and nothing done: 404 no items, 420 and 429 too many requests,
             455 outdated, 5xx trouble of the server (403: the toolkit waits for an hour)
  html       a page where JSON is due      null     the JSON value null
  list       a JSON list                   types    the right keys with wrong types
  big        an answer of over 1 MiB       garbage  one of these five
  delay      the answer comes late         trickle  the answer comes a byte at a time
  cut        the connection is closed, and nothing was done
  lost       what was asked for is done, but the connection is closed before the answer, or
             within it. An item so given stays claimed: its claim has to be released.
Faults of upload:
  refused    the target refuses connections
  module     an rsync target without the module
  http500    an http target that answers 500
  dead       one of these three

Settings:
  seed=N            the same seed gives the same faults: for each command the first request
                    meets the first, and so on (without it one is drawn, and told)
  delay-seconds=S   how late a delayed answer comes (5)
  byte-seconds=S    the pause before each byte of one that trickles (1)
  retry-after=S     what a 429 asks to wait (5)

Presets, which may stand with more words:
  rough   {rough}
"""

_RATE = re.compile(r"[01]|[01]?\.[0-9]{1,9}")
_SETTING = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_STATUS = re.compile(r"[45][0-9][0-9]")
_HINT = "'--faults help' tells what there is."


@dataclass(frozen=True)
class Plan:
    """What was asked for: rates by command and fault, in the order of the *spec*.

    *spec* holds the seed too, so that it gives the same faults again; *delay_seconds*
    and *byte_seconds* are pauses, *retry_after* goes into the header of a 429.
    """

    spec: str
    rates: Mapping[str, Mapping[str, float]]
    seed: int
    delay_seconds: float
    byte_seconds: float
    retry_after: int

    @property
    def sentence(self) -> str:
        """What the plan does, for the log and the page."""
        return f"Faults are put in on purpose: {self.spec}"


@dataclass(frozen=True)
class Fault:
    """One fault to put in: the *name* that the spec gave a rate, and the *form* it takes."""

    name: str
    form: str


class Faults:
    """Chooses the faults of a plan and counts those that were put in."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        # A stream for each command: what one meets does not depend on the others' requests.
        self._chance = {name: random.Random(f"{plan.seed}:{name}") for name in plan.rates}
        self._counts: dict[tuple[str, str], int] = {}

    def choose(self, command: str) -> Fault | None:
        """Return what the next request of *command* meets; None when it meets nothing."""
        chance = self._chance.get(command)
        if chance is None:
            return None
        # Always two draws, so that a changed rate leaves the rest of the sequence in place.
        point, form = chance.random(), chance.random()
        for name, rate in self.plan.rates[command].items():
            if point < rate:
                forms = PLAIN.get(name, (name,))
                return Fault(name, forms[int(form * len(forms))])
            point -= rate
        return None

    def count(self, command: str, fault: Fault) -> None:
        """Note that *fault* was put in."""
        key = (command, fault.name)
        self._counts[key] = self._counts.get(key, 0) + 1

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How often each fault was put in, by command."""
        found: dict[str, dict[str, int]] = {command: {} for command in COMMANDS}
        for (command, name), times in sorted(self._counts.items()):
            found[command][name] = times
        return {command: counts for command, counts in found.items() if counts}


def help_text() -> str:
    """Return what ``--faults help`` prints."""
    return HELP.format(rough=PRESETS["rough"].replace(" ", "\n          "))


def parse(spec: str) -> Plan:
    """Read *spec*; without ``seed=`` one is drawn. Raises BadValue with a sentence."""
    rates: dict[str, dict[str, float]] = {}
    settings = {**SETTINGS, "seed": float(secrets.randbelow(1_000_000))}
    words = [part for word in spec.split() for part in PRESETS.get(word, word).split()]
    for word in words:
        command, colon, faults = word.partition(":")
        if colon:
            _read_rates(rates, command, faults)
        else:
            _read_setting(settings, word)
    if not any(rates.values()):
        raise BadValue(f"--faults {spec!r} names no fault of a command. {_HINT}")
    for command, found in rates.items():
        if sum(found.values()) > 1.000001:
            raise BadValue(
                f"--faults: the rates of {command} add up to {sum(found.values()):g}; "
                "they share the requests, so together they can be 1 at most."
            )
    told = [word for word in spec.split() if not word.startswith("seed=")]
    return Plan(
        spec=" ".join([*told, f"seed={int(settings['seed'])}"]),
        rates=rates,
        seed=int(settings["seed"]),
        delay_seconds=settings["delay-seconds"],
        byte_seconds=settings["byte-seconds"],
        retry_after=int(settings["retry-after"]),
    )


def _read_rates(rates: dict[str, dict[str, float]], command: str, faults: str) -> None:
    """Take ``fault=rate,…`` of *command* into *rates*."""
    if command != "all" and command not in COMMANDS:
        raise BadValue(
            f"--faults: {command!r} is no command: give one of {', '.join(COMMANDS)}, or all."
        )
    for pair in faults.split(","):
        name, equals, text = pair.partition("=")
        if name not in PLAIN and not _STATUS.fullmatch(name):
            raise BadValue(f"--faults: {name!r} is no fault. {_HINT}")
        if not equals or not _RATE.fullmatch(text) or float(text) > 1:
            raise BadValue(f"--faults: give {name} a rate from 0 to 1, such as {name}=0.1.")
        if name in TARGETS and command not in ("all", "upload"):
            raise BadValue(f"--faults: {name} is a fault of upload targets: upload:{name}={text}.")
        fitting = COMMANDS if command == "all" else (command,)
        for one in ("upload",) if name in TARGETS else fitting:
            rates.setdefault(one, {}).pop(name, None)  # what stands later also comes later
            if float(text):
                rates[one][name] = float(text)


def _read_setting(settings: dict[str, float], word: str) -> None:
    """Take ``name=number`` into *settings*."""
    name, equals, text = word.partition("=")
    if name not in SETTINGS or not equals:
        raise BadValue(
            f"--faults: {word!r} is neither faults of a command (request:404=0.1), a setting "
            f"(seed=7) nor a preset ({', '.join(PRESETS)}). {_HINT}"
        )
    whole = name in ("seed", "retry-after")
    if not _SETTING.fullmatch(text) or (whole and "." in text):
        raise BadValue(f"--faults: {name} takes a {'whole ' if whole else ''}number.")
    settings[name] = float(text)
