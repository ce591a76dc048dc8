"""Removes, hashes and copies whole folders. Everything here blocks: call it in a thread."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator

#: The most files and bytes of a folder that is copied as a project.
MOST_FILES = 20_000
MOST_BYTES = 2 << 30

#: Not part of a project: what a run leaves in its folder, and git's files.
_LEFT_OUT_TOP = frozenset({"data", "STOP", ".git"})
_LEFT_OUT = frozenset({"__pycache__"})


class FolderTooLarge(Exception):
    """A folder is too large to be a project."""


def remove_tree(path: str) -> None:
    """Remove a folder with its contents, a file, or a link (not its target). The path need not
    exist. Raises OSError."""
    if os.path.islink(path) or not os.path.isdir(path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        return
    try:
        _remove_all(path)
    except PermissionError:
        # Some programs make folders that their owner may not write to.
        os.chmod(path, 0o700)
        for folder, folders, _ in os.walk(path):
            for name in folders:
                if not os.path.islink(os.path.join(folder, name)):
                    os.chmod(os.path.join(folder, name), 0o700)
        _remove_all(path)


def _remove_all(path: str) -> None:
    def failed(function: object, path: str, error: BaseException) -> None:
        if not isinstance(error, FileNotFoundError):  # somebody else has just removed it
            raise error

    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=failed)
    else:
        shutil.rmtree(path, onerror=lambda function, path, info: failed(function, path, info[1]))


def digest_tree(path: str) -> str:
    """Return 40 hex digits that change when a file, its executable bit or a link changes.

    Raises OSError, FolderTooLarge.
    """
    digest = hashlib.sha256()
    top = os.path.realpath(path)
    for name, kind, where in _members(top):
        digest.update(os.fsencode(name) + b"\0" + kind.encode() + b"\0")
        if kind == "link":
            content = os.fsencode(_target(where, top))
            digest.update(b"%d\0" % len(content) + content)
        elif kind != "folder":
            file_digest = hashlib.sha256()
            with open(where, "rb") as file:
                while block := file.read(1 << 20):
                    file_digest.update(block)
            digest.update(file_digest.digest())
    return digest.hexdigest()[:40]


def copy_tree(source: str, target: str) -> None:
    """Copy the folder, with times and modes, to ``target``, which must not exist.

    This leaves out ``data``, ``STOP`` and git's files in the top folder, and what Python compiles.
    Links are kept; those that lead out of the folder become absolute.
    Raises OSError, FolderTooLarge.
    """
    os.mkdir(target, 0o700)
    top = os.path.realpath(source)
    for name, kind, where in _members(top):
        to = os.path.join(target, name)
        if kind == "folder":
            os.mkdir(to, 0o700)
        elif kind == "link":
            os.symlink(_target(where, top), to)
        else:
            shutil.copy2(where, to)


def _members(top: str) -> Iterator[tuple[str, str, str]]:
    """Yield ``(relative path, kind, path)`` in a stable order; the kind is folder, link, file or
    program (executable)."""
    files = size = 0
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for name in sorted(os.listdir(os.path.join(top, folder))):
            if name in _LEFT_OUT or (not folder and name in _LEFT_OUT_TOP):
                continue
            within = os.path.join(folder, name)
            where = os.path.join(top, within)
            status = os.lstat(where)
            if stat.S_ISDIR(status.st_mode):
                waiting.append(within)
                yield within, "folder", where
            elif stat.S_ISLNK(status.st_mode):
                yield within, "link", where
            elif stat.S_ISREG(status.st_mode):
                size += status.st_size
                yield within, "program" if status.st_mode & 0o100 else "file", where
            files += 1
            if files > MOST_FILES or size > MOST_BYTES:
                raise FolderTooLarge


def _target(link: str, top: str) -> str:
    """Return the link's target so that it also works in a copy of the folder."""
    target = os.readlink(link)
    reached = os.path.normpath(os.path.join(os.path.dirname(link), target))
    return target if reached.startswith(top + os.sep) else reached
