"""Background tasks, and how they end."""

from __future__ import annotations

import asyncio

from warrior.process.background import BackgroundTasks


def test_the_end_waits_for_what_returns_and_not_for_what_is_endless() -> None:
    """Endless work is cancelled at once; other work finishes."""
    async def main() -> tuple[bool, list[str]]:
        background, done = BackgroundTasks(), []

        async def short() -> None:
            await asyncio.sleep(0.05)
            done.append("short")

        endless = background.start(asyncio.Event().wait(), "Endless", endless=True)
        background.start(short(), "Short")
        await asyncio.sleep(0)
        await background.close(patience=3600)
        return endless.cancelled(), done

    assert asyncio.run(main()) == (True, ["short"])


def test_the_end_cancels_what_takes_too_long() -> None:
    """After the patience it is cancelled too."""
    async def main() -> bool:
        background = BackgroundTasks()
        stuck = background.start(asyncio.Event().wait(), "Stuck")
        await asyncio.sleep(0)
        await background.close(patience=0.05)
        return stuck.cancelled()

    assert asyncio.run(main())
