"""Where a repository is, and how git is kept there."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.git_remote import GitServer, Repository, git_server
from warrior.checkout.git_address import Address, _pin, locate


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    Repository(tmp_path / "remote" / "project").commit({"pipeline.py": "pipeline = None\n"})
    with git_server(tmp_path / "remote") as server:
        yield server


def found(url: str, timeout: float = 30.0, **environment: str) -> Address:
    return asyncio.run(locate(url, "/folder", environment, timeout))


@pytest.mark.parametrize("url", ["git://host.invalid/x", "ssh://git@host.invalid/x", "/a/path",
                                 "file:///a/path", "git@host.invalid:x"])
def test_other_addresses_stay(url: str) -> None:
    """Nobody is asked."""
    assert found(url) == Address(url)


def test_an_address_that_has_not_moved(server: GitServer) -> None:
    """It stays as it was written, slash or not; the IP address goes along."""
    port = server.server_address[1]
    pinned = ("-c", f"http.curloptResolve=*:{port}:127.0.0.1")
    for url in (server.url("project"), server.url("project/")):
        assert found(url) == Address(url, pinned)
    assert len(server.requests) == 2


def test_a_host_that_does_not_answer(server: GitServer) -> None:
    """The time is the caller's."""
    server.silent = True
    with pytest.raises(TimeoutError):
        found(server.url("project"), timeout=0.2)


def test_a_long_list_is_not_read(server: GitServer) -> None:
    """What follows the head of the answer is git's to read."""
    server.status, server.body, server.kind = 200, b"x" * (8 << 20), "text/plain"
    assert found(server.url("project")).url == server.url("project")


@pytest.mark.parametrize(("url", "address", "option"), [
    ("http://h/x", "192.0.2.1", "*:80:192.0.2.1"), ("https://h/x", "2001:db8::1", "*:443:[2001:db8::1]"),
    ("https://h:8/x", "192.0.2.1", "*:8:192.0.2.1")])
def test_what_git_is_told(url: str, address: str, option: str) -> None:
    """The port and the address; nothing where there is none, or one with a zone."""
    assert _pin(url, address) == ("-c", f"http.curloptResolve={option}")
    assert _pin(url, "") == _pin(url, "fe80::1%lo") == ()


def test_git_connects_to_the_address_that_was_checked(server: GitServer, tmp_path: Path) -> None:
    """Whatever the DNS says of the name afterwards (here: nothing)."""
    url = f"http://host.invalid:{server.server_address[1]}/project"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    version = subprocess.run(["git", "--version"], env=environment, stdout=subprocess.PIPE, text=True)
    if tuple(map(int, version.stdout.split()[2].split(".")[:2])) < (2, 37):
        pytest.skip("this git cannot be told")
    done = subprocess.run(
        ["git", *_pin(url, "127.0.0.1"), "ls-remote", url], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and "refs/heads/main" in done.stdout, done.stdout
