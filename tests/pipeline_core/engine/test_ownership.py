"""Whose code a function is."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from tornado import gen

from pipeline_core.engine.ownership import is_project_code
from pipeline_core.task import SimpleTask
from tests.support.engine import ours
from tests.support.kit import play, write_pipeline


def test_a_tornado_coroutine_is_of_whoever_wrote_it() -> None:
    """Though its wrapper is Tornado's: a project's is project code, also when bound or partial."""
    def method(self: Any) -> Any:
        yield gen.moment

    class Theirs:
        work = gen.coroutine(method)

    class Ours:
        work = gen.coroutine(ours(method))

    assert is_project_code(Theirs.work) and is_project_code(Theirs().work)
    assert is_project_code(functools.partial(Theirs().work, 1))
    assert not is_project_code(Ours.work) and not is_project_code(Ours().work)
    assert not is_project_code(SimpleTask("task").enqueue)


def test_a_tornado_coroutine_overrides_a_hook(tmp_path: Path) -> None:
    """It is called in place of the toolkit's method."""
    path = write_pipeline(tmp_path, """\
        from tornado import gen
        class Own(ExternalProcess):
            @gen.coroutine
            def handle_process_result(self, exit_code, item):
                item['called'] = item.get('called', 0) + 1
                ExternalProcess.handle_process_result(self, exit_code, item)
        pipeline = Pipeline(Own('Own', ['true']))
        """)
    seen = play(path).only
    assert seen.outcome == "completed", seen.log
    assert seen.item["called"] == 1
