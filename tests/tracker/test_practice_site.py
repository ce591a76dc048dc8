"""The practice site, archived with real Wget and read with warcio."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator

from tracker.practice import SLOW_SECONDS, resources, site_path


def wget(url: str, folder: Path) -> tuple[int, Path]:
    """Archive the site at *url* as a pipeline does; return the exit status and the WARC."""
    command = ["wget", "--no-verbose", "--execute", "robots=off", "--recursive", "--level", "inf"]
    command += ["--no-parent", "--page-requisites", "--directory-prefix", str(folder / "files")]
    command += ["--no-directories", "--delete-after", "--warc-file", str(folder / "site")]
    command += ["--warc-tempdir", str(folder), url]
    ended = subprocess.run(command, env={}, capture_output=True, timeout=60, check=False)
    return ended.returncode, folder / "site.warc.gz"


@pytest.mark.parametrize("number", [1, 4711])
def test_wget_archives_all_of_it(
    start_tracker: Callable[..., Any], tmp_path: Path, number: int
) -> None:
    """The WARC is valid, and has exactly the resources of the site."""
    base = start_tracker("--practice", "--practice-items", "1").url
    status, warc = wget(base + site_path(number), tmp_path)
    assert status == 8  # Wget's "a page was answered with an error": the missing one
    check = [sys.executable, "-m", "warcio.cli", "check", str(warc)]
    assert subprocess.run(check, timeout=60, check=False).returncode == 0
    found = {}
    with warc.open("rb") as file:
        for record in ArchiveIterator(file):
            if record.rec_type == "response":
                url = record.rec_headers.get_header("WARC-Target-URI")
                code = int(record.http_headers.get_statuscode())
                found[url] = code, hashlib.sha1(record.content_stream().read()).digest()
    root = base + site_path(number)
    assert {url: code for url, (code, _) in found.items()} == {
        root + path: resource.status for path, resource in resources(number).items()
    }
    for path, resource in resources(number).items():
        assert found[root + path][1] == hashlib.sha1(resource.body).digest(), path


def test_has_what_real_sites_have() -> None:
    """The site has pages, pictures, style sheets, both kinds of redirect, a slow page, a missing
    page, and an address that is not ASCII."""
    site = resources(7)
    kinds = {resource.kind.partition(";")[0] for resource in site.values()}
    assert kinds == {"text/html", "text/css", "image/png", "image/gif", "text/plain"}
    assert sorted({resource.status for resource in site.values()}) == [200, 301, 302, 404]
    assert [resource.delay for resource in site.values() if resource.delay] == [SLOW_SECONDS]
    assert any("%E6" in path for path in site) and any("?" in path for path in site)
    assert len(site) > 15
    assert site_path(7) == "/practice-site/7/"


def test_every_item_has_a_site_of_its_own_that_stays() -> None:
    """The site of an item is the same at every visit, and differs from other items' sites."""
    assert resources(1) == resources(1)
    assert resources(1)[""] != resources(2)[""]
    assert resources(1)["images/logo.png"] != resources(2)["images/logo.png"]


def test_redirects_lead_to_pages_of_the_site() -> None:
    """Each redirect leads to a resource of the site."""
    site = resources(3)
    assert all(resource.location in site for resource in site.values() if resource.location)


@pytest.fixture(scope="module")
def practice(module_tracker: Callable[..., Any]) -> Any:
    """A client of a server with the practice site."""
    return module_tracker("--practice", "--practice-items", "0").client()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/practice-site/1/", 200),
        ("/practice-site/1/caf%c3%a9/%e6%9d%b1%e4%ba%ac.html", 200),
        ("/practice-site/1/old", 301),
        ("/practice-site/1/list", 404),
        ("/practice-site/1/../../practice/status", 404),
        ("/practice-site/01/", 404),
        ("/practice-site/" + "9" * 5000 + "/", 404),
        ("/practice-site/x/", 404),
        ("/practice-site/1", 404),
    ],
)
def test_addresses(practice: Any, path: str, status: int) -> None:
    """The resources are served, whatever the case of their escapes; other addresses are 404."""
    assert practice.raw("GET", path)[0] == status
    if status < 400:
        assert practice.raw("HEAD", path) == (status, b"")


def test_not_served_without_practice(start_tracker: Callable[..., Any]) -> None:
    """Without --practice there is no practice site."""
    assert start_tracker().client().raw("GET", "/practice-site/1/")[0] == 404
