"""The console behind a reverse proxy: names, prefix, cookie, and whom a proxy speaks for."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tornado.httputil import HTTPHeaders

from tests.warrior.web.conftest import RunningConsole
from warrior.web.addresses import LOOPBACK, Proxies, PublicAddress

MakeAny = Callable[..., RunningConsole]
PUBLIC = "https://home.example/at/home"


@pytest.mark.parametrize("url,origin,authority,prefix", [
    ("https://W.example", "https://w.example", "w.example", ""),
    ("https://w.example:443/a", "https://w.example", "w.example", "/a"),
    ("http://w.example:80", "http://w.example:80", "w.example:80", ""),
    ("http://w.example:8080/a/b", "http://w.example:8080", "w.example:8080", "/a/b"),
    ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", "[2001:db8::1]:8443", ""),
])
def test_parts_of_the_address(url: str, origin: str, authority: str, prefix: str) -> None:
    """Scheme, host and port have to fit; the port of the scheme may be left out."""
    public = PublicAddress.of(url)
    assert public.is_origin(origin)
    assert public.is_authority(authority)
    assert public.prefix == prefix
    assert not public.is_origin(origin.replace("http", "ftp"))
    assert not public.is_origin("null")
    assert not public.is_authority("evil.example")


def test_page_and_cookie_know_the_prefix(make_any: MakeAny) -> None:
    """Each address on the page has it; the cookie is only for that path and for https."""
    console = make_any(public_url=PUBLIC)
    page = console.ask("GET", "/at/home/", {"Host": "home.example"})
    assert 'content="/at/home"' in page.text
    assert 'href="/at/home/static/warrior.css"' in page.text
    assert '"/static/' not in page.text
    cookie = page.headers["set-cookie"]
    assert "; Path=/at/home" in cookie
    assert "; Secure" in cookie
    assert "; HttpOnly" in cookie
    assert "; SameSite=Strict" in cookie
    style = console.ask("GET", "/at/home/static/warrior.css", {"Host": "home.example"})
    assert style.status == 200
    plain = make_any(public_url="http://home.example").ask("GET", "/")
    assert "; Path=/;" in plain.headers["set-cookie"] + ";"
    assert "Secure" not in plain.headers["set-cookie"]


def test_a_whole_visit_through_the_prefix(make_any: MakeAny) -> None:
    """Logging in, commands and the socket's own addresses work below it."""
    console = make_any(public_url=PUBLIC, password="secret")
    headers = {"Host": "home.example", "Origin": "https://home.example"}
    assert console.ask("GET", "/at/home/api/state", headers).status == 401
    assert console.ask("GET", "/at/home/sockjs/info", headers).status == 401
    session = console.session(headers)
    answer = console.post("/at/home/api/login", {**session, **headers},
                          json.dumps({"username": "", "password": "secret"}).encode())
    assert answer.status == 200
    cookie = {**headers, "Cookie": answer.headers["set-cookie"].partition(";")[0]}
    logged_in = {**cookie, **console.session_token(cookie)}
    assert console.ask("GET", "/at/home/api/state", logged_in).status == 200
    assert console.post("/at/home/api/keep-running", logged_in).status == 200
    assert console.ask("GET", "/at/home/sockjs/info", cookie).status == 200


def client(peer: str, *forwarded: str, networks: tuple[str, ...] = LOOPBACK) -> str:
    headers = HTTPHeaders()
    for value in forwarded:
        headers.add("X-Forwarded-For", value)
    return Proxies(networks).client(peer, headers)


def test_who_is_believed() -> None:
    """Only the proxy is trusted, and only for the address that it has seen itself."""
    assert client("192.0.2.1", "198.51.100.7") == "192.0.2.1"
    assert client("127.0.0.1", "198.51.100.7") == "198.51.100.7"
    assert client("::1", "198.51.100.7") == "198.51.100.7"
    assert client("127.0.0.1", "203.0.113.9, 198.51.100.7") == "198.51.100.7"
    assert client("127.0.0.1", "203.0.113.9", "198.51.100.7, 127.0.0.1") == "198.51.100.7"
    assert client("127.0.0.1", "198.51.100.7:4711") == "198.51.100.7"
    assert client("127.0.0.1", '"[2001:db8::7]:4711"') == "2001:db8::7"
    for nonsense in ("", "unknown", "_hidden", "1.2.3", "x" * 10_000, "," * 10_000):
        assert client("127.0.0.1", nonsense) == "127.0.0.1", nonsense
    assert client("10.0.0.2", "198.51.100.7", networks=("10.0.0.0/8",)) == "198.51.100.7"
    assert client("127.0.0.1", "198.51.100.7", networks=("10.0.0.0/8",)) == "127.0.0.1"
    assert client("", "198.51.100.7") == ""


def wrong(console: RunningConsole, client_address: str) -> int:
    return console.ask("GET", "/healthz", {
        "X-Forwarded-For": client_address, "Authorization": "Basic eDp5"}).status


def test_guessing_through_the_proxy_locks_out_only_who_guesses(make_any: MakeAny) -> None:
    """Five failures from one address do not affect other addresses behind the proxy."""
    console = make_any(public_url=PUBLIC, password="secret")
    assert [wrong(console, "198.51.100.7") for _ in range(6)] == [401] * 5 + [429]
    assert wrong(console, "198.51.100.8") == 401
    # What the guesser itself has put there does not help.
    assert wrong(console, "203.0.113.1, 198.51.100.7") == 429


def test_without_a_proxy_nobody_is_believed(make_any: MakeAny) -> None:
    """Otherwise each guess could name a new address."""
    console = make_any(password="secret")
    statuses = [wrong(console, f"198.51.100.{number}") for number in range(6)]
    assert statuses == [401] * 5 + [429]
