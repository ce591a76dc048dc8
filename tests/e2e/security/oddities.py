"""Odd requests and odd messages, as strategies: mostly right, so that they get far, with little
that is wrong, so that something of it is looked at.

What an example holds is small (a piece and how often, a path and how much longer), for it is
printed when it fails.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import struct
from collections.abc import Mapping

from hypothesis import strategies as st

Headers = tuple[tuple[str, str], ...]

#: Every route that a browser may ask either command for, and some that there are not; {} is
#: any word.
ROUTES = (
    "GET /", "GET /index.html", "GET /healthz", "GET /static/app.js", "GET /static/{}",
    "GET /static/vendor/vendor.js", "GET /api/state", "GET /api/items/{}/log", "GET /sockjs/info",
    "GET /sockjs/{}", "GET /sockjs/{}/{}/websocket", "POST /sockjs/{}/{}/xhr",
    "POST /sockjs/{}/{}/xhr_send", "POST /sockjs/{}/{}/xhr_streaming", "POST /api/login",
    "POST /api/logout", "POST /api/stop", "POST /api/stop-now", "POST /api/keep-running",
    "POST /api/shut-down", "POST /api/restart", "GET *", "GET //", "GET /%", "GET ", "GET /nowhere",
    "GET http://evil.example/", "GET /static/../x", "GET /static/%2e%2e/%2e%2e/setup.cfg",
    "GET /static/%00", "GET /api", "GET /api/", "GET /\x7f")
#: What only the warrior has.
WARRIOR_ROUTES = (
    "GET /api/log", "GET /api/projects/{}/log", "GET /api/keys", "POST /api/projects/select",
    "POST /api/projects/{}/retry", "POST /api/projects/{}/update",
    "POST /api/projects/{}/install-anyway", "POST /api/settings", "POST /api/settings",
    "POST /api/keys", "POST /api/keys/{}/revoke", "POST /api/notices/{}/read")
#: What ends either command, or its session: asked for without credentials alone.
ENDING: Mapping[str, tuple[str, ...]] = {
    "warrior": ("/api/shut-down", "/api/restart", "/api/logout"),
    "pipeline": ("/api/stop", "/api/logout")}

_WORDS = ("test", "test", "auto", "ITEM", "000", "abcd", "..", ".", "%2e%2e", "%00", "%ff", "%",
          "%zz", "%F0%9F%98%80", "%1b[2J", "\u00e4", "\u009b2J", "a" * 300, "insecure", "<b>", "'",
          "//", "\\", ";", "%2F%2F", "%0d%0aX: y")
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "get",
            "GET\t", "X" * 50, "")
_VERSIONS = ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1 x", "", "http/1.1")


# -- JSON ------------------------------------------------------------------------------------
def dumped(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


texts = st.text(max_size=30)
numbers = st.one_of(
    st.integers(-2, 30), st.integers(), st.integers(-10 ** 40, 10 ** 40),
    st.sampled_from([10 ** 4000, -10 ** 400]), st.floats())
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.sampled_from([
        "\ud800", "\0", "a" * 70, "a-volunteer", "auto", "test", "3", "-1", "1e999", "\u0663"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8)
_settings = st.dictionaries(
    st.sampled_from(["downloader", "concurrent_items", "http_username", "warrior_id", "api_keys",
                     "shared:rsync_threads", "test/x", "selected_project", "__class__", "/", ""])
    | texts, values | st.sampled_from(["1", "2", "a-volunteer"]), max_size=3)
#: What each command takes, or nearly.
BODIES: Mapping[str, st.SearchStrategy[object]] = {
    "/api/settings": st.fixed_dictionaries({"values": _settings | values}),
    "/api/projects/select": st.fixed_dictionaries({"projects": st.lists(
        st.sampled_from(["test", "auto", "", "../x"]) | values, max_size=4) | values}),
    "/api/login": st.fixed_dictionaries({"username": texts | values, "password": texts | values}),
    "/api/keys": st.fixed_dictionaries({"name": st.from_regex(r"\A[-\w.]{1,41}\Z") | values}),
}
_anything = st.dictionaries(
    st.sampled_from(["projects", "name", "username", "password", "values", "now", "x"]), values,
    max_size=3) | values
#: Bytes, and how often: what is no JSON, or too much of it.
_raw = st.tuples(st.binary(max_size=200) | st.sampled_from([
    b"", b"NaN", b"1e999", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"{} {}", b'"', b'["x"]',
    b'["{}"]', b'{"values": {"downloader": "\\ud800"}}', b'{"name": "a", "name": "b"}',
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"]), st.just(1),
) | st.tuples(st.sampled_from([b"[", b'{"a":', b"9", b"{} ", b"\0", b'"a":1,']),
              st.sampled_from([3000, 40000]))


def bodies(path: str) -> st.SearchStrategy[tuple[bytes, int]]:
    """For a command at this path: right, nearly right, and anything."""
    odd = st.tuples(_anything.map(dumped), st.just(1)) | _raw
    if path not in BODIES:
        return st.one_of(st.just((b"{}", 1)), st.just((b"{}", 1)), odd)
    return st.one_of(st.tuples(BODIES[path].map(dumped), st.just(1)),
                     st.tuples(BODIES[path].map(dumped), st.just(1)), odd)


# -- requests ---------------------------------------------------------------------------------
_basic = st.one_of(st.binary(max_size=20), st.sampled_from([b":", b"a:b:c", b"\xff:\xff", b"a"])
                   ).map(lambda pair: "Authorization: Basic " + base64.b64encode(pair).decode())
_odd_header = _basic | st.sampled_from([
    "Host: evil.example", "Host:", "Origin: null", "Origin: http://localhost", "Origin: http://[",
    "Origin: \xff", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Site: none", "Sec-Fetch-Site: \xff", "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: document", "Authorization: Basic",
    "Authorization: Basic %%%", "Authorization: Basic \xff", "Authorization: Bearer",
    "Authorization: Bearer x", "Authorization: Bearer \xff\xfe", "Authorization: Digest username=x",
    "Authorization:", "Cookie: a=b; =; ;;", "Cookie: \xff=\xfe", "Cookie: " + "a=b;" * 500,
    "X-CSRF-Token: x", "X-CSRF-Token: \xff", "Content-Type: application/json; charset=utf-7",
    "Content-Type: multipart/form-data", "Content-Type: multipart/form-data; boundary=",
    "Content-Type: multipart/form-data; boundary=x", "Content-Type: text/plain",
    "Content-Type: application/x-www-form-urlencoded", "Content-Encoding: gzip",
    "Content-Length: 0", "Content-Length: 5", "Content-Length: 70000", "Content-Length: -1",
    "Content-Length: 1, 1", "Content-Length: 99999999999999999999", "Content-Length: 0x10",
    "Content-Length: 1_0", "Content-Length: \u0663", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: x", "Expect: 100-continue",
    "Expect: x", "Range: bytes=0-0", "Range: bytes=9-1", "Range: bytes=-5", "Range: x",
    "Range: bytes=0-99999999999999999999", "Range: bytes=0-1,3-4", "If-None-Match: *",
    "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "If-Modified-Since: x",
    "If-Modified-Since: Thu, 01 Jan 99999 00:00:00 GMT", "Upgrade: websocket",
    "Connection: Upgrade", "Connection: keep-alive", "Connection: close", "Connection: \xff",
    "Sec-WebSocket-Version: 99", "Sec-WebSocket-Key: x", "Sec-WebSocket-Protocol: x",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
    "Sec-WebSocket-Extensions: \xff", "X-Forwarded-For: 1.2.3.4, x",
    "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Real-Ip: x",
    "X-HTTP-Method-Override: POST", "Accept-Encoding: gzip", "Accept-Language: " + "x" * 200,
    "Accept-Language: \xff;q=x", "X: " + "x" * 40000, "no colon here", " folded: x", ": empty",
    "A\0: b", "A: b\0c", "A : b", "A: b\rC: d", "A: \x1b[2J"])
#: Up to three things that are wrong, often none.
_faults = st.lists(st.one_of(
    st.tuples(st.just("add"), _odd_header), st.tuples(st.just("add"), _odd_header),
    st.tuples(st.just("drop"), st.sampled_from(
        ["Host", "Cookie", "X-CSRF-Token", "Content-Type", "Content-Length"])),
    st.tuples(st.just("method"), st.sampled_from(_METHODS)),
    st.tuples(st.just("version"), st.sampled_from(_VERSIONS)),
    st.tuples(st.just("longer"), st.sampled_from(["500", "9000", "70000"])),
    st.tuples(st.just("query"), st.sampled_from(["?", "?a=b&a=%ff&=", "?now=%00", "#x", ";x"])),
    st.tuples(st.just("again"), st.just("")),
    st.tuples(st.just("cut"), st.integers(1, 300).map(str)),
), max_size=3)
UPGRADE: Headers = (
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "c2l4dGVlbiBieXRlcyEhIQ=="))


@dataclasses.dataclass(frozen=True)
class Request:
    """A route with its words, a body (a piece and how often), and what is wrong."""

    route: str
    words: tuple[str, ...]
    body: tuple[bytes, int]
    faults: list[tuple[str, str]]

    @property
    def times(self) -> int:
        """How often it is sent, one behind the other; behind a stream nothing is answered."""
        return 2 if ("again", "") in self.faults and "streaming" not in self.route else 1

    @property
    def is_whole(self) -> bool:
        """Whether it ends as it says that it does, so that an answer must come."""
        return not any(kind == "cut" or what.startswith((
            "Content-Length", "Transfer-Encoding", "Expect", "X: "))
            for kind, what in self.faults)

    @property
    def has_body(self) -> bool:
        """Whether its answer may have one."""
        return ("method", "HEAD") not in self.faults

    def encode(self, host: str, session: Mapping[str, str], item: str, ending: tuple[str, ...]
               ) -> bytes:
        """The bytes to send; ``session`` gives the credentials, save to what is ``ending``."""
        method, _, path = self.route.partition(" ")
        for word in self.words:
            path = path.replace("{}", item if word == "ITEM" else word, 1)
        body = self.body[0] * self.body[1] if method == "POST" else b""
        headers = {"Host": host, "Content-Type": "application/json",
                   "Content-Length": str(len(body))}
        if not path.startswith(ending):
            headers |= session
        if path.endswith("/websocket"):
            headers |= dict(UPGRADE)
        lines, version, end = [], "HTTP/1.1", None
        for kind, what in self.faults:
            if kind == "add":
                lines.append(what)
            elif kind == "drop":
                headers.pop(what, None)
            elif kind == "longer":
                path += "a" * int(what)
            elif kind == "query":
                path += what
            method = what if kind == "method" else method
            version = what if kind == "version" else version
            end = -int(what) if kind == "cut" else end
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = f"{method} {path} {version}\r\n" + "".join(f"{line}\r\n" for line in lines)
        return ((head.encode("utf-8", "surrogatepass") + b"\r\n" + body) * self.times)[:end]


def requests(kind: str) -> st.SearchStrategy[Request]:
    """Requests to run-warrior ('warrior') or run-pipeline."""
    routes = (*ROUTES, *WARRIOR_ROUTES) if kind == "warrior" else ROUTES
    return st.sampled_from(routes).flatmap(lambda route: st.builds(
        Request, st.just(route), st.tuples(*[st.sampled_from(_WORDS)] * route.count("{}")),
        bodies(route.partition(" ")[2]), _faults))


# -- what a page says -------------------------------------------------------------------------
_kinds = st.sampled_from(["watch", "unwatch", "view", "resync", "bye", ""])
_items = st.sampled_from(["ITEM", "ITEM", "x", "", [], ["ITEM"], ["ITEM"] * 5000, [1], {}, 1, True])
messages = st.one_of(
    st.fixed_dictionaries({"type": _kinds}, optional={"item": _items, "items": _items}),
    st.fixed_dictionaries({"type": _kinds | values, "item": values, "items": values}),
    values)
#: As a page packs it (a list of texts), or nearly; a piece, and how often.
packs = st.tuples(st.one_of(
    st.lists(messages.map(json.dumps), min_size=1, max_size=3).map(dumped),
    st.lists(messages.map(json.dumps), min_size=1, max_size=3).map(dumped),
    messages.map(lambda message: dumped(json.dumps(message))), messages.map(dumped),
    st.lists(values, max_size=3).map(dumped)), st.just(1)) | _raw
_control = st.tuples(st.sampled_from([0x88, 0x89, 0x8A, 0x08, 0x09]), st.tuples(
    st.sampled_from([b"", b"\x03", b"\x03\xe8", b"\x00\x00", b"\xff\xff\xff", b"\x03\xe8\xff\xfe"]),
    st.just(1)) | st.tuples(st.just(b"x"), st.sampled_from([125, 126, 70000])))
_odd_frame = st.tuples(st.integers(0, 255), st.tuples(st.binary(max_size=50), st.just(1)))
#: The kind of a frame (-1: in two fragments, with a ping between them), and what is in it.
Frame = tuple[int, tuple[bytes, int]]
frames = st.lists(st.tuples(st.sampled_from([0x81, 0x81, 0x81, -1, 0x82]), packs)
                  | _control | _odd_frame, min_size=1, max_size=4)
#: How a conversation ends: with a frame that is none.
tails = st.one_of(st.just(b""), st.just(b""), st.binary(max_size=20), st.sampled_from([
    b"\x81\x05hello", b"\x81\xff" + b"\xff" * 8, b"\x81\xff" + b"\0\0\0\x02" + b"\0" * 4,
    b"\x81\xfe\x00\x01\0\0\0\0x", b"\x81\xff\x80" + b"\0" * 7, b"\x81", b"\x81\xfe\x01"]))


def masked_frame(first: int, payload: bytes) -> bytes:
    """A frame as a browser masks it; ``first`` has its kind."""
    size = len(payload)
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65536:
        head = struct.pack(">BBH", first, 0xFE, size)
    else:
        head = struct.pack(">BBQ", first, 0xFF, size)
    return head + b"mask" + bytes(b ^ b"mask"[i % 4] for i, b in enumerate(payload))


def conversation(frames: list[Frame], item: str) -> bytes:
    """These frames as a browser sends them."""
    sent = b""
    for first, (piece, times) in frames:
        payload = (piece * times).replace(b"ITEM", item.encode())
        if first >= 0:
            sent += masked_frame(first, payload)
        else:
            half = len(payload) // 2
            sent += (masked_frame(0x01, payload[:half]) + masked_frame(0x89, b"between")
                     + masked_frame(0x80, payload[half:]))
    return sent
