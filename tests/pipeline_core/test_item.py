"""The contract's part `item`.

Covered: mapping; data_dir made empty, removed unless keep_data; attributes; methods;
log_output with text, bytes, split characters, full lines; log_error; task statuses;
all events with their arguments; description and str; constants; names with NUL, URLs,
any Unicode passed on verbatim, in paths and arguments too.
"""

from __future__ import annotations

import collections.abc
import json
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.item import MOST_UNDELIVERED, Item
from pipeline_core.pipeline import Pipeline
from tests.support.engine import Line, ours, run, until
from tests.support.kit import play, run_pipeline, write_pipeline


@pytest.fixture
def item(tmp_path: Path) -> Item:
    """An item of an empty pipeline whose data folder is a fresh one."""
    pipeline = Pipeline()
    pipeline.data_dir = str(tmp_path / "data")
    return Item(pipeline, "id-1", 7)


def collect(event: Any) -> list[tuple[Any, ...]]:
    """Attach a handler; return the growing list of its calls' arguments."""
    calls: list[tuple[Any, ...]] = []
    event += lambda *args: calls.append(args)
    return calls


def test_item_is_a_mutable_mapping(item: Item) -> None:
    """Get, set, delete, iterate, in, get, update, setdefault, pop and % work."""
    assert isinstance(item, collections.abc.MutableMapping)
    item["item_name"] = "site:1"
    item["n"] = 3
    assert item["item_name"] == "site:1"
    assert item.get("absent") is None and item.get("absent", 5) == 5
    assert "n" in item and "absent" not in item
    assert "%(item_name)s/%(n)03d" % item == "site:1/003"
    item.update({"x": 1}, y=2)
    assert item.setdefault("z", []) == []
    assert item.pop("x") == 1
    del item["y"]
    assert set(item) == {"data_dir", "item_name", "n", "z"} and len(item) == 4
    with pytest.raises(KeyError):
        item["absent"]


def test_items_are_compared_by_identity(item: Item, tmp_path: Path) -> None:
    """Items serve as dict keys and set members, and are equal to themselves only."""
    other = Item(item.pipeline, "id-2", 8)
    assert {item: 1, other: 2}[item] == 1
    assert item != other and item == item
    assert len({item, other}) == 2


def test_new_item(item: Item, tmp_path: Path) -> None:
    """What a new item holds: data_dir, made empty; ids; state; no status."""
    assert item["data_dir"] == str(tmp_path / "data" / "id-1")
    assert Path(item["data_dir"]).is_dir()
    assert list(Path(item["data_dir"]).iterdir()) == []
    assert (item.item_id, item.item_number) == ("id-1", 7)
    assert item.item_state == "running" == Item.ItemState.running
    assert item.task_status == {}
    assert item.may_be_canceled is False
    assert abs(item.start_time - time.time()) < 60
    assert item.end_time is None
    assert not (item.completed or item.failed or item.canceled or item.finished)


def test_data_folder_is_made_empty(tmp_path: Path) -> None:
    """What lay in the item's folder before is not there afterwards."""
    pipeline = Pipeline()
    pipeline.data_dir = str(tmp_path)
    (tmp_path / "id-1" / "sub").mkdir(parents=True)
    (tmp_path / "id-1" / "old.warc").write_text("old")
    Item(pipeline, "id-1", 1)
    assert list((tmp_path / "id-1").iterdir()) == []


def test_item_arguments(tmp_path: Path) -> None:
    """prepare_data_directory=False makes no folder; properties are there from the start."""
    pipeline = Pipeline()
    pipeline.data_dir = str(tmp_path)
    item = Item(pipeline, "id-1", 1, keep_data=True, prepare_data_directory=False,
                properties={"a": 1})
    assert item["a"] == 1
    assert not (tmp_path / "id-1").exists()
    assert item.pipeline is pipeline


def test_constants() -> None:
    """ItemState and TaskStatus hold the four words."""
    for words in (Item.ItemState, Item.TaskStatus):
        assert (words.running, words.completed, words.failed) == (
            "running", "completed", "failed")
    assert Item.ItemState.canceled == "canceled"


def test_description_and_str(item: Item) -> None:
    """'Item NAME' and <Item 'NAME' ID STATE>, with and without a name."""
    assert item.description() == "Item "
    item["item_name"] = "it's"
    assert item.description() == "Item it's"
    assert str(item) == "<Item \"it's\" id-1 running>"
    item["item_name"] = "plain"
    assert str(item) == "<Item 'plain' id-1 running>"


def test_properties_fire(item: Item) -> None:
    """on_property(item, key, new, old); a new key's old value is None."""
    calls = collect(item.on_property)
    item["k"] = 1
    item["k"] = 2
    assert calls == [(item, "k", 1, None), (item, "k", 2, 1)]


def test_on_name_tells_each_change_of_the_name(item: Item) -> None:
    """A new name, and that it has none any more; other keys are no name."""
    names: list[Any] = []
    item.on_name += lambda item, name: names.append(name)
    item["item_name"] = "first"
    item["key"] = 1
    del item["key"]
    assert item.pop("item_name") == "first"
    item["item_name"] = "second"
    del item["item_name"]
    assert names == ["first", None, "second", None]


def test_log_output_lines(item: Item) -> None:
    """A full line gets its own line; a part does not; neither is altered otherwise."""
    calls = collect(item.on_output)
    item.log_output("full")
    item.log_output("part", full_line=False)
    item.log_output("ial\n", full_line=False)
    item.log_output("with newline\n")
    text = "".join(args[1] for args in calls)
    assert all(args[0] is item for args in calls)
    assert text == "full\npartial\nwith newline\n"


def test_full_line_after_a_part_begins_its_own(item: Item) -> None:
    """A full line never ends up glued to a half line before it."""
    calls = collect(item.on_output)
    item.log_output("50%", full_line=False)
    item.log_output("Finished")
    text = "".join(args[1] for args in calls)
    assert text.splitlines() == ["50%", "Finished"]


def test_log_output_bytes(item: Item) -> None:
    """Bytes are read as UTF-8; what cannot be decoded becomes U+FFFD; always str."""
    calls = collect(item.on_output)
    item.log_output("caf\u00e9".encode())
    item.log_output(b"\xff\xfe bad", full_line=False)
    text = "".join(args[1] for args in calls)
    assert all(isinstance(args[1], str) for args in calls)
    assert text == "caf\u00e9\n\ufffd\ufffd bad"


def test_character_split_over_two_chunks(item: Item) -> None:
    """A character whose bytes come in two chunks is still that character."""
    calls = collect(item.on_output)
    for byte in "a\u00e9\u20ac\U0001f600z".encode():
        item.log_output(bytes([byte]), full_line=False)
    text = "".join(args[1] for args in calls)
    assert text == "a\u00e9\u20ac\U0001f600z"


def test_log_error(item: Item) -> None:
    """log_error(task, *args) fires on_error with all of them, and shows in the log."""
    errors, output = collect(item.on_error), collect(item.on_output)
    item.log_error("task", "what", 3)
    assert errors == [(item, "task", "what", 3)]
    assert isinstance(output, list)


def test_task_status(item: Item) -> None:
    """set_task_status fires on_task_status(item, task, new, old) and is remembered."""
    calls = collect(item.on_task_status)
    task: Any = object()
    item.set_task_status(task, "running")
    item.set_task_status(task, "completed")
    assert item.task_status == {task: "completed"}
    assert calls == [(item, task, "running", None), (item, task, "completed", "running")]


@pytest.mark.parametrize(("method", "state"), [
    ("complete", "completed"), ("fail", "failed"), ("cancel", "canceled")])
def test_the_end_of_an_item(item: Item, method: str, state: str) -> None:
    """complete, fail, cancel: the state, its events with (item), the end time; only once."""
    states, finished = collect(item.on_item_state), collect(item.on_finish)
    named = {"complete": item.on_complete, "fail": item.on_fail, "cancel": item.on_cancel}
    calls = {name: collect(event) for name, event in named.items()}
    getattr(item, method)()
    getattr(item, method)()
    assert item.item_state == state
    assert getattr(item, state) is True and item.finished is True
    assert states == [(item, state)]
    assert finished == [(item,)]
    assert calls == {name: [(item,)] if name == method else [] for name in named}
    assert item.end_time is not None and item.end_time >= item.start_time


@pytest.mark.parametrize("keep", [False, True])
def test_data_folder_is_removed_unless_kept(tmp_path: Path, keep: bool) -> None:
    """An item's folder goes when it ends, whatever is in it, unless keep_data."""
    path = write_pipeline(tmp_path, """\
        class Fill(SimpleTask):
            def process(self, item):
                os.makedirs(item['data_dir'] + '/deep/er')
                with open(item['data_dir'] + '/deep/er/file', 'w') as f:
                    f.write('x')
                os.symlink('/nowhere', item['data_dir'] + '/link')
                if item.item_number == 2:
                    raise Exception('fails')
        pipeline = Pipeline(Fill('Fill'))
        """)
    played = play(path, items=2, keep_data=keep)
    assert played.outcomes == ["completed", "failed"]
    left = sorted(p.name for p in (tmp_path / "data").iterdir())
    assert left == (sorted(seen.item.item_id for seen in played.items) if keep else [])


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    """Removing an item's folder never removes what a link in it points to."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "cookies.txt").write_text("keep me")
    path = write_pipeline(tmp_path / "p", f"""\
        class Link(SimpleTask):
            def process(self, item):
                os.symlink({str(precious)!r}, item['data_dir'] + '/link')
        pipeline = Pipeline(Link('Link'))
        """)
    play(path)
    assert (precious / "cookies.txt").read_text() == "keep me"


def test_things_of_the_project_in_the_data_folder_stay(tmp_path: Path) -> None:
    """Only item folders that we made are removed from the data folder."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem())\n")
    (tmp_path / "data" / "other").mkdir(parents=True)
    (tmp_path / "data" / "cookies.txt").write_text("c")
    play(path, items=2)
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["cookies.txt", "other"]


def test_keep_data_by_the_command(tmp_path: Path) -> None:
    """--keep-data keeps the folders of items that ended."""
    path = write_pipeline(tmp_path, "pipeline = Pipeline(PrintItem())\n")
    assert run_pipeline(path, "--keep-data", "--max-items", "2").status == 0
    assert len(list((tmp_path / "data").iterdir())) == 2
    assert run_pipeline(path).status == 0
    assert len(list((tmp_path / "data").iterdir())) == 2


def test_file_attaches_to_item_events(tmp_path: Path) -> None:
    """Handlers that a file attaches to an item's events get the arguments of the contract."""
    path = write_pipeline(tmp_path, """\
        calls = []
        class Attach(SimpleTask):
            def process(self, item):
                item.on_property += lambda *a: calls.append(('property', a[1:]))
                item.on_complete += lambda *a: calls.append(('complete', a[1:]))
                item.on_finish += lambda *a: calls.append(('finish', a[1:]))
                item.on_item_state += lambda *a: calls.append(('state', a[1:]))
                item.on_task_status += lambda i, t, new, old: calls.append((str(t.name), new, old))
        class Work(SimpleTask):
            def process(self, item):
                item['k'] = 'v'
        pipeline = Pipeline(Attach('Attach'), Work('Work'))
        pipeline.calls = calls
        """)
    played = play(path)
    calls = played.loaded.pipeline.calls  # type: ignore[attr-defined]
    assert ("property", ("k", "v", None)) in calls
    assert ("Attach", "completed", "running") in calls
    assert ("Work", "running", None) in calls
    assert ("Work", "completed", "running") in calls
    assert ("state", ("completed",)) in calls
    assert ("complete", ()) in calls and ("finish", ()) in calls


NAMES = ["site:../../etc/passwd", "https://example.org/a?b=c&d=%20%(x)s#f", "a\0b\0c",
         "new\nline", "caf\u00e9 \u4f60\u597d \U0001f600", "--option", "'; touch x; '", "$(id)",
         "*", " spaces ", "/", "..", "a" * 5000]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_is_passed_verbatim(tmp_path: Path, name: str) -> None:
    """Names go through properties, interpolation, arguments and files unaltered; no path
    and no shell word is built of them."""
    path = write_pipeline(tmp_path, f"""\
        NAME = {name!r}
        class Check(SimpleTask):
            def process(self, item):
                assert item['item_name'] == NAME
                folder = os.path.join(item.pipeline.data_dir, item.item_id)
                assert os.path.dirname(os.path.abspath(folder)) == os.path.abspath('data')
                assert '/' not in item.item_id and '\\0' not in item.item_id
                assert ('%(item_name)s' % item) == NAME
        tell = ['import sys, json; print("ARG", json.dumps(sys.argv[1:]))']
        args = [PYTHON, '-c'] + tell
        if '\\0' not in NAME:
            args.append(ItemValue('item_name'))
            args.append(ItemInterpolation('x%(item_name)sx'))
        pipeline = Pipeline(SetItemKey('item_name', NAME), Check('Check'),
                            ExternalProcess('Tell', args))
        """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["item_name"] == name
    shown = [] if "\0" in name else [name, f"x{name}x"]
    assert "ARG " + json.dumps(shown) in seen.log
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "pipeline.py"]


def test_nul_in_an_argument_fails_the_item_with_a_sentence(tmp_path: Path) -> None:
    """A NUL cannot be an argument of a program: the item fails, nothing else."""
    path = write_pipeline(tmp_path, """\
        pipeline = Pipeline(SetItemKey('item_name', 'a\\0b'),
                            ExternalProcess('Echo', ['echo', ItemValue('item_name')]))
        """)
    seen = play(path).only
    assert seen.outcome == "failed"
    assert "null byte" in seen.log or "NUL" in seen.log


def test_output_of_a_moment_is_delivered_in_one_piece(tmp_path: Path) -> None:
    """To our own handlers: the first line after a pause at once, in order, all before the end."""
    async def main() -> None:
        pieces: list[str] = []
        with Line(tmp_path) as line:
            item = line.item()
            item.on_output += ours(lambda item, text: pieces.append(text))
            for number in range(5):
                item.log_output(f"line {number}")
            assert pieces == []
            await until(lambda: pieces)
            assert pieces == ["line 0\nline 1\nline 2\nline 3\nline 4\n"]
            item.log_output("the last")
            item.on_finish += ours(lambda item: pieces.append("FINISH"))
            item.complete()
            item.log_output("after the end")
            assert pieces[1:] == ["the last\n", "FINISH", "after the end\n"]

    run(main())


def test_much_output_does_not_wait(tmp_path: Path) -> None:
    """What is larger than MOST_UNDELIVERED is delivered at once, so nothing piles up."""
    async def main() -> None:
        pieces: list[str] = []
        with Line(tmp_path) as line:
            item = line.item()
            item.on_output += ours(lambda item, text: pieces.append(text))
            for _ in range(8):
                item.log_output("x" * (MOST_UNDELIVERED // 4))
            assert 1 <= len(pieces) <= 2
            assert sum(map(len, pieces)) > MOST_UNDELIVERED

    run(main())


def test_a_handler_of_the_project_gets_each_line(tmp_path: Path) -> None:
    """As the contract has it; what was logged before it was there is not mixed in."""
    async def main() -> None:
        pieces: list[str] = []
        with Line(tmp_path) as line:
            item = line.item()
            item.log_output("before")
            item.on_output += lambda item, text: pieces.append(text)
            for number in range(3):
                item.log_output(f"line {number}")
            await item.scope.handlers_returned()
            assert pieces[-3:] == ["line 0\n", "line 1\n", "line 2\n"]

    run(main())


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("is_projects", [False, True])
def test_output_goes_to_the_handlers_of_its_time(
    tmp_path: Path, replaces: bool, is_projects: bool
) -> None:
    """A handler that comes later, or instead of the event, gets nothing that was logged before."""
    async def main() -> None:
        early: list[str] = []
        late: list[str] = []

        def take(item: Item, text: str) -> None:
            late.append(text)

        handler = take if is_projects else ours(take)
        with Line(tmp_path) as line:
            item = line.item()
            item.on_output += ours(lambda item, text: early.append(text))
            item.log_output("before")
            if replaces:
                item.on_output = handler  # type: ignore[assignment]
            else:
                item.on_output += handler
            item.log_output("after")
            item.deliver_output()
            await item.scope.handlers_returned()
        assert "".join(late) == "after\n"
        assert "".join(early) == ("before\n" if replaces else "before\nafter\n")

    run(main())


def test_a_handler_that_is_removed_gets_what_came_before(tmp_path: Path) -> None:
    """And nothing of what comes after."""
    async def main() -> None:
        pieces: list[str] = []
        handler = ours(lambda item, text: pieces.append(text))
        with Line(tmp_path) as line:
            item = line.item()
            item.on_output += handler
            item.log_output("before")
            item.on_output -= handler
            item.log_output("after")
            item.deliver_output()
        assert pieces == ["before\n"]

    run(main())
