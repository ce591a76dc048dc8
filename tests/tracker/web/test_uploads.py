"""File names, and full disks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import BadValue, FolderUnusable, Refusal
from tracker.web.uploads import LONGEST_NAME_BYTES, Upload, UploadFolder, safe_file_name


@settings(deadline=None)
@given(st.text(st.characters(), min_size=1))
def test_any_name_becomes_one_plain_component(name: str) -> None:
    """The result is one visible component of legal length, and stays the same when repeated."""
    safe = safe_file_name(name)
    assert safe and "/" not in safe and "\0" not in safe and not safe.startswith((".", "-"))
    assert len(safe.encode("utf-8")) <= LONGEST_NAME_BYTES
    assert safe_file_name(safe) == safe


@pytest.mark.parametrize("name", ["a.warc.gz", "practice:1-x_y.warc.gz", "東京 (2).warc.zst"])
def test_usual_names_stay(name: str) -> None:
    """Harmless names are not changed."""
    assert safe_file_name(name) == name


def test_long_names_keep_their_suffix_and_differ() -> None:
    """A long name keeps its suffix; names that differ in the middle stay different."""
    one, two = (safe_file_name("x" * 150 + middle + "y" * 150 + ".warc.gz") for middle in "ab")
    assert one.endswith(".warc.gz") and one != two


def test_empty_name_is_refused() -> None:
    """An empty name is refused."""
    with pytest.raises(BadValue):
        safe_file_name("")


def _folder(tmp_path: Path) -> UploadFolder:
    folder = UploadFolder(tmp_path / "uploads", 1 << 50)
    folder.prepare()
    return folder


def test_no_room_is_reported_before_the_upload(tmp_path: Path) -> None:
    """A file that declares more bytes than are free is refused at once."""
    with pytest.raises(Refusal) as refused:
        _folder(tmp_path).begin("p", "a", 1 << 49)
    assert refused.value.status == 507


def test_a_full_disk_is_reported_while_writing(tmp_path: Path) -> None:
    """A disk that becomes full during an upload is reported, and the temporary file can be
    deleted."""
    path = tmp_path / "temporary"
    path.touch()
    with open("/dev/full", "wb", buffering=0) as full:
        upload = Upload(_folder(tmp_path), "p", "a", full, path)
        with pytest.raises(Refusal) as refused:
            upload.write(b"x")
        assert refused.value.status == 507
        upload.drop()
    assert not path.exists()


def test_the_limit_applies_to_what_arrives(tmp_path: Path) -> None:
    """The limit applies to what is written, not only to the declared length."""
    folder = UploadFolder(tmp_path / "uploads", 10)
    folder.prepare()
    upload = folder.begin("p", "a", None)
    upload.write(b"x" * 10)
    with pytest.raises(Refusal) as refused:
        upload.write(b"x")
    assert refused.value.status == 413
    upload.drop()


def test_files_get_the_usual_mode(tmp_path: Path) -> None:
    """An uploaded file has the mode that the umask gives to new files."""
    plain = tmp_path / "plain"
    plain.touch()
    upload = _folder(tmp_path).begin("p", "a", 1)
    upload.write(b"x")
    assert upload.finish() is True
    assert (tmp_path / "uploads" / "p" / "a").stat().st_mode == plain.stat().st_mode


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The start fails if the upload folder is a file."""
    (tmp_path / "uploads").touch()
    with pytest.raises(FolderUnusable, match="upload folder"):
        _folder(tmp_path)
