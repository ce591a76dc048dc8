"""Which faults a tracker makes, how often, and the seeded choice of each.

A specification is words: ``request:404=0.2,lost=0.1`` gives rates for a command, ``all:`` for
every command that can have the fault, ``rough`` is a preset, and ``seed=7`` is a setting. A
later word overrides an earlier one.
"""

from __future__ import annotations

import random
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tracker.errors import BadValue

COMMANDS = ("request", "upload", "done", "release")

GARBAGE = ("html", "null", "list", "types", "big")
DEAD = ("refused", "module", "http500")

FORMS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in (*GARBAGE, "delay", "trickle", "cut", *DEAD)},
    "garbage": GARBAGE,
    "lost": ("lost-whole", "lost-half"),
    "dead": DEAD,
}
"""Fault -> its forms, one of which is chosen each time. HTTP statuses are faults too."""

TARGETS = (*DEAD, "dead")
"""Faults of upload targets: only an answer to ``upload`` can have them."""

SETTINGS = ("seed", "delay-seconds", "byte-seconds", "retry-after")

PRESETS: Mapping[str, str] = {
    "rough": "all:420=0.02,429=0.04,455=0.01,500=0.03,502=0.02,503=0.02,garbage=0.06,"
    "delay=0.03,trickle=0.01,cut=0.03,lost=0.04 request:404=0.06 upload:dead=0.15"
}

HELP = """\
--faults SPEC makes the tracker fail on purpose, so that you see how a pipeline handles it. For
each command (request, upload, done, release, or all), give the faults and their rates:

  --faults 'request:404=0.2,429=0.1 done:lost=0.1,500=0.05 upload:dead=0.2 seed=7'

Faults of every command:
  400 … 599  answers that status and does nothing: 404 no items, 420 and 429 too many requests,
             455 outdated, 5xx server errors (403: the toolkit waits for an hour)
  html       an HTML page instead of JSON  null     the JSON value null
  list       a JSON list                   types    the right keys with wrong types
  big        an answer of over 1 MiB       garbage  one of these five
  delay      the answer comes late         trickle  the answer comes one byte at a time
  cut        closes the connection and does nothing
  lost       carries out the command, but closes the connection before or within the answer.
             An item that was handed out in this way stays claimed until you release it.
Faults of upload:
  refused    a target that refuses connections
  module     an rsync target that does not have the module
  http500    an HTTP target that answers 500
  dead       one of these three

Settings:
  seed=N            the same seed gives the same faults in the same order for each command
                    (default: a random seed, which is printed)
  delay-seconds=S   how late a delayed answer comes (default: 5)
  byte-seconds=S    the pause before each byte of a trickling answer (default: 1)
  retry-after=S     how long a 429 asks the client to wait (default: 5)

Presets, which you may combine with other words:
  rough   {rough}
"""

_RATE = re.compile(r"[01]|[01]?\.[0-9]{1,9}")
_SETTING = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_STATUS = re.compile(r"[45][0-9][0-9]")
_HINT = "See '--faults help'."


@dataclass(frozen=True)
class Plan:
    """The rates by command and fault, in the order of the *spec*.

    *spec* includes the seed, so that it gives the same faults again. *delay_seconds* and
    *byte_seconds* are pauses; *retry_after* is for the header of a 429.
    """

    spec: str
    rates: Mapping[str, Mapping[str, float]]
    seed: int
    delay_seconds: float
    byte_seconds: float
    retry_after: int

    @property
    def sentence(self) -> str:
        """What the plan does, for the log."""
        return f"This tracker fails on purpose: {self.spec}"


@dataclass(frozen=True)
class Fault:
    """One fault: the *name* to which the plan gives a rate, and the *form* that was chosen."""

    name: str
    form: str


class Faults:
    """Chooses the faults of a plan, and counts those that were made."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        # Each command has its own generator, so other commands' requests do not affect it.
        self._chance = {name: random.Random(f"{plan.seed}:{name}") for name in plan.rates}
        self._counts: dict[str, Counter[str]] = {command: Counter() for command in COMMANDS}

    def choose(self, command: str) -> Fault | None:
        """Return the fault of the next request of *command*; None if it has none."""
        chance = self._chance.get(command)
        if chance is None:
            return None
        # Always two draws, so that a changed rate does not change the rest of the sequence.
        point, form = chance.random(), chance.random()
        for name, rate in self.plan.rates[command].items():
            if point < rate:
                forms = FORMS.get(name, (name,))
                return Fault(name, forms[int(form * len(forms))])
            point -= rate
        return None

    def count(self, command: str, fault: Fault) -> None:
        self._counts[command][fault.name] += 1

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How often each fault was made, by command."""
        return {name: dict(sorted(made.items())) for name, made in self._counts.items() if made}


def help_text() -> str:
    """Return what ``--faults help`` prints."""
    return HELP.format(rough=PRESETS["rough"].replace(" ", "\n          "))


def parse(spec: str) -> Plan:
    """Read *spec*, and draw a seed if it has none; raises BadValue."""
    rates: dict[str, dict[str, float]] = {}
    settings: dict[str, float] = dict(zip(SETTINGS, (secrets.randbelow(1_000_000), 5.0, 1.0, 5)))
    words = [word for part in spec.split() for word in PRESETS.get(part, part).split()]
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
                f"--faults: the rates of {command} add up to {sum(found.values()):g}. Together "
                "they can be 1 at most, because each request has one fault at most."
            )
    kept = [part for part in spec.split() if not part.startswith("seed=")]
    return Plan(
        spec=" ".join([*kept, f"seed={int(settings['seed'])}"]),
        rates=rates,
        seed=int(settings["seed"]),
        delay_seconds=settings["delay-seconds"],
        byte_seconds=settings["byte-seconds"],
        retry_after=int(settings["retry-after"]),
    )


def _read_rates(rates: dict[str, dict[str, float]], command: str, faults: str) -> None:
    """Read ``fault=rate,…`` of *command* into *rates*."""
    if command != "all" and command not in COMMANDS:
        raise BadValue(
            f"--faults: {command!r} is no command. Write one of {', '.join(COMMANDS)}, or all."
        )
    for pair in faults.split(","):
        name, equals, text = pair.partition("=")
        if name not in FORMS and not _STATUS.fullmatch(name):
            raise BadValue(f"--faults: {name!r} is no fault. {_HINT}")
        if not equals or not _RATE.fullmatch(text) or float(text) > 1:
            raise BadValue(f"--faults: give {name} a rate from 0 to 1, such as {name}=0.1.")
        if name in TARGETS and command not in ("all", "upload"):
            raise BadValue(f"--faults: {name} is a fault of upload targets: upload:{name}={text}.")
        fitting = COMMANDS if command == "all" else (command,)
        for one in ("upload",) if name in TARGETS else fitting:
            rates.setdefault(one, {}).pop(name, None)  # so that it moves to the end
            if float(text):
                rates[one][name] = float(text)


def _read_setting(settings: dict[str, float], word: str) -> None:
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
