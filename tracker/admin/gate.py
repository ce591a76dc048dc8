"""Checks the key of a request, and reads what it sent.

The key is in a header that no page can make a browser send to another site, and there is no
cookie. So no web page can make an operator's browser send commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Concatenate, ParamSpec, TypeVar

from tracker.errors import BadValue, Refusal, TrackerError, UnknownProject
from tracker.store.store import Store
from tracker.web.handlers import Handler

P = ParamSpec("P")
T = TypeVar("T")

_KINDS: Mapping[type, str] = {str: "a string", int: "a whole number", bool: "true or false"}
_BEARER = re.compile(r"[Bb]earer +([A-Za-z0-9_=.~+/-]{1,200})")


class AdminHandler(Handler):
    """Serves only requests with a valid key; all others get 401, whatever they request."""

    async def prepare(self) -> None:
        await super().prepare()
        self.refuse_pages()
        match = _BEARER.fullmatch(self.request.headers.get("Authorization", ""))
        if match is None:
            raise Refusal(
                401,
                "Send a key as 'Authorization: Bearer KEY'; 'run-tracker keys make' makes one.",
            )
        key = match[1]
        # The database is asked each time, so that a revoked key is invalid at once.
        if await self.change(Store.key_owner, key) is None:
            raise Refusal(
                401,
                "This key is not known, or has been revoked. 'run-tracker keys' lists the valid "
                "keys, 'run-tracker keys make' makes one.",
            )

    def explain(self, error: TrackerError) -> tuple[int, str]:
        """Answer 404 if there is no project at the address, and say with 401 what is needed.

        Workers get 400 for an unknown project, because they read 404 as "no items now".
        """
        status, sentence = super().explain(error)
        if status == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        if isinstance(error, UnknownProject) and self.path_args:
            status = 404
        return status, sentence

    async def change(
        self, operation: Callable[Concatenate[Store, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Return what *operation* returns, once its changes are durable."""
        return await self.parts.writer.run(operation, *args, **named)

    async def show(
        self, question: Callable[Concatenate[Store, P], T], *args: P.args, **named: P.kwargs
    ) -> None:
        """Answer what *question* returns, which changes nothing and so delays no claim."""
        self.value(await self.parts.reader.run(question, *args, **named))

    def body(self, kinds: Mapping[str, type], needed: str | None = None) -> dict[str, Any]:
        """Return the JSON object that was sent; each value is of its kind in *kinds*, or null.

        No body is an empty object. Raises BadValue for names that are not in *kinds*, and if
        *needed* is missing.
        """
        data = self.json_object(self.request.body) if self.request.body else {}
        for name, value in data.items():
            if name not in kinds:
                raise BadValue(f"The body takes {', '.join(kinds)}, not {name!a}.")
            wrong = isinstance(value, bool) and kinds[name] is not bool
            if kinds[name] is object or value is None:  # the table checks an object
                continue
            if wrong or not isinstance(value, kinds[name]):
                raise BadValue(f"{name} must be {_KINDS[kinds[name]]}, or null.")
        return _with(data, needed)

    def query(self, *names: str, needed: str | None = None) -> dict[str, str]:
        """Return the values of the query; raises BadValue for others than *names*, and if
        *needed* is missing."""
        found = {}
        for name, values in self.request.query_arguments.items():
            if name not in names:
                raise BadValue(f"The query takes {', '.join(names) or 'nothing'}, not {name!a}.")
            try:
                found[name] = values[-1].decode("utf-8")
            except UnicodeDecodeError:
                raise BadValue(f"{name} is not UTF-8.") from None
        return _with(found, needed)

    def value(self, value: Any, status: int = 200) -> None:
        """Answer a dataclass, or a list of them, as JSON."""
        found = [asdict(one) for one in value] if isinstance(value, list) else asdict(value)
        self.json(found, status)


def _with(data: dict[str, Any], needed: str | None) -> dict[str, Any]:
    if needed is not None and not data.get(needed):
        raise BadValue(f"{needed} is missing.")
    return data
