"""When the source of a project is read for what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine import loader
from pipeline_core.requirements import collect
from tests.warrior.parts import make_parts

SOURCE = """
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask
project = Project(title='One')
class Later(SimpleTask):
    def process(self, item):
        if item.item_number > 1000:
            import no_such_module
pipeline = Pipeline(Later('Later'))
"""


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose needs were gathered."""
    paths: list[str] = []

    def gather(path: str, *args: Any) -> Any:
        paths.append(path)
        return collect.gather(path, *args)

    monkeypatch.setattr(loader, "gather", gather)
    return paths


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 90)

    asyncio.run(limited())


def test_a_load_that_succeeds_reads_no_source(tmp_path: Path, readings: list[str]) -> None:
    """Only somebody who looks at the card makes it read, and only once for each version."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": SOURCE}, selected=["one"])
        await parts.until(lambda: parts.supervisor.runs["one"].runner.counts["completed"] > 2)
        assert parts.supervisor.runs["one"].state == "running" and not readings
        await parts.until(lambda: parts.card("one").problem is not None)
        assert parts.card("one").problem.code == "needs" and len(readings) == 1
        await parts.close()
        assert len(readings) == 1
    run(test)


def test_a_load_that_fails_reads_the_source(tmp_path: Path, readings: list[str]) -> None:
    """So that the problem says what is missing, whether or not somebody looks."""
    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": "\nimport no_such_module\n"}, selected=["one"])
        await parts.until(lambda: parts.supervisor.runs["one"].state == "broken")
        assert parts.supervisor.runs["one"].problem.code == "needs" and len(readings) == 1
        await parts.close()
    run(test)


@pytest.mark.logs_errors
def test_needs_that_cannot_be_determined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Code of the project that ends itself while it is looked at changes nothing."""
    def gather(path: str, *args: Any) -> Any:
        raise SystemExit(3)

    async def test() -> None:
        parts = await make_parts(tmp_path, {"one": SOURCE}, selected=["one"])
        await parts.until(lambda: parts.supervisor.runs["one"].current is not None)
        parts.card("one")
        await parts.until(lambda: "could not be determined" in caplog.text)
        completed = parts.runner("one").counts["completed"]
        await parts.until(lambda: parts.runner("one").counts["completed"] > completed)
        assert parts.card("one").problem is None
        await parts.close()

    monkeypatch.setattr(loader, "gather", gather)
    run(test)
