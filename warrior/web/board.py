"""What the page shows of a runner: its items, also those that have just ended.

Items themselves are let go when they end; what is kept of them is small and bounded.
Whoever wants to know about changes is a :class:`Listener`.
"""

from __future__ import annotations

import dataclasses
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

from warrior.itemlog import ItemLogs
from warrior.web.sanitize import clean_html

if TYPE_CHECKING:
    from pipeline_core.item import Item
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.project import Project
    from pipeline_core.runner import Runner
    from pipeline_core.task import Task
    from pipeline_core.waiting import Waiting
    from pipeline_core.worker import Busy

#: Ended items that stay on the page.
FINISHED_KEPT = 100


@dataclasses.dataclass
class ItemView:
    """What is shown of one item. Times are of ``time.monotonic()``."""

    id: str
    number: int
    name: str
    started: float
    state: str = "running"
    ended: float | None = None
    waiting: Waiting | None = None
    statuses: dict[str, str] = dataclasses.field(default_factory=dict)


class Listener(Protocol):
    """Is told what has changed; must be quick and must not raise."""

    def all_changed(self) -> None: ...
    def runner_changed(self) -> None: ...
    def item_changed(self, item_id: str) -> None: ...
    def item_gone(self, item_id: str) -> None: ...
    def output_came(self, item_id: str, text: str) -> None: ...


class Board:
    """The views of a runner's items, kept true by its events. All on the loop."""

    def __init__(
        self, runner: Runner, project: Project | None, downloader: str, logs: ItemLogs
    ) -> None:
        self.runner = runner
        self.project = project
        self.downloader = downloader
        self.logs = logs
        self.note = ""
        self.listener: Listener | None = None
        self.items: OrderedDict[str, ItemView] = OrderedDict()
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._html: str | None = None
        self._tasks_of: Pipeline | None = None
        self._tasks: list[tuple[str, str]] = []
        self._positions: dict[Task, str] = {}
        runner.on_create_item += self._item_created
        runner.on_pipeline_finish_item += self._item_finished
        runner.on_status += self._status_changed
        self._subscribed = True

    def close(self) -> None:
        """Let go of the runner."""
        if self._subscribed:
            self._subscribed = False
            self.runner.on_create_item -= self._item_created
            self.runner.on_pipeline_finish_item -= self._item_finished
            self.runner.on_status -= self._status_changed

    # -- what is asked of it -------------------------------------------------------
    def tasks(self) -> list[tuple[str, str]]:
        """``(position, name)`` of each step of the current pipeline."""
        pipeline = self.runner.current_pipeline
        if pipeline is not None and pipeline is not self._tasks_of:
            self._tasks_of = pipeline
            self._positions = pipeline.positions
            self._tasks = [(self._positions.get(task, str(number)), name)
                           for number, (task, name) in enumerate(pipeline.ui_task_list())]
        return self._tasks

    def project_html(self) -> str:
        """The header of the project, safe to show; made so once."""
        if self._html is None:
            html = None if self.project is None else self.project.project_html
            self._html = clean_html(str(html)) if html else ""
        return self._html

    def project_loaded(self, project: Project) -> None:
        """The project is known now."""
        self.project, self._html = project, None
        self._all_changed()

    def busy(self) -> Busy | None:
        """What project code runs now."""
        pipeline = self.runner.current_pipeline
        worker = None if pipeline is None else pipeline.worker
        return None if worker is None else worker.busy

    def running(self) -> list[ItemView]:
        """The items at work, in the order in which they began."""
        return [view for view in self.items.values() if view.ended is None]

    # -- the runner's events ---------------------------------------------------------
    def _item_created(self, runner: Runner, item: Item) -> None:
        self._look_at_pipeline()
        self.items[item.item_id] = ItemView(
            item.item_id, item.item_number, _name(item), time.monotonic())
        item.on_output += self._output
        item.on_property += self._property_changed
        item.on_task_status += self._task_changed
        item.on_waiting += self._waiting_changed
        self._changed(item.item_id)

    def _output(self, item: Item, data: str) -> None:
        text = self.logs.append(item.item_id, data)
        if self.listener is not None:
            self.listener.output_came(item.item_id, text)

    def _property_changed(self, item: Item, key: str, new: Any, old: Any) -> None:
        if key == "item_name":
            self._update(item, name=_name(item))

    def _task_changed(self, item: Item, task: Task, new: str, old: str | None) -> None:
        view = self.items.get(item.item_id)
        position = self._positions.get(task)
        if view is not None and position is not None:
            view.statuses[position] = new
            self._changed(item.item_id)

    def _waiting_changed(self, item: Item, waiting: Waiting | None) -> None:
        self._update(item, waiting=waiting)

    def _item_finished(self, runner: Runner, pipeline: Pipeline, item: Item) -> None:
        self._update(item, state=item.item_state, ended=time.monotonic(), waiting=None,
                     name=_name(item))
        self.logs.finish(item.item_id)
        self._finished[item.item_id] = None
        while len(self._finished) > FINISHED_KEPT:
            old, _ = self._finished.popitem(last=False)
            self.items.pop(old, None)
            self.logs.drop(old)
            if self.listener is not None:
                self.listener.item_gone(old)

    def _status_changed(self, runner: Runner, status: str) -> None:
        self._look_at_pipeline()
        self.runner_changed()

    def _look_at_pipeline(self) -> None:
        if self.runner.current_pipeline is not self._tasks_of:
            self.tasks()
            self._all_changed()

    def _all_changed(self) -> None:
        if self.listener is not None:
            self.listener.all_changed()

    def runner_changed(self) -> None:
        """Something about the whole has changed, not about one item."""
        if self.listener is not None:
            self.listener.runner_changed()

    def _update(self, item: Item, **values: Any) -> None:
        view = self.items.get(item.item_id)
        if view is not None:
            for name, value in values.items():
                setattr(view, name, value)
            self._changed(item.item_id)

    def _changed(self, item_id: str) -> None:
        if self.listener is not None:
            self.listener.item_changed(item_id)


def _name(item: Item) -> str:
    name = item.get("item_name")
    return "" if name is None else str(name)
