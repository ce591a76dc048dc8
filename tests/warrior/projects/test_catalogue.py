"""What is on offer, from three sources, and what lasts over a restart."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_hq import project
from warrior.projects.catalogue import Catalogue, UnexpectedAnswer


@dataclasses.dataclass(frozen=True)
class Added:
    name: str
    repository: str
    title: str = ""
    description: str = ""


def catalogue(folder: Path, operator: Sequence[Added] = (), **options: Any) -> Catalogue:
    options.setdefault("random", random.Random(1))
    return Catalogue(str(folder / "catalogue.json"), operator=operator, **options)


def answer(*names: str, **more: Any) -> dict[str, Any]:
    return {"projects": [project(name) for name in names], **more}


def taken(one: Catalogue, *answers: dict[str, Any]) -> Catalogue:
    """After these answers, one after the other."""
    async def main() -> None:
        for each in answers:
            await one.apply(each)
    asyncio.run(main())
    return one


def loaded(one: Catalogue) -> Catalogue:
    asyncio.run(one.load())
    return one


def test_three_sources(tmp_path: Path) -> None:
    """HQ's, then the operator's, then the shipped ones; of one name the operator's, then HQ's."""
    for name in ("s1", "both", "h1"):
        (tmp_path / "shipped" / name).mkdir(parents=True)
        (tmp_path / "shipped" / name / "pipeline.py").touch()
    own = [Added("o1", "/srv/o1", "Mine", "<b>d</b>"), Added("h2", "/srv/h2"), Added("both", "/b")]
    one = loaded(catalogue(tmp_path, own, shipped_dir=str(tmp_path / "shipped")))
    assert list(one.entries) == ["o1", "h2", "both", "h1", "s1"]
    taken(one, answer("h1", "h2", "h3"))
    assert [(e.name, e.source) for e in one.entries.values()] == [
        ("h1", "hq"), ("h3", "hq"), ("o1", "operator"), ("h2", "operator"), ("both", "operator"),
        ("s1", "shipped")]
    assert (one.entries["o1"].title, one.entries["o1"].description) == ("Mine", "<b>d</b>")
    assert one.entries["h2"].title == "h2"
    assert [entry.name for entry in one.offer.entries] == ["h1", "h2", "h3"]


def test_operator_names(tmp_path: Path) -> None:
    """A name that no project may have is left out with a sentence; the others stay."""
    one = catalogue(tmp_path, [Added("../x", "/x"), Added("auto", "/y"), Added("good", "/z")])
    assert list(one.entries) == ["good"]
    assert len(one.refused) == 2 and "'../x'" in one.refused[0] and "warrior.conf" in one.refused[0]
    taken(one, {"projects": [project("a"), project("..")]})
    assert len(one.refused) == 3


def test_the_last_good_list_stays(tmp_path: Path) -> None:
    """An answer that is none changes nothing, in memory or on disk."""
    one = taken(catalogue(tmp_path), answer("a", auto_project="a", broadcast_message="<i>x</i>"))
    kept = (tmp_path / "catalogue.json").read_bytes()
    told: list[Catalogue] = []
    one.on_change += told.append
    for garbage in ({}, {"projects": None}, {"projects": [5]}):
        with pytest.raises(UnexpectedAnswer):
            taken(one, garbage)
    assert list(one.entries) == ["a"] and one.choice == "a" and one.offer.announcement == "<i>x</i>"
    assert (tmp_path / "catalogue.json").read_bytes() == kept
    assert told == []


def test_over_a_restart(tmp_path: Path) -> None:
    """List, announcement, wanted level and choice are there before HQ has answered."""
    weights = [{"project": name, "weight": 1} for name in "abcdefgh"]
    given = answer(*"abcdefgh", auto_projects_config=weights, broadcast_message="<i>x</i>",
                   warrior={"seesaw_version": "9"})
    first = taken(catalogue(tmp_path), given)
    for seed in range(5):
        one = loaded(catalogue(tmp_path, random=random.Random(seed)))
        assert one.entries == first.entries
        assert (one.offer.announcement, one.offer.wanted_api, one.choice) == ("<i>x</i>", "9", first.choice)
        # Its share has not fallen: the restart is no new draw.
        assert taken(one, given).choice == first.choice
    assert stat.S_IMODE(os.stat(tmp_path / "catalogue.json").st_mode) == 0o600


def test_what_rose_is_known_over_a_restart(tmp_path: Path) -> None:
    """When the share of the choice falls, the next is drawn among those that rose, compared with
    the shares that were kept with the list."""
    def weights(**each: int) -> dict[str, Any]:
        return answer(*each, auto_projects_config=[
            {"project": name, "weight": weight} for name, weight in each.items()])

    chosen = taken(catalogue(tmp_path), weights(a=60, b=40)).choice
    kept = (tmp_path / "catalogue.json").read_text()
    # c comes instead of the chosen one; the other one's share stays as it was.
    moved = weights(b=40, c=60) if chosen == "a" else weights(a=60, c=40)
    for seed in range(20):
        (tmp_path / "catalogue.json").write_text(kept)
        one = loaded(catalogue(tmp_path, random=random.Random(seed)))
        assert one.choice == chosen and taken(one, moved).choice == "c"


def test_what_hq_drops_is_gone(tmp_path: Path) -> None:
    """Until it comes back; not where the operator offers it as well."""
    one = taken(catalogue(tmp_path, [Added("c", "/c")]), answer("a", "b", "c"))
    assert set(one.entries) == {"a", "b", "c"}
    taken(one, answer("b"))
    assert set(one.entries) == {"b", "c"}
    taken(one, answer())
    assert set(one.entries) == {"c"}
    taken(one, answer("a"))
    assert set(one.entries) == {"a", "c"}


def test_a_moved_repository(tmp_path: Path) -> None:
    """The new address counts at once; one that is refused takes the project away."""
    one = taken(catalogue(tmp_path), answer("a", "b"))
    taken(one, {"projects": [project("a", "https://new.example/a"), project("b")]})
    assert one.entries["a"].repository == "https://new.example/a"
    taken(one, {"projects": [project("a", "file:///srv/a"), project("b")]})
    assert set(one.entries) == {"b"} and len(one.refused) == 1


def test_change_is_told_once(tmp_path: Path) -> None:
    """The same answer again is no change, and is not written again."""
    one = catalogue(tmp_path)
    told: list[Catalogue] = []
    one.on_change += told.append
    taken(one, answer("a"))
    assert told == [one]
    before = os.stat(tmp_path / "catalogue.json").st_ino
    taken(one, answer("a"))
    assert told == [one]
    assert os.stat(tmp_path / "catalogue.json").st_ino == before
    taken(one, answer("a", auto_project="a"))
    assert told == [one, one] and one.choice == "a"


@pytest.mark.parametrize("content", [
    b"", b"\xff\x00", b"null", b"[]", b'{"answer": 5}', b'{"answer": {"projects": 5}}', b"{" * 9999,
    b'{"answer": {"projects": [{"name": "../x", "repository": "https://h/x"}]}}'])
def test_a_file_that_is_of_no_use(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in the log, and HQ's next answer takes its place."""
    (tmp_path / "catalogue.json").write_bytes(content)
    one = loaded(catalogue(tmp_path))
    assert one.entries == {} and "cannot be used" in caplog.text
    taken(one, answer("a"))
    assert list(loaded(catalogue(tmp_path)).entries) == ["a"]


@pytest.mark.parametrize("choice", [None, 5, {}, {"project": "x", "share": 0.5},
                                    {"project": "a", "share": "x"}, {"project": ["a"], "share": 0.1},
                                    {"project": "a", "share": 7.0}])
def test_a_choice_in_the_file_that_is_none(tmp_path: Path, choice: Any) -> None:
    """The list counts; the choice is drawn with the next answer."""
    taken(catalogue(tmp_path), answer("a", auto_project="a"))
    kept = json.loads((tmp_path / "catalogue.json").read_text())
    (tmp_path / "catalogue.json").write_text(json.dumps({**kept, "choice": choice}))
    one = loaded(catalogue(tmp_path))
    assert list(one.entries) == ["a"] and one.choice == ""
    assert taken(one, answer("a", auto_project="a")).choice == "a"


def test_no_file_and_a_folder_in_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first start is quiet; a folder is said, and the answer counts although it is not kept."""
    assert loaded(catalogue(tmp_path)).entries == {}
    assert caplog.text == ""
    (tmp_path / "catalogue.json").mkdir()
    one = taken(loaded(catalogue(tmp_path)), answer("a"))
    assert list(one.entries) == ["a"]
    assert "cannot be kept" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.json"]
    (tmp_path / "catalogue.json").rmdir()
    taken(one, answer("a"))
    assert list(loaded(catalogue(tmp_path)).entries) == ["a"]


def test_the_list_of_another_hq(tmp_path: Path) -> None:
    """Where the HQ is known, a list counts only if it is of that one; with none, none does."""
    taken(catalogue(tmp_path, hq_url="http://one"), answer("a"))
    assert list(loaded(catalogue(tmp_path, hq_url="http://one")).entries) == ["a"]
    assert list(loaded(catalogue(tmp_path)).entries) == ["a"]
    assert loaded(catalogue(tmp_path, hq_url="http://two")).entries == {}
    assert loaded(catalogue(tmp_path, hq_url="")).entries == {}


def test_reading_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    """A list of the largest size is checked and written while the loop goes on."""
    big = {"projects": [project(f"p{n}", description="d" * 8000) for n in range(500)]}

    async def main() -> float:
        longest, done = 0.0, asyncio.ensure_future(catalogue(tmp_path).apply(big))
        loop = asyncio.get_running_loop()
        while not done.done():
            before = loop.time()
            await asyncio.sleep(0)
            longest = max(longest, loop.time() - before)
        await done
        return longest
    longest = asyncio.run(main())
    assert longest < 0.5
