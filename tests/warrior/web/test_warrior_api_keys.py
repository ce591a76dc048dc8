"""API keys at the gate: what they open, what they do not, and how they come and go."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.warrior.web.conftest import MakeWarrior, RunningConsole
from tests.warrior.web.talking import Answer
from warrior.settings.api_keys import digest

MakeAny = Callable[..., RunningConsole]
KEY = "warrior-key-of-a-script"


def bearer(key: str = KEY, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **more}


def test_without_keys_none_counts(make_any: MakeAny) -> None:
    """Also not the empty one."""
    console = make_any(password="secret")
    assert console.ask("GET", "/api/state", bearer("")).status == 401
    assert console.ask("GET", "/api/state", bearer()).status == 401


def test_guessing_keys_is_slowed_down(make_any: MakeAny) -> None:
    """After five wrong ones the address waits; with its password it is still let in."""
    console = make_any(password="secret", api_keys=lambda: {"script": digest(KEY)})
    statuses = [console.ask("GET", "/api/state", bearer("x")).status for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    answer = console.ask("GET", "/api/state", bearer())
    assert answer.status == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert console.ask("GET", "/", {"Authorization": "Basic OnNlY3JldA=="}).status == 200


# -- made and revoked --------------------------------------------------------------------
@pytest.fixture
def keeper(make_warrior: MakeWarrior) -> RunningConsole:
    """A warrior's console whose keys are those of its settings."""
    made: list[RunningConsole] = []

    def digests() -> dict[str, str]:
        settings = made[0].settings  # type: ignore[attr-defined]
        return {name: key.digest for name, key in settings.keys.items()}

    made.append(make_warrior(api_keys=digests))
    return made[0]


def make_key(console: RunningConsole, session: dict[str, str], name: str) -> Answer:
    return console.post("/api/keys", session, json.dumps({"name": name}).encode())


def test_a_key_is_made_told_once_and_revoked(keeper: RunningConsole) -> None:
    """It opens the API until it is revoked; no later answer contains it."""
    session = keeper.session()
    answer = make_key(keeper, session, "my-script")
    assert answer.status == 200
    made = json.loads(answer.text)
    key = made["key"]
    assert made == {"name": "my-script", "key": key}
    assert len(key) > 40
    assert keeper.ask("GET", "/api/state", bearer(key)).status == 200
    listed = json.loads(keeper.ask("GET", "/api/keys", session).text)["keys"]
    assert [one["name"] for one in listed] == ["my-script"]
    state = keeper.ask("GET", "/api/state", session).text
    assert json.loads(state)["settings"]["keys"] == listed
    assert key not in state
    assert digest(key) not in state
    kept = (keeper.folder / "settings.json").read_text()
    assert key not in kept
    assert digest(key) in kept
    assert keeper.post("/api/keys/my-script/revoke", session).status == 200
    assert keeper.ask("GET", "/api/state", bearer(key)).status == 401
    assert keeper.post("/api/keys/my-script/revoke", session).status == 404


@pytest.mark.parametrize("body", [
    b"{}", b'{"name": 1}', b'{"name": ""}', b'{"name": "a b"}', b'{"name": "a/b"}',
    b'{"name": "taken"}', b'{"name": "x", "key": "mine"}',
    b'{"name": "' + b"x" * 41 + b'"}'])
def test_what_cannot_be_a_key(keeper: RunningConsole, body: bytes) -> None:
    """The request is refused with a sentence; no key is made."""
    session = keeper.session()
    assert make_key(keeper, session, "taken").status == 200
    answer = keeper.post("/api/keys", session, body)
    assert answer.status == 400
    assert answer.text.count("\n") == 1
    listed = json.loads(keeper.ask("GET", "/api/keys", session).text)["keys"]
    assert [one["name"] for one in listed] == ["taken"]


def test_keys_have_an_end(keeper: RunningConsole) -> None:
    """Fifty, and then a sentence."""
    session = keeper.session()
    for number in range(50):
        assert make_key(keeper, session, f"key-{number}").status == 200
    answer = make_key(keeper, session, "one-more")
    assert answer.status == 400
    assert "Revoke one first" in answer.text


def test_a_key_makes_no_keys_and_no_password(keeper: RunningConsole) -> None:
    """Whoever finds a key cannot make others, so revoking it is enough."""
    key = json.loads(make_key(keeper, keeper.session(), "found").text)["key"]
    assert make_key(keeper, bearer(key), "another").status == 403
    assert keeper.ask("GET", "/api/keys", bearer(key)).status == 403
    assert keeper.post("/api/keys/found/revoke", bearer(key)).status == 403
    for values in ({"http_password": "mine now"}, {"http_password": None},
                   {"http_username": "me", "downloader": "other"}):
        answer = keeper.post("/api/settings", bearer(key),
                             json.dumps({"values": values}).encode())
        assert answer.status == 400, values
        assert "API key" in answer.text
    answer = keeper.post("/api/settings", bearer(key), b'{"values": {"downloader": "other"}}')
    assert answer.status == 200
