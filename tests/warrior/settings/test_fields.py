"""If a project defines a value's class, its code runs in its worker, never on the loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.loader import LoadedPipeline, load_pipeline
from warrior.settings import fields
from warrior.settings.settings import Settings, SettingsError

FILE = """
import threading, time
from seesaw.config import NumberConfigValue, StringConfigValue
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import PrintItem
seen = []
gate = threading.Event()
class Even(NumberConfigValue):
    def check_value(self, value):
        seen.append(('check', value, threading.get_ident()))
        error = super().check_value(value)
        return error or (None if int(value) % 2 == 0 else 'Even numbers alone.')
    def convert_value(self, value):
        seen.append(('convert', value, threading.get_ident()))
        return int(value)
class Touchy(StringConfigValue):
    def check_value(self, value):
        if value == 'raise':
            raise RuntimeError('broken check')
        if value == 'exit':
            raise SystemExit(3)
class Odd:
    def __str__(self):
        seen.append(('str', '', threading.get_ident()))
        return 'odd'
class Made(StringConfigValue):
    def convert_value(self, value):
        return Odd()
values = [Even('even', default=2, min=0, max=10), StringConfigValue('plain', default='x'),
          Even('shared:even', default='4'), StringConfigValue('broken', regex='('),
          Made('made', default='x'), Touchy('touchy')]
project = Project(title='x')
pipeline = Pipeline(PrintItem())
pipeline.seen, pipeline.gate, pipeline.values = seen, gate, values
"""


def run(folder: Path, test: Any) -> None:
    """Run a test with settings and a loaded project."""
    async def main() -> None:
        (folder / "pipeline.py").write_text(FILE)
        settings = await Settings.open(
            str(folder / "settings.json"), max_concurrent_items=6, seeds={})
        loaded = await load_pipeline(
            str(folder / "pipeline.py"), settings.downloader, remembered=settings.remembered("p"))
        settings.attach("p", loaded.config_values, loaded.worker)
        try:
            await test(settings, loaded)
        finally:
            loaded.pipeline.gate.set()  # type: ignore[attr-defined]
            loaded.close()
            settings.close()

    task: Coroutine[Any, Any, None] = main()
    asyncio.run(asyncio.wait_for(task, 60))


def seen(loaded: LoadedPipeline) -> list[tuple[str, Any, int]]:
    found: list[tuple[str, Any, int]] = loaded.pipeline.seen  # type: ignore[attr-defined]
    return found


async def until(condition: Any) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        await asyncio.sleep(0.005)


def value_of(loaded: LoadedPipeline, name: str) -> Any:
    return next(value.value for value in loaded.config_values if value.name == name)


async def refused(settings: Settings, **changes: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as error:
        await settings.save(changes)
    return error.value.errors


def test_project_code_checks_and_converts_in_its_worker(tmp_path: Path) -> None:
    """The value takes effect soon, and then the form changes."""
    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        told: list[frozenset[str]] = []
        settings.on_change += told.append
        await settings.save({"p/even": "8", "p/plain": "y"})
        assert value_of(loaded, "plain") == "y"
        await until(lambda: value_of(loaded, "even") == 8 and len(told) == 2)
        assert told == [frozenset({"p/even", "p/plain"}), frozenset({"p/even"})]
        assert settings.remembered("p") == {"even": "8", "plain": "y"}
        here = threading.get_ident()
        assert seen(loaded) and all(thread != here for _, _, thread in seen(loaded))

    run(tmp_path, test)


@pytest.mark.parametrize(("text", "sentence"), [
    ("7", "Even numbers alone."), ("12", "at most 10"), ("x", "must be a whole number"),
])
def test_project_code_refuses(tmp_path: Path, text: str, sentence: str) -> None:
    """Its sentence appears beside the field; nothing is saved."""
    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        errors = await refused(settings, **{"p/even": text, "p/plain": "y"})
        assert list(errors) == ["p/even"] and sentence in errors["p/even"]
        assert (value_of(loaded, "even"), value_of(loaded, "plain")) == (2, "x")

    run(tmp_path, test)


def test_project_check_that_fails(tmp_path: Path) -> None:
    """The process survives any error, and the sentence names it."""
    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        assert "broken check" in (await refused(settings, **{"p/touchy": "raise"}))["p/touchy"]
        assert "has failed: 3" in (await refused(settings, **{"p/touchy": "exit"}))["p/touchy"]
        await settings.save({"p/touchy": "good"})
        await until(lambda: value_of(loaded, "touchy") == "good")

    run(tmp_path, test)


def test_shared_value_of_a_project_class(tmp_path: Path) -> None:
    """Its check runs too."""
    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        errors = await refused(settings, **{"shared:even": "5"})
        assert errors == {"shared:even": "Even numbers alone."}
        await settings.save({"shared:even": "6"})
        await until(lambda: value_of(loaded, "shared:even") == 6)

    run(tmp_path, test)


def test_check_of_a_busy_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends; meanwhile the loop runs, and nothing is saved."""
    monkeypatch.setattr(fields, "CHECK_TIME", 0.2)

    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        loaded.worker.call(loaded.pipeline.gate.wait)  # type: ignore[attr-defined]
        errors = await refused(settings, **{"p/even": "8", "concurrent_items": "3"})
        assert "its code is busy" in errors["p/even"]
        assert settings.concurrent_items.value == 2
        await settings.save({"concurrent_items": "4"})
        assert settings.concurrent_items.value == 4

    run(tmp_path, test)


def test_expression_that_is_none(tmp_path: Path) -> None:
    """The volunteer sees the project's error."""
    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        errors = await refused(settings, **{"p/broken": "x"})
        assert "cannot be checked" in errors["p/broken"]

    run(tmp_path, test)


def test_form_asks_no_project_code(tmp_path: Path) -> None:
    """``str()`` of a project's own object is not called on the loop."""
    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        (made,) = [field for field in settings.fields() if field.name == "p/made"]
        assert made.value == "" and made.default == "x"
        assert not [one for one in seen(loaded) if one[0] == "str"]

    run(tmp_path, test)


def test_without_a_worker_it_cannot_be_changed(tmp_path: Path) -> None:
    """Without a worker, the project's code cannot run."""
    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        settings.detach("p")
        settings.attach("q", loaded.config_values)
        editable = {field.name: field.editable for field in settings.fields() if field.group}
        assert editable == {"q/even": False, "q/plain": True, "shared:even": False,
                            "q/broken": True, "q/made": False, "q/touchy": False}
        assert "cannot be changed" in (await refused(settings, **{"q/even": "8"}))["q/even"]

    run(tmp_path, test)


def test_remembered_values_of_a_project_class(tmp_path: Path) -> None:
    """They apply again when its file is next loaded."""
    async def save(settings: Settings, loaded: LoadedPipeline) -> None:
        await settings.save({"p/even": "8"})

    async def test(settings: Settings, loaded: LoadedPipeline) -> None:
        assert value_of(loaded, "even") == 8

    run(tmp_path, save)
    run(tmp_path, test)
