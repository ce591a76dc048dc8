"""run-pipeline --auto-update with real repositories: what is new is pulled between items, and
whatever is wrong with git, the running version goes on."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.git_remote import Repository
from tests.support.kit import Command, run_pipeline_argv, wait_for

#: Each item says which version of the code it runs on, and waits for a file `go-N`.
SOURCE = """
import os, sys
from seesaw.externalprocess import ExternalProcess
from seesaw.pipeline import Pipeline
from seesaw.project import Project
from seesaw.task import SimpleTask
VERSION = {version!r}
class Say(SimpleTask):
    number = 0
    def process(self, item):
        item['item_name'] = 'an item'
        print('begun on', VERSION, 'pid', os.getpid(), os.environ.get('HTTP_PASSWORD'),
              os.environ.get('MARK'), sys.argv)
        item['go'] = os.path.join(os.environ['GO'], VERSION + '-%d' % item.item_number)
project = Project(title='Test')
from seesaw.item import ItemValue
pipeline = Pipeline(Say('Say'), ExternalProcess('Wait', ['sh', '-c',
    'while [ ! -e "$0" ]; do sleep 0.05; done', ItemValue('go')]))
"""


class Checkout:
    """A repository, a clone of it, and run-pipeline in the clone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.go_folder = folder / "go"
        self.go_folder.mkdir()
        self.remote = Repository(folder / "remote")
        self.publish("one")
        self.remote.git("clone", "--quiet", str(self.remote.path), str(folder / "clone"))
        self.clone = Repository(folder / "clone")
        self.commands: list[Command] = []

    def publish(self, version: str) -> str:
        return self.remote.commit({"pipeline.py": SOURCE.format(version=version)})

    def start(self, *options: str, page: bool = False) -> Command:
        argv = run_pipeline_argv("pipeline.py", "--auto-update", "--update-interval", "1", *options)
        if page:
            argv.remove("--disable-web-server")
        self.commands.append(Command(argv, self.clone.path, {
            **os.environ, "GO": str(self.go_folder), "HTTP_PASSWORD": "secret", "MARK": "a mark"}))
        return self.commands[-1]

    def go(self, name: str) -> None:
        (self.go_folder / name).touch()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path)
    yield checkout
    for command in checkout.commands:
        command.__exit__(None, None, None)


def test_an_update_waits_for_the_item_and_starts_anew(checkout: Checkout) -> None:
    """The item finishes on the old code; the same process then runs the new one, with the
    words, the environment and the items that were left, and its page has its password."""
    command = checkout.start("--max-items", "3", "--port", "0", page=True)
    command.wait_output(r"begun on one pid \d+ None a mark", 60)
    checkout.go("one-1")
    command.wait_output(r"(?s)begun on one.*begun on one", 60)
    new = checkout.publish("two")
    command.wait_output("An update is available. Restarting when 1 item is done.", 60)
    assert "begun on two" not in command.output
    checkout.go("one-2")
    said = command.wait_output(rf"Updated from \w{{7}} to {new[:7]}\. Restarting\.", 60)
    assert said
    found = command.wait_output(r"begun on two pid (\d+) None a mark \[(.*)\]", 60)
    assert int(found[1]) == command.pid
    assert "'--auto-update'" in found[2] and "'--max-items', '1'" in found[2]
    page = command.output.rpartition("The page is at ")[2].split()[0]
    with urllib.request.urlopen(page) as answer:
        assert b'type="password"' in answer.read()
    checkout.go("two-1")
    assert command.wait(60) == 0
    assert command.output.count("begun on") == 3
    assert "failed" not in command.output.replace("0 failed", "")


def _no_repository(checkout: Checkout) -> None:
    (checkout.clone.path / ".git").rename(checkout.folder / "taken away")


def _dirty(checkout: Checkout) -> None:
    checkout.publish("two")
    with (checkout.clone.path / "pipeline.py").open("a") as file:
        file.write("# changed by hand\n")


def _in_the_way(checkout: Checkout) -> None:
    """A file that git does not know would be overwritten."""
    checkout.remote.commit({"notes.txt": "theirs"})
    (checkout.clone.path / "notes.txt").write_text("mine")


def _without_submodule(checkout: Checkout) -> None:
    """Only the pull itself fails, when no item is at work any more."""
    other = Repository(checkout.folder / "other")
    other.commit({"helper.py": ""})
    checkout.remote.add_submodule("../other", "helper")
    other.path.rename(checkout.folder / "moved away")


def _gone(checkout: Checkout) -> None:
    checkout.remote.path.rename(checkout.folder / "moved away")


@pytest.mark.parametrize(("spoil", "reason"), [
    (_no_repository, "is not a git checkout"),
    (_dirty, "uncommitted changes, for example in pipeline.py"),
    (_in_the_way, "The new version cannot be put into"),
    (_without_submodule, "The submodules cannot be updated"),
    (_gone, "There is no git repository at"),
])
def test_trouble_with_git_stops_nothing(
    checkout: Checkout, spoil: Callable[[Checkout], None], reason: str
) -> None:
    """It is said in one line, once, and items follow each other on the running version."""
    spoil(checkout)
    command = checkout.start("--max-items", "3")
    command.wait_output("begun on one", 60)
    command.wait_output("The update failed|Restarting when 1 item is done", 60)
    checkout.go("one-1")
    command.wait_output(r"The update failed: .*" + reason, 60)
    command.wait_output(r"(?s)begun on one.*begun on one", 60)
    for number in range(2, 8):
        checkout.go(f"one-{number}")
    assert command.wait(60) == 0
    assert "begun on two" not in command.output
    assert "works again" not in command.output
    assert command.output.count("The update failed") == 1
    assert "3 completed, 0 failed" in command.output


def note(page: str) -> str:
    """The sentence beside the status, as the page gets it."""
    with urllib.request.urlopen(page) as answer:
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        token = re.search(r'csrf-token" content="([^"]+)"', answer.read().decode())
    assert token is not None
    request = urllib.request.Request(
        page + "api/state", headers={"Cookie": cookie, "X-CSRF-Token": token[1]})
    with urllib.request.urlopen(request) as answer:
        found: str = json.load(answer)["status"]["note"]
    return found


def test_the_page_says_it_too(checkout: Checkout) -> None:
    """Trouble, and for how many items an update waits."""
    command = checkout.start("--port", "0", "--http-password", "", "--concurrent", "2", page=True)
    page = command.wait_output(r"The page is at (\S+)", 60)[1]
    command.wait_output(r"(?s)begun on one.*begun on one", 60)
    _dirty(checkout)
    wait_for(lambda: "The update failed: The checkout" in note(page), 60)
    checkout.clone.git("checkout", "--quiet", "pipeline.py")
    wait_for(lambda: "Restarting when 2 items are done" in note(page), 60)
    checkout.go("one-1")
    wait_for(lambda: "Restarting when 1 item is done" in note(page), 60)
    checkout.go("one-2")
    command.wait_output("begun on two", 60)


def test_it_stops_when_asked_while_an_update_waits(checkout: Checkout) -> None:
    """An interrupt counts more than an update: it ends, and does not start anew."""
    command = checkout.start()
    command.wait_output("begun on one", 60)
    checkout.publish("two")
    command.wait_output("Restarting when 1 item is done", 60)
    command.interrupt()
    command.wait_output("Stopping when the current item is done", 60)
    checkout.go("one-1")
    assert command.wait(60) == 0
    assert "Restarting." not in command.output


def test_an_update_that_does_not_load_waits_for_the_next(checkout: Checkout) -> None:
    """It says why, and takes the version that mends it."""
    command = checkout.start("--max-items", "2")
    command.wait_output("begun on one", 60)
    checkout.remote.commit({"pipeline.py": "raise Exception('a slip of the pen')\n"})
    command.wait_output("Restarting when 1 item is done", 60)
    checkout.go("one-1")
    command.wait_output("a slip of the pen", 60)
    command.wait_output("The update cannot be loaded. Waiting for the next one.", 60)
    checkout.publish("three")
    command.wait_output("begun on three", 60)
    checkout.go("three-1")
    assert command.wait(60) == 0


def test_what_another_one_has_pulled_is_an_update_too(checkout: Checkout) -> None:
    """Several may run from one checkout: each starts anew."""
    first, second = checkout.start("--max-items", "2"), checkout.start("--max-items", "2")
    for command in (first, second):
        command.wait_output("begun on one", 60)
    wait_for(lambda: checkout.clone.path.joinpath(".git", "FETCH_HEAD").exists(), 60)
    checkout.publish("two")
    for command in (first, second):
        command.wait_output("Restarting when 1 item is done", 60)
    checkout.go("one-1")
    for command in (first, second):
        command.wait_output("begun on two", 60)
    checkout.go("two-1")
    assert first.wait(60) == 0 and second.wait(60) == 0
