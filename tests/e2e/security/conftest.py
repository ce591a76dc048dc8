"""Real commands for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.console.conftest import browser
from tests.e2e.security.command import Command

__all__ = ["browser"]

Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands, each in a folder of its own, and ends them."""
    started: list[Command] = []

    def begin(kind: str, password: str = "", real_hashes: bool = False) -> Command:
        folder = tmp_path / f"{kind}-{len(started)}"
        folder.mkdir()
        started.append(Command(kind, folder, password, real_hashes))
        return started[-1]

    yield begin
    for command in started:
        command.close()


@pytest.fixture(params=["warrior", "pipeline"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both commands, one after the other."""
    return str(request.param)
