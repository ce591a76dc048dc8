"""Real git repositories, and servers that hand them out over HTTP on loopback.

    with git_server(folder) as server:
        project = Repository(folder / "project")
        project.commit({"pipeline.py": "…"})
        server.url("project")        # http://127.0.0.1:…/project
        server.password = True       # from now on it answers 401

A server answers as ``git http-backend`` does (``dumb=True``: as plain files), and can be
told to ask for a password, to answer with another status or with garbage, or to keep
silent. :func:`silent_server` is a host that accepts connections and says nothing.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Union

_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C",
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Author", "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "Author", "GIT_COMMITTER_EMAIL": "author@example.org",
}


class Repository:
    """A repository with its files, made on the first use; ``path`` is also its address."""

    def __init__(self, path: Path, branch: str = "main") -> None:
        self.path = path
        if not path.exists():
            path.mkdir(parents=True)
            self.git("init", "--quiet", f"--initial-branch={branch}")

    def git(self, *arguments: str) -> str:
        """Run git in it; what it prints. Raises AssertionError with that when it fails."""
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments], cwd=self.path, text=True,
            env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stdout}"
        return done.stdout.strip()

    @property
    def head(self) -> str:
        """The newest commit."""
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, content: Union[str, bytes], executable: bool = False) -> Path:
        """Write a file, without a commit."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o755 if executable else 0o644)
        return path

    def commit(
        self, files: Mapping[str, Union[str, bytes]] | None = None, message: str = "A change"
    ) -> str:
        """Write the files (``*.sh`` executable), commit all that is there; the commit."""
        for name, content in (files or {}).items():
            self.write(name, content, executable=name.endswith(".sh"))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.head

    def rewrite(self, files: Mapping[str, Union[str, bytes]]) -> str:
        """Another history in the place of this one, as after a forced push."""
        branch = self.git("symbolic-ref", "--short", "HEAD")
        self.git("checkout", "--quiet", "--orphan", "another-history")
        commit = self.commit(files, "Another history")
        self.git("branch", "--quiet", "--move", "--force", branch)
        self.git("reflog", "expire", "--expire=now", "--all")
        self.git("prune", "--expire=now")
        return commit

    def rename_branch(self, name: str, head_follows: bool = True) -> None:
        """Rename the default branch; without ``head_follows`` HEAD names the old one still."""
        old = self.git("symbolic-ref", "HEAD")
        self.git("branch", "--move", name)
        if not head_follows:
            self.git("symbolic-ref", "HEAD", old)

    def add_submodule(self, address: str, name: str) -> str:
        """Add a submodule (the address may be relative, ``../other``); the commit."""
        self.git("submodule", "--quiet", "add", str(self.path.parent / Path(address).name), name)
        self.git("config", "--file", ".gitmodules", f"submodule.{name}.url", address)
        return self.commit(message="A submodule")

    def corrupt(self, name: str) -> None:
        """Damage what git keeps of a file: whoever fetches it cannot have it."""
        spoil_object(self.path / ".git", self.git("rev-parse", f"HEAD:{name}"))


def spoil_object(git_dir: Path, object_id: str) -> None:
    """Replace a loose object by garbage."""
    path = git_dir / "objects" / object_id[:2] / object_id[2:]
    path.chmod(0o644)
    path.write_bytes(b"not what git wrote")


class GitServer(http.server.ThreadingHTTPServer):
    """Serves the repositories in a folder. What it does may be changed at any time."""

    daemon_threads = True
    #: A request that was given up is no trouble.
    request_queue_size = 50

    def __init__(self, folder: Path, dumb: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.dumb = dumb
        #: Whether it asks for name and password (``warrior``, ``secret``).
        self.password = False
        #: A status to answer everything with, and the body of the answer.
        self.status = 0
        self.body = b""
        #: What that body says it is.
        self.kind = "text/html"
        #: Whether it takes requests and never answers.
        self.silent = False
        #: An address to send everybody on to who asks for something below a path, after so
        #: many requests.
        self.moved_to = ""
        self.moved_below = "/"
        self.moved_after = 0
        #: Whether it is a proxy: it serves the repositories of whatever host is asked for.
        self.absolute = False
        self.requests: list[str] = []
        #: When each of them came, by ``time.monotonic()``.
        self.moments: list[float] = []
        self.closing = threading.Event()

    def url(self, name: str) -> str:
        """The address of the repository in ``folder / name``."""
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may go away in the midst of an answer."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: GitServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """The tests look at ``requests`` instead."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server = self.server
        server.moments.append(time.monotonic())
        server.requests.append(f"{self.command} {self.path}")
        if server.absolute:
            self.path = re.sub(r"^http://[^/]*", "", self.path)
        body = self._body()
        if server.silent:
            server.closing.wait()
        elif server.status:
            self._send(server.status, server.body, server.kind)
        elif (server.moved_to and self.path.startswith(server.moved_below)
                and len(server.requests) > server.moved_after):
            self._send(301, b"", "text/plain", {"Location": server.moved_to + self.path})
        elif server.password and not self._knows_password():
            self._send(401, b"", "text/plain", {"WWW-Authenticate": 'Basic realm="git"'})
        elif server.dumb:
            self._send_file()
        else:
            self._backend(body)

    def _knows_password(self) -> bool:
        expected = base64.b64encode(b"warrior:secret").decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": kind,
                            "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self) -> None:
        name, _, rest = self.path.partition("?")[0].strip("/").partition("/")
        git_dir = self.server.folder / name / ".git"
        if rest == "info/refs" and git_dir.is_dir():
            subprocess.run(["git", "update-server-info"], cwd=git_dir.parent, check=True,
                           env=_ENVIRONMENT)
        path = git_dir / rest
        if ".." not in path.parts and path.is_file():
            self._send(200, path.read_bytes(), "application/octet-stream")
        else:
            self._send(404, b"", "text/plain")

    def _backend(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            ["git", "http-backend"], input=body, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={
                **_ENVIRONMENT, "GIT_PROJECT_ROOT": str(self.server.folder),
                "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
                "REQUEST_METHOD": self.command, "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")})
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        status = int(headers.pop("Status", "200 OK").split()[0])
        self._send(status, answer, headers.pop("Content-Type", "text/plain"), headers)


@contextlib.contextmanager
def git_server(folder: Path, dumb: bool = False) -> Iterator[GitServer]:
    """A server on a port that the system chose; it ends with the block."""
    server = GitServer(folder, dumb)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """The port of a host that takes connections and says nothing, for http:// and git://."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # The system itself accepts what fits into the queue; nobody ever looks at it.
        listener.listen(64)
        yield listener.getsockname()[1]


def copy_repository(source: Repository, path: Path) -> Repository:
    """The same repository in another place, as after a move."""
    shutil.copytree(source.path, path, symlinks=True)
    return Repository(path)
