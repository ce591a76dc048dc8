"""Serves the practice site."""

from __future__ import annotations

import asyncio
from urllib.parse import quote, unquote

from tracker.errors import Refusal
from tracker.practice.site import resources, site_path
from tracker.web.handlers import Handler

MAX_DIGITS = 9


class SiteHandler(Handler):
    """``/practice-site/N/…``: the website of item N."""

    async def get(self, digits: str, _path: str) -> None:
        """Answer the resource at the address, which includes the query."""
        if len(digits) > MAX_DIGITS or digits != str(int(digits)):
            raise Refusal(404, "There is no such practice site.")
        root = site_path(int(digits))
        address = quote(unquote(self.request.path.removeprefix(root)))
        if self.request.query:
            address += f"?{self.request.query}"
        found = resources(int(digits)).get(address)
        if found is None:
            raise Refusal(404, "The practice site has no such page.")
        if found.delay:
            await asyncio.sleep(found.delay)
        self.set_status(found.status)
        self.set_header("Content-Type", found.kind)
        if found.location is not None:
            self.set_header("Location", root + found.location)
        self.finish(found.body)

    head = get
