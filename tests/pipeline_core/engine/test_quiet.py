"""Ignoring warnings for a moment, in several threads at once."""

from __future__ import annotations

import asyncio
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine import loader
from pipeline_core.engine.quiet import warnings_ignored
from tests.support.engine import run
from tests.support.kit import write_pipeline


def test_they_are_ignored_inside_alone() -> None:
    """Those named, and no others; the filters are as before afterwards."""
    before = warnings.filters[:]
    with warnings_ignored(DeprecationWarning):
        warnings.warn("ignored", DeprecationWarning, stacklevel=1)
        with pytest.raises(UserWarning):
            warnings.warn("not ignored", UserWarning, stacklevel=1)
        with warnings_ignored(UserWarning):
            warnings.warn("ignored", UserWarning, stacklevel=1)
    assert warnings.filters == before
    with pytest.raises(ValueError), warnings_ignored(DeprecationWarning):
        raise ValueError
    assert warnings.filters == before


def test_one_thread_at_a_time() -> None:
    """The second one comes in when the first has left: it finds the filters as they were."""
    before, order = warnings.filters[:], []

    def enter() -> None:
        with warnings_ignored(DeprecationWarning), pytest.raises(UserWarning):
            order.append("second")
            warnings.warn("not ignored any more", UserWarning, stacklevel=1)

    second = threading.Thread(target=enter)
    with warnings_ignored(UserWarning):
        second.start()
        second.join(0.05)
        order.append("first")
    second.join(10)
    assert order == ["first", "second"] and warnings.filters == before


def test_two_loads_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process has its filters back, whichever of them is done first."""
    before = warnings.filters[:]
    both_compile, first_is_executed = threading.Event(), threading.Event()
    compiling: list[int] = []

    def slow_compile(*args: Any, **kwargs: Any) -> Any:
        compiling.append(1)
        if len(compiling) == 1:
            # As it should be, nobody else comes that far meanwhile.
            both_compile.wait(0.1)
        else:
            both_compile.set()
            assert first_is_executed.wait(10)
        return compile(*args, **kwargs)

    async def main() -> None:
        loads = [loader.load_pipeline(str(write_pipeline(
            tmp_path / name, "executed()\npipeline = Pipeline(PrintItem())\n")), "tester",
            context_values={"executed": first_is_executed.set}) for name in ("one", "two")]
        for loaded in await asyncio.gather(*loads):
            loaded.close()

    monkeypatch.setattr(loader, "compile", slow_compile, raising=False)
    run(main())
    assert len(compiling) == 2 and warnings.filters == before
