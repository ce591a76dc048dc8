"""Lets in who has a key, and reads what they sent.

The key comes in a header that no page can make a browser send to another site, and there is no
cookie: so nobody's browser can be made to command a tracker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, TypeVar

from tracker.errors import BadValue, UnknownProject
from tracker.handlers import Handler, Refusal
from tracker.jsonbody import read_object
from tracker.keys import Keys
from tracker.store import Store

T = TypeVar("T")

_CALLED = MappingProxyType({str: "a string", int: "a whole number", bool: "true or false"})
_BEARER = re.compile(r"[Bb]earer +([A-Za-z0-9_=.~+/-]{1,200})")


class AdminHandler(Handler):
    """Answers only who has a key; all others hear 401, whatever they asked for."""

    async def prepare(self) -> None:  # type: ignore[override]  # tornado takes both kinds
        """Check the key; 401 without a good one."""
        super().prepare()
        self.refuse_pages()
        match = _BEARER.fullmatch(self.request.headers.get("Authorization", ""))
        if match is None:
            raise Refusal(
                401,
                "Send a key, as 'Authorization: Bearer KEY'; 'run-tracker keys make' gives one.",
            )
        key = match[1]
        # Asked of the database each time, so that a revoked key is worthless at once.
        if await self.work(lambda store: Keys(store.connection).owner(key)) is None:
            raise Refusal(
                401,
                "This key is not known, or has been revoked; 'run-tracker keys' lists those that "
                "are good, 'run-tracker keys make' gives one.",
            )

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer 404 where the address is that of a project which is not there.

        Workers hear 400 there, as they read "no items" into 404.
        """
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, UnknownProject) and self.path_args:
            error = Refusal(404, str(error))
            kwargs["exc_info"] = (Refusal, error, error.__traceback__)
            status_code = 404
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as one sentence, and 401 with what is wanted."""
        if status_code == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        super().write_error(status_code, **kwargs)

    async def work(self, operation: Callable[[Store], T]) -> T:
        """Return what *operation* returns, once its changes are durable."""
        return await self.parts.writer.run(operation)

    async def look(self, question: Callable[[Store], T]) -> T:
        """Return what *question*, which changes nothing, returns; it holds up no claim."""
        return await self.parts.reader.run(lambda reading: question(Store(reading.connection)))

    def body(self, **kinds: type) -> dict[str, Any]:
        """Return the JSON object that was sent, whose values are of these *kinds* or null.

        No body is an empty object. Raises BadValue for anything else, unknown names too.
        """
        if not self.request.body:
            return {}
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, "Send JSON, with the header 'Content-Type: application/json'.")
        return checked(read_object(self.request.body), kinds)

    def asked(self, *names: str) -> dict[str, str]:
        """Return the query's values by name; raises BadValue for others than *names*."""
        found = {}
        for name, values in self.request.query_arguments.items():
            if name not in names:
                raise BadValue(f"The query takes {', '.join(names) or 'nothing'}, not {name!a}.")
            try:
                found[name] = values[-1].decode("utf-8")
            except UnicodeDecodeError:
                raise BadValue(f"{name} is not UTF-8.") from None
        return found

    def value(self, value: Any, status: int = 200) -> None:
        """Answer a dataclass, or a list of them, as JSON."""
        self.set_status(status)
        self.json([asdict(one) for one in value] if isinstance(value, list) else asdict(value))

    @staticmethod
    def place(store: Store, project: str | None) -> int | None:
        """Return the number of *project*, None for every project; raises UnknownProject."""
        return None if project is None else store.project_id(project)


def checked(data: dict[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return *data* when its names are those of *kinds*, and its values null or so made."""
    for name, value in data.items():
        if name not in kinds:
            raise BadValue(f"The body takes {', '.join(kinds)}, not {name!a}.")
        if kinds[name] is object:  # left to who knows its values
            continue
        truth = isinstance(value, bool) and kinds[name] is not bool
        if value is not None and (truth or not isinstance(value, kinds[name])):
            raise BadValue(f"{name} must be {_CALLED[kinds[name]]}, or null.")
    return data
