"""The addresses of the commands by HTTP."""

from __future__ import annotations

from typing import Any

from tracker.admin.gate import AdminHandler
from tracker.admin.handlers import (
    BlocksHandler,
    ClaimsHandler,
    ExportHandler,
    ProjectHandler,
    ProjectsHandler,
    RedoHandler,
    TargetsHandler,
)
from tracker.admin.itemshandler import ItemsHandler
from tracker.handlers import Refusal

ROOT = "/_admin"
"""No project's name begins with an underscore, so none has this address."""


class NoSuchCommand(AdminHandler):
    """Every other address below the root, for who has a key."""

    async def prepare(self) -> None:  # type: ignore[override]  # tornado takes both kinds
        """Say that nothing is there."""
        await super().prepare()
        raise Refusal(404, "Nothing is at this address.")


def admin_routes() -> list[Any]:
    """Return the addresses, for the application's list."""
    one = rf"{ROOT}/projects/([^/]+)"
    return [
        (rf"{ROOT}/projects", ProjectsHandler),
        (one, ProjectHandler),
        (rf"{one}/items", ItemsHandler),
        (rf"{one}/claims", ClaimsHandler),
        (rf"{one}/redo", RedoHandler),
        (rf"{one}/export", ExportHandler),
        (rf"{ROOT}/blocks", BlocksHandler),
        (rf"{ROOT}/targets", TargetsHandler),
        (rf"{ROOT}(?:/.*)?", NoSuchCommand),
    ]
