"""Broken HTTP is answered like everything else that is refused."""

from __future__ import annotations

import pytest

from tests.warrior.web.conftest import RunningConsole
from tests.warrior.web.talking import exchange
from warrior.web.headers import SECURITY_HEADERS


@pytest.mark.parametrize("request_", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # as a browser begins with https://
    b"GET\r\n\r\n", b"GET / HTTP/3\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nA\0: b\r\n\r\n"])
def test_broken_http(console: RunningConsole, request_: bytes) -> None:
    """One line of text with all headers, and the connection is closed."""
    answer = exchange(console.port, request_)
    assert answer.status == 400
    assert answer.text.count("\n") == 1
    assert "malformed" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["connection"] == "close"
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name.lower()] == value
