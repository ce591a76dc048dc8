"""The volunteer's settings: checked, kept, in effect at once; all or nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.config import ConfigValue, NumberConfigValue, StringConfigValue
from warrior.settings.api_keys import digest
from warrior.settings.scrypt import hash_password, is_record, matches
from warrior.settings.settings import Field, Settings, SettingsError


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


class Opened:
    """Settings in a folder, with the changes that they announce."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.told: list[frozenset[str]] = []
        settings.on_change += self.told.append

    def field(self, name: str) -> Field:
        (field,) = [field for field in self.settings.fields() if field.name == name]
        return field

    async def refused(self, **changes: Any) -> dict[str, str]:
        with pytest.raises(SettingsError) as refused:
            await self.settings.save(changes)
        return refused.value.errors


async def open_in(
    folder: Path, name: str = "settings.json", *, most: int = 6, fixed: tuple[str, ...] = (),
    **seeds: str,
) -> Opened:
    settings = await Settings.open(
        str(folder / name), max_concurrent_items=most,
        seeds={key.replace("shared_", "shared:"): text for key, text in seeds.items()},
        fixed=fixed)
    return Opened(settings)


def stored(folder: Path, name: str = "settings.json") -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / name).read_text())
    return data


# -- the first start -----------------------------------------------------------------------
def test_first_start(tmp_path: Path) -> None:
    """Nothing is set or written; the defaults count."""
    async def test() -> None:
        settings = (await open_in(tmp_path)).settings
        assert not settings.downloader.value and not settings.downloader.is_valid()
        assert settings.concurrent_items.value == 2
        assert (settings.warrior_id, settings.selected) == ("", ())
        assert (settings.http_username, settings.password_record) == ("", "")
        assert (settings.trouble, settings.locked) == ("", False)
        assert os.listdir(tmp_path) == []

    run(test())


def test_default_under_a_low_limit(tmp_path: Path) -> None:
    """An operator may allow one item only."""
    async def test() -> None:
        opened = await open_in(tmp_path, most=1)
        assert opened.settings.concurrent_items.value == 1
        assert "at most 1" in (await opened.refused(concurrent_items="2"))["concurrent_items"]

    run(test())


def test_own_fields(tmp_path: Path) -> None:
    """They come first, with their limits."""
    async def test() -> None:
        opened = await open_in(tmp_path, downloader="somebody")
        assert [field.name for field in opened.settings.fields()] == [
            "downloader", "concurrent_items", "http_username", "http_password"]
        nickname, number = opened.field("downloader"), opened.field("concurrent_items")
        assert (nickname.value, nickname.regex) == ("somebody", "^[-_a-zA-Z0-9]{3,30}$")
        assert (number.kind, number.value, number.default) == ("number", "2", "2")
        assert (number.min, number.max) == (1, 6)
        assert opened.field("http_password").kind == "password"
        assert all(field.group == "" and field.title for field in opened.settings.fields())

    run(test())


# -- saving --------------------------------------------------------------------------------
def test_saving_acts_at_once_and_lasts(tmp_path: Path) -> None:
    """The live values, the event, the file, and the next start."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        seen: list[Any] = []
        opened.settings.concurrent_items.on_change += lambda value: seen.append(value.value)
        await opened.settings.save({"downloader": " some-body \n", "concurrent_items": "06"})
        assert opened.settings.downloader.realize() == "some-body"
        assert seen == [6]
        assert opened.told == [frozenset({"downloader", "concurrent_items"})]
        assert stored(tmp_path) == {"downloader": "some-body", "concurrent_items": "6"}
        again = (await open_in(tmp_path)).settings
        assert (again.downloader.value, again.concurrent_items.value) == ("some-body", 6)

    run(test())


def test_numbers_may_be_numbers(tmp_path: Path) -> None:
    """A JSON number is accepted; an empty text restores the default."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        await opened.settings.save({"concurrent_items": 5})
        assert opened.settings.concurrent_items.value == 5
        await opened.settings.save({"concurrent_items": ""})
        assert opened.settings.concurrent_items.value == 2
        assert (await open_in(tmp_path)).settings.concurrent_items.value == 2

    run(test())


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("downloader", "", "3 to 30 letters"), ("downloader", None, "3 to 30 letters"),
    ("downloader", "ab", "3 to 30 letters"), ("downloader", "a b c", "3 to 30 letters"),
    ("downloader", "müller", "3 to 30 letters"), ("downloader", "abc\ndef", "3 to 30 letters"),
    ("downloader", ["abc"], "text or a whole number"), ("downloader", True, "text or a whole"),
    ("downloader", "x" * 5000, "too long"), ("downloader", "a\0b", "cannot be used"),
    ("downloader", "abc\ud800", "cannot be used"),
    ("concurrent_items", "0", "at least 1"), ("concurrent_items", "7", "at most 6"),
    ("concurrent_items", "two", "a whole number"), ("concurrent_items", 2.5, "whole number"),
    ("concurrent_items", "9" * 4000, "must be"), ("concurrent_items", 10 ** 20, "whole number"),
    ("http_username", "a:b", "without ':'"), ("http_username", {}, "text"),
    ("http_password", 5, "must be text"), ("http_password", "x" * 5000, "too long"),
    ("warrior_id", "x", "There is no such setting"), ("selected_project", "x", "no such setting"),
    ("projects", ["x"], "text"), ("projects", "x", "no such setting"), ("", "x", "no such"),
    ("shared:bogus", "1", "no such setting"), ("project/x", "1", "no such setting"),
    ("project_settings", "x", "no such setting"), ("announcement_read", "x", "no such setting"),
])
def test_what_is_refused(tmp_path: Path, name: str, value: Any, sentence: str) -> None:
    """The field gets a sentence, and the valid value beside it is not saved either."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        errors = await opened.refused(**{"concurrent_items": "3", "downloader": "somebody",
                                         name: value})
        assert list(errors) == [name] and sentence in errors[name]
        assert opened.settings.concurrent_items.value == 2
        assert not opened.settings.downloader.value
        assert opened.told == [] and os.listdir(tmp_path) == []

    run(test())


def test_all_errors_are_told_together(tmp_path: Path) -> None:
    """Each field has its sentence."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        errors = await opened.refused(downloader="a", concurrent_items="x", bogus="1")
        assert set(errors) == {"downloader", "concurrent_items", "bogus"}

    run(test())


def test_what_the_operator_has_fixed(tmp_path: Path) -> None:
    """It is shown and cannot be changed."""
    async def test() -> None:
        opened = await open_in(tmp_path, fixed=("http_password",))
        assert not opened.field("http_password").editable
        assert opened.field("http_username").editable
        errors = await opened.refused(http_password="secret")
        assert "operator" in errors["http_password"]

    run(test())


def test_changes_one_after_the_other(tmp_path: Path) -> None:
    """With two browsers, both changes are kept; for one field the last wins."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        await asyncio.gather(*(
            opened.settings.save({"concurrent_items": str(number), **extra})
            for number, extra in ((3, {"downloader": "somebody"}), (4, {"http_username": "me"}),
                                  (5, {}))))
        assert stored(tmp_path) == {"concurrent_items": "5", "downloader": "somebody",
                                    "http_username": "me"}
        assert opened.settings.concurrent_items.value == 5

    run(test())


def test_who_asked_may_go_away(tmp_path: Path) -> None:
    """A change that has begun is finished, in the file and in memory."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        asking = asyncio.ensure_future(opened.settings.save({"downloader": "somebody"}))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await opened.settings.save({"concurrent_items": "3"})
        assert opened.settings.downloader.value == stored(tmp_path)["downloader"] == "somebody"

    run(test())


@pytest.mark.logs_errors("Acting on")
def test_a_handler_that_fails(tmp_path: Path) -> None:
    """The settings are saved, and the caller gets no error."""
    async def test() -> None:
        opened = await open_in(tmp_path)

        def fail(value: Any) -> None:
            raise RuntimeError("broken")

        opened.settings.on_change += fail
        opened.settings.concurrent_items.on_change += fail
        await opened.settings.save({"concurrent_items": "3"})
        assert stored(tmp_path)["concurrent_items"] == "3"
        assert opened.settings.concurrent_items.value == 3

    run(test())


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Nothing changes, and the sentence says where it fails."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        await opened.settings.save({"downloader": "somebody"})
        (tmp_path / "settings.json").unlink()
        (tmp_path / "settings.json").mkdir()
        (tmp_path / "settings.json" / "x").touch()
        errors = await opened.refused(concurrent_items="3", http_password="secret")
        assert list(errors) == [""] and str(tmp_path) in errors[""]
        assert "secret" not in errors[""]
        assert opened.settings.concurrent_items.value == 2
        assert opened.settings.password_record == ""
        with pytest.raises(SettingsError):
            await opened.settings.select(["a"])
        assert opened.settings.selected == () and len(opened.told) == 1
        # What HQ gave is kept for now, and written when that works again.
        await opened.settings.set_warrior_id("w-1")
        assert opened.settings.warrior_id == "w-1" and "cannot be written" in opened.settings.trouble
        (tmp_path / "settings.json" / "x").unlink()
        (tmp_path / "settings.json").rmdir()
        await opened.settings.save({"concurrent_items": "3"})
        assert stored(tmp_path)["warrior_id"] == "w-1"

    run(test())


# -- choosing ------------------------------------------------------------------------------
def test_choosing(tmp_path: Path) -> None:
    """The order is kept, the old key has its first name, and the same choice changes nothing."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        await opened.settings.select(["b", "auto", "a", "b"])
        assert opened.settings.selected == ("b", "auto", "a")
        assert stored(tmp_path) == {"projects": ["b", "auto", "a"], "selected_project": "b"}
        await opened.settings.select(["b", "auto", "a"])
        assert opened.told == [frozenset({"selected"})]
        assert (await open_in(tmp_path)).settings.selected == ("b", "auto", "a")
        await opened.settings.select([])
        assert stored(tmp_path) == {"projects": [], "selected_project": ""}

    run(test())


@pytest.mark.parametrize("names", [["../x"], ["a", ""], ["a" * 65], "abc", [1],
                                   [f"p{number}" for number in range(300)]])
def test_what_cannot_be_chosen(tmp_path: Path, names: Any) -> None:
    """Names that no project can have."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        with pytest.raises(SettingsError) as refused:
            await opened.settings.select(names)
        assert list(refused.value.errors) == ["projects"]
        assert opened.settings.selected == () and os.listdir(tmp_path) == []

    run(test())


def test_what_hq_tells(tmp_path: Path) -> None:
    """The warrior's id and the read announcement are kept."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        await opened.settings.set_warrior_id("warrior-1")
        await opened.settings.set_announcement_read("abc")
        with pytest.raises(SettingsError):
            await opened.settings.set_warrior_id("x" * 1000)
        again = (await open_in(tmp_path)).settings
        assert (again.warrior_id, again.announcement_read) == ("warrior-1", "abc")
        assert again.remembered("any") == {}

    run(test())


# -- passwords -----------------------------------------------------------------------------
def test_password_is_kept_as_a_record(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No file, log, field or repr contains it; '' is refused, None removes it."""
    caplog.set_level(logging.DEBUG)

    async def test() -> None:
        opened = await open_in(tmp_path)
        settings = opened.settings
        await settings.save({"http_password": " se:cret\u00fc ", "http_username": "me"})
        record = settings.password_record
        assert is_record(record) and matches(" se:cret\u00fc ", record)
        assert opened.field("http_password").value == ""
        errors = await opened.refused(http_password="", concurrent_items="3")
        assert "cannot be empty" in errors["http_password"] and settings.password_record == record
        again = (await open_in(tmp_path)).settings
        assert (again.password_record, again.http_username) == (record, "me")
        said = caplog.text + repr(vars(settings)) + repr(settings.fields()) + "".join(
            path.read_text() for path in tmp_path.iterdir())
        assert "cret" not in said
        await settings.save({"http_password": None})
        assert settings.password_record == "" == stored(tmp_path)["http_password"]

    run(test())


def test_password_that_is_needed(tmp_path: Path) -> None:
    """If others can reach the page, it can be changed but not removed."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        opened.settings.password_needed = True
        await opened.settings.save({"http_password": "one"})
        assert "needs a password" in (await opened.refused(http_password=None))["http_password"]
        await opened.settings.save({"http_password": "two"})
        assert matches("two", opened.settings.password_record)

    run(test())


def test_plain_password_of_an_old_file(tmp_path: Path) -> None:
    """At the first start, its record replaces it, also in the copy, and only once."""
    async def test() -> None:
        (tmp_path / "config.json").write_text('{"http_password": "secret", "http_username": "me"}')
        settings = (await open_in(tmp_path, "config.json")).settings
        assert matches("secret", settings.password_record) and settings.http_username == "me"
        for path in tmp_path.iterdir():
            assert "secret" not in path.read_text()
        assert stored(tmp_path, "config.json")["http_password"] == settings.password_record
        again = (await open_in(tmp_path, "config.json")).settings
        assert again.password_record == settings.password_record

    run(test())


# -- bad files -----------------------------------------------------------------------------
def test_bad_file_without_a_copy_is_locked(tmp_path: Path) -> None:
    """Until a password is set, which is then kept; the bad file is kept too."""
    async def test() -> None:
        (tmp_path / "settings.json").write_text('{"http_password": "sec')
        for _ in range(2):
            opened = await open_in(tmp_path)
            assert opened.settings.locked and "cannot be used" in opened.settings.trouble
            assert os.listdir(tmp_path) == ["settings.json"]
        await opened.settings.lock("made")
        assert matches("made", opened.settings.password_record)
        assert opened.told == [frozenset({"http_password"})]
        again = (await open_in(tmp_path)).settings
        assert not again.locked and matches("made", again.password_record)
        assert (tmp_path / "settings.json.unreadable-1").read_text() == '{"http_password": "sec'

    run(test())


def test_locking_works_where_nothing_can_be_written(tmp_path: Path) -> None:
    """The page must not be open because a disk is read-only."""
    async def test() -> None:
        (tmp_path / "not-a-folder").write_text("x")
        settings = (await open_in(tmp_path / "not-a-folder")).settings
        assert settings.locked
        await settings.lock("made")
        assert matches("made", settings.password_record) and "cannot be written" in settings.trouble

    run(test())


def test_a_password_of_the_environment_is_enough(tmp_path: Path) -> None:
    """If nothing else is left, it is used instead of a new one."""
    async def test() -> None:
        (tmp_path / "settings.json").write_bytes(b"")
        settings = (await open_in(tmp_path, http_password="given")).settings
        assert not settings.locked and matches("given", settings.password_record)
        assert settings.trouble

    run(test())


def test_good_copy(tmp_path: Path) -> None:
    """All settings, including the password, are those of the copy; a sentence says so."""
    async def test() -> None:
        first = (await open_in(tmp_path)).settings
        await first.save({"downloader": "somebody", "http_password": "secret"})
        (tmp_path / "settings.json").write_bytes(b"\0" * 100)
        settings = (await open_in(tmp_path)).settings
        assert not settings.locked and settings.downloader.value == "somebody"
        assert settings.password_record == first.password_record
        assert "settings.json.unreadable-1" in settings.trouble
        assert (await open_in(tmp_path)).settings.trouble == ""

    run(test())


def test_values_that_are_not_allowed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In a file with valid types, bad values are ignored one by one, and logged."""
    async def test() -> None:
        (tmp_path / "settings.json").write_text(json.dumps({
            "downloader": "not a name", "concurrent_items": "99", "projects": ["../x", "a"],
            "selected_project": "../x", "warrior_id": "w"}))
        settings = (await open_in(tmp_path)).settings
        assert not settings.downloader.value and settings.downloader.error is None
        assert settings.concurrent_items.value == 6
        assert (settings.selected, settings.warrior_id) == (("a",), "w")
        assert not settings.locked

    run(test())
    assert "../x" in caplog.text and "nickname" in caplog.text and "99" in caplog.text


@pytest.mark.parametrize(("text", "number"), [
    ("0", 1), ("3", 3), ("many", 2), ("-1", 2), ("", 2)])
def test_numbers_of_a_file(tmp_path: Path, text: str, number: int) -> None:
    """The nearest allowed number, else the default."""
    async def test() -> None:
        (tmp_path / "settings.json").write_text(json.dumps({"concurrent_items": text}))
        assert (await open_in(tmp_path)).settings.concurrent_items.value == number

    run(test())


# -- the container that exists -------------------------------------------------------------
def container_file(**values: str) -> str:
    """The container's script writes seven keys; unset ones are ''."""
    keys = ("downloader", "selected_project", "concurrent_items", "http_username",
            "http_password", "shared:rsync_threads", "warrior_id")
    return json.dumps({key: "" for key in keys} | values)


def test_file_of_the_container(tmp_path: Path) -> None:
    """Only set keys count; keys that the script does not know are kept."""
    async def test() -> None:
        file = tmp_path / "config.json"
        file.write_text(container_file())
        settings = (await open_in(tmp_path, "config.json")).settings
        assert (settings.warrior_id, settings.selected, settings.locked) == ("", (), False)
        assert not settings.downloader.value and settings.concurrent_items.value == 2
        assert settings.remembered("a") == {}
        file.write_text(container_file(**{
            "downloader": "somebody", "selected_project": "auto", "concurrent_items": "3",
            "shared:rsync_threads": "15"}))
        settings = (await open_in(tmp_path, "config.json")).settings
        assert settings.downloader.value == "somebody" and settings.selected == ("auto",)
        assert settings.concurrent_items.value == 3
        assert settings.remembered("a") == {"shared:rsync_threads": "15"}
        await settings.select(["a", "auto"])
        data = stored(tmp_path, "config.json")
        assert data["selected_project"] == "a" and data["concurrent_items"] == "3"
        assert set(data) == {*json.loads(container_file()), "projects"}

    run(test())


def test_rewritten_selected_project_wins(tmp_path: Path) -> None:
    """A program that only knows the old keys has written another project."""
    async def test() -> None:
        settings = (await open_in(tmp_path, "config.json")).settings
        await settings.select(["a", "b"])
        data = stored(tmp_path, "config.json") | {"selected_project": "c"}
        (tmp_path / "config.json").write_text(json.dumps(data))
        assert (await open_in(tmp_path, "config.json")).settings.selected == ("c", "b")

    run(test())


def test_empty_file_of_the_container(tmp_path: Path) -> None:
    """It is mounted while it is empty: nothing is set, and the page is not locked."""
    async def test() -> None:
        (tmp_path / "config.json").touch()
        opened = await open_in(tmp_path, "config.json", downloader="somebody")
        assert opened.settings.downloader.value == "somebody"
        assert not opened.settings.locked and not opened.settings.trouble

    run(test())


# -- seeds ---------------------------------------------------------------------------------
def test_seeds_are_planted_once(tmp_path: Path) -> None:
    """They become settings; existing settings are never overwritten."""
    async def test() -> None:
        settings = (await open_in(
            tmp_path, downloader="somebody", concurrent_items="4", selected_project="auto",
            http_username="me", http_password="secret", warrior_id="w", shared_rsync_threads="9",
        )).settings
        assert settings.downloader.value == "somebody" and settings.concurrent_items.value == 4
        assert settings.selected == ("auto",) and settings.warrior_id == "w"
        assert settings.http_username == "me" and matches("secret", settings.password_record)
        assert settings.remembered("any") == {"shared:rsync_threads": "9"}
        assert "secret" not in (tmp_path / "settings.json").read_text()
        again = (await open_in(tmp_path, downloader="other", http_password="other")).settings
        assert again.downloader.value == "somebody"
        assert again.password_record == settings.password_record
        assert (await open_in(tmp_path)).settings.downloader.value == "somebody"

    run(test())


def test_seeds_do_not_undo_a_choice(tmp_path: Path) -> None:
    """An order counts as set, even if the old key is empty."""
    async def test() -> None:
        (tmp_path / "settings.json").write_text('{"projects": ["a"], "selected_project": ""}')
        assert (await open_in(tmp_path, selected_project="b")).settings.selected == ("a",)

    run(test())


def test_bad_seeds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They do no harm; too many items become the allowed number."""
    async def test() -> None:
        settings = (await open_in(
            tmp_path, downloader="not a name", concurrent_items="20", selected_project="../x",
            http_username="a:b", warrior_id="\n\n", http_password="x" * 5000)).settings
        assert not settings.downloader.value and settings.concurrent_items.value == 6
        assert (settings.selected, settings.http_username, settings.warrior_id) == ((), "", "")
        assert settings.password_record == ""

    run(test())
    assert "downloader from the environment is not used" in caplog.text
    assert "xxx" not in caplog.text


# -- settings of projects ------------------------------------------------------------------
def threads(default: Any = "20", least: int = 1, most: int = 300, **more: Any) -> NumberConfigValue:
    return NumberConfigValue("shared:rsync_threads", "Rsync threads", "How many.", default,
                             min=least, max=most, **more)


def test_fields_of_a_project(tmp_path: Path) -> None:
    """They appear and disappear with the project, after the shared ones."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        values = [StringConfigValue("bind", "Address", "Where.", "x", regex="^x"), threads(),
                  ConfigValue("fixed", default="1", editable=False, advanced=False)]
        opened.settings.attach("proj", values)
        assert opened.told == [frozenset({"proj/bind", "shared:rsync_threads", "proj/fixed"})]
        assert [field.name for field in opened.settings.fields()][4:] == [
            "shared:rsync_threads", "proj/bind", "proj/fixed"]
        assert opened.field("shared:rsync_threads") == Field(
            "shared:rsync_threads", "shared", "Rsync threads", "How many.", "number", "20", "20",
            1, 300, "", True, True)
        assert opened.field("proj/bind") == Field(
            "proj/bind", "proj", "Address", "Where.", "text", "x", "x", None, None, "^x", True,
            True)
        assert not opened.field("proj/fixed").editable and not opened.field("proj/fixed").advanced
        opened.settings.detach("proj")
        assert len(opened.settings.fields()) == 4
        opened.settings.detach("proj")

    run(test())


def test_project_values_are_set_and_remembered(tmp_path: Path) -> None:
    """At once, and when its file is next loaded, for this project only."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        one, two = (NumberConfigValue("n", default=1, max=9) for _ in range(2))
        opened.settings.attach("one", [one])
        opened.settings.attach("two", [two])
        await opened.settings.save({"one/n": "07", "concurrent_items": "3"})
        assert (one.value, two.value) == (7, 1)
        assert opened.told[-1] == {"one/n", "concurrent_items"}
        assert stored(tmp_path)["project_settings"] == {"one": {"n": "7"}}
        assert opened.settings.remembered("one") == {"n": "7"}
        assert opened.settings.remembered("two") == {}
        errors = await opened.refused(**{"one/n": "10", "two/n": "5", "concurrent_items": "4"})
        assert list(errors) == ["one/n"] and "at most 9" in errors["one/n"]
        assert (one.value, two.value, opened.settings.concurrent_items.value) == (7, 1, 3)
        assert one.error is None
        await opened.settings.save({"one/n": ""})
        assert one.value == 1 and opened.settings.remembered("one") == {}

    run(test())


def test_value_that_is_not_editable(tmp_path: Path) -> None:
    """It cannot be changed, and no other field of the request is."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        fixed = StringConfigValue("fixed", default="a", editable=False)
        opened.settings.attach("p", [fixed])
        errors = await opened.refused(**{"p/fixed": "b", "concurrent_items": "3"})
        assert list(errors) == ["p/fixed"]
        assert fixed.value == "a" and opened.settings.concurrent_items.value == 2

    run(test())


def test_empty_text_of_a_project(tmp_path: Path) -> None:
    """It is a value if allowed, else the default, else an error."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        any_text = StringConfigValue("any", default="a")
        some, wanted = (StringConfigValue(name, default=default, regex="^.+$")
                        for name, default in (("some", "a"), ("wanted", None)))
        opened.settings.attach("p", [any_text, some, wanted])
        await opened.settings.save({"p/any": "", "p/some": ""})
        assert (any_text.value, some.value) == ("", "a")
        assert opened.settings.remembered("p") == {"any": ""}
        assert "must have the form" in (await opened.refused(**{"p/wanted": ""}))["p/wanted"]

    run(test())


def test_flat_key_of_an_old_file(tmp_path: Path) -> None:
    """It counts for a project with such a value, until the project's own is set."""
    async def test() -> None:
        (tmp_path / "config.json").write_text('{"n": 5, "list": [1], "empty": "", "yes": true}')
        opened = await open_in(tmp_path, "config.json")
        assert opened.settings.remembered("p") == {"n": "5"}
        value = NumberConfigValue("n", default=1)
        opened.settings.attach("p", [value])
        assert value.value == 5
        await opened.settings.save({"p/n": ""})
        assert opened.settings.remembered("p") == {"n": "1"}
        assert opened.settings.remembered("q") == {"n": "5"}
        assert stored(tmp_path, "config.json")["list"] == [1]

    run(test())


def test_values_changed_while_a_new_version_was_loading(tmp_path: Path) -> None:
    """While both versions exist, a change sets both; the old one can be removed alone."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        old, new = (NumberConfigValue("n", default=1, max=most) for most in (9, 20))
        opened.settings.attach("p", [old])
        await opened.settings.save({"p/n": "5"})
        opened.settings.attach("p", [new])
        assert new.value == 5
        assert len([field for field in opened.settings.fields() if field.name == "p/n"]) == 1
        await opened.settings.save({"p/n": "7"})
        assert (old.value, new.value) == (7, 7)
        opened.settings.detach("p", [old])
        await opened.settings.save({"p/n": "15"})
        assert (old.value, new.value) == (7, 15)

    run(test())


# -- shared settings -----------------------------------------------------------------------
def test_shared_field_of_several_projects(tmp_path: Path) -> None:
    """One field with the common limits; a change sets all values."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        one, two = threads("20", 1, 300), threads("5", 2, 10)
        opened.settings.attach("one", [one])
        opened.settings.attach("two", [two])
        field = opened.field("shared:rsync_threads")
        assert (field.min, field.max, field.value) == (2, 10, "10")
        assert (one.value, two.value) == (10, 10)
        for text, sentence in (("1", "at least 2"), ("11", "at most 10"), ("x", "whole number")):
            errors = await opened.refused(**{"shared:rsync_threads": text})
            assert sentence in errors["shared:rsync_threads"]
        await opened.settings.save({"shared:rsync_threads": "7"})
        assert (one.value, two.value) == (7, 7)
        assert stored(tmp_path) == {"shared:rsync_threads": "7"}

    run(test())


def test_shared_value_is_remembered_for_all(tmp_path: Path) -> None:
    """Also while no project has it; later, the common limits apply."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        await opened.settings.save({"shared:rsync_threads": "50"})
        assert opened.settings.remembered("any") == {"shared:rsync_threads": "50"}
        one, two = threads("20", 1, 300), threads("5", 1, 10)
        opened.settings.attach("one", [one])
        assert one.value == 50
        opened.settings.attach("two", [two])
        assert (one.value, two.value) == (10, 10)
        opened.settings.detach("two")
        assert one.value == 50
        assert opened.settings.remembered("any") == {"shared:rsync_threads": "50"}
        await opened.settings.save({"shared:rsync_threads": ""})
        assert one.value == 20 and opened.settings.remembered("any") == {}

    run(test())


def test_shared_limits_that_exclude_each_other(tmp_path: Path) -> None:
    """Each keeps its value; a change is refused with a solution."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        one, two = threads("20", 20, 30), threads("5", 1, 10)
        opened.settings.attach("one", [one])
        opened.settings.attach("two", [two])
        assert (one.value, two.value) == (20, 5)
        errors = await opened.refused(**{"shared:rsync_threads": "15"})
        assert "allow no common number" in errors["shared:rsync_threads"]

    run(test())


def test_shared_text(tmp_path: Path) -> None:
    """It must match the rules of all."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        one = StringConfigValue("shared:word", default="abc", regex="^[a-z]+$")
        two = StringConfigValue("shared:word", default="xyz", regex="^.{3}$")
        opened.settings.attach("one", [one])
        opened.settings.attach("two", [two])
        assert two.value == "abc"
        for text in ("ABC", "abcd"):
            assert await opened.refused(**{"shared:word": text})
        await opened.settings.save({"shared:word": "foo"})
        assert one.value == two.value == "foo"

    run(test())


def test_record_in_the_field_is_a_password(tmp_path: Path) -> None:
    """A typed text that looks like a record is a password, and does not bypass the hash."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        record = hash_password("known")
        await opened.settings.save({"http_password": record})
        assert matches(record, opened.settings.password_record)
        assert not matches("known", opened.settings.password_record)

    run(test())


# -- API keys ------------------------------------------------------------------------------
def test_keys_are_kept_until_they_are_revoked(tmp_path: Path) -> None:
    """They survive a restart, as digests, and a change of the password."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        key = await opened.settings.make_key("script")
        assert opened.told[-1] == {"api_keys"}
        await opened.settings.save({"http_password": "long enough"})
        opened.settings.close()
        assert key not in (tmp_path / "settings.json").read_text()
        again = await open_in(tmp_path)
        assert again.settings.keys["script"].digest == digest(key)
        with pytest.raises(SettingsError, match="already"):
            await again.settings.make_key("script")
        await again.settings.revoke_key("script")
        await again.settings.revoke_key("script")
        again.settings.close()
        assert stored(tmp_path)["api_keys"] == {}

    run(test())


def test_a_key_that_cannot_be_kept_does_not_count(tmp_path: Path) -> None:
    """If a change cannot be written, a new key does not count, and a revoked one does."""
    async def test() -> None:
        opened = await open_in(tmp_path)
        await opened.settings.make_key("script")
        for name in ("settings.json", "settings.json.last-good"):
            (tmp_path / name).unlink()
            (tmp_path / name).mkdir()
            (tmp_path / name / "in the way").touch()
        with pytest.raises(SettingsError, match="cannot be written"):
            await opened.settings.make_key("other")
        with pytest.raises(SettingsError, match="cannot be written"):
            await opened.settings.revoke_key("script")
        assert list(opened.settings.keys) == ["script"]
        opened.settings.close()

    run(test())


@pytest.mark.parametrize("keys", ["x", {"a": {"sha256": "0"}}, {"a b": {"sha256": "0" * 64}}])
def test_odd_keys_make_the_file_unusable(tmp_path: Path, keys: Any) -> None:
    """Malformed keys make the file unusable, like other malformed values."""
    (tmp_path / "settings.json").write_text(json.dumps({"api_keys": keys}))

    async def test() -> None:
        opened = await open_in(tmp_path)
        assert "api_keys must hold keys" in opened.settings.trouble
        assert opened.settings.locked
        opened.settings.close()

    run(test())
