"""Specifications of faults, and the seeded choice, without a network."""

from __future__ import annotations

import pytest

from tracker.errors import BadValue
from tracker.faults.plan import COMMANDS, FORMS, PRESETS, Faults, help_text, parse


def forms(spec: str, command: str, number: int = 300) -> list[str | None]:
    """The forms of a command's first faults."""
    faults = Faults(parse(spec))
    return [found.form if (found := faults.choose(command)) else None for _ in range(number)]


def test_rates_are_read_by_command() -> None:
    """Each command has rates of its own, and the settings are numbers."""
    plan = parse(
        "request:404=0.2,429=0.1 done:lost=0.1,500=.05 upload:dead=1 "
        "seed=7 delay-seconds=0.5 byte-seconds=0.01 retry-after=2"
    )
    assert plan.rates == {
        "request": {"404": 0.2, "429": 0.1},
        "done": {"lost": 0.1, "500": 0.05},
        "upload": {"dead": 1.0},
    }
    assert (plan.seed, plan.delay_seconds, plan.byte_seconds, plan.retry_after) == (7, 0.5, 0.01, 2)


def test_all_stands_for_every_command_that_fits() -> None:
    """A fault of upload targets is only for upload."""
    assert parse("all:500=0.1").rates == {name: {"500": 0.1} for name in COMMANDS}
    assert parse("all:dead=0.1").rates == {"upload": {"dead": 0.1}}


def test_later_words_override_earlier_ones() -> None:
    """A later word overrides an earlier one and a preset; a rate of 0 removes a fault."""
    plan = parse("rough request:404=0.5,cut=0 seed=1 seed=2")
    assert plan.rates["request"]["404"] == 0.5
    assert "cut" not in plan.rates["request"] and "cut" in plan.rates["done"]
    assert plan.seed == 2


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_can_be_read(preset: str) -> None:
    """A preset has faults for every command, but not for every request."""
    plan = parse(preset)
    assert set(plan.rates) == set(COMMANDS)
    assert all(0 < sum(rates.values()) < 0.7 for rates in plan.rates.values())


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("", "names no fault"),
        ("seed=7", "names no fault"),
        ("request:404=0", "names no fault"),
        ("smooth", "'smooth' is neither"),
        ("fetch:404=0.1", "'fetch' is no command"),
        ("request:", "'' is no fault"),
        ("request:lots=0.1", "'lots' is no fault"),
        ("request:399=0.1", "'399' is no fault"),
        ("request:404", "rate from 0 to 1"),
        ("request:404=2", "rate from 0 to 1"),
        ("request:404=1.5", "rate from 0 to 1"),
        ("request:404=-0.1", "rate from 0 to 1"),
        ("request:404=nan", "rate from 0 to 1"),
        ("request:404=0.6,500=0.6", "add up to 1.2"),
        ("request:dead=0.1", "fault of upload targets"),
        ("rough seed=x", "seed takes a whole number"),
        ("rough seed=1.5", "seed takes a whole number"),
        ("rough delay-seconds=soon", "delay-seconds takes a number"),
    ],
)
def test_a_bad_spec_is_explained(spec: str, part: str) -> None:
    """The sentence says which part is wrong, and what would be right."""
    with pytest.raises(BadValue, match=part):
        parse(spec)


def test_the_same_seed_gives_the_same_sequence() -> None:
    """Another seed gives another sequence; a random seed is in the plan and gives it again."""
    assert forms("rough seed=7", "request") == forms("rough seed=7", "request")
    assert forms("rough seed=7", "request") != forms("rough seed=8", "request")
    drawn = parse("rough").seed
    assert forms(f"rough seed={drawn}", "done") == forms(f"rough seed={drawn}", "done")


def test_the_sequence_is_known() -> None:
    """It does not depend on the version of Python or the order of a hash."""
    expected = [None, "lost-half", "lost-whole", "500", None, None, None, None]
    assert forms("done:500=0.2,lost=0.3 seed=11", "done", 8) == expected


def test_commands_are_independent() -> None:
    """The faults of one command do not depend on requests of others."""
    faults = Faults(parse("rough seed=7"))
    found = []
    for _ in range(300):
        faults.choose("request")
        met = faults.choose("done")
        found.append(met.form if met else None)
    assert found == forms("rough seed=7", "done")


def test_rates_are_kept() -> None:
    """Faults are about as frequent as their rates, never at rate 0 and always at rate 1."""
    met = forms("request:404=0.25,500=0.1 seed=3", "request", 4000)
    assert 850 < met.count("404") < 1150
    assert 300 < met.count("500") < 500
    assert set(forms("request:404=0.5 seed=3", "done")) == {None}
    assert set(forms("request:404=1 seed=3", "request")) == {"404"}


def test_a_fault_of_several_forms_takes_them_all() -> None:
    """Garbage, dead targets and lost answers have several forms."""
    for name in ("garbage", "dead", "lost"):
        assert set(forms(f"upload:{name}=1 seed=1", "upload")) == set(FORMS[name])


def test_counts_are_by_command_and_name() -> None:
    """A fault is counted under the name to which the plan gives the rate."""
    faults = Faults(parse("upload:dead=1 done:500=1 seed=1"))
    for command in ("upload", "upload", "done"):
        met = faults.choose(command)
        assert met is not None
        faults.count(command, met)
    assert faults.counts == {"done": {"500": 1}, "upload": {"dead": 2}}


def test_help_names_every_fault_and_setting() -> None:
    """The help explains everything that a specification can contain."""
    text = help_text()
    for name in (*FORMS, *PRESETS, "seed=", "delay-seconds=", "byte-seconds=", "retry-after="):
        assert name in text
    assert "{" not in text


def test_the_sentence_has_the_seed() -> None:
    """The sentence has the seed, so that a run can be repeated."""
    assert "on purpose: rough done:lost=0.1 seed=7" in parse("seed=7 rough done:lost=0.1").sentence
    drawn = parse("rough")
    assert parse(drawn.spec) == drawn
