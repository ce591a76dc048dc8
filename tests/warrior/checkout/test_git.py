"""git against real repositories and real servers: what it brings, and what it says."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline_core.engine.child import Children
from pipeline_core.net import http
from pipeline_core.net.address_scope import AddressScope
from tests.support.git_remote import (
    GitServer,
    Repository,
    copy_repository,
    git_server,
    silent_server,
    spoil_object,
)
from warrior.checkout.git import Git, Head, is_remote, is_scp_like
from warrior.checkout.versions import CheckoutError

PIPELINE = {"pipeline.py": "pipeline = None\n"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    (tmp_path / "remote").mkdir()
    with git_server(tmp_path / "remote") as server:
        yield server


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "remote" / "project")
    repository.commit(PIPELINE)
    return repository


def with_git(
    action: Callable[[Git], Awaitable[Any]],
    timeout: float = 30.0,
    environment: dict[str, str] | None = None,
) -> Any:
    """What ``action`` returns; afterwards no program of it is left."""
    async def run() -> Any:
        children = Children(asyncio.get_running_loop())
        try:
            return await action(Git(
                children, timeout=timeout,
                environment={**os.environ, **(environment or {})}))
        finally:
            children.close()

    before = set(psutil.Process().children(recursive=True))
    try:
        return asyncio.run(run())
    finally:
        assert set(psutil.Process().children(recursive=True)) <= before


def look(url: str, folder: Path, **options: Any) -> Head:
    local = options.pop("local", False)
    result: Head = with_git(lambda git: git.look(url, str(folder), local=local), **options)
    return result


def trouble(url: str, folder: Path, **options: Any) -> CheckoutError:
    with pytest.raises(CheckoutError) as caught:
        look(url, folder, **options)
    return caught.value


# -- looking -------------------------------------------------------------------


@pytest.mark.parametrize("dumb", [False, True], ids=["smart", "dumb"])
def test_look_names_branch_and_commit(
    server: GitServer, repository: Repository, tmp_path: Path, dumb: bool
) -> None:
    """The default branch, whatever its name, and its newest commit."""
    server.dumb = dumb
    assert look(server.url("project"), tmp_path) == Head(repository.head, "main")
    repository.rename_branch("development/next")
    assert look(server.url("project"), tmp_path) == Head(repository.head, "development/next")


def test_branch_renamed_and_head_left_behind(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """A HEAD that names a branch that is gone: the only branch counts, or main."""
    repository.rename_branch("trunk", head_follows=False)
    commit = repository.git("rev-parse", "trunk")
    assert look(server.url("project"), tmp_path) == Head(commit, "trunk")
    repository.git("branch", "other", "trunk")
    assert "has no default branch" in str(trouble(server.url("project"), tmp_path))
    repository.git("branch", "master", "trunk")
    assert look(server.url("project"), tmp_path).branch == "master"


def test_empty_repository(server: GitServer, tmp_path: Path) -> None:
    """Somebody has made it and not filled it yet."""
    Repository(tmp_path / "remote" / "empty")
    assert "the repository is empty" in str(trouble(server.url("empty"), tmp_path))


def test_detached_head(server: GitServer, repository: Repository, tmp_path: Path) -> None:
    """A remote without a current branch still has a commit."""
    repository.git("checkout", "--quiet", "--detach")
    head = look(server.url("project"), tmp_path)
    assert head == Head(repository.head, "")
    clone(server.url("project"), head, tmp_path / "clone")


# -- trouble with the remote -----------------------------------------------------


def test_password_is_not_asked(server: GitServer, repository: Repository, tmp_path: Path) -> None:
    """A remote that wants a password is named; nothing waits for somebody to type it."""
    server.password = True
    asked = tmp_path / "asked"
    asking = tmp_path / "asking"
    asking.write_text(f"#!/bin/sh\ntouch {asked}\n")
    asking.chmod(0o755)
    error = trouble(server.url("project"), tmp_path, environment={
        "GIT_ASKPASS": str(asking), "SSH_ASKPASS": str(asking), "DISPLAY": ":0"})
    assert "requires a user name and a password" in str(error)
    assert "made private" in error.advice
    assert error.code == "git"
    assert not asked.exists()


def test_known_password_is_used_and_not_shown(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """A password in the operator's address works, and stands in no sentence."""
    server.password = True
    url = server.url("project").replace("http://", "http://warrior:secret@")
    assert look(url, tmp_path).commit == repository.head
    error = trouble(url.replace("secret", "secret2"), tmp_path)
    assert "secret2" not in f"{error} {error.advice} {error.output}"
    assert server.url("project") in str(error)


@pytest.mark.parametrize(("status", "says"), [
    (404, "There is no git repository at"), (410, "There is no git repository at"),
    (403, "refuses this machine"), (500, "has trouble"), (503, "has trouble"), (429, "limits how often"),
    (200, "something else answers in its place"),
])
def test_answers_that_are_no_repository(
    server: GitServer, tmp_path: Path, status: int, says: str
) -> None:
    """A status, or a page in the place of the repository, becomes a sentence."""
    server.status = status
    server.body = b"<html><title>Welcome!</title></html>"
    error = trouble(server.url("project"), tmp_path)
    assert says in str(error)
    assert error.output or status == 200  # there git has nothing to complain of


def test_redirects_are_followed(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """A repository that has moved is found; never at an address of another kind."""
    with git_server(tmp_path) as old:
        old.moved_to = server.url("").rstrip("/")
        assert look(old.url("project"), tmp_path).commit == repository.head
        old.moved_to = f"file://{tmp_path}/remote"
        assert trouble(old.url("project"), tmp_path).code in ("git", "refused")


REFS = "GET /project/info/refs?service=git-upload-pack"


def test_git_gets_the_address_at_the_end(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """The old address is asked once, by our client; git asks the new one alone. The clone
    remembers the address that was on offer."""
    with git_server(tmp_path) as old:
        old.moved_to = server.url("").rstrip("/")
        url = old.url("project")
        head = look(url, tmp_path)
        assert old.requests == [REFS] and server.requests[:2] == [REFS, REFS]
        assert clone(url, head, tmp_path / "clone") == repository.head
        assert old.requests == [REFS] * 2
        assert Repository(tmp_path / "clone").git("remote", "get-url", "origin") == url


def test_a_password_goes_along_on_the_same_server(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """A repository that has moved there is found; no sentence shows the password."""
    copy_repository(repository, tmp_path / "remote" / "new" / "project")
    server.password, server.moved_to, server.moved_below = True, server.url("new"), "/project/"
    url = server.url("project").replace("//", "//warrior:secret@")
    assert look(url, tmp_path).commit == repository.head
    error = trouble(url.replace("secret", "secret2"), tmp_path)
    assert "secret2" not in f"{error} {error.advice} {error.output}"


@pytest.mark.parametrize("status", [404, 403, 429, 500, 410])
def test_trouble_is_asked_for_once(server: GitServer, tmp_path: Path, status: int) -> None:
    """git need not say it again."""
    server.status = status
    trouble(server.url("project"), tmp_path)
    assert server.requests == [REFS]


@pytest.mark.parametrize(("place", "says"), [
    ("http://169.254.169.254", "169.254.169.254, which is a link-local address"),
    ("http://[fe80::1]:1", "link-local"), ("file:///etc", "which is not HTTP"),
    ("http://127.0.0.[1-3]:9", "not a valid address"),
    ("{url}/login?from#", "which is not a repository"), ("{loop}", "more than 3 redirects")])
def test_redirects_that_are_refused(
    server: GitServer, repository: Repository, tmp_path: Path, place: str, says: str
) -> None:
    """A sentence says where it would have led; nobody there is connected to."""
    with git_server(tmp_path) as old:
        server.status = 200
        old.moved_to = place.format(url=server.url("").rstrip("/"), loop=old.url("").rstrip("/"))
        error = trouble(old.url("project"), tmp_path)
    assert error.code == "refused" and says in str(error) and "redirect" in str(error)
    assert "new address" in error.advice
    assert old.requests == [REFS] * (4 if place == "{loop}" else 1)
    if "{url}" in place:
        assert [one for one in server.requests if "login" in one] == server.requests


def test_nobody_far_leads_to_this_machine(
    server: GitServer, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host elsewhere cannot make git ask a server of this machine."""
    # All that can be reached here is this machine.
    monkeypatch.setattr(http, "scope_of", lambda address: AddressScope.PUBLIC)
    with git_server(tmp_path) as old:
        old.moved_to = server.url("").rstrip("/").replace("127.0.0.1", "localhost")
        error = trouble(old.url("project"), tmp_path)
    assert "it redirects to localhost, which is this machine" in str(error)
    assert server.requests == []


def test_git_follows_nothing(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """A host that answers our client and sends git on is left."""
    with git_server(tmp_path / "remote") as old:
        old.moved_after, old.moved_to = 1, server.url("").rstrip("/")
        error = trouble(old.url("project"), tmp_path)
    assert "redirects to another address, and the warrior does not follow that" in str(error)
    assert server.requests == [] and len(old.requests) == 2


def test_behind_a_proxy(server: GitServer, repository: Repository, tmp_path: Path) -> None:
    """git uses it, and follows nothing either; our client, which knows no proxies, does not ask."""
    with git_server(tmp_path / "remote") as proxy:
        url = "http://project.invalid/project"
        environment = {"http_proxy": proxy.url("")}
        proxy.absolute = True
        assert look(url, tmp_path, environment=environment).commit == repository.head
        assert all("project.invalid" in one for one in proxy.requests)
        proxy.moved_to = "http://127.0.0.1:9"
        assert "does not follow" in str(trouble(url, tmp_path, environment=environment))


def test_a_place_that_the_user_told_git(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """With insteadOf in the settings of his git the other place is asked, by our client too."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(
        f'[url "{server.url("")}"]\ninsteadOf = http://host.invalid/\n')
    head = look("http://host.invalid/project", tmp_path,
                environment={"HOME": str(tmp_path / "home")})
    assert head.commit == repository.head and server.requests[:2] == [REFS, REFS]


def test_nobody_listens(tmp_path: Path) -> None:
    """A host that refuses the connection."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        for scheme in ("http", "git"):
            error = trouble(f"{scheme}://127.0.0.1:{port}/project", tmp_path)
            assert "cannot be reached" in str(error)


def test_unknown_host(tmp_path: Path) -> None:
    """A name that leads nowhere."""
    error = trouble("http://nowhere.invalid/project", tmp_path)
    assert "cannot be found" in str(error) or "cannot be reached" in str(error)


def test_untrusted_certificate(server: GitServer, tmp_path: Path) -> None:
    """A host that does not speak TLS where it should."""
    error = trouble(server.url("project").replace("http://", "https://"), tmp_path)
    assert "no secure connection" in str(error)


@pytest.mark.parametrize("scheme", ["http", "git"])
def test_silent_host_is_given_up(tmp_path: Path, scheme: str) -> None:
    """A host that takes the connection and says nothing costs the time-out."""
    with silent_server() as port:
        error = trouble(f"{scheme}://127.0.0.1:{port}/project", tmp_path, timeout=0.5)
    assert "did not answer within 0.5 seconds" in str(error)


def test_cancelling_ends_git(tmp_path: Path) -> None:
    """Who no longer wants an answer does not leave git behind."""
    async def give_up(git: Git, port: int) -> None:
        task = asyncio.ensure_future(git.look(f"git://127.0.0.1:{port}/project", str(tmp_path)))
        while not any("ls-remote" in child.cmdline()
                      for child in psutil.Process().children(recursive=True)):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with silent_server() as port:
        with_git(lambda git: give_up(git, port), timeout=3600)


@pytest.mark.parametrize("url", ["ext::sh -c 'touch pwned'", "file:///etc", "/etc", "fd::17/foo"])
def test_other_kinds_of_addresses_are_refused(tmp_path: Path, url: str) -> None:
    """git itself may use nothing but the four kinds, whoever gave it the address."""
    error = trouble(url, tmp_path)
    assert error.code == "refused"
    assert not (tmp_path / "pwned").exists()


def test_git_is_not_installed(tmp_path: Path) -> None:
    """What to install is said."""
    # The program is looked up on our own PATH.
    before = os.environ["PATH"]
    os.environ["PATH"] = str(tmp_path)
    try:
        error = trouble("http://127.0.0.1/project", tmp_path)
    finally:
        os.environ["PATH"] = before
    assert "cannot be started" in str(error)
    assert "apt-get install git" in error.advice


def test_environment_does_not_leak(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """Variables that lead git elsewhere have no effect; a repository around has none."""
    outer = Repository(tmp_path / "outer")
    outer.git("config", "url.http://127.0.0.1:1/.insteadOf", server.url(""))
    folder = outer.path / "checkouts" / "project"
    folder.mkdir(parents=True)
    environment = {"GIT_DIR": str(outer.path / ".git"), "GIT_WORK_TREE": "/", "GIT_TRACE": "1",
                   "GIT_CONFIG_PARAMETERS": "'http.proxy=http://127.0.0.1:1'",
                   "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.proxy",
                   "GIT_CONFIG_VALUE_0": "http://127.0.0.1:1"}
    assert look(server.url("project"), folder, environment=environment).commit == repository.head


# -- cloning -------------------------------------------------------------------


def clone(
    url: str,
    head: Head,
    target: Path,
    reference: Path | None = None,
    printed: list[str] | None = None,
    local: bool = False,
    **options: Any,
) -> str:
    said = [] if printed is None else printed
    commit: str = with_git(lambda git: git.clone(
        url, head, str(target), reference=str(reference or ""), on_output=said.append,
        local=local), **options)
    return commit


@pytest.mark.parametrize("dumb", [False, True], ids=["smart", "dumb"])
def test_clone_is_a_repository_of_its_own(
    server: GitServer, repository: Repository, tmp_path: Path, dumb: bool
) -> None:
    """Its files, its branch, its origin; and nothing is wrong with it."""
    server.dumb = dumb
    printed: list[str] = []
    url = server.url("project")
    commit = clone(url, Head(repository.head, "main"), tmp_path / "clone", printed=printed)
    copy = Repository(tmp_path / "clone")
    assert commit == repository.head == copy.head
    assert copy.git("remote", "get-url", "origin") == url
    assert copy.git("rev-parse", "--abbrev-ref", "HEAD@{upstream}") == "origin/main"
    assert copy.git("status", "--porcelain") == ""
    assert "Cloning into" in "".join(printed)


def test_reference_saves_what_is_known(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """Only what is new is fetched, and the new clone can do without the old one."""
    noise = os.urandom(200_000)
    repository.commit({"large": noise})
    clone(server.url("project"), Head(repository.head, "main"), tmp_path / "old")
    repository.commit({"small": "new"})
    sent: list[str] = []
    clone(server.url("project"), Head(repository.head, "main"), tmp_path / "new",
          reference=tmp_path / "old", printed=sent)
    assert "Total 3 " in "".join(sent)
    (tmp_path / "old").rename(tmp_path / "gone")
    new = Repository(tmp_path / "new")
    new.git("fsck", "--full", "--strict")
    assert (new.path / "large").read_bytes() == noise


def test_damaged_reference_is_done_without(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """An old clone that the disk has spoilt costs only the saving."""
    clone(server.url("project"), Head(repository.head, "main"), tmp_path / "old")
    old = Repository(tmp_path / "old")
    for path in (old.path / ".git" / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"")
    repository.commit({"other": "new"})
    commit = clone(server.url("project"), Head(repository.head, "main"), tmp_path / "new",
                   reference=old.path)
    assert commit == repository.head
    Repository(tmp_path / "new").git("fsck", "--full")


@pytest.mark.parametrize("dumb", [False, True], ids=["smart", "dumb"])
def test_damaged_remote(
    server: GitServer, repository: Repository, tmp_path: Path, dumb: bool
) -> None:
    """A remote that cannot give all that it promises, or gives garbage."""
    server.dumb = dumb
    repository.corrupt("pipeline.py")
    for damage in (repository.head, ""):
        with pytest.raises(CheckoutError) as caught:
            clone(server.url("project"), Head(repository.head, "main"), tmp_path / "clone")
        assert re.search("is damaged|broke off", str(caught.value)), caught.value.output
        if damage:
            spoil_object(repository.path / ".git", damage)


def test_no_hook_runs(server: GitServer, repository: Repository, tmp_path: Path) -> None:
    """Neither from a template of this machine nor from its settings."""
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    hook = hooks / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(
        f"[init]\ntemplateDir = {hooks.parent}\n[core]\nhooksPath = {hooks}\n")
    clone(server.url("project"), Head(repository.head, "main"), tmp_path / "clone",
          environment={"HOME": str(tmp_path / "home")})
    assert not (tmp_path / "hooked").exists()


def test_local_repository(repository: Repository, tmp_path: Path) -> None:
    """An operator's own repository on this disk; a bare one too."""
    head = look(str(repository.path), tmp_path, local=True)
    assert clone(str(repository.path), head, tmp_path / "clone", local=True) == repository.head
    repository.git("clone", "--quiet", "--bare", str(repository.path), str(tmp_path / "bare"))
    url = f"file://{tmp_path / 'bare'}"
    assert clone(url, head, tmp_path / "other", local=True) == repository.head


def test_silent_while_cloning(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """A remote that falls silent after it was looked at."""
    head = look(server.url("project"), tmp_path)
    server.silent = True
    with pytest.raises(CheckoutError, match="could not be fetched within 0.5 seconds"):
        clone(server.url("project"), head, tmp_path / "clone", timeout=0.5)


# -- addresses -----------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "https://github.com/ArchiveTeam/urls-grab", "http://127.0.0.1:80/x.git", "git://h/p",
    "ssh://git@host/path", "HTTPS://host/path"])
def test_remote_addresses(text: str) -> None:
    """The four kinds."""
    assert is_remote(text)


@pytest.mark.parametrize("text", [
    "", "file:///etc", "ext::sh", "/path", "path", "ssh://-oProxyCommand=x/path",
    "ssh://user@-oProxyCommand=x/path", "https://host/a b", "https://", "https:///path",
    "http://host/\n", "-https://host/", "git@host:path"])
def test_no_remote_addresses(text: str) -> None:
    """Everything else, and what would be read as an option."""
    assert not is_remote(text)


def test_scp_like_addresses() -> None:
    """As ssh repositories are often written."""
    assert is_scp_like("git@host:path/project.git")
    assert not any(map(is_scp_like, ("ext::sh", "-o:x", "path/a:b", "a b:c", "host:")))


@pytest.mark.parametrize("text", [
    "https://host/%0apath", "git://host/x%0D%0Ahost=y", "https://host%00/x", "ssh://h/%7F",
    "https://host%1f/x"])
def test_hidden_control_characters(text: str) -> None:
    """What git would decode to a line of its own."""
    assert not is_remote(text)


# -- what a repository may hold ----------------------------------------------------


@pytest.mark.parametrize("address", [
    "file://{secret}", "{secret}", "ext::sh -c touch% {folder}/pwned", "--upload-pack=touch {folder}/pwned",
    "fd::17", "-u./pwned", "ssh://-oProxyCommand=touch%20{folder}/pwned/x"])
def test_submodules_are_not_fetched(
    server: GitServer, repository: Repository, tmp_path: Path, address: str
) -> None:
    """Whatever stands in .gitmodules, a clone brings the repository and nothing else."""
    secret = Repository(tmp_path / "secret")
    secret.commit({"key": "secret"})
    repository.git("submodule", "--quiet", "add", str(secret.path), "part")
    repository.git("config", "--file", ".gitmodules", "submodule.part.url",
                   address.format(secret=secret.path, folder=tmp_path))
    repository.git("config", "--file", ".gitmodules", "submodule.part.update", "checkout")
    repository.commit(message="A submodule")
    # Also where the user has told git to take submodules along.
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[submodule]\nrecurse = true\n[protocol]\nallow = always\n"
                                     "[fetch]\nrecurseSubmodules = true\n")
    commit = clone(server.url("project"), Head(repository.head, "main"), tmp_path / "clone",
                   environment={"HOME": str(home)})
    assert commit == repository.head
    assert not list((tmp_path / "clone").rglob("key")) and not list(tmp_path.rglob("pwned*"))
    assert not (tmp_path / "clone" / ".git" / "modules").exists()


def test_links_in_a_repository_stay_links(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """A link that leads out is a link in the clone too: nothing is written where it leads."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name, target in (("out", outside), ("hooks", "../../outside"), ("git", ".git/hooks")):
        (repository.path / name).symlink_to(target)
    repository.commit({"post-checkout": "#!/bin/sh\ntouch pwned\n"})
    clone(server.url("project"), Head(repository.head, "main"), tmp_path / "clone")
    assert os.readlink(tmp_path / "clone" / "out") == str(outside)
    assert list(outside.iterdir()) == [] and not list(tmp_path.rglob("pwned*"))
    assert not (tmp_path / "clone" / ".git" / "hooks").exists()


@pytest.mark.parametrize("kept", ["alternates", "http-alternates"])
def test_a_server_lends_no_objects_of_others(
    server: GitServer, repository: Repository, tmp_path: Path, kept: str
) -> None:
    """A plain server may name places that have the rest: neither a folder of this machine nor
    another server is asked."""
    server.dumb = True
    with git_server(tmp_path / "remote") as other:
        blob = repository.git("rev-parse", "HEAD:pipeline.py")
        elsewhere = tmp_path / "elsewhere" / "objects"
        (elsewhere / blob[:2]).mkdir(parents=True)
        path = repository.path / ".git" / "objects" / blob[:2] / blob[2:]
        path.rename(elsewhere / blob[:2] / blob[2:])
        info = repository.path / ".git" / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / kept).write_text(f"{elsewhere}\n{other.url('project/objects')}\n")
        with pytest.raises(CheckoutError):
            clone(server.url("project"), Head(repository.head, "main"), tmp_path / "clone")
        assert other.requests == []


@pytest.mark.parametrize("place", ["file://{secret}", "{secret}", "ext::sh -c touch% {folder}/pwned"])
def test_settings_that_lead_to_another_transport(
    repository: Repository, tmp_path: Path, place: str
) -> None:
    """Not even where the user's git is told to write an address as one of this machine's."""
    home = tmp_path / "home"
    home.mkdir()
    there = place.format(secret=repository.path, folder=tmp_path)
    (home / ".gitconfig").write_text(
        f'[url "{there}"]\ninsteadOf = https://host.example/x\n[protocol]\nallow = always\n'
        '[protocol "ext"]\nallow = always\n[protocol "file"]\nallow = always\n')
    error = trouble("https://host.example/x", tmp_path, environment={"HOME": str(home)})
    assert error.code == "refused"
    assert not list(tmp_path.rglob("pwned*"))


def test_redirects_to_another_transport(
    server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    """A server that sends on to a file, a command or another kind of server."""
    for place in (f"file://{repository.path}", "ext::sh -c touch% pwned", "ftp://127.0.0.1:9/x",
                  "gopher://127.0.0.1:9/x"):
        server.moved_to = place
        assert trouble(server.url("project"), tmp_path).code in ("git", "refused")
    assert not list(tmp_path.rglob("pwned*"))
