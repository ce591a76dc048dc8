"""Methods of a task that a project replaces are called, wherever it replaces them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.item import Item
from pipeline_core.task import LimitConcurrent, SetItemKey, SimpleTask, Task
from tests.support.engine import Line, run


class Step(SimpleTask):
    """A project's own step."""

    def process(self, item: Item) -> None:
        if item.item_number == 1 and self.name == "fails":
            raise ValueError


def noted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of the toolkit's, with a note of the call before it."""
    def replacement(self: Task, item: Item) -> Any:
        item.setdefault("seen", []).append(f"{name} {self.name}")
        return method(self, item)

    return replacement


def bound(task: Task, name: str) -> Callable[..., Any]:
    """What replaces the method on the task itself."""
    replacement = noted(name, getattr(Task, name))
    return lambda item: replacement(task, item)


def seen_by(tmp_path: Path, *tasks: Task) -> list[str]:
    """The calls of replaced methods while one item goes through the tasks."""
    async def main() -> list[str]:
        with Line(tmp_path, *tasks) as line:
            item = await line.send()
            assert "Warning" not in line.log(item)
            return list(item.get("seen", []))

    return run(main())


@pytest.mark.parametrize("name", ["enqueue", "start_item", "complete_item"])
def test_a_method_replaced_on_task_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """For the project's own tasks, for the toolkit's, and for those within a container."""
    monkeypatch.setattr(Task, name, noted(name, getattr(Task, name)))
    seen = seen_by(tmp_path, Step("step"), SetItemKey("key", 1), LimitConcurrent(1, Step("inner")))
    assert [call for call in seen if "LimitConcurrent" not in call] == [
        f"{name} step", f"{name} SetItemKey", f"{name} inner"]


def test_fail_item_replaced_on_task_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a step of the project's that raises."""
    monkeypatch.setattr(Task, "fail_item", noted("fail_item", Task.fail_item))
    assert seen_by(tmp_path, Step("fails"), Step("never")) == ["fail_item fails"]


@pytest.mark.parametrize("name", ["enqueue", "start_item", "complete_item"])
def test_a_method_replaced_on_the_task(tmp_path: Path, name: str) -> None:
    """On one step and one task of the toolkit's, and on no other."""
    tasks = [Step("step"), SetItemKey("key", 1), Step("other")]
    for task in tasks[:2]:
        setattr(task, name, bound(task, name))
    assert seen_by(tmp_path, *tasks) == [f"{name} step", f"{name} SetItemKey"]


@pytest.mark.parametrize("name", ["enqueue", "start_item", "complete_item", "process"])
def test_a_method_replaced_after_the_first_item(tmp_path: Path, name: str) -> None:
    """On the class of a step: from then on it is called."""
    class Replaced(Step):
        pass

    async def main() -> None:
        with Line(tmp_path, Step("first"), Replaced("step"), Step("last")) as line:
            assert "seen" not in await line.send()
            setattr(Replaced, name, noted(name, getattr(Replaced, name)))
            for _ in range(2):
                item = await line.send()
                assert item.completed and item["seen"] == [f"{name} step"]

    run(main())


def test_a_method_replaced_by_a_step_before(tmp_path: Path) -> None:
    """The item that is on its way gets it too."""
    class Replaced(Step):
        pass

    class Replaces(SimpleTask):
        def process(self, item: Item) -> None:
            if item.item_number == 2:
                Replaced.complete_item = noted(  # type: ignore[method-assign]
                    "complete_item", Task.complete_item)

    async def main() -> None:
        with Line(tmp_path, Replaces("replaces"), Replaced("step")) as line:
            items = [await line.send() for _ in range(3)]
        assert [item.get("seen") for item in items] == [
            None, ["complete_item step"], ["complete_item step"]]

    run(main())
