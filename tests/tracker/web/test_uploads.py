"""File names, and disks that are full."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import BadValue, DiskFull, FileTooLarge, FolderUnusable
from tracker.web.uploads import LONGEST_NAME_BYTES, Upload, UploadFolder, safe_file_name


@settings(deadline=None)
@given(st.text(st.characters(), min_size=1))
def test_any_name_becomes_one_plain_component(name: str) -> None:
    """The result is one visible component of legal length, and stays what it is when repeated."""
    safe = safe_file_name(name)
    assert safe and "/" not in safe and "\0" not in safe and not safe.startswith((".", "-"))
    assert len(safe.encode("utf-8")) <= LONGEST_NAME_BYTES
    assert safe_file_name(safe) == safe


@pytest.mark.parametrize("name", ["a.warc.gz", "practice:1-x_y.warc.gz", "東京 (2).warc.zst"])
def test_usual_names_stay(name: str) -> None:
    """Names without anything harmful are kept as they are."""
    assert safe_file_name(name) == name


def test_long_names_keep_their_suffix_and_differ() -> None:
    """An overlong name keeps its suffix; two that differ in the middle stay two."""
    one, two = (safe_file_name("x" * 150 + middle + "y" * 150 + ".warc.gz") for middle in "ab")
    assert one.endswith(".warc.gz") and one != two


def test_empty_name_is_refused() -> None:
    """There is no file without a name."""
    with pytest.raises(BadValue):
        safe_file_name("")


def _folder(tmp_path: Path) -> UploadFolder:
    folder = UploadFolder(tmp_path / "uploads", 1 << 50)
    folder.prepare()
    return folder


def test_no_room_is_told_before_it_is_sent(tmp_path: Path) -> None:
    """A file that is announced larger than what is free is refused at once."""
    with pytest.raises(DiskFull):
        _folder(tmp_path).begin("p", "a", 1 << 49)


def test_full_disk_is_told_while_writing(tmp_path: Path) -> None:
    """A disk that fills up meanwhile is told as such, and the temporary file can be dropped."""
    path = tmp_path / "temporary"
    path.touch()
    with open("/dev/full", "wb", buffering=0) as full:
        upload = Upload(_folder(tmp_path), "p", "a", full, path)
        with pytest.raises(DiskFull):
            upload.write(b"x")
        upload.drop()
    assert not path.exists()


def test_limit_counts_what_came(tmp_path: Path) -> None:
    """The limit holds for what is written, not only for what was announced."""
    folder = UploadFolder(tmp_path / "uploads", 10)
    folder.prepare()
    upload = folder.begin("p", "a", None)
    upload.write(b"x" * 10)
    with pytest.raises(FileTooLarge):
        upload.write(b"x")
    upload.drop()


def test_files_get_the_usual_mode(tmp_path: Path) -> None:
    """An uploaded file can be read by whoever the umask lets read new files."""
    plain = tmp_path / "plain"
    plain.touch()
    upload = _folder(tmp_path).begin("p", "a", 1)
    upload.write(b"x")
    assert upload.finish() is True
    assert (tmp_path / "uploads" / "p" / "a").stat().st_mode == plain.stat().st_mode


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """An upload folder that is a file is told at the start."""
    (tmp_path / "uploads").touch()
    with pytest.raises(FolderUnusable, match="upload folder"):
        _folder(tmp_path)
