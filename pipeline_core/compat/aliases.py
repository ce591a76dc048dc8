"""Makes ``seesaw.X`` the module object ``pipeline_core.X``, and provides distutils.version."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    # importlib.abc takes 10 ms to import, and its classes add nothing that is needed here.
    Loader = MetaPathFinder = object


class _AliasLoader(Loader):
    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = importlib.import_module(self._target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        # The import system has just set the alias's spec; restore the module's own.
        module.__spec__ = self._spec


def _rest_of_distutils() -> list[str]:
    """Return the folder with the other modules of distutils, if there is one.

    It is Python's own (up to 3.11), whose ``__init__`` would only warn that it is deprecated, or
    the copy that setuptools brings.
    """
    found = importlib.machinery.PathFinder.find_spec("distutils")
    if found is not None:
        return list(found.submodule_search_locations or ())
    setuptools = importlib.machinery.PathFinder.find_spec("setuptools")
    places = setuptools.submodule_search_locations if setuptools is not None else None
    folders = [os.path.join(place, "_distutils") for place in places or ()]
    return [folder for folder in folders if os.path.isdir(folder)]


class _AliasFinder(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.startswith("seesaw."):
            name = "pipeline_core." + fullname.partition(".")[2]
            try:
                found = importlib.util.find_spec(name)
            except ModuleNotFoundError:
                return None
            return found and importlib.machinery.ModuleSpec(fullname, _AliasLoader(name))
        if fullname == "distutils.version":
            return importlib.machinery.ModuleSpec(
                fullname, _AliasLoader("pipeline_core.compat.distutils_version"))
        if fullname == "distutils":
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = _rest_of_distutils()
            return spec
        return None


def install() -> None:
    """Make the aliases importable. Called once, when pipeline_core is imported."""
    sys.modules["seesaw"] = sys.modules["pipeline_core"]
    sys.meta_path.insert(0, _AliasFinder())
