"""Talks to the warrior that runs in a state folder, by HTTP over its control socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import shlex
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

#: The socket in the state folder. Whoever can open it may control the warrior.
SOCKET = "control.sock"
#: Seconds within which the warrior must answer.
TIMEOUT = 30.0


class NoWarrior(Exception):
    """No warrior answers; ``str()`` says what to do."""


class CommandRefused(Exception):
    """The warrior, or the system, refused; ``str()`` has a line for each error."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """The warrior of one state folder. All methods raise NoWarrior or CommandRefused."""

    def __init__(self, state_dir: str) -> None:
        self.state_dir = state_dir

    def get(self, address: str) -> Any:
        """Return the object or the text at an address such as ``/api/state``."""
        return self._ask("GET", address, None)

    def post(self, address: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a command and return the answer."""
        return self._object(self._ask("POST", address, body))

    def state(self) -> dict[str, Any]:
        """Return what the page shows, by section."""
        return self._object(self.get("/api/state"), "status", "runner", "projects", "items")

    def _object(self, answer: Any, *members: str) -> dict[str, Any]:
        if isinstance(answer, dict) and all(name in answer for name in members):
            return answer
        raise CommandRefused(f"What answers in {self.state_dir} is not a warrior of this version: "
                             "restart it if this program has been updated.")

    def _ask(self, method: str, address: str, body: Mapping[str, Any] | None) -> Any:
        connection = _Connection(os.path.join(self.state_dir, SOCKET))
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            with contextlib.closing(connection):
                connection.request(
                    method, address, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read().decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise NoWarrior(
                f"No warrior is running in {self.state_dir}. Start it with run-warrior; or use "
                "--state-dir DIR to select a running one.") from None
        except PermissionError:
            raise CommandRefused(_owners_alone(self.state_dir)) from None
        except TimeoutError:
            raise NoWarrior(f"The warrior in {self.state_dir} has not answered within "
                            f"{TIMEOUT:.0f} seconds. Its log is {self.state_dir}/warrior.log.",
                            ) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NoWarrior(f"The warrior in {self.state_dir} cannot be asked: {why}.") from None
        return _content(answer.status, answer.getheader("Content-Type", ""), text)


def of_project(name: str, what: str) -> str:
    """Return the address for a command or text of a project."""
    return f"/api/projects/{quote(name, safe='')}/{what}"


def _owners_alone(state_dir: str) -> str:
    owner = ""
    with contextlib.suppress(OSError, KeyError):
        owner = pwd.getpwuid(os.stat(state_dir).st_uid).pw_name
    if owner in ("", "root"):
        return f"Only root may control the warrior in {state_dir}: sudo warrior-ctl …"
    return (f"Only {owner} and root may control the warrior in {state_dir}: "
            f"sudo -u {shlex.quote(owner)} warrior-ctl …")


def _content(status: int, kind: str, text: str) -> Any:
    """Return an answer's object or text. Raises CommandRefused with the words of an error."""
    content: Any = text
    if kind.partition(";")[0].strip().lower() == "application/json":
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            raise CommandRefused("The warrior has sent something that is not JSON: "
                                 f"{text[:200]!r}") from None
    if 200 <= status < 300:
        return content
    errors = content.get("errors") if isinstance(content, dict) else None
    if isinstance(errors, dict) and errors:
        # Some sentences begin with the title of their setting: do not name it twice.
        raise CommandRefused("\n".join(
            text if text.lower().startswith(name.replace("_", " ")) else f"{name}: {text}"
            for name, text in errors.items()))
    if isinstance(content, dict):
        content = content.get("error", "")
    raise CommandRefused(str(content).strip() or f"The warrior has answered with status {status}.")
