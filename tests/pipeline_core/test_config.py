"""The contract's part `config`.

Covered: realize of dicts, lists, objects, all else; own classes with slow realize;
ConfigValue and its methods; regex; min, max, whole numbers, string defaults, a limit
of 0; text that is stripped; collecting; ConfigInterpolation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_core.config import (
    ConfigInterpolation,
    ConfigValue,
    NumberConfigValue,
    StringConfigValue,
    realize,
)
from pipeline_core.item import ItemInterpolation, ItemValue
from tests.support.kit import load, play, write_pipeline


class Asked:
    """Something with a realize method of its own."""

    def realize(self, item: Any) -> Any:
        return ("asked", item)


def test_realize_goes_into_dicts_and_lists() -> None:
    """Dicts (values only) and lists are realized member by member, at any depth."""
    key = Asked()
    item = {"a": "A"}
    made = realize({"x": Asked(), "y": [Asked(), {"z": [ItemValue("a")]}], key: 1}, item)
    assert made == {"x": ("asked", item), "y": [("asked", item), {"z": ["A"]}], key: 1}


def test_realize_leaves_everything_else() -> None:
    """Strings, numbers, None, tuples and sets come back as they are; the input is unchanged."""
    marker = object()
    for value in ("%(a)s", b"x", 1, 1.5, None, (Asked(),), marker):
        assert realize(value, {}) is value
    source = {"list": [Asked()]}
    realize(source, None)
    assert isinstance(source["list"][0], Asked)


def test_realize_without_an_item() -> None:
    """The item may be left out: None is passed on."""
    assert realize([Asked()]) == [("asked", None)]


def test_own_class_realizes_slowly_and_returns_arguments(tmp_path: Path) -> None:
    """A class as files define it: works in realize, writes a file, returns realize(list)."""
    path = write_pipeline(tmp_path, """\
        class EchoArgs(object):
            def realize(self, item):
                time.sleep(0.1)
                with open(os.path.join(item['data_dir'], 'list.txt'), 'w') as f:
                    f.write('made in realize')
                args = ['cat', ItemInterpolation('%(data_dir)s/list.txt')]
                item['thread'] = threading.current_thread().name
                return realize(args, item)
        pipeline = Pipeline(ExternalProcess('Cat', EchoArgs()))
        """)
    seen = play(path).only
    assert seen.outcome == "completed"
    assert "made in realize" in seen.log
    assert seen.item["thread"] != "MainThread"


def test_config_value() -> None:
    """Defaults, set_value, error, realize, is_valid of a plain value."""
    value = ConfigValue("name")
    assert (value.name, value.title, value.description) == ("name", "", "")
    assert (value.default, value.editable, value.advanced) == (None, True, True)
    assert value.value is None
    assert not value.is_valid()
    assert value.set_value("text") is True
    assert value.is_valid()
    assert value.value == "text"
    assert value.error is None
    assert value.realize(None) == "text"
    assert realize({"v": value}) == {"v": "text"}


def test_config_value_by_position() -> None:
    """The arguments are name, title, description, default, editable, advanced, in this order."""
    value = ConfigValue("n", "t", "d", "def", False, False)
    assert (value.name, value.title, value.description, value.default, value.editable,
            value.advanced) == ("n", "t", "d", "def", False, False)
    assert value.value == "def"


def test_string_value_with_regex() -> None:
    """An invalid text is refused: False, .error set, the old value kept; then cleared."""
    value = StringConfigValue(name="nick", regex="^[-_a-zA-Z0-9]{3,30}$", default="abc")
    assert value.set_value("no spaces allowed") is False
    assert value.error
    assert value.value == "abc"
    assert value.set_value("good-one") is True
    assert not value.error
    assert value.value == "good-one"


@pytest.mark.parametrize("text", ["  abc  ", "abc\n", "\t abc", "abc"])
def test_text_is_stripped_before_it_is_checked(text: str) -> None:
    """Space around a text is no part of it: neither for the pattern nor as the value."""
    for value in (StringConfigValue("name", regex=r"^\w+$"), ConfigValue("name")):
        assert value.set_value(text) is True
        assert value.value == "abc" and value.error is None
    assert StringConfigValue("name", regex="^x$", default=" x ").value == "x"
    number = NumberConfigValue("name", min=1, max=3)
    assert number.set_value(" 2 ") and number.value == 2
    assert StringConfigValue("name", regex="^.+$").set_value("   ") is False


def test_collecting_values() -> None:
    """start_collecting and stop_collecting: the values made in between, in order."""
    ConfigValue("before")
    ConfigValue.start_collecting()
    made = [StringConfigValue("one"), NumberConfigValue("two", default=2)]
    assert ConfigValue.stop_collecting() == made
    ConfigValue("after")
    assert ConfigValue.stop_collecting() == []
    ConfigValue.start_collecting()
    assert ConfigValue.stop_collecting() == []


def test_collecting_is_of_one_load_only(tmp_path: Path) -> None:
    """A program that collects gets its own values, not those of pipelines that are loaded
    meanwhile; and a file that collects by itself does not take its settings from the volunteer."""
    path = write_pipeline(tmp_path, """\
        first = NumberConfigValue(name='first', default='1')
        ConfigValue.start_collecting()
        second = NumberConfigValue(name='second', default='2')
        assert ConfigValue.stop_collecting() == [second]
        ConfigValue.start_collecting()
        third = NumberConfigValue(name='third', default='3')
        pipeline = Pipeline(PrintItem())
        """)
    ConfigValue.start_collecting()
    own = ConfigValue("own")
    loaded = load(path, remembered={"second": "20"})
    assert ConfigValue.stop_collecting() == [own]
    assert [(value.name, value.value) for value in loaded.config_values] == [
        ("first", 1), ("second", 20), ("third", 3)]


def test_number_value() -> None:
    """Whole numbers within min and max; the default may be text."""
    value = NumberConfigValue(name="threads", min=1, max=64, default="20")
    assert value.value == 20 and isinstance(value.realize(None), int)
    assert NumberConfigValue(name="other", default=20).value == 20
    for bad in ("0", "65", "-1", "x", "", "2.5", "1e1"):
        assert value.set_value(bad) is False, bad
        assert value.error
        assert value.value == 20
    assert value.set_value("64") is True
    assert value.value == 64


def test_a_limit_of_zero_counts() -> None:
    """Deliberate: min=0 and max=0 are limits, not 'no limit'."""
    low = NumberConfigValue(name="low", min=0, default=1)
    assert low.set_value("-1") is False
    assert low.set_value("0") is True
    assert low.value == 0 and low.is_valid()
    high = NumberConfigValue(name="high", max=0, default=0)
    assert high.set_value("1") is False
    assert high.set_value("-5") is True


def test_check_and_convert_can_be_overridden() -> None:
    """Files subclass ConfigValue with check_value and convert_value of their own."""

    class Even(ConfigValue):
        def check_value(self, value: Any) -> Any:
            if int(value) % 2:
                return "An even number, please."
            return None

        def convert_value(self, value: Any) -> Any:
            return int(value)

    value = Even(name="even", default=2)
    assert value.set_value("3") is False
    assert value.error == "An even number, please."
    assert value.value == 2
    assert value.set_value("4") is True
    assert value.value == 4


def test_config_interpolation() -> None:
    """realize(s) % realize(c), with a value, a dict of values, or a value as format."""
    count = NumberConfigValue(name="n", default=3)
    assert realize(ConfigInterpolation("--n=%d", count)) == "--n=3"
    count.set_value("5")
    assert realize(ConfigInterpolation("--n=%d", count)) == "--n=5"
    assert ConfigInterpolation("%(a)s-%(b)d", {"a": "x", "b": count}).realize(None) == "x-5"
    form = StringConfigValue(name="f", default="<%s>")
    assert realize([ConfigInterpolation(form, count)]) == ["<5>"]


def test_item_values_and_interpolations() -> None:
    """ItemValue and ItemInterpolation realize against the item."""
    item = {"item_name": "a%b", "n": 3}
    assert realize(ItemValue("n"), item) == 3
    assert realize([ItemInterpolation("%(item_name)s:%(n)d%%")], item) == ["a%b:3%"]
    with pytest.raises(KeyError):
        realize(ItemValue("absent"), item)
