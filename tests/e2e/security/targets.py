"""The commands that the rows of the table are asked of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.security import table
from tests.e2e.security.command import Command, until
from tests.e2e.security.rawhttp import converse, parse, request
from tests.e2e.security.table import LOCKED, OPEN, PASSWORD, PROXIED, PUBLIC
from tests.warrior.web.talking import Answer


class Target(Command):
    """A command that lives through many rows; nothing that they ask may change anything."""

    def __init__(self, kind: str, manner: str, folder: Path) -> None:
        self.manner = manner
        environment = {}
        if kind == "warrior":
            environment = {"WARRIOR_HOST_NAMES": "CONFIGURED.example other.example"}
            if manner == PROXIED:
                environment["WARRIOR_PUBLIC_URL"] = PUBLIC
        elif manner != PROXIED:
            environment["HTTP_API_KEY"] = table.KEY
        super().__init__(kind, folder, "" if manner == OPEN else PASSWORD, **environment)
        self.known, self.other = self.enter(), self.session()
        self.key = table.KEY
        if kind == "warrior" and manner != PROXIED:
            made = self.post("/api/keys", self.known, b'{"name": "script"}')
            self.key = str(json.loads(made.text)["key"])
        self.before = self.settled()

    def _words(self) -> list[str]:
        words = super()._words()
        if self.kind == "pipeline" and self.manner == PROXIED:
            words[1:1] = ["--public-url", PUBLIC]
        return words

    def settled(self) -> Any:
        """What nobody may have changed."""
        state = self.state(self.known)
        return (state["settings"], state["runner"]["state"], state["runner"]["concurrent"],
                [(one["id"], one["order"]) for one in state["projects"]],
                [item["state"] for item in state["items"]])

    def item_works(self) -> None:
        """Its item is still at work, as time goes on."""
        beats = self.beats()
        until(lambda: self.beats() > beats, "the item at work")

    def headers(self, given: dict[str, str], who: str) -> list[tuple[str, str]]:
        """Host, cookie and token as ``who`` has them, but for those that are given. One whose
        value has two lines is sent twice."""
        cookie = {"Cookie": self.known["Cookie"]}
        own: dict[str, dict[str, str]] = {
            "nobody": {}, "session": self.known, "cookie": cookie, "not logged in": self.other,
            "other token": {**cookie, "X-CSRF-Token": self.other["X-CSRF-Token"]},
            "key": {"Authorization": f"Bearer {self.key}"}}
        found = {"Host": f"127.0.0.1:{self.port}", **own[who]}
        for name, value in given.items():
            for place, text in (("port", str(self.port)), ("key", self.key), *cookie.items(),
                                ("token", self.known["X-CSRF-Token"])):
                value = value.replace("{%s}" % place.lower(), text)
            found[name] = value
        return [(name, line) for name, value in found.items() if value != table.LEFT_OUT
                for line in value.split("\n")]

    def ask_row(self, row: table.Row, source: str) -> Answer:
        return parse(converse(self.port, self.request(row), source))

    def request(self, row: table.Row) -> bytes:
        """What this row sends."""
        token = self.known["X-CSRF-Token"]
        return request(row.first.replace("{token}", token), self.headers(row.headers, row.who),
                       row.body.replace(b"{token}", token.encode()))


#: A command without a password, with one, and behind a proxy with one.
TARGETS = [(kind, manner) for kind in table.BOTH for manner in (OPEN, LOCKED, PROXIED)]


def asked_of(*targets: tuple[str, str]) -> pytest.MarkDecorator:
    """The test is done with each of these commands as its ``target``."""
    return pytest.mark.parametrize("target", targets, indirect=True, ids="-".join)


@pytest.fixture(scope="module")
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """One of ``TARGETS``; all tests of a module that ask it stand together. In the end its item
    is at work as in the beginning, and it has met no error."""
    target = Target(*request.param, tmp_path_factory.mktemp("-".join(request.param)))
    try:
        yield target
        target.item_works()
        assert "Traceback" not in target.said()
    finally:
        target.close()
