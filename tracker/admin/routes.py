"""The addresses of the operator's commands over HTTP."""

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
from tracker.errors import Refusal

ROOT = "/_admin"
"""The name of a project cannot begin with an underscore, so no project has this address."""


class NoSuchCommand(AdminHandler):
    """Answers every other address below the root."""

    async def prepare(self) -> None:
        """Refuse the request after the key was checked."""
        await super().prepare()
        raise Refusal(404, "There is nothing at this address.")


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
