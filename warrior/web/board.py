"""The items that the page shows: those at work, and those that have just ended.

When items and pipelines end, only small, bounded copies stay. The hub hears of each change.
"""

from __future__ import annotations

import dataclasses
import functools
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline_core.engine.waiting import Waiting
    from pipeline_core.item import Item
    from pipeline_core.pipeline import Pipeline
    from pipeline_core.runner import Runner
    from pipeline_core.task import Task
    from warrior.process.item_log import ItemLogs
    from warrior.web.live import Hub

#: The number of ended items that stay on the page.
FINISHED_KEPT = 100


@dataclasses.dataclass
class ItemView:
    """The facts that the page displays of one item. Times are of ``time.monotonic()``."""

    id: str
    number: int
    name: str
    started: float
    project: str = ""
    #: The key of its steps in :attr:`Board.pipelines`.
    pipeline: str = ""
    state: str = "running"
    ended: float | None = None
    waiting: Waiting | None = None
    statuses: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Steps:
    """The shown tasks of one version of a project, as ``(position, name)``."""

    project: str
    version: str
    tasks: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class _StepPositions:
    """The key of the steps of one pipeline object, and the positions of its tasks."""

    key: str
    positions: dict[Task, str]


#: Returns all loaded pipelines: project, version, pipeline.
Loaded = Callable[[], "Iterable[tuple[str, str, Pipeline]]"]


class Board:
    """The views of all runners' items, kept up to date by events. Used on the loop."""

    def __init__(self, logs: ItemLogs, loaded: Loaded) -> None:
        self.logs = logs
        self.listener: Hub | None = None
        self.items: OrderedDict[str, ItemView] = OrderedDict()
        #: The steps of loaded pipelines, and of those that items on the page went through.
        self.pipelines: dict[str, Steps] = {}
        #: The number of items that have begun, and the outcomes of those that have ended.
        self.started = 0
        self.counts = {"completed": 0, "failed": 0, "canceled": 0}
        self._loaded = loaded
        self._places: dict[Pipeline, _StepPositions] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()
        #: Weak, so that a runner that is no longer needed disappears.
        self._runners: weakref.WeakKeyDictionary[Runner, Callable[[Runner, Item], None]] = (
            weakref.WeakKeyDictionary())

    def add_runner(self, project: str, runner: Runner) -> None:
        """Show the items of this runner too. Idempotent."""
        if runner not in self._runners:
            created = self._runners[runner] = functools.partial(self._item_created, project)
            runner.on_create_item += created
            runner.on_pipeline_finish_item += self._item_finished
            runner.on_status += self._status_changed

    def close(self) -> None:
        """Listen to the runners no longer."""
        for runner, created in list(self._runners.items()):
            runner.on_create_item -= created
            runner.on_pipeline_finish_item -= self._item_finished
            runner.on_status -= self._status_changed
        self._runners.clear()

    def running(self) -> list[ItemView]:
        """The items at work, in the order in which they began."""
        return [view for view in self.items.values() if view.ended is None]

    def notify_hub(self, *sections: str) -> None:
        """Tell the hub that these sections have changed."""
        if self.listener is not None:
            self.listener.changed(*sections)

    # -- pipelines -----------------------------------------------------------------
    def look_at_pipelines(self) -> None:
        """Add the loaded pipelines, and drop those that are no longer needed."""
        before = dict(self.pipelines)
        loaded = list(self._loaded())
        for project, version, pipeline in loaded:
            if pipeline not in self._places:
                self._take_in(project, version, pipeline)
        at_work = {view.pipeline for view in self.running()}
        wanted = {pipeline for _, _, pipeline in loaded}
        self._places = {pipeline: place for pipeline, place in self._places.items()
                        if pipeline in wanted or place.key in at_work}
        shown = {view.pipeline for view in self.items.values()}
        shown.update(place.key for place in self._places.values())
        self.pipelines = {key: steps for key, steps in self.pipelines.items() if key in shown}
        if self.pipelines != before:
            self.notify_hub("pipelines")

    def _take_in(self, project: str, version: str, pipeline: Pipeline) -> None:
        key = f"{project}@{version}"
        positions = pipeline.positions
        self._places[pipeline] = _StepPositions(key, positions)
        self.pipelines[key] = Steps(project, version, tuple(
            (positions.get(task, str(number)), str(name))
            for number, (task, name) in enumerate(pipeline.ui_task_list())))

    def _place(self, project: str, pipeline: Pipeline) -> _StepPositions:
        if pipeline not in self._places:
            self.look_at_pipelines()
        if pipeline not in self._places:
            # It is not loaded any more, but an item is in it.
            self._take_in(project, "", pipeline)
            self.notify_hub("pipelines")
        return self._places[pipeline]

    # -- items -----------------------------------------------------------------------
    def _item_created(self, project: str, runner: Runner, item: Item) -> None:
        place = self._place(project, item.pipeline)
        self.started += 1
        self.items[item.item_id] = ItemView(
            item.item_id, item.item_number, _name(item), time.monotonic(), project, place.key)
        item.on_output += self._output
        item.on_name += self._name_changed
        item.on_task_status += functools.partial(self._task_changed, place)
        item.on_waiting += self._waiting_changed
        self._changed(item.item_id)
        self._numbers_changed()

    def _item_finished(self, runner: Runner, pipeline: Pipeline, item: Item) -> None:
        if item.only_waited:
            # It may have ended before it was announced.
            self.started -= item.item_id in self.items
            self._forget(item.item_id)
            self._numbers_changed()
            return
        self.counts[item.item_state] += 1
        self._numbers_changed()
        if item.item_id not in self.items:
            return  # cancelled before it began
        self._update(item, state=item.item_state, ended=time.monotonic(), waiting=None,
                     name=_name(item))
        self.logs.finish(item.item_id)
        self._finished[item.item_id] = None
        while len(self._finished) > FINISHED_KEPT:
            self._forget(self._finished.popitem(last=False)[0])

    def _forget(self, item_id: str) -> None:
        view = self.items.pop(item_id, None)
        self.logs.drop(item_id)
        if view is None:
            return
        if self.listener is not None:
            self.listener.item_gone(item_id)
        if not any(other.pipeline == view.pipeline for other in self.items.values()):
            self.look_at_pipelines()  # it was the last item of its pipeline

    def _output(self, item: Item, data: str) -> None:
        text = self.logs.append(item.item_id, data)
        if self.listener is not None:
            self.listener.output_came(item.item_id, text)

    def _name_changed(self, item: Item, name: Any) -> None:
        self._update(item, name="" if name is None else str(name))

    def _task_changed(
        self, place: _StepPositions, item: Item, task: Task, new: str, old: str | None
    ) -> None:
        view = self.items.get(item.item_id)
        position = place.positions.get(task)
        if view is not None and position is not None:
            view.statuses[position] = new
            if self.listener is not None and self.listener.readers:
                self.listener.item_changed(item.item_id)

    def _waiting_changed(self, item: Item, waiting: Waiting | None) -> None:
        self._update(item, waiting=waiting)

    def _update(self, item: Item, **values: Any) -> None:
        view = self.items.get(item.item_id)
        if view is not None:
            for name, value in values.items():
                setattr(view, name, value)
            self._changed(item.item_id)

    def _changed(self, item_id: str) -> None:
        if self.listener is not None:
            self.listener.item_changed(item_id)

    def _numbers_changed(self) -> None:
        # The counts of the projects are not urgent.
        if self.listener is not None:
            self.listener.changed_later("projects")

    def _status_changed(self, runner: Runner, status: str) -> None:
        self.look_at_pipelines()
        self.notify_hub("status", "runner", "projects")


def _name(item: Item) -> str:
    name = item.get("item_name")
    return "" if name is None else str(name)
