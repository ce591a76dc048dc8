"""Tasks that are coroutines on the loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.contract.kit import Played, play, write_pipeline


@pytest.mark.parametrize("where", ["", "await asyncio.sleep(0.01)"])
@pytest.mark.parametrize(("error", "said"), [
    ("sys.exit(3)", "SystemExit: 3"), ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise StopIteration", "StopIteration")])
def test_a_coroutine_does_not_end_the_program(
    tmp_path: Path, where: str, error: str, said: str
) -> None:
    """It fails its item, with its traceback, and the next one begins."""
    path = write_pipeline(tmp_path, f"""\
        import asyncio
        class Exits(SimpleTask):
            async def process(self, item):
                {where}
                if item.item_number == 1:
                    {error}
        pipeline = Pipeline(Exits('Exits'))
        """)
    try:
        played = play(path, items=2, concurrent=2, timeout=10)
    except (SystemExit, KeyboardInterrupt) as ended:
        pytest.fail(f"the program was ended: {ended!r}")
    assert played.outcomes == ["failed", "completed"]
    assert said in played.items[0].log and "in process" in played.items[0].log


def test_a_coroutine_that_cancels_itself(tmp_path: Path) -> None:
    """That is an error of it, and no end of the item's own coroutine."""
    path = write_pipeline(tmp_path, """\
        import asyncio
        class Cancels(SimpleTask):
            async def process(self, item):
                asyncio.current_task().cancel()
                await asyncio.sleep(0)
        pipeline = Pipeline(Cancels('Cancels'))
        """)
    played = play(path, timeout=10)
    assert played.outcomes == ["failed"] and "was cancelled" in played.log


def test_a_coroutine_ends_with_its_item(tmp_path: Path) -> None:
    """What it holds, it lets go of."""
    path = write_pipeline(tmp_path, """\
        import asyncio
        ended = []
        class Waits(SimpleTask):
            async def process(self, item):
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append(item)
        pipeline = Pipeline(Waits('Waits'))
        pipeline.ended = ended
        """)

    async def script(played: Played) -> None:
        await played.until_log("Starting Waits")
        played.only.item.fail()
        await played.until(lambda: played.loaded.pipeline.ended)  # type: ignore[attr-defined]

    assert play(path, script, timeout=10).outcomes == ["failed"]
