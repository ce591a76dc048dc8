"""The data folder of a project, and the link to it in each version. Everything here blocks."""

from __future__ import annotations

import filecmp
import os
import shutil

from pipeline_core.engine.files import make_folder
from warrior.checkout.tree import remove_tree

#: The most differing files that are named.
_NAMED = 10


def link_data(version: str, data_dir: str, project: str) -> list[str]:
    """Make ``<version>/data`` a link to ``<data_dir>/<project>``; make that folder if needed.

    If the project has a folder ``data`` of its own, copy what the data folder lacks, and leave
    existing files, which the project may have changed. Return sentences about what was found.
    Raises OSError.
    """
    folder = os.path.join(data_dir, project)
    make_folder(data_dir)
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
    own = os.path.join(version, "data")
    remarks: list[str] = []
    if os.path.islink(own):
        remarks.append(f"The project's own link data, to {os.readlink(own)}, is replaced.")
    elif os.path.isdir(own):
        remarks = _copy_missing(own, folder)
    elif os.path.exists(own):
        remarks.append("The project's own file data is replaced by its data folder.")
    remove_tree(own)
    os.symlink(folder, own)
    return remarks


def _copy_missing(source: str, target: str) -> list[str]:
    different: list[str] = []
    for folder, folders, files in os.walk(source):
        within = os.path.relpath(folder, source)
        for name in list(folders):
            path, to = os.path.join(folder, name), os.path.join(target, within, name)
            if os.path.islink(path):
                files.append(name)
            elif not os.path.lexists(to):
                os.mkdir(to, 0o700)
            elif not os.path.isdir(to):
                different.append(os.path.normpath(os.path.join(within, name)))
                folders.remove(name)
        for name in files:
            path, to = os.path.join(folder, name), os.path.join(target, within, name)
            if not os.path.lexists(to):
                # Copied under another name first, because half a file would never be replaced.
                remove_tree(to + ".new")
                shutil.copy2(path, to + ".new", follow_symlinks=False)
                os.replace(to + ".new", to)
            elif not _same(path, to):
                different.append(os.path.normpath(os.path.join(within, name)))
    remarks = [f"data/{name} of the project differs from the one in {target}, which stays."
               for name in different[:_NAMED]]
    if len(different) > _NAMED:
        remarks.append(f"So do {len(different) - _NAMED} more.")
    return remarks


def _same(one: str, other: str) -> bool:
    if os.path.islink(one) or os.path.islink(other):
        return (os.path.islink(one) and os.path.islink(other)
                and os.readlink(one) == os.readlink(other))
    return os.path.isfile(other) and filecmp.cmp(one, other, shallow=False)
