"""Records of sealed items, with their files on the disk, as an earlier process has left them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pipeline_core.recovery.sealed_files import take_file
from pipeline_core.recovery.sealed_item import Sealed, State


def tracker_upload(url: str, folder: str, *names: str) -> dict[str, Any]:
    """An UploadWithTracker, as the journal notes it."""
    return {
        "kind": "tracker", "name": "UploadWithTracker", "tracker_url": url, "downloader": "someone",
        "version": "v1", "rsync_bwlimit": "0", "rsync_extra_args": [], "curl_connect_timeout": "60",
        "curl_speed_limit": "1", "curl_speed_time": "900", "source": folder, "names": list(names)}


def program_upload(*args: str, stdin: str = "") -> dict[str, Any]:
    """An RsyncUpload or CurlUpload."""
    return {"kind": "program", "name": "Upload", "max_tries": 1, "args": list(args),
            "stdin": stdin}


def sealed_item(
    data_dir: Path, url: str, number: int = 1, *, upload: Any = None, done: bool = True,
    **more: Any,
) -> Sealed:
    """A plain item with one file, ``a``: uploaded by way of the tracker, then reported."""
    item_id = f"0123456789abcdef{number:04x}-{number}"
    folder = Path(os.path.realpath(data_dir)) / item_id
    folder.mkdir(parents=True)
    (folder / "a").write_text(f"content {number}")
    report = {"tracker_url": url, "stats": {"item": f"item {number}"}}
    values: dict[str, Any] = {
        "item_id": item_id, "number": number, "name": f"item {number}", "project": "one",
        "version": "v1", "folder": str(folder), "position": 2,
        "steps": ("Get", "Work", "UploadWithTracker", "SendDoneToTracker")[:3 + done],
        "downloader": "someone", "upload": upload or tracker_upload(url, str(folder), "a"),
        "done": report if done else None, "plain": True,
        "files": (take_file(str(folder / "a")),),
        "properties": {"item_name": f"item {number}", "stats": report["stats"]},
        "lost": ("cookie",), "lost_attributes": ("session",), "sealed_at": 0.0,
        "state": State.SEALED, "next": 2}
    return Sealed(**{**values, **more})
