"""Uploads by curl, from outside: one address is one address, and nobody leads them nearer.

Covered: addresses that curl would take for several; redirects that are followed, with the real
curl, and those that are refused before anybody is connected to; what is left behind; tasks that a
project has changed; an upload that goes on after a restart.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_core.net import curl_run
from pipeline_core.net.address_scope import AddressScope
from tests.support.kit import ROOT, Played, Seen, play, write_pipeline
from tests.support.scripted_tracker import (
    HANG,
    Answer,
    Request,
    ScriptedTracker,
    item_answer,
    redirect,
)

SOURCE = """\
    class File(SimpleTask):
        def process(self, item):
            item['item_name'] = 'x'
            with open(item['data_dir'] + '/a.warc.gz', 'w') as file:
                file.write('warc' * 500000)
    class Hooked(CurlUpload):
        def on_subprocess_end(self, item, returncode):
            item.log_output('ENDED %%d' %% returncode)
            CurlUpload.on_subprocess_end(self, item, returncode)
    upload = Hooked(%r, ItemInterpolation('%%(data_dir)s/a.warc.gz'), max_tries=1)
    pipeline = Pipeline(File('File'), upload)
    """


@pytest.fixture
def target() -> Iterator[ScriptedTracker]:
    """What files are uploaded to."""
    with ScriptedTracker() as server:
        yield server


def homes(folder: Path) -> list[Path]:
    """The folders that uploads have made for curl and not removed."""
    return list((folder / "homes").iterdir())


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those folders are made where other tests make none."""
    (tmp_path / "homes").mkdir()
    monkeypatch.setattr(curl_run, "PLACES", (str(tmp_path / "homes"),))


def upload(folder: Path, address: str, more: str = "") -> Seen:
    """Upload a file of 2 MB to the address."""
    seen = play(write_pipeline(folder, (SOURCE % address).rstrip() + f"\n    {more}\n")).only
    assert homes(folder) == []
    return seen


@pytest.mark.parametrize("host", ["127.0.0.[1-3]", "{{127.0.0.1,127.0.0.2}}", "127.0.0.1"])
def test_one_address_is_one_address(tmp_path: Path, target: ScriptedTracker, host: str) -> None:
    """Where curl would see several addresses, nobody is asked; one is one."""
    seen = upload(tmp_path, f"http://{host.format()}:{target.port}/put/")
    assert len(target.requests()) == (1 if host == "127.0.0.1" else 0), seen.log
    assert seen.outcome == ("completed" if host == "127.0.0.1" else "failed")


def test_brackets_of_a_path(tmp_path: Path, target: ScriptedTracker) -> None:
    """They are part of the name."""
    upload(tmp_path, f"{target.url}/put/[1-3]{{a,b}}")
    assert [one.path for one in target.requests()] == ["/project/put/[1-3]{a,b}"]


def test_an_ipv6_address(tmp_path: Path) -> None:
    """Its brackets are no list."""
    with socket.socket(socket.AF_INET6) as taken:
        try:
            taken.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        taken.listen()
        port = taken.getsockname()[1]
        heads: list[bytes] = []

        def serve() -> None:
            connection, _ = taken.accept()
            with connection:
                heads.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        seen = upload(tmp_path, f"http://[::1]:{port}/put/")
        thread.join(20)
    assert seen.outcome == "failed" and "returned exit code 22" in seen.log
    assert heads and heads[0].startswith(b"PUT /put/a.warc.gz "), seen.log


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_repeats_the_upload(
    tmp_path: Path, target: ScriptedTracker, status: int
) -> None:
    """The file arrives at the other address, in the same try, and the hook hears of one end."""
    with ScriptedTracker() as other:
        target.queue("a.warc.gz", redirect(f"http://localhost:{other.port}/put/b.gz", status))
        seen = upload(tmp_path, target.url + "/put/")
        assert seen.outcome == "completed", seen.log
        assert other.uploads == {"/put/b.gz": b"warc" * 500000}
        assert other.requests()[0].headers["host"] == f"localhost:{other.port}"
        assert other.requests()[0].headers["x-curl-limits"] == "inf,1,900"
    assert [one.method for one in target.requests()] == ["PUT"]
    assert seen.item["tries"] == 1
    assert [line for line in seen.log.splitlines() if "ENDED" in line] == ["ENDED 0"]
    assert f"The target redirects the upload to http://localhost:{other.port}/put/b.gz" in seen.log


def test_a_relative_redirect(tmp_path: Path, target: ScriptedTracker) -> None:
    """As in a browser; what stands in it is quoted, and a password goes to the same server."""
    target.queue("a.warc.gz", redirect("../other/a b[1]"))
    seen = upload(tmp_path, target.url.replace("//", "//me:word@") + "/put/")
    assert seen.outcome == "completed", seen.log
    assert list(target.uploads)[-1] == "/project/other/a%20b[1]"
    assert [one.headers.get("authorization", "") for one in target.requests()] == [
        "Basic bWU6d29yZA=="] * 2


def test_a_password_stays_where_it_is_known(tmp_path: Path, target: ScriptedTracker) -> None:
    """Another server does not get it."""
    with ScriptedTracker() as other:
        target.queue("a.warc.gz", redirect(other.url + "/put/b.gz"))
        assert upload(tmp_path, target.url.replace("//", "//me:word@") + "/put/").outcome == (
            "completed")
        assert "authorization" not in other.requests()[0].headers


@pytest.mark.parametrize(("location", "words"), [
    ("http://169.254.169.254/latest/x", "169.254.169.254, which is a link-local address"),
    ("//169.254.169.254/x", "link-local"), ("http://[fe80::1]/x", "link-local"),
    ("ftp://127.0.0.1:{port}/x", "which is not HTTP"), ("file:///etc/passwd", "not HTTP"),
    ("http://127.0.0.[1-3]:{port}/x", "127.0.0.[1-3]"), ("http://{{a,b}}:{port}/x", "not a valid address"),
    ("http://127.0.0.1:{port}\\@h/x", "redirects to"), ("http://a@b@127.0.0.1:{port}/x", "not a valid address"),
    ("http://nowhere.invalid/x", "nowhere.invalid/x, which is not found")])
def test_redirects_that_are_refused(
    tmp_path: Path, target: ScriptedTracker, location: str, words: str
) -> None:
    """A sentence says why, the try fails as curl's own would, and nobody was connected to."""
    target.always("a.warc.gz", redirect(location.format(port=target.port), 307))
    seen = upload(tmp_path, target.url + "/put/")
    assert seen.outcome == "failed"
    assert "The target refused the upload: " in seen.log and words in seen.log
    assert "ENDED 47" in seen.log
    assert len(target.requests()) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1",
                                  "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_nobody_far_leads_to_this_machine(
    tmp_path: Path, target: ScriptedTracker, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """However it is written."""
    # All that can be reached here is this machine.
    monkeypatch.setattr(curl_run, "scope_of", lambda address: AddressScope.PUBLIC)
    target.queue("a.warc.gz", redirect(f"http://{host}:{target.port}/put/b.gz"))
    seen = upload(tmp_path, target.url + "/put/")
    assert seen.outcome == "failed" and "which is this machine" in seen.log
    assert [one.command for one in target.requests()] == ["a.warc.gz"]


def test_no_redirect_for_ever(tmp_path: Path, target: ScriptedTracker) -> None:
    """Three, and no more."""
    target.always("a.warc.gz", redirect("a.warc.gz"))
    seen = upload(tmp_path, target.url + "/put/")
    assert "it redirects more than 3 times" in seen.log and "ENDED 47" in seen.log
    assert len(target.requests()) == 4


@pytest.mark.parametrize("answer", [Answer(307), Answer(304), Answer(300, b"choose")])
def test_answers_that_are_no_success(
    tmp_path: Path, target: ScriptedTracker, answer: Answer
) -> None:
    """For curl all below 400 is well; but here nobody has taken the file."""
    target.always("a.warc.gz", answer)
    seen = upload(tmp_path, target.url + "/put/")
    assert seen.outcome == "failed" and "ENDED 22" in seen.log
    assert f"it answered {answer.status}." in seen.log


def test_an_endless_head(tmp_path: Path, target: ScriptedTracker) -> None:
    """It is not read; the redirect in it is not followed."""
    fields = tuple((f"X-{number}", "y" * 1000) for number in range(90))
    target.always("a.warc.gz", Answer(307, b"", (*fields, ("Location", "/put/b.gz"))))
    seen = upload(tmp_path, target.url + "/put/")
    assert seen.outcome == "failed" and len(target.requests()) == 1


def test_an_item_that_ends_meanwhile(tmp_path: Path, target: ScriptedTracker) -> None:
    """curl ends with it, and its folder is removed."""
    gate = threading.Event()

    def late(request: Request) -> Answer:
        gate.wait(60)
        return Answer(200)

    target.always("a.warc.gz", late)
    path = write_pipeline(tmp_path, (SOURCE % (target.url + "/put/")))

    async def script(played: Played) -> None:
        await played.until(lambda: homes(tmp_path), 40)
        await played.until(lambda: played.items[0].item.scope.children, 40)
        played.items[0].item.fail()
        await played.until(lambda: not homes(tmp_path), 40)

    try:
        assert play(path, script, timeout=60).only.outcome == "failed"
    finally:
        gate.set()


FAKE = """#!/bin/sh
echo "HOME<$CURL_HOME> OWN<$OWN>"
cat "$CURL_HOME/.curlrc"
exit 0
"""


@pytest.mark.parametrize("own", [False, True])
def test_the_environment_that_a_project_sets(
    tmp_path: Path, target: ScriptedTracker, own: bool
) -> None:
    """It stays; with a CURL_HOME of its own the rules are its own as well."""
    fake = tmp_path / "bin" / "curl"
    fake.parent.mkdir()
    fake.write_text(FAKE)
    fake.chmod(0o755)
    (tmp_path / ".curlrc").write_text("# the rules of the project\n")
    env = {"PATH": f"{fake.parent}:/usr/bin:/bin", "OWN": "kept"}
    if own:
        env["CURL_HOME"] = str(tmp_path)
    log = upload(tmp_path, target.url + "/put/", f"upload.env = {env!r}").log
    assert "OWN<kept>" in log
    assert ("# the rules of the project" in log) == own
    assert all((line in log) != own for line in ("globoff", "max-redirs = 0", "dump-header = "))
    assert (f'resolve = "*:{target.port}:127.0.0.1"' in log) != own


def test_no_room_for_a_folder(
    tmp_path: Path, target: ScriptedTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk does not keep back an upload; a redirect has to wait for room."""
    def full(*args: object, **options: object) -> str:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("pipeline_core.net.curl_run.tempfile.mkdtemp", full)
    assert upload(tmp_path, target.url + "/put/").outcome == "completed"
    target.always("a.warc.gz", redirect("b.gz"))
    assert "ENDED 47" in upload(tmp_path, target.url + "/put/").log
    assert "b.gz" not in "".join(target.uploads)


def test_an_upload_that_goes_on_after_a_restart(tmp_path: Path, target: ScriptedTracker) -> None:
    """Without the project's code, and by the same rules: brackets are no list, a redirect is
    followed once it has been checked."""
    target.queue("request", item_answer("x"))
    target.always("a[1-3].gz", HANG)
    path = write_pipeline(tmp_path, f"""\
        class Make(SimpleTask):
            def process(self, item):
                with open(item['data_dir'] + '/a[1-3].gz', 'w') as file:
                    file.write('warc')
        pipeline = Pipeline(
            GetItemFromTracker({target.url!r}, downloader), Make('Make'),
            CurlUpload({target.url!r} + '/put/a[1-3].gz',
                       ItemInterpolation('%(data_dir)s/a[1-3].gz'), max_tries=1))
        """)

    def start(*options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "run-pipeline"), "--disable-web-server", *options, str(path),
             "tester"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    first = start()
    target.wait_requests("a[1-3].gz", 1)
    first.kill()
    first.wait()
    target.always("a[1-3].gz", redirect("b.gz", 307))
    second = start("--resume")
    try:
        target.wait_requests("b.gz", 1)
        second.send_signal(signal.SIGINT)
        assert second.wait(60) == 0
    finally:
        second.kill()
        second.wait()
    assert target.uploads["/project/put/b.gz"] == b"warc"


def test_what_a_killed_process_left(tmp_path: Path, target: ScriptedTracker) -> None:
    """The next upload removes it; what another process works with stays."""
    left, at_work = (tmp_path / "homes" / f"warrior-curl-{name}" for name in ("left", "at-work"))
    for folder in (left, at_work):
        folder.mkdir()
        (folder / ".curlrc").touch()
    with open(at_work / ".curlrc") as settings:
        fcntl.flock(settings, fcntl.LOCK_EX)
        play(write_pipeline(tmp_path, SOURCE % (target.url + "/put/")))
        assert homes(tmp_path) == [at_work]
