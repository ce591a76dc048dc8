"""The settings file survives crashes and bad content, and never opens what was locked."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warrior.settings.data import NotSettings, dump, parse, project_order
from warrior.settings.settings_file import SettingsFile

ROOT = Path(__file__).resolve().parents[3]
GOOD = {"downloader": "somebody", "http_password": "x", "mine": [1, {"a": None}]}

BAD = {
    "empty": b"", "blank": b" \n\n", "truncated": dump(GOOD)[:-20], "binary": os.urandom(512) + b"\xff",
    "zeros": bytes(4096), "a list": b"[]", "null": b"null", "a string": b'"x"',
    "deep": b'{"x":' + b"[" * 100000 + b"]" * 100000 + b"}",
    "huge": b'{"x": "' + b"x" * 1024 * 1024 + b'"}', "NaN": b'{"x": NaN}',
    "long number": b'{"x": ' + b"9" * 5000 + b"}",
    "password a list": b'{"http_password": ["x"]}', "password true": b'{"http_password": true}',
    "name an object": b'{"downloader": {}}', "number broken": b'{"concurrent_items": 2.5}',
    "shared a list": b'{"shared:rsync_threads": []}', "order a string": b'{"projects": "a"}',
    "order of numbers": b'{"projects": [1]}', "settings a list": b'{"project_settings": []}',
    "settings of a project": b'{"project_settings": {"a": 1}}',
    "setting of a project": b'{"project_settings": {"a": {"b": []}}}',
    "UTF-16": '{"downloader": "somebody"}'.encode("utf-16"),
}


def make(folder: Path, name: str = "settings.json", **more: Any) -> SettingsFile:
    return SettingsFile(str(folder / name), **more)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# -- content -------------------------------------------------------------------------------
def test_what_is_written_is_read_again() -> None:
    """Unknown keys of any type stay unchanged."""
    assert parse(dump(GOOD)) == GOOD


def test_values_of_the_old_file() -> None:
    """'' and null mean unset, numbers may be strings, and strings numbers."""
    text = json.dumps({"warrior_id": None, "downloader": "", "concurrent_items": "3",
                       "http_password": 1234, "shared:rsync_threads": 20.0, "own_setting": 7,
                       "project_settings": {"a": {"b": 1, "c": None}}})
    assert parse(b"\xef\xbb\xbf" + text.encode()) == {
        "warrior_id": "", "downloader": "", "concurrent_items": "3", "http_password": "1234",
        "shared:rsync_threads": "20", "own_setting": 7, "project_settings": {"a": {"b": "1"}}}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_bad_content_is_refused(content: bytes) -> None:
    """Always with NotSettings, and without repeating the content."""
    with pytest.raises(NotSettings) as refused:
        parse(content)
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize("depth", range(100, 1200, 50))
def test_deep_content_is_refused_or_can_be_written(depth: int) -> None:
    """What was read can always be written again."""
    try:
        data = parse(b'{"x":' + b"[" * depth + b"]" * depth + b"}")
    except NotSettings:
        assert depth > 200
    else:
        assert parse(dump(data)) == data


@pytest.mark.parametrize(("data", "order"), [
    ({}, []),
    ({"projects": ["a", "b"], "selected_project": "a"}, ["a", "b"]),
    ({"projects": ["a", "b", "a"]}, ["a", "b"]),
    ({"selected_project": "auto"}, ["auto"]),
    ({"selected_project": "none"}, []),
    ({"projects": ["a", "b"], "selected_project": ""}, ["a", "b"]),
    ({"projects": ["a", "b"], "selected_project": "none"}, ["a", "b"]),
    ({"projects": ["a", "b"], "selected_project": "c"}, ["c", "b"]),
    ({"projects": ["a", "b"], "selected_project": "b"}, ["b"]),
    ({"projects": [], "selected_project": "c"}, ["c"]),
])
def test_order(data: dict[str, Any], order: list[str]) -> None:
    """A program that only knows the old keys has changed selected_project."""
    assert project_order(data) == order


# -- good files ----------------------------------------------------------------------------
def test_no_file_is_no_settings(tmp_path: Path) -> None:
    """At the first start, reading makes no file."""
    loaded = make(tmp_path).read()
    assert (loaded.data, loaded.trouble, loaded.locked, loaded.found) == ({}, "", False, False)
    assert names(tmp_path) == []


def test_writing(tmp_path: Path) -> None:
    """The file and its copy, readable only for the owner, and no other file."""
    file = make(tmp_path / "new" / "folder")
    file.write(GOOD)
    file.write(GOOD | {"downloader": "other"})
    folder = tmp_path / "new" / "folder"
    assert names(folder) == ["settings.json", "settings.json.last-good"]
    for name in names(folder):
        assert json.loads((folder / name).read_text())["downloader"] == "other"
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    loaded = make(folder).read()
    assert loaded.found and loaded.data == GOOD | {"downloader": "other"} and not loaded.trouble


def test_leftovers_of_a_crash_do_not_matter(tmp_path: Path) -> None:
    """A half-written new file is not read, and does no harm."""
    (tmp_path / "settings.json.new").write_bytes(b'{"down')
    file = make(tmp_path)
    assert file.read().data == {}
    file.write(GOOD)
    assert names(tmp_path) == ["settings.json", "settings.json.last-good"]


def test_a_good_file_gets_its_copy(tmp_path: Path) -> None:
    """Somebody has edited it while the warrior was not running."""
    file = make(tmp_path)
    file.write({"downloader": "one"})
    (tmp_path / "settings.json").write_text('{"downloader": "two"}')
    file.keep_good(file.read().data)
    assert json.loads((tmp_path / "settings.json.last-good").read_text()) == {"downloader": "two"}


def test_kill_at_any_moment_leaves_whole_settings(tmp_path: Path) -> None:
    """After SIGKILL during a write, the file has the old or the new settings."""
    code = ("import sys\nfrom warrior.settings.settings_file import SettingsFile\n"
            "file = SettingsFile(sys.argv[1])\nfor number in range(10**9):\n"
            "    file.write({'downloader': 'x' * (number % 2 * 50000), 'n': number})\n"
            "    print(number, flush=True)\n")
    path = tmp_path / "settings.json"
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT,
                              stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(3):
                last = child.stdout.readline()
            child.kill()
        loaded = make(tmp_path).read()
        assert loaded.found and not loaded.trouble
        assert loaded.data["n"] >= int(last)


# -- bad files -----------------------------------------------------------------------------
@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_bad_file_with_a_good_copy(tmp_path: Path, content: bytes) -> None:
    """The copy replaces the bad file, which is kept; a sentence says so."""
    file = make(tmp_path)
    file.write(GOOD)
    (tmp_path / "settings.json").write_bytes(content)
    loaded = make(tmp_path).read()
    assert loaded.data == GOOD and not loaded.locked
    assert "settings.json.unreadable-1" in loaded.trouble and "last-good" in loaded.trouble
    assert (tmp_path / "settings.json.unreadable-1").read_bytes() == content
    assert (tmp_path / "settings.json.unreadable-1").stat().st_mode & 0o777 == 0o600
    again = make(tmp_path).read()
    assert again.found and again.data == GOOD and not again.trouble


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_bad_file_without_a_copy(tmp_path: Path, content: bytes) -> None:
    """Locked at each start until new settings are written; then the bad file is kept."""
    (tmp_path / "settings.json").write_bytes(content)
    for _ in range(2):
        file = make(tmp_path)
        loaded = file.read()
        assert loaded.locked and loaded.data == {} and "cannot be used" in loaded.trouble
    file.write(GOOD)
    assert (tmp_path / "settings.json.unreadable-1").read_bytes() == content
    assert make(tmp_path).read().data == GOOD


def test_copies_that_are_bad_too(tmp_path: Path) -> None:
    """A bad copy does not help."""
    for name in ("settings.json", "settings.json.last-good"):
        (tmp_path / name).write_bytes(b"\0\0")
    assert make(tmp_path).read().locked


def test_bad_files_are_kept_one_by_one(tmp_path: Path) -> None:
    """Each gets its own number."""
    make(tmp_path).write(GOOD)
    for content in (b"one", b"two"):
        (tmp_path / "settings.json").write_bytes(content)
        make(tmp_path).read()
    assert (tmp_path / "settings.json.unreadable-1").read_bytes() == b"one"
    assert (tmp_path / "settings.json.unreadable-2").read_bytes() == b"two"


def test_file_that_is_gone(tmp_path: Path) -> None:
    """Its copy is used: whether there was a password must not be forgotten."""
    make(tmp_path).write(GOOD)
    (tmp_path / "settings.json").unlink()
    loaded = make(tmp_path).read()
    assert loaded.data == GOOD and "it is gone" in loaded.trouble
    assert make(tmp_path).read().found


def test_file_that_was_kept_aside_and_never_replaced(tmp_path: Path) -> None:
    """A crash in between does not unlock the page."""
    (tmp_path / "settings.json.unreadable-1").write_bytes(b"x")
    assert make(tmp_path).read().locked


def test_empty_file_of_the_old_warrior(tmp_path: Path) -> None:
    """A container starts with an empty file; it is locked only if it had settings before."""
    (tmp_path / "config.json").write_bytes(b"\n")
    file = make(tmp_path, "config.json")
    loaded = file.read()
    assert loaded.data == {} and not loaded.locked and not loaded.trouble
    file.write(GOOD)
    (tmp_path / "config.json").write_bytes(b"")
    assert make(tmp_path, "config.json").read().data == GOOD


# -- things that are no plain files --------------------------------------------------------
def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "x").touch()


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        old = os.getcwd()
        os.chdir(path.parent)
        try:
            listening.bind(path.name)
        finally:
            os.chdir(old)


@pytest.mark.parametrize("place", [
    a_folder, os.mkfifo, a_socket,
    lambda path: path.symlink_to("nowhere"), lambda path: path.symlink_to(path.name),
    lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("."),
], ids=["folder", "pipe", "socket", "dead link", "link to itself", "device", "link to a folder"])
@pytest.mark.parametrize("copy", [True, False])
def test_what_is_no_file(tmp_path: Path, place: Callable[[Path], None], copy: bool) -> None:
    """It neither blocks nor crashes; it is kept, and a file replaces it."""
    path = tmp_path / "settings.json"
    if copy:
        make(tmp_path).write(GOOD)
        path.unlink()
    place(path)
    file = make(tmp_path)
    loaded = file.read()
    assert loaded.locked is not copy and "cannot be used" in loaded.trouble
    if not copy:
        file.write(GOOD)
    assert path.is_file() and not path.is_symlink()
    assert os.path.lexists(tmp_path / "settings.json.unreadable-1")
    assert make(tmp_path).read().data == GOOD


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file that it points to gets the new settings, even if it was bad."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    target, path = tmp_path / "elsewhere" / "s.json", tmp_path / "here" / "settings.json"
    target.write_text('{"downloader": "one"}')
    path.symlink_to(target)
    file = make(tmp_path / "here")
    assert file.read().data == {"downloader": "one"}
    file.write({"downloader": "two"})
    target.write_bytes(b"bad")
    assert make(tmp_path / "here").read().data == {"downloader": "two"}
    assert path.is_symlink() and json.loads(target.read_text()) == {"downloader": "two"}
    assert names(tmp_path / "elsewhere") == ["s.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed, whom only root can be")
@pytest.mark.parametrize("copy", [True, False])
def test_file_without_permissions(tmp_path: Path, copy: bool) -> None:
    """Mode 000, as an ordinary user: the copy, else locked; the file is kept."""
    folder = Path("/tmp") / f"settings-of-nobody-{os.getpid()}-{copy}"
    folder.mkdir(mode=0o700)
    try:
        if copy:
            make(folder).write(GOOD)
        else:
            (folder / "settings.json").write_text("{}")
        (folder / "settings.json").chmod(0)
        for path in (folder, *folder.iterdir()):
            os.chown(path, 65534, 65534)
        code = ("import os, sys\nsys.path.insert(0, sys.argv[1])\n"
                "from warrior.settings.settings_file import SettingsFile\n"
                "'loaded while this Python can be read'.encode('utf-8-sig')\n"
                "os.setgid(65534); os.setuid(65534)\nfile = SettingsFile(sys.argv[2])\n"
                "loaded = file.read()\nprint(loaded.locked, loaded.trouble)\n"
                "file.write({'downloader': 'new'})\n"
                "assert SettingsFile(sys.argv[2]).read().data == {'downloader': 'new'}\n")
        done = subprocess.run(
            [sys.executable, "-c", code, str(ROOT), str(folder / "settings.json")], text=True,
            capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        said = done.stdout
        assert said.startswith(f"{not copy} The settings file") and "Permission denied" in said
        assert (folder / "settings.json.unreadable-1").exists()
    finally:
        shutil.rmtree(folder)


# -- where a file cannot be replaced -------------------------------------------------------
def refuses(path: str, number: int) -> Callable[[str, str], None]:
    """A rename that fails for one target."""
    def replace(source: str, target: str) -> None:
        if target == path:
            raise OSError(number, os.strerror(number), target)
        os.replace(source, target)

    return replace


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EROFS])
def test_in_place(tmp_path: Path, number: int) -> None:
    """The same file with new content, shorter or longer; the copy is written before."""
    path = tmp_path / "settings.json"
    path.write_text("{}")
    path.chmod(0o644)
    inode = path.stat().st_ino
    file = make(tmp_path, replace=refuses(str(path), number))
    for size in (5000, 10):
        data = {"downloader": "x" * size}
        file.write(data)
        assert json.loads(path.read_text()) == data
    assert path.stat().st_ino == inode and path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["settings.json", "settings.json.last-good"]


def test_bad_file_in_place(tmp_path: Path) -> None:
    """It is copied before it is overwritten."""
    path = tmp_path / "settings.json"
    make(tmp_path).write(GOOD)
    path.write_bytes(b"bad")
    loaded = make(tmp_path, replace=refuses(str(path), errno.EBUSY)).read()
    assert loaded.data == GOOD and json.loads(path.read_text()) == GOOD
    assert (tmp_path / "settings.json.unreadable-1").read_bytes() == b"bad"


def test_full_disk_in_place(tmp_path: Path) -> None:
    """After a failed write, the file and the copy have the old settings."""
    path = tmp_path / "settings.json"
    code = ("import errno, os, resource, signal, sys\n"
            "from warrior.settings.settings_file import SettingsFile\n"
            "def replace(source, target):\n"
            "    if target == sys.argv[1]:\n"
            "        raise OSError(errno.EBUSY, 'busy')\n"
            "    os.replace(source, target)\n"
            "file = SettingsFile(sys.argv[1], replace=replace)\n"
            "real, calls = os.pwrite, []\n"
            "def pwrite(*arguments):\n"
            "    calls.append(arguments)\n"
            "    if len(calls) > 1 and len(calls) < 3:\n"
            "        raise OSError(errno.ENOSPC, 'No space left on device')\n"
            "    return real(arguments[0], arguments[1][:7], arguments[2])\n"
            "os.pwrite = pwrite\n"
            "try:\n    file.write({'downloader': 'new'})\n"
            "except OSError as error:\n    print(error.strerror)\n")
    make(tmp_path).write(GOOD)
    said = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, text=True,
                          capture_output=True, check=True, timeout=60).stdout
    assert said == "No space left on device\n"
    for name in ("settings.json", "settings.json.last-good"):
        assert json.loads((tmp_path / name).read_text()) == GOOD


def test_other_faults_leave_the_old_settings(tmp_path: Path) -> None:
    """The error is raised, and no file is left behind."""
    path = tmp_path / "settings.json"
    make(tmp_path).write(GOOD)
    with pytest.raises(OSError, match="No space"):
        make(tmp_path, replace=refuses(str(path), errno.ENOSPC)).write({})
    assert make(tmp_path).read().data == GOOD
    assert names(tmp_path) == ["settings.json", "settings.json.last-good"]


def test_settings_that_have_grown_too_long(tmp_path: Path) -> None:
    """They could not be read again, so they are not written."""
    file = make(tmp_path)
    file.write(GOOD)
    with pytest.raises(OSError, match="They have grown too long"):
        file.write({"x": "x" * 1024 * 1024})
    assert make(tmp_path).read().data == GOOD


def test_copy_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The settings are saved; the log mentions the copy."""
    (tmp_path / "settings.json.last-good").mkdir()
    make(tmp_path).write(GOOD)
    assert make(tmp_path).read().data == GOOD
    assert "No copy of the settings could be kept" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None,
                    reason="mounting needs root, and unshare to leave nothing behind")
@pytest.mark.parametrize("content", ["", '{"downloader": "one", "concurrent_items": "2"}', "bad"])
def test_bind_mounted_file(tmp_path: Path, content: str) -> None:
    """As in containers: rename fails with EBUSY, and the folder is lost later."""
    outside, inside = tmp_path / "config-of-host.json", tmp_path / "inside"
    outside.write_text(content)
    inside.mkdir()
    (inside / "config.json").touch()
    code = ("import os, sys\nfrom warrior.settings.settings_file import SettingsFile\n"
            "path = sys.argv[1]\n"
            "try:\n    open(path + '.x', 'w').close(); os.replace(path + '.x', path)\n"
            "except OSError as error:\n    print(error.errno)\n"
            "os.unlink(path + '.x')\n"
            "file = SettingsFile(path)\nprint(file.read().locked)\n"
            "file.write({'downloader': 'two'})\n")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$2"', "sh",
         outside, inside / "config.json", sys.executable, code], cwd=ROOT, text=True,
        capture_output=True, timeout=60, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout.split() == [str(errno.EBUSY), str(content == "bad")], done.stderr
    assert json.loads(outside.read_text()) == {"downloader": "two"}
    kept = inside / "config.json.unreadable-1"
    assert kept.exists() is (content == "bad")
