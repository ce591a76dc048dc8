"""run-warrior and run-pipeline as they are, on the clock of the world."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.waiting import until
from tests.support.world.clock import Clock
from tests.support.world.conversation import Moments
from tests.support.world.projects import Project
from warrior.cli.ctl_client import Client, CommandRefused, NoWarrior

ROOT = Path(__file__).resolve().parents[3]

#: Real seconds between two looks at what the page says.
_LOOK = 0.1


@dataclasses.dataclass(frozen=True)
class Told:
    """What the page said at a moment of the world's clock, or shortly after. ``counts`` are of
    ended items."""

    at: float
    text: str
    whose: str
    tone: str
    next_in: float | None
    active: int
    counts: Mapping[str, int]


class Command:
    """One running command; all that it keeps lies in ``folder``."""

    def __init__(
        self, clock: Clock, folder: Path, program: str, arguments: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self.clock = clock
        self.folder = folder
        self.journal = folder / "journal"
        self.log = folder / "stderr"
        self.out = folder / "stdout"
        self.told: list[Told] = []
        self._closing = threading.Event()
        home = folder / "home"
        home.mkdir(parents=True)
        self.journal.touch()
        with self.log.open("ab") as err, self.out.open("ab") as out:
            self.process = subprocess.Popen(
                clock.words(self.journal, ROOT / program, *arguments), cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    # -- what it says ----------------------------------------------------------------
    def state(self) -> dict[str, Any] | None:
        """What the page shows, by section; None while nobody answers."""
        raise NotImplementedError

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Command it, as the page does."""
        raise NotImplementedError

    def said(self) -> str:
        """All that it has written to standard error and output."""
        return self.log.read_text("utf-8", "replace") + self.out.read_text("utf-8", "replace")

    def _look(self) -> None:
        while not self._closing.wait(_LOOK):
            at = self.clock.now()  # what is told then is not older
            state = self.state()
            if state is not None:
                status, runner = state["status"], state["runner"]
                self.told.append(Told(
                    at, status["text"], status["whose"], status["tone"],
                    status["next_in"], runner["active"], runner["counts"]))

    def sentences(self, start: float = 0.0) -> list[Told]:
        """What the page's first line said since then: the first look at each new sentence."""
        found: list[Told] = []
        for one in list(self.told):
            if one.at >= start and (not found or (one.text, one.whose, one.tone) != (
                    found[-1].text, found[-1].whose, found[-1].tone)):
                found.append(one)
        return found

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
        """What the condition is once it is true; the command has to live that long."""
        def met() -> Any:
            assert self.process.poll() is None, self.said()
            return condition()

        try:
            return until(met, what, seconds)
        except AssertionError as error:
            raise AssertionError(
                f"{error}\n{self.sentences()[-5:]}\n{self.said()[-3000:]}") from None

    # -- whom it asked -----------------------------------------------------------------
    def _events(self, event: str) -> list[tuple[float, Any]]:
        lines = map(json.loads, self.journal.read_text().splitlines())
        return [(self.clock.at(real), told) for real, kind, told in lines if kind == event]

    def connections(self, *ports: int) -> Moments:
        """When it connected, or tried to, to these ports; without any, to whichever."""
        return Moments(moment for moment, (_, port) in self._events("socket.connect")
                       if not ports or port in ports)

    def ports(self) -> set[int]:
        """All ports that it has ever connected to, or tried to."""
        return {port for _, (_, port) in self._events("socket.connect")}

    def runs(self, program: str, *words: str) -> Moments:
        """When it started the program with these among its arguments."""
        return Moments(
            moment for moment, started in self._events("subprocess.Popen")
            if Path(started[0]).name == program
            and all(any(word in argument for argument in started) for word in words))

    # -- its end -----------------------------------------------------------------------
    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait(20)

    def ask_to_end(self) -> None:
        """SIGTERM; the second one is for items that would go on."""
        self._closing.set()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        self.ask_to_end()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
        self._watch.join()


class Warrior(Command):
    """A run-warrior with these projects on offer, all of them chosen, in this order.

    Its project HQ is ``hq``, '' for none. ``options`` are lines of its configuration.
    """

    def __init__(
        self, clock: Clock, folder: Path, projects: Sequence[Project], slots: int = 1,
        hq: str = "", options: str = "", selected: str | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.state_dir = folder / "state"
        self._client = Client(str(self.state_dir))
        self.projects = list(projects)
        config = folder / "warrior.conf"
        config.write_text(
            f"[warrior]\nstate_dir = {self.state_dir}\naddress = 127.0.0.1\nport = 0\n"
            f"warrior_hq = {hq}\nshipped_projects = no\nmin_free_disk = 0\n"
            f"max_concurrent_items = 64\n{options}" + "".join(
                f"[project {project.name}]\nrepository = {project.repository}\n"
                f"title = {project.title}\n" for project in projects))
        first = projects[0].name if projects and selected is None else selected or ""
        super().__init__(clock, folder, "run-warrior", ["--config", str(config)], {
            "DOWNLOADER": "a-volunteer", "SELECTED_PROJECT": first,
            "CONCURRENT_ITEMS": str(slots)})
        if len(projects) > 1:
            self.until(self.state, "the control socket")
            self.post("/api/projects/select", {"projects": [one.name for one in projects]})

    def state(self) -> dict[str, Any] | None:
        try:
            return self._client.state()
        except (NoWarrior, CommandRefused):
            return None

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._client.post(path, body or {})


class Pipeline(Command):
    """A run-pipeline of one project. ``options`` come before the file."""

    def __init__(
        self, clock: Clock, folder: Path, project: Project, slots: int = 1, *options: str
    ) -> None:
        self._key = secrets.token_hex(16)
        self.projects = [project]
        super().__init__(
            clock, folder, "run-pipeline",
            ["--port", "0", "--concurrent", str(slots), *options,
             str(project.folder / "pipeline.py"), "a-volunteer"], {"HTTP_API_KEY": self._key})

    @property
    def url(self) -> str:
        """Where its page is; '' while that is not known."""
        found = re.findall(r"The page is at (\S+)", self.log.read_text("utf-8", "replace"))
        return str(found[-1]) if found else ""

    def state(self) -> dict[str, Any] | None:
        try:
            return self._ask("/api/state", None) if self.url else None
        except (urllib.error.URLError, OSError):
            return None

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._ask(path, json.dumps(body or {}).encode())

    def _ask(self, path: str, body: bytes | None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.url.rstrip("/") + path, body,
            {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def port_of(url: str) -> int:
    """The port that an address names."""
    port = urlsplit(url).port
    assert port is not None
    return port
