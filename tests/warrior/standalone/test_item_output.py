"""What the items' output looks like on standard output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_core.item import Item
from pipeline_core.runner import Runner
from pipeline_core.task import SimpleTask
from tests.support.engine import Line, run
from warrior.standalone.item_output import ItemOutput

EVIL = "x\x1b]0;EVIL\x07y"


class Writer:
    """Stands in for the thread that writes."""

    full = False

    def __init__(self, **callbacks: Any) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


@pytest.fixture(autouse=True)
def _writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warrior.standalone.item_output.StdoutWriter", Writer)


def written(folder: Path, *lines: tuple[str | None, str]) -> str:
    """What is written when an item, under these names, logs these lines in one go."""
    async def main() -> Any:
        runner = Runner()
        output = ItemOutput(runner, lambda: None)
        with Line(folder) as line:
            item: Item = line.item()
            runner.on_create_item(runner, item)
            for name, text in lines:
                if name is None:
                    item.pop("item_name")
                else:
                    item["item_name"] = name
                item.log_output(text)
            item.deliver_output()
        return output.writer

    return str(run(main()).text)


@pytest.mark.parametrize("later", ["clean", "other\x1b[2J", None])
def test_a_name_is_escaped_although_it_has_changed_since(
    tmp_path: Path, later: str | None
) -> None:
    """Output is written a moment after it was logged; the name of then is in it."""
    text = written(tmp_path, (EVIL, f"Starting A for Item {EVIL}"), (later, f"Item {later}"))
    assert "\x1b" not in text and "\x07" not in text
    assert text.startswith("Starting A for Item x\\x1b]0;EVIL\\x07y\n")


def test_control_characters_of_other_output_stay(tmp_path: Path) -> None:
    """Programs may use colours, also those of an item with such a name."""
    text = written(tmp_path, ("clean", "\x1b[31mred"), (EVIL, "\x1b[32mgreen"))
    assert text == "\x1b[31mred\n\x1b[32mgreen\n"


def test_the_name_of_a_resumed_item_is_escaped(tmp_path: Path) -> None:
    """It has its name before anybody can hear of a change."""
    async def main() -> str:
        runner = Runner()
        output = ItemOutput(runner, lambda: None)
        with Line(tmp_path) as line:
            item: Item = line.item()
            item.properties["item_name"] = EVIL
            runner.on_create_item(runner, item)
            item.log_output(f"Starting A for Item {EVIL}")
            item.deliver_output()
        return str(output.writer.text)  # type: ignore[attr-defined]

    assert run(main()) == "Starting A for Item x\\x1b]0;EVIL\\x07y\n"


def test_a_name_that_lasts_for_a_moment_is_escaped(tmp_path: Path) -> None:
    """A step sets it, prints it and replaces it in one job."""
    class Moment(SimpleTask):
        def process(self, item: Item) -> None:
            item["item_name"] = EVIL
            print("Item " + EVIL)
            item["item_name"] = "clean"

    async def main() -> str:
        runner = Runner()
        output = ItemOutput(runner, lambda: None)
        with Line(tmp_path, Moment("moment")) as line:
            item: Item = line.item()
            runner.on_create_item(runner, item)
            line.start(item)
            await line.ended(item)
            item.deliver_output()
        return str(output.writer.text)  # type: ignore[attr-defined]

    text = run(main())
    assert "\x1b" not in text and "Item x\\x1b]0;EVIL\\x07y\n" in text
