"""Uploads with real curl to a real server."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest


class Uploads:
    """A server with a project ``p``, and its upload folder."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.url = server.url
        self.folder: Path = server.data_dir / "uploads" / "p"
        self.incoming: Path = server.data_dir / "uploads" / ".incoming"

    def curl(
        self, file: Path | str, target: str, *more: str, given: bytes = b""
    ) -> tuple[str, str]:
        """Upload *file*; return the HTTP status, and what the server and curl said."""
        command = ["curl", "--silent", "--show-error", "--globoff", "--write-out", "\n%{http_code}"]
        command += [*more, "--upload-file", str(file), self.url + target]
        ended = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)
        said, _, status = ended.stdout.decode().rpartition("\n")
        return status, said + ended.stderr.decode()

    def names(self) -> list[str]:
        """Return the names of the files that arrived, including hidden ones."""
        return sorted(os.listdir(self.folder)) if self.folder.exists() else []


@pytest.fixture
def uploads(start_tracker: Callable[..., Any], run_tracker: Callable[..., Any]) -> Uploads:
    """A server that takes files of up to 8 MiB."""
    run_tracker("add", "p", "-", given="a\n")
    return Uploads(start_tracker("--max-upload-size", "8M"))


@pytest.fixture(scope="module")
def hostile(module_tracker: Callable[..., Any]) -> Uploads:
    """One server for the tests of hostile names."""
    return Uploads(module_tracker(given="a\n"))


@pytest.fixture
def warc(tmp_path: Path) -> Path:
    """A file of 3 MiB of random bytes."""
    path = tmp_path / "item-1.warc.gz"
    path.write_bytes(os.urandom(3 << 20))
    return path


def test_curl_appends_the_file_name(uploads: Uploads, warc: Path) -> None:
    """If the target ends in '/', the file arrives complete, under its own name."""
    status, said = uploads.curl(warc, "/p/upload/", "--verbose")
    assert (status, uploads.names()) == ("201", [warc.name])
    assert "100 Continue" in said.replace("(", "").replace(")", "")  # curl asked before it sent
    assert (uploads.folder / warc.name).read_bytes() == warc.read_bytes()
    assert list(uploads.incoming.iterdir()) == []


def test_as_the_contract_calls_curl(uploads: Uploads, warc: Path) -> None:
    """The toolkit's way to call curl works."""
    more = (
        "--fail --output /dev/null --connect-timeout 60 --speed-limit 1 --speed-time 900 --location"
    )
    header = ["--header", "X-Curl-Limits: inf,1,900"]
    assert uploads.curl(warc, "/p/upload/", *more.split(), *header)[0] == "201"
    assert uploads.names() == [warc.name]


def test_same_file_twice(uploads: Uploads, warc: Path) -> None:
    """The same file again gets 200, and is kept once."""
    assert [uploads.curl(warc, "/p/upload/")[0] for _ in range(2)] == ["201", "200"]
    assert uploads.names() == [warc.name]
    assert list(uploads.incoming.iterdir()) == []


def test_another_file_of_the_same_name_is_kept_beside(uploads: Uploads, warc: Path) -> None:
    """A different file of the same name never replaces the first; both are kept, once."""
    first = warc.read_bytes()
    uploads.curl(warc, "/p/upload/")
    warc.write_bytes(b"other")
    assert [uploads.curl(warc, "/p/upload/")[0] for _ in range(2)] == ["201", "200"]
    assert len(uploads.names()) == 2
    assert all(name.endswith(".warc.gz") for name in uploads.names())
    assert (uploads.folder / warc.name).read_bytes() == first
    assert {(uploads.folder / name).stat().st_size for name in uploads.names()} == {len(first), 5}


def test_empty_and_streamed_files(uploads: Uploads, tmp_path: Path) -> None:
    """An empty file arrives, and so does one of unknown length from a pipe (sent in chunks)."""
    (tmp_path / "empty").touch()
    assert uploads.curl(tmp_path / "empty", "/p/upload/")[0] == "201"
    assert uploads.curl("-", "/p/upload/piped", given=b"x" * 2_000_000)[0] == "201"
    assert (uploads.folder / "piped").read_bytes() == b"x" * 2_000_000
    assert (uploads.folder / "empty").read_bytes() == b""


@pytest.mark.parametrize(
    "path",
    [
        "../../../outside", "..%2F..%2Foutside", "%2Fetc%2Foutside", "a/../../outside", "..",
        "%2e%2e", ".hidden", "-rf", "a%0Ab", "a%00b", "a%1B[31m", "%FF%FE", "%E2%80%A8",
        "a%5C..%5Cb", "x" * 250, "%E6%9D%B1" * 90, ".incoming", "con%20tent",
    ],
)  # fmt: skip
def test_hostile_file_names(hostile: Uploads, warc: Path, path: str) -> None:
    """Whatever the name, one plain visible file arrives inside the folder, or the upload is
    refused."""
    before = {file for file in hostile.server.data_dir.parent.rglob("*") if file.is_file()}
    status, said = hostile.curl(warc, "/p/upload/" + path, "--path-as-is")
    after = {file for file in hostile.server.data_dir.parent.rglob("*") if file.is_file()}
    made = [file for file in after - before if "tracker.sqlite3" not in file.name]
    if status in ("400", "404"):
        assert made == []
        return
    assert status == "201", said
    assert len(made) == 1 and made[0].parent == hostile.folder
    name = made[0].name
    assert name.isprintable() and not name.startswith((".", "-")) and len(name.encode()) <= 200


def test_no_name_and_no_project(uploads: Uploads, warc: Path) -> None:
    """Uploads without a file name, and to unknown or illegal projects, get 400."""
    status, said = uploads.curl("-", "/p/upload/", given=b"x")
    assert (status, "no file name" in said) == ("400", True)
    status, said = uploads.curl(warc, "/nope/upload/")
    assert (status, "no project" in said) == ("400", True)
    assert uploads.curl(warc, "/.incoming/upload/")[0] == "400"
    assert uploads.curl(warc, "/..%2f/upload/")[0] == "400"


def test_over_the_limit(uploads: Uploads, tmp_path: Path) -> None:
    """A file over the limit gets 413, whether it declares its length or not, and leaves nothing."""
    large = tmp_path / "large"
    large.write_bytes(bytes((8 << 20) + 1))
    status, said = uploads.curl(large, "/p/upload/")
    assert (status, "limit of 8388608 bytes" in said) == ("413", True)
    assert uploads.curl("-", "/p/upload/large", given=bytes((8 << 20) + 1))[0] == "413"
    large.write_bytes(bytes(8 << 20))
    assert uploads.curl(large, "/p/upload/")[0] == "201"
    assert uploads.names() == ["large"]


def test_parts_and_methods_and_pages(uploads: Uploads, warc: Path) -> None:
    """Resumed parts, other methods and requests of web pages are refused."""
    part = ["--header", "Content-Range: bytes 0-9/100"]
    assert uploads.curl(warc, "/p/upload/", *part)[0] == "400"
    assert uploads.curl(warc, "/p/upload/", "--request", "POST")[0] == "405"
    assert uploads.curl(warc, "/p/upload/", "--header", "Origin: http://evil.example")[0] == "403"
    assert uploads.names() == []


def test_broken_upload_leaves_nothing(uploads: Uploads, eventually: Callable[..., None]) -> None:
    """An interrupted upload leaves neither a file nor a temporary file."""
    where = urlsplit(uploads.url)
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(
            b"PUT /p/upload/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n"
            + bytes(2_000_000)
        )
        eventually(lambda: any(file.stat().st_size for file in uploads.incoming.iterdir()))
    eventually(lambda: not list(uploads.incoming.iterdir()))
    assert uploads.names() == []


def test_kill_during_an_upload(
    uploads: Uploads, start_tracker: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    """After a kill -9 during an upload, the next start deletes the part; a second upload is
    complete."""
    where = urlsplit(uploads.url)
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(
            b"PUT /p/upload/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n"
            + bytes(2_000_000)
        )
        eventually(lambda: any(file.stat().st_size for file in uploads.incoming.iterdir()))
        uploads.server.kill()
    again = Uploads(start_tracker())
    assert (again.names(), list(again.incoming.iterdir())) == ([], [])
    assert again.curl("-", "/p/upload/half", given=bytes(4_000_000))[0] == "201"
    assert (again.folder / "half").stat().st_size == 4_000_000


def test_refused_where_uploads_go_elsewhere(
    start_tracker: Callable[..., Any], run_tracker: Callable[..., Any], warc: Path
) -> None:
    """A project with another target refuses uploads here; another project accepts them."""
    for project in "p", "q":
        run_tracker("add", project, "-", given="a\n")
    server = Uploads(start_tracker("--upload-target", "p=rsync://127.0.0.1:1/m/"))
    assert server.curl(warc, "/p/upload/")[0] == "403"
    assert server.curl(warc, "/q/upload/")[0] == "201"


def test_many_at_once(uploads: Uploads, tmp_path: Path) -> None:
    """Concurrent uploads do not mix, and the same file from several clients is kept once."""
    files = [tmp_path / f"file-{number}" for number in range(12)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number % 6]) * (1_500_000 + number % 6))
    command = ["curl", "--silent", "--fail"]
    running = [
        subprocess.Popen([*command, "--upload-file", str(file), f"{uploads.url}/p/upload/{name}"])
        for number, file in enumerate(files)
        for name in [f"name-{number % 6}"]
    ]
    assert [process.wait(60) for process in running] == [0] * 12
    assert uploads.names() == [f"name-{number}" for number in range(6)]
    for number in range(6):
        content = (uploads.folder / f"name-{number}").read_bytes()
        assert content == bytes([number]) * (1_500_000 + number)
