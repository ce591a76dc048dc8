"""A limited number of items inside a task, the others in order."""

from __future__ import annotations

import asyncio
import operator
import threading
from pathlib import Path
from typing import Any

from pipeline_core.config import NumberConfigValue
from pipeline_core.item import Item
from pipeline_core.task import ConditionalTask, LimitConcurrent, SimpleTask, Task
from tests.support.engine import Line, OursTask, run, until
from tests.support.kit import Played, play, write_pipeline


class Room:
    """The task inside: who is in it, in which order they came, and the most at once."""

    def __init__(self) -> None:
        self.inside: list[int] = []
        self.order: list[int] = []
        self.most = 0
        self.leave: dict[int, asyncio.Event] = {}
        self.task = OursTask("Inside", self.work)

    async def work(self, item: Item) -> None:
        number = item.item_number
        self.inside.append(number)
        self.order.append(number)
        self.most = max(self.most, len(self.inside))
        self.leave[number] = asyncio.Event()
        try:
            await self.leave[number].wait()
        finally:
            self.inside.remove(number)

    async def until_inside(self, *numbers: int) -> None:
        await until(lambda: self.inside == list(numbers), f"{numbers} inside")
        await asyncio.sleep(0)
        assert self.inside == list(numbers)


class InWorker:
    """A limit that the project's code realizes, while a test holds it."""

    def __init__(self, limit: Any) -> None:
        self.limit = limit
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def realize(self, item: Item) -> Any:
        self.asked += 1
        assert self.may_answer.wait(10)
        if isinstance(self.limit, Exception):
            raise self.limit
        return self.limit


def test_they_come_in_in_order(tmp_path: Path) -> None:
    """As many as there is room for, the others when one leaves; the slots are free at the end."""
    async def main() -> None:
        room = Room()
        with Line(tmp_path, LimitConcurrent("2", room.task)) as line:
            items = [line.start() for _ in range(4)]
            await room.until_inside(1, 2)
            assert [item.waiting is not None for item in items] == [False, False, True, True]
            waiting = items[3].waiting
            assert waiting is not None and waiting.code == "queue" and "2 at a time" in waiting.reason
            room.leave[2].set()
            await room.until_inside(1, 3)
            assert items[2].waiting is None
            room.leave[1].set()
            room.leave[3].set()
            await room.until_inside(4)
            room.leave[4].set()
            assert [await line.ended(item) for item in items] == ["completed"] * 4
            assert room.order == [1, 2, 3, 4] and room.most == 2

    run(main())


def test_a_limit_of_zero_lets_nobody_in(tmp_path: Path) -> None:
    """Until it is raised; then as many as it says, and it is lowered as well."""
    async def main() -> None:
        room, limit = Room(), NumberConfigValue(name="limit", default=0, min=0)
        with Line(tmp_path, LimitConcurrent(limit, room.task)) as line:
            for _ in range(4):
                line.start()
            await until(lambda: all(item.waiting for item in line.items))
            assert room.inside == []
            limit.set_value("2")
            await room.until_inside(1, 2)
            limit.set_value("1")
            room.leave[1].set()
            await room.until_inside(2)
            room.leave[2].set()
            await room.until_inside(3)
            # From a thread, as a setting may be changed.
            thread = threading.Thread(target=limit.set_value, args=("5",))
            thread.start()
            await room.until_inside(3, 4)
            thread.join()

    run(main())


def test_items_that_leave_at_once_make_room_for_one_each(tmp_path: Path) -> None:
    """Never more than the limit, also where it is realized in the worker meanwhile."""
    async def main() -> None:
        room, limit = Room(), InWorker(2)
        inner = ConditionalTask(operator.attrgetter("stays"), room.task)
        with Line(tmp_path, LimitConcurrent(limit, inner)) as line:
            limit.may_answer.clear()
            for number in range(12):
                item = line.item()
                item.stays = number % 3 == 2  # type: ignore[attr-defined]
                line.start(item)
            await until(lambda: limit.asked)
            limit.may_answer.set()
            await room.until_inside(3, 6)
            for number in (3, 6, 9, 12):
                await until(lambda number=number: number in room.leave)  # type: ignore[misc]
                room.leave[number].set()
            for item in line.items:
                assert await line.ended(item) == "completed"
        assert room.most == 2 and room.order == [3, 6, 9, 12]

    run(main())


def test_a_raised_limit_counts_those_that_leave_at_once(tmp_path: Path) -> None:
    """A limit of 2 runs no third child: the room that there was is no more when it is given."""
    path = write_pipeline(tmp_path, """\
        import operator
        limit = NumberConfigValue(name='limit', default=0, min=0)
        class Mark(SimpleTask):
            def process(self, item):
                item['stays'] = item.item_number > 2
        child = ExternalProcess('Child', ['sleep', '0.1'])
        pipeline = Pipeline(Mark('Mark'), LimitConcurrent(limit, ConditionalTask(
            operator.itemgetter('stays'), child)))
        pipeline.limit, pipeline.child = limit, child
        """)
    most = [0]

    async def script(played: Played) -> None:
        pipeline: Any = played.loaded.pipeline
        await played.until(lambda: len(played.items) == 6
                           and all(seen.item.waiting for seen in played.items))

        def look() -> bool:
            most[0] = max(most[0], sum(seen.item.task_status.get(pipeline.child) == "running"
                                       for seen in played.items))
            return played.finished.is_set()

        pipeline.limit.set_value("2")
        await played.until(look)

    played = play(path, script, items=6, concurrent=6, timeout=10)
    assert played.outcomes == ["completed"] * 6
    assert most[0] == 2


def test_one_that_is_cancelled_in_the_queue(tmp_path: Path) -> None:
    """The others keep their order; the first one, and one in the middle."""
    async def main() -> None:
        room = Room()
        with Line(tmp_path, LimitConcurrent(1, room.task)) as line:
            items = [line.start() for _ in range(5)]
            await room.until_inside(1)
            await until(lambda: items[4].waiting)
            items[1].cancel()
            items[3].fail()
            assert await line.ended(items[1]) == "canceled"
            assert await line.ended(items[3]) == "failed"
            room.leave[1].set()
            await room.until_inside(3)
            room.leave[3].set()
            await room.until_inside(5)

    run(main())


def test_one_that_is_cancelled_while_its_limit_is_asked_for(tmp_path: Path) -> None:
    """It holds nothing, and the next one is asked instead."""
    async def main() -> None:
        room, limit = Room(), InWorker(1)
        with Line(tmp_path, LimitConcurrent(limit, room.task)) as line:
            limit.may_answer.clear()
            items = [line.start() for _ in range(2)]
            await until(lambda: limit.asked == 1)
            items[0].cancel()
            assert await line.ended(items[0]) == "canceled"
            limit.may_answer.set()
            await room.until_inside(2)
            assert limit.asked == 2

    run(main())


def test_one_that_ends_inside_frees_its_slot(tmp_path: Path) -> None:
    """However it ends."""
    async def main() -> None:
        room = Room()
        with Line(tmp_path, LimitConcurrent(1, room.task)) as line:
            items = [line.start() for _ in range(4)]
            for number, end in enumerate((items[0].cancel, items[1].fail, items[2].complete), 1):
                await room.until_inside(number)
                end()
            await room.until_inside(4)
            assert [item.item_state for item in items] == [
                "canceled", "failed", "completed", "running"]

    run(main())


def test_one_that_is_ended_by_whoever_is_told_that_it_waits_no_more(tmp_path: Path) -> None:
    """A handler of ours in the very moment: its slot is free again."""
    from tests.support.engine import ours

    async def main() -> None:
        room = Room()
        with Line(tmp_path, LimitConcurrent(1, room.task)) as line:
            one, two, three = (line.item() for _ in range(3))

            @ours
            def end(item: Item, waiting: object) -> None:
                if waiting is None and not item.scope.ending:
                    item.fail()

            two.on_waiting += end
            for item in (one, two, three):
                line.start(item)
            await until(lambda: three.waiting)
            room.leave.setdefault(1, asyncio.Event())
            await room.until_inside(1)
            room.leave[1].set()
            await room.until_inside(3)
            assert two.failed and room.order == [1, 3]

    run(main())


def test_a_limit_that_cannot_be_realized(tmp_path: Path) -> None:
    """It fails the item whose turn it is, and asks for the next one."""
    async def main() -> None:
        room, limit = Room(), InWorker(LookupError("no limit"))
        with Line(tmp_path, LimitConcurrent(limit, room.task)) as line:
            limit.may_answer.clear()
            items = [line.start() for _ in range(3)]
            await until(lambda: limit.asked == 1)
            limit.may_answer.set()
            assert await line.ended(items[0]) == "failed"
            assert "LookupError: no limit" in line.log(items[0])
            limit.limit = 1
            await until(lambda: room.inside)
            assert all(item.failed for item in items if item.item_number < room.inside[0])

    run(main())


def test_a_limit_over_several_tasks(tmp_path: Path) -> None:
    """Those whose setting has a limiter have one queue together, over projects."""
    from pipeline_core.engine.concurrency_limiter import ConcurrencyLimiter

    async def main() -> None:
        room, limit = Room(), NumberConfigValue(name="shared:limit", default=1, min=0)
        limit.limiter = ConcurrencyLimiter()
        one: Task = LimitConcurrent(limit, room.task)
        two: Task = LimitConcurrent(limit, Room().task)
        with Line(tmp_path, one) as first, Line(tmp_path, two) as second:
            item = first.start()
            await room.until_inside(1)
            other = second.start()
            await until(lambda: other.waiting)
            room.leave[1].set()
            assert await first.ended(item) == "completed"
            await until(lambda: other.waiting is None)
            other.cancel()
            await second.ended(other)
            third = first.start()
            await room.until_inside(2)
            assert third.waiting is None

    run(main())


def test_a_slot_is_held_until_the_task_inside_is_left(tmp_path: Path) -> None:
    """Also where a project's code says that the limit itself is left."""
    class Says(SimpleTask):
        def process(self, item: Item) -> None:
            limit.complete_item(item)
            started.set()
            assert may_return.wait(10)

    started, may_return = threading.Event(), threading.Event()
    limit = LimitConcurrent(1, Says("Says"))

    async def main() -> None:
        with Line(tmp_path, limit) as line:
            one, two = line.start(), line.start()
            await until(started.is_set)
            await until(lambda: two.waiting)
            may_return.set()
            assert await line.ended(one) == await line.ended(two) == "completed"

    run(main())
