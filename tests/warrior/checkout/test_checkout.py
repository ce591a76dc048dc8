"""Code of projects from real repositories and folders, made ready in real folders."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.engine.child import Children
from tests.support.git_remote import GitServer, Repository, copy_repository, git_server
from warrior.checkout.checkout import CheckoutError, Checkouts, Version
from warrior.projects.entry import Entry

PIPELINE = "project = pipeline = None\n"


class Bench:
    """Checkouts in a folder, and a project ``one`` that a server offers."""

    def __init__(self, folder: Path, server: GitServer) -> None:
        self.folder = folder
        self.server = server
        self.repository = Repository(server.folder / "one")
        self.first = self.repository.commit({"pipeline.py": PIPELINE})
        self.entry = self.offered("one")
        self.output: list[str] = []

    def offered(self, path: str) -> Entry:
        return Entry("one", "One", "", self.server.url(path), "hq")

    def run(self, test: Callable[[Checkouts], Awaitable[Any]], **options: Any) -> Any:
        async def go() -> Any:
            children = Children(asyncio.get_running_loop())
            checkouts = Checkouts(str(self.folder / "state"), str(self.folder / "data"),
                                  children=children, **options)
            try:
                return await asyncio.wait_for(test(checkouts), 60)
            finally:
                children.close()

        return asyncio.run(go())

    def latest(self, entry: Entry | None = None, *, may_fail: bool = False, **options: Any) -> Version:
        async def test(checkouts: Checkouts) -> Version:
            return await checkouts.latest(entry or self.entry, on_output=self.output.append,
                                          installer_may_fail=may_fail)

        version: Version = self.run(test, **options)
        return version

    def trouble(self, entry: Entry | None = None, **options: Any) -> CheckoutError:
        with pytest.raises(CheckoutError) as caught:
            self.latest(entry, **options)
        return caught.value

    def ready(self) -> Version | None:
        """What a start without network would use."""
        async def test(checkouts: Checkouts) -> Version | None:
            return checkouts.newest_ready("one")

        version: Version | None = self.run(test)
        return version


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with git_server(tmp_path / "git") as server:
        yield Bench(tmp_path, server)


def test_each_commit_gets_a_clone_of_its_own(bench: Bench) -> None:
    """An update leaves the old version's folder as it was; nothing new gives the same one."""
    old = bench.latest()
    assert old.commit == bench.first and bench.latest() == old
    second = bench.repository.commit({"pipeline.py": PIPELINE + "# newer\n"})
    new = bench.latest()
    assert new.commit == second and new.path != old.path
    assert Path(old.path, "pipeline.py").read_text() == PIPELINE
    assert Repository(Path(new.path)).git("remote", "get-url", "origin") == bench.entry.repository
    assert bench.ready() == new


def test_data_is_a_link_that_outlives_versions(bench: Bench) -> None:
    """The project's own folder is linked into each version, private; what a repository brings
    is copied there once and never overwrites what is there."""
    bench.repository.commit({"data/words": "new", "data/more": "more"})
    own = bench.folder / "data" / "one"
    own.mkdir(parents=True)
    (own / "words").write_text("changed by the project")
    version = bench.latest()
    assert os.readlink(Path(version.path, "data")) == str(own)
    assert (own / "words").read_text() == "changed by the project"
    assert (own / "more").read_text() == "more"
    assert "data/words" in "".join(bench.output)


@pytest.mark.parametrize("damage", ["gone", "asks", "down", "corrupt"])
def test_trouble_with_git_leaves_what_was_ready(bench: Bench, damage: str) -> None:
    """A sentence and nothing else; when the trouble is over the new commit comes."""
    old = bench.latest()
    bench.repository.commit({"pipeline.py": PIPELINE + "# newer\n"})
    backup = copy_repository(bench.repository, bench.folder / "backup")
    if damage == "gone":
        bench.server.status = 404
    elif damage == "asks":
        bench.server.password = True
    elif damage == "down":
        bench.server.status = 503
    else:
        bench.repository.corrupt("pipeline.py")
    error = bench.trouble()
    assert error.code == "git" and bench.entry.repository in str(error) and error.advice
    assert bench.ready() == old and Path(old.path, "pipeline.py").is_file()
    assert not (bench.folder / "state/checkouts/one/incoming").exists()
    bench.server.status, bench.server.password = 0, False
    if damage == "corrupt":
        bench.server.folder = bench.folder
        assert bench.latest(bench.offered("backup")).commit == backup.head
    else:
        assert bench.latest().commit == bench.repository.head


def test_a_hanging_remote_is_given_up(bench: Bench) -> None:
    """After the time-out, with its programs ended."""
    bench.server.silent = True
    error = bench.trouble(git_timeout=1.0)
    assert error.code == "git"


def test_another_history_another_branch_another_place(bench: Bench) -> None:
    """Force-pushed, renamed and moved repositories are followed; a move clones anew even
    where the commit is the same."""
    old = bench.latest()
    rewritten = bench.repository.rewrite({"pipeline.py": PIPELINE + "# rewritten\n"})
    assert bench.latest().commit == rewritten
    bench.repository.rename_branch("develop")
    renamed = bench.repository.commit({"pipeline.py": PIPELINE + "# renamed\n"})
    before = bench.latest()
    assert before.commit == renamed != old.commit
    copy_repository(bench.repository, bench.server.folder / "moved")
    moved = bench.latest(bench.offered("moved"))
    assert moved.commit == renamed and moved.path != before.path


def test_an_installer_runs_once_with_our_python(bench: Bench) -> None:
    """Also one that is not executable; its output is told, secrets are kept from it, and the
    submodules of the project can be had in it."""
    Repository(bench.server.folder / "part").commit({"part.txt": "a part"})
    bench.repository.add_submodule("../part", "part")
    bench.repository.commit({"warrior-install.sh": """#!/bin/sh
set -e
echo "installing for ${SECRET-nobody}"; python3 -c 'import sys; print(sys.prefix)'
git submodule --quiet update --init
echo x >> ran
"""})
    bench.repository.git("update-index", "--chmod=-x", "warrior-install.sh")
    bench.repository.git("commit", "--quiet", "--message", "Not executable")
    environment = {"PATH": os.environ["PATH"], "HTTP_PASSWORD": "secret"}
    version = bench.latest(environment=environment)
    said = "".join(bench.output)
    assert "installing for nobody" in said and sys.prefix in said
    assert Path(version.path, "part", "part.txt").read_text() == "a part"
    assert bench.latest(environment=environment) == version
    assert Path(version.path, "ran").read_text() == "x\n"


@pytest.mark.parametrize(("script", "says"), [
    ("#!/bin/sh\necho no compiler here; exit 3\n", "status 3"),
    ("#!/no/such/shell\n", "is not installed"),
    ("#!/bin/sh\nsleep 100 & sleep 100\n", "had not finished"),
    ("#!/bin/sh\nkill -9 $$\n", "SIGKILL"),
])
def test_a_failing_installer_is_told_and_can_be_overruled(
    bench: Bench, script: str, says: str
) -> None:
    """The version is not ready, and its folder is gone; with *run anyway* it is."""
    old = bench.latest()
    bench.repository.commit({"warrior-install.sh": script})
    error = bench.trouble(install_timeout=1.0)
    assert error.code == "install" and says in str(error) and "run anyway" in error.advice
    assert "no compiler here" in error.output or "echo" not in script
    assert bench.ready() == old
    assert [path.name for path in (bench.folder / "state/checkouts/one").glob("one-*")
            if path.is_dir()] == [Path(old.path).name]
    assert bench.latest(may_fail=True, install_timeout=1.0).commit == bench.repository.head


def test_what_is_no_project_is_refused(bench: Bench) -> None:
    """A repository without pipeline.py; names and addresses that HQ may not give."""
    Repository(bench.server.folder / "empty").commit({"README": "nothing"})
    assert "no pipeline.py" in str(bench.trouble(bench.offered("empty")))
    for repository in (str(bench.repository.path), f"file://{bench.repository.path}",
                       "ext::sh -c id", "--upload-pack=id"):
        assert bench.trouble(Entry("one", "One", "", repository, "hq")).code == "refused"
    assert bench.trouble(Entry("../x", "X", "", bench.entry.repository, "hq")).code == "refused"


def test_folders_and_local_repositories_of_the_operator(bench: Bench, tmp_path: Path) -> None:
    """A plain folder is copied, without its data; a repository's path is cloned."""
    plain = tmp_path / "plain"
    (plain / "data").mkdir(parents=True)
    (plain / "data" / "big").touch()
    (plain / "pipeline.py").write_text(PIPELINE)
    entry = Entry("plain", "Plain", "", str(plain), "operator")
    first = bench.latest(entry)
    assert not (tmp_path / "data" / "plain" / "big").exists()
    (plain / "pipeline.py").write_text(PIPELINE + "# newer\n")
    assert bench.latest(entry).commit != first.commit
    cloned = bench.latest(Entry("own", "Own", "", str(bench.repository.path), "operator"))
    assert cloned.commit == bench.first


def test_sweeping_keeps_what_is_needed(bench: Bench) -> None:
    """Half-made and old versions go, what is kept, newest or loaded last stays, and so does
    what is not ours."""
    versions = [bench.latest()]
    for number in range(3):
        bench.repository.commit({"pipeline.py": PIPELINE + f"# {number}\n"})
        versions.append(bench.latest())
    place = bench.folder / "state" / "checkouts" / "one"
    (place / "incoming").mkdir()
    (place / "somebody's").mkdir()

    async def sweep(checkouts: Checkouts) -> None:
        await checkouts.mark_loaded(versions[1])
        await checkouts.sweep([versions[0]])
        assert checkouts.newest_ready("one", loaded=True) == versions[1]

    bench.run(sweep)
    assert [Path(version.path).is_dir() for version in versions] == [True, True, False, True]
    assert not (place / "incoming").exists() and (place / "somebody's").is_dir()


def test_links_of_a_project_lead_nothing_out(bench: Bench) -> None:
    """A repository whose data is a link, or holds one, writes nothing where it leads, and
    removing a version removes nothing there."""
    outside = bench.folder / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    (bench.repository.path / "data").symlink_to(outside)
    (bench.repository.path / "more").symlink_to(outside)
    bench.repository.commit({"pipeline.py": PIPELINE})
    version = bench.latest()
    own = bench.folder / "data" / "one"
    assert os.readlink(Path(version.path, "data")) == str(own) and list(own.iterdir()) == []
    assert "is replaced" in "".join(bench.output)
    (bench.repository.path / "data").unlink()
    (bench.repository.path / "data").mkdir()
    (bench.repository.path / "data" / "within").symlink_to(outside)
    bench.repository.commit({"data/words": "new"})
    newer = bench.latest()
    assert (own / "within").is_symlink() and (own / "words").read_text() == "new"

    async def remove(checkouts: Checkouts) -> None:
        await checkouts.remove(version)
        await checkouts.remove(newer)

    bench.run(remove)
    assert not Path(version.path).exists() and not Path(newer.path).exists()
    assert [path.name for path in outside.iterdir()] == ["precious"]


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_code_and_data_are_private(bench: Bench, umask: int) -> None:
    """Whatever the umask: nobody else can enter the folders, nor read the records."""
    before = os.umask(umask)
    try:
        version = bench.latest()
    finally:
        os.umask(before)
    place = Path(version.path).parent
    folders = [place, place.parent, bench.folder / "data", bench.folder / "data" / "one"]
    records = list(place.glob("*.json"))
    assert len(records) == 1
    assert [path for path in (*folders, *records) if path.stat().st_mode & 0o077] == []
