"""What is asked of a console and what it must answer: the rows of the gate's table.

A row is asked of a command without a password (OPEN), with one (LOCKED), or behind a proxy
with one (PROXIED); where nothing else is said, Host and all else is right, so that only what
the row is about can be the reason of the answer.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import socket
from collections.abc import Iterator

from tests.e2e.security.command import TITLE

PASSWORD = "a: b: sp\u00e4\u00df \U0001f41d"
KEY = "a-key-of-a-script-0123456789"
PUBLIC = "https://home.example/at/home"
OPEN, LOCKED, PROXIED = "open", "locked", "proxied"
#: For a header that is not sent though it should be.
LEFT_OUT = "left out"
BOTH = ("warrior", "pipeline")

UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ=="}
JSON = {"Content-Type": "application/json"}
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
              "Sec-Fetch-Dest": "document"}
SOCKET = "/sockjs/000/abcd1234/websocket"
#: What takes a command and ends or changes something.
COMMANDS = ("/api/stop", "/api/stop-now", "/api/keep-running", "/api/logout")
WARRIOR_COMMANDS = (
    "/api/shut-down", "/api/restart", "/api/projects/select", "/api/projects/test/retry",
    "/api/projects/test/update", "/api/projects/test/install-anyway", "/api/settings",
    "/api/keys/x/revoke", "/api/notices/insecure/read")


def basic(password: str, user: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclasses.dataclass(frozen=True)
class Row:
    """What is asked, by whom, and what the answer must be; ``says`` is a part of its text."""

    first: str
    status: int
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    who: str = "nobody"
    body: bytes = b""
    manner: str = OPEN
    says: str = ""
    kinds: tuple[str, ...] = BOTH

    def __str__(self) -> str:
        shown = ", ".join(f"{name}: {value}" for name, value in self.headers.items())
        text = f"{self.manner}: {self.first} {self.who} {shown} {self.body[:20]!r}"
        return re.sub(r"[^ -~]", "?", text)[:120]


def host_rows() -> Iterator[Row]:
    machine = socket.gethostname()
    for host in ("localhost", "LOCALHOST:8001", "x.localhost", "127.0.0.1:8001", "[::1]:8001",
                 "192.0.2.7", "[2001:db8::1]", "[2001:db8::1]:1", machine, f"{machine}:99"):
        yield Row("GET /healthz", 200, {"Host": host})
    yield Row("GET /healthz", 200, {"Host": "Configured.example:99"}, kinds=("warrior",))
    yield Row("GET /healthz", 421, {"Host": "configured.example"}, kinds=("pipeline",))
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0",
                 "[::]", "2130706433", "127.1", "0177.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]",
                 "[0:0:0:0:0:0:0:1]", ".localhost", "0.0.0.0:8001", "evil.example:80"):
        yield Row("GET /", 421, {"Host": host}, says="known as")
    for host in (LEFT_OUT, "localhost\nlocalhost", "localhost\nevil.example", "a b", "",
                 "localhost, localhost", "[::1", "localhost:x"):
        yield Row("GET /healthz", 400, {"Host": host})
    yield Row("GET /healthz", 421, {"Host": "evil.example"}, manner=LOCKED, who="key")
    yield Row("GET /healthz", 421, {"Host": "evil.example",
                                    "Authorization": basic(PASSWORD)}, manner=LOCKED)


def origin_rows() -> Iterator[Row]:
    for origin in ("http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1",
                   "http://127.0.0.1:1", "http://localhost",
                   "http://localhost:{port}", "http://127.0.0.1:{port}.evil.example", "",
                   "http://127.0.0.1:{port}\nhttp://127.0.0.1:{port}", "file://", "127.0.0.1"):
        yield Row("GET /healthz", 403, {"Origin": origin}, says="another site")
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        yield Row(f"{method} /api/state", 403, {"Origin": "null"}, "session")
        yield Row(f"{method} {SOCKET}", 403, {"Origin": "http://evil.example"}, "session")
    yield Row(f"GET {SOCKET}", 403, {**UPGRADE, "Origin": "http://evil.example"}, "session")
    yield Row(f"GET {SOCKET}", 403, {**UPGRADE, "Origin": "null"}, "session")
    yield Row("GET /static/warrior.css", 403, {"Origin": "null"})
    own = {"Origin": "http://127.0.0.1:{port}"}
    yield Row("GET /healthz", 200, own)
    yield Row("GET /healthz", 200, {"Host": "localhost:{port}", "Origin":
                                    "http://LOCALHOST:{port}"})
    yield Row("POST /api/keep-running", 200, {**own, **JSON}, "session", b"{}")
    yield Row(f"GET {SOCKET}", 101, {**UPGRADE, **own}, "session")
    yield Row("POST /api/keep-running", 200, JSON, "session", b"{}")
    yield Row(f"GET {SOCKET}", 101, UPGRADE, "session")


def site_rows() -> Iterator[Row]:
    for site in ("cross-site", "same-site"):
        for path in ("/healthz", "/api/state", "/static/warrior.css", SOCKET, "/nowhere"):
            yield Row(f"GET {path}", 403, {**NAVIGATION, "Sec-Fetch-Site": site}, "session")
        yield Row("GET /", 403, {"Sec-Fetch-Site": site}, "session")
        yield Row("POST /", 403, {**NAVIGATION, "Sec-Fetch-Site": site}, "session")
        yield Row("GET /", 403, {**NAVIGATION, "Sec-Fetch-Site": site,
                                 "Sec-Fetch-Dest": "iframe"}, "session")
        yield Row("GET /", 200, {**NAVIGATION, "Sec-Fetch-Site": site}, "session")
    for site in ("none", "same-origin"):
        yield Row("GET /healthz", 200, {"Sec-Fetch-Site": site})


def token_rows() -> Iterator[Row]:
    every = [(path, BOTH) for path in COMMANDS] + [
        (path, ("warrior",)) for path in (*WARRIOR_COMMANDS, "/api/keys")]
    for path, kinds in every:
        yield Row(f"POST {path}", 403, JSON, "cookie", b"{}", says="X-CSRF-Token", kinds=kinds)
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "GET", "HEAD"):
        for path in ("/api/stop", "/api/state", "/api/nowhere", "/api", "/api/items/x/log"):
            yield Row(f"{method} {path}", 403, JSON, "cookie", b"{}" if method == "POST" else b"")
    stop = "POST /api/stop"
    yield Row(stop, 403, JSON, "nobody", b"{}")
    yield Row(stop, 403, {**JSON, "X-CSRF-Token": "{token}"}, "nobody", b"{}")
    yield Row(stop, 403, JSON, "other token", b"{}")
    yield Row(stop, 403, {**JSON, "X-CSRF-Token": ""}, "cookie", b"{}")
    yield Row(stop, 403, {**JSON, "X-CSRF-Token": "{token}\n{token}"}, "cookie", b"{}")
    yield Row(stop, 403, {**JSON, "X-CSRF-Token": "{token}, {token}"}, "cookie", b"{}")
    yield Row(stop, 403, {**JSON, "Cookie": "{cookie}; X-CSRF-Token={token}"}, "cookie", b"{}")
    yield Row(f"{stop}?X-CSRF-Token={{token}}", 403, JSON, "cookie",
              b'{"X-CSRF-Token": "{token}"}')
    yield Row("POST /api/login", 403, JSON, "cookie", b'{"password": ""}')
    yield Row("POST /api/login", 403, JSON, "nobody", b'{"password": ""}', LOCKED)
    yield Row("GET /healthz", 200)
    yield Row("GET /api/state", 200, {}, "session")
    yield Row("GET /api/items/x/log", 404, {}, "session")
    yield Row("PUT /api/stop", 405, JSON, "session", b"{}")
    yield Row("DELETE /api/state", 405, {}, "session")


def command_rows() -> Iterator[Row]:
    every = [(path, BOTH) for path in COMMANDS] + [(path, ("warrior",)) for path in
                                                   WARRIOR_COMMANDS]
    for path, kinds in every:
        yield Row(f"GET {path}", 405, {}, "session", says="POST", kinds=kinds)
        yield Row(f"POST {path}", 415, {}, "session", b"{}", kinds=kinds)
        yield Row(f"POST {path}", 415, {"Content-Type": "text/plain"}, "session", b"{}",
                  kinds=kinds)
        yield Row(f"POST {path}", 413, JSON, "session", b" " * 65537, kinds=kinds)
        yield Row(f"POST {path}", 415, JSON, "session", b"{", kinds=kinds)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                 "application/jsonp", "text/html; application/json", ""):
        yield Row("POST /api/stop", 415, {"Content-Type": kind}, "session", b"{}")
    for body in (b"", b"x", b"{} {}", b"\xff", b"[" * 30_000, b"'{}'"):
        yield Row("POST /api/stop", 415, {**JSON, "Content-Length": str(len(body))}, "session", body)
    for body in (b"[]", b"null", b"1", b'"{}"', b'{"now": true}'):
        yield Row("POST /api/stop", 400, JSON, "session", body)
    yield Row("POST /api/stop", 413, {**JSON, "Content-Length": "99999999999"}, "session")
    yield Row("POST /api/stop", 411, {**JSON, "Transfer-Encoding": "chunked"}, "session")
    yield Row("POST /api/stop", 411, {**JSON, "Content-Length": "-1"}, "session")
    yield Row("POST /api/stop", 411, {**JSON, "Content-Length": "x"}, "session")
    for values in (b'{"unknown": 1}', b'{"warrior_id": "x"}', b'{"downloader": "me", "unknown": 1}',
                   b'{"downloader": "someone-else", "concurrent_items": "many"}',
                   b'{"downloader": "someone-else", "http_password": 1}'):
        yield Row("POST /api/settings", 400, JSON, "session", b'{"values": %s}' % values,
                  kinds=("warrior",))
    yield Row("POST /api/settings", 404, JSON, "session", b'{"values": {}}', kinds=("pipeline",))


def credential_rows() -> Iterator[Row]:
    for path in ("/api/state", "/api/stop", "/api/nowhere", "/api/items/x/log", "/sockjs/info",
                 SOCKET, "/sockjs/000/abcd1234/xhr"):
        for who in ("nobody", "not logged in"):
            yield Row(f"GET {path}", 401, {}, who, manner=LOCKED, says="Log in")
            yield Row(f"POST {path}", 401, JSON, who, b"{}", LOCKED)
    yield Row(f"GET {SOCKET}", 401, UPGRADE, "not logged in", manner=LOCKED)
    for path in ("/", "/index.html"):
        yield Row(f"GET {path}", 200, manner=LOCKED, says="Log in")
        yield Row(f"GET {path}", 200, {}, "session", manner=LOCKED, says=TITLE)
        yield Row(f"GET {path}", 200, {"Authorization": basic(PASSWORD, "anybody")},
                  manner=LOCKED, says=TITLE)
        yield Row(f"GET {path}", 401, {"Authorization": basic("wrong")}, manner=LOCKED)
    yield Row("GET /healthz", 200, manner=LOCKED, says="healthy\n")
    right = {"Authorization": basic(PASSWORD)}
    yield Row("GET /api/state", 200, right, "not logged in", manner=LOCKED)
    yield Row("GET /api/state", 403, {**right, "X-CSRF-Token": LEFT_OUT}, "not logged in",
              manner=LOCKED)
    yield Row("GET /api/state", 403, right, manner=LOCKED)
    yield Row(f"GET {SOCKET}", 403, {**UPGRADE, **right}, manner=LOCKED)
    for header in ("Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Basic //79", "Basic  ", "x", "",
                   "Digest username=x", "Negotiate x", "Basic " + "A" * 8000,
                   basic(PASSWORD[:-1]), basic(PASSWORD + "x"), basic(""),
                   f"{basic(PASSWORD)}\n{basic(PASSWORD)}"):
        for path in ("/api/state", SOCKET):
            yield Row(f"GET {path}", 401, {"Authorization": header}, manner=LOCKED)


def key_rows() -> Iterator[Row]:
    for manner in (OPEN, LOCKED):
        for header in ("Bearer", "Bearer x", "Bearer {key}x", "bearer  ", "Bearer {key} x",
                       "Bearer \xff", "Bearer " + "x" * 5000, "Bearer {key}\nBearer {key}"):
            wrong = {"Authorization": header}
            yield Row("GET /api/state", 401, wrong, "not logged in", manner=manner)
            for path in ("/api/state", "/", "/sockjs/info"):
                yield Row(f"GET {path}", 401, wrong, manner=manner, says="API key")
        yield Row("GET /api/state", 200, {}, "key", manner=manner)
        yield Row("GET /api/state", 200, {"Authorization": "bEARER  {key}"}, manner=manner)
        yield Row("POST /api/keep-running", 200, JSON, "key", b"{}", manner)
        yield Row("GET /api/stop", 405, {}, "key", manner=manner)
        yield Row("POST /api/stop", 415, JSON, "key", b"{", manner)
        yield Row("GET /api/state", 403, {"Origin": "http://evil.example"}, "key", manner=manner)
        yield Row("GET /api/state", 403, {"Sec-Fetch-Site": "cross-site"}, "key", manner=manner)
        yield Row("GET /api/state", 421, {"Host": "evil.example"}, "key", manner=manner)
        yield Row("GET /sockjs/info", 403, {}, "key", manner=manner)
        yield Row(f"GET {SOCKET}", 403, UPGRADE, "key", manner=manner)
    # A session that may all the same does so with a key, too; another one does not by it.
    yield Row("GET /sockjs/info", 200, {"Cookie": "{cookie}"}, "key")
    yield Row(f"GET {SOCKET}", 101, {**UPGRADE, "Cookie": "{cookie}"}, "key")
    for path in ("/sockjs/info", SOCKET):
        yield Row(f"GET {path}", 401, {"Authorization": "Bearer {key}"}, "not logged in",
                  manner=LOCKED)
    yield Row("POST /api/keys", 403, JSON, "key", b'{"name": "more"}', LOCKED, kinds=("warrior",))
    yield Row("POST /api/settings", 400, JSON, "key", b'{"values": {"http_password": "x"}}',
              LOCKED, kinds=("warrior",))


def socket_rows() -> Iterator[Row]:
    forged = {"Cookie": "warrior_session_{port}=made.up"}
    for path in (SOCKET, "/sockjs/info", "/sockjs/000/abcd1234/xhr",
                 "/sockjs/000/abcd1234/xhr_streaming", "/sockjs/000/abcd1234/xhr_send"):
        yield Row(f"GET {path}", 403, UPGRADE, says="Open / first")
        yield Row(f"POST {path}", 403, {}, body=b"[]")
        yield Row(f"GET {path}", 403, {**UPGRADE, **forged})
    yield Row(f"GET {SOCKET}", 101, UPGRADE, "cookie")
    yield Row("GET /sockjs/info", 200, {}, "cookie")
    yield Row("POST /sockjs/000/abcd9876/xhr_send", 404, {}, "cookie", b"[]")
    for path in ("/sockjs/websocket", "/sockjs", "/sockjs/", "/sockjs/iframe.html",
                 "/sockjs/iframe-1.html", "/sockjs/chunking_test", "/sockjs/000/abcd1234/jsonp",
                 "/sockjs/000/abcd1234/jsonp_send", "/sockjs/000/abcd1234/eventsource",
                 "/sockjs/000/abcd1234/htmlfile", "/sockjs/000/abcd1234/htmlfile?c=x",
                 "/sockjs/websocket/", "/sockjs//websocket"):
        yield Row(f"GET {path}", 404, {}, "session")
        yield Row(f"POST {path}", 404, {}, "session", b"[]")
        yield Row(f"OPTIONS {path}", 404, {}, "session")
        yield Row(f"GET {path}", 404, UPGRADE, "session")
    for path in ("xhr", "xhr_send", "xhr_streaming"):
        yield Row(f"OPTIONS /sockjs/000/abcd1234/{path}", 405, {}, "session")
    yield Row("OPTIONS /sockjs/info", 405, {}, "session")


def proxy_rows() -> Iterator[Row]:
    home = {"Host": "home.example"}
    for host in ("home.example", "HOME.example:443", "127.0.0.1:{port}"):
        for path in ("/healthz", "/at/home/healthz"):
            yield Row(f"GET {path}", 200, {"Host": host}, manner=PROXIED)
    yield Row("GET /at/home", 200, home, manner=PROXIED, says='"/at/home/static/')
    for path in ("/at", "/at/homely/healthz", "/at/home/at/home/healthz", "/other/healthz"):
        yield Row(f"GET {path}", 404, home, manner=PROXIED)
    for host in ("another.example", "home.example.evil", "www.home.example"):
        for path in ("/healthz", "/at/home/healthz"):
            yield Row(f"GET {path}", 421, {"Host": host}, manner=PROXIED)
    for origin, status in (("https://home.example", 200), ("https://home.example:443", 200),
                           ("http://home.example", 403), ("https://home.example:8443", 403),
                           ("https://home.example.evil", 403), ("http://127.0.0.1:{port}", 403),
                           ("https://evil.example", 403), ("null", 403)):
        for path in ("/healthz", "/at/home/healthz"):
            yield Row(f"GET {path}", status, {**home, "Origin": origin}, manner=PROXIED)
    for origin in ("https://home.example", "http://127.0.0.1:{port}"):
        yield Row("GET /healthz", 200, {"Origin": origin}, manner=PROXIED)
    yield Row("GET /at/home/api/state", 401, home, manner=PROXIED)
    yield Row("GET /at/home/api/state", 401, {**home, "X-Forwarded-For": "127.0.0.1"},
              manner=PROXIED)
    yield Row("GET /at/home/api/state", 200, home, "session", manner=PROXIED)
    yield Row("GET /at/home/api/state", 403, home, "cookie", manner=PROXIED)
    yield Row("POST /at/home/api/stop", 403, {**home, **JSON}, "cookie", b"{}", PROXIED)
    yield Row("GET /at/home/api/stop", 405, home, "session", manner=PROXIED)
    yield Row(f"GET /at/home{SOCKET}", 101, {**home, **UPGRADE}, "cookie", manner=PROXIED)
    yield Row(f"GET /at/home{SOCKET}", 401, {**home, **UPGRADE}, manner=PROXIED)
    yield Row("GET /at/home/sockjs/websocket", 404, {**home, **UPGRADE}, "cookie", manner=PROXIED)
    yield Row("GET /at/home/healthz", 404)
    yield Row("GET /healthz", 421, home)


def odd_rows() -> Iterator[Row]:
    """Errors of other kinds, for the headers on everything."""
    yield Row("GET /static/warrior.css", 200)
    yield Row("HEAD /static/warrior.css", 200)
    yield Row("GET /", 200)
    yield Row("HEAD /", 200)
    for path, status in (("/nowhere", 404), ("/static/no", 404), ("/static/", 404),
                         ("/static/../setup.cfg", 404), ("/static/%2e%2e/setup.cfg", 404),
                         ("/static/%00", 404), ("/%ff", 404), ("/healthz/", 404)):
        yield Row(f"GET {path}", status)
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in ("/", "/healthz", "/static/warrior.css"):
            yield Row(f"{method} {path}", 405)
    for method in ("TRACE", "CONNECT", "BREW", "get"):
        yield Row(f"{method} /", 405)
    yield Row("GET", 400)
    yield Row("GET / HTTP/1.1 x", 400)
    yield Row("GET /", 400, {"A b": "c"})
    yield Row("GET /", 400, {"A": "b\x00c"})
    yield Row("POST /", 411, {"Content-Length": "1, 2"}, body=b"x")
    yield Row("GET /?" + "&".join(["a=b"] * 2000), 400)


ROWS = [*host_rows(), *origin_rows(), *site_rows(), *token_rows(), *command_rows(),
        *credential_rows(), *key_rows(), *socket_rows(), *proxy_rows(), *odd_rows()]
