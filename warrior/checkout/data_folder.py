"""The data folder of a project, and the link to it in each of its versions. Blocks."""

from __future__ import annotations

import filecmp
import os
import shutil

from pipeline_core.engine.files import make_folder
from warrior.checkout.tree import remove_tree

#: How many files are named that differ, at most.
_NAMED = 10


def link_data(version: str, data_dir: str, project: str) -> list[str]:
    """Make ``<version>/data`` a link to ``<data_dir>/<project>``, which is made if need be.

    A project may bring a folder ``data`` of its own. What of it is missing in the data
    folder is copied there; what is there already stays as it is, as the project may
    have changed it. Returns sentences about what else was found. Raises OSError.
    """
    folder = os.path.join(data_dir, project)
    make_folder(data_dir)
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
    own = os.path.join(version, "data")
    remarks: list[str] = []
    if os.path.islink(own):
        remarks.append(f"The project's own link data, to {os.readlink(own)}, gives way.")
    elif os.path.isdir(own):
        remarks = _copy_missing(own, folder)
    elif os.path.exists(own):
        remarks.append("The project's own file data gives way to its data folder.")
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
                # Under another name first: half a file would stay for ever.
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
