"""The imports of one loaded pipeline: its own path, and its own helper modules.

Several projects, and two versions of one project, share one process. Each may have a
``utils.py`` beside its file, or an older copy of a package. So the modules of a load are kept in
``sys.modules`` under a prefix (``pipeline_3.utils``). The project's code gets an ``__import__``,
a ``sys`` and an ``importlib`` that find them by their usual names. ``seesaw`` is always this
toolkit.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import importlib.util
import itertools
import os
import sys
import types
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

_numbers = itertools.count(1)
_TOOLKIT = frozenset({"seesaw", "pipeline_core", "distutils"})


class ImportSpace:
    """The modules that one load can import. ``namespace`` holds the globals of its file."""

    def __init__(self, directory: str) -> None:
        self.name = f"pipeline_{next(_numbers)}"
        self.directory = directory
        # The project's folder comes last, so that its modules shadow no others unless the file
        # itself puts the folder first.
        self.path: list[Any] = [*sys.path, directory]
        self._common = frozenset(sys.path)
        self.package = types.ModuleType(self.name)
        self.package.__path__ = []
        self.package.__dict__["__builtins__"] = self.builtins = dict(vars(builtins))
        self.builtins["__import__"] = self.import_
        self._sys = _ProjectSys(self)
        self._importlib = _ProjectImportlib(self)
        sys.modules[self.name] = self.package
        sys.meta_path.insert(0, self)

    @property
    def namespace(self) -> dict[str, Any]:
        return vars(self.package)

    def close(self) -> None:
        """Remove the modules of this load."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in [n for n in sys.modules if n == self.name or n.startswith(self.name + ".")]:
            del sys.modules[name]

    def import_(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        """``__import__`` for the code of this load."""
        if level == 0:
            top = name.partition(".")[0]
            if name == "sys":
                return self._sys
            if name == "importlib" or (top == "importlib" and not fromlist):
                importlib.import_module(name)
                return self._importlib
            if self.find(top) is not None:
                full = f"{self.name}.{name}"
                if fromlist:
                    return builtins.__import__(full, globals, locals, fromlist, 0)
                importlib.import_module(full)
                return sys.modules[f"{self.name}.{top}"]
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def find(self, top: str) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module that belongs to this load; None for a shared module."""
        if top in _TOOLKIT or top in sys.builtin_module_names or top == "importlib":
            return None
        known = sys.modules.get(f"{self.name}.{top}")
        if known is not None:
            return known.__spec__
        for entry in self._entries():
            spec = importlib.machinery.PathFinder.find_spec(top, [entry])
            if spec is not None and spec.loader is not None:
                return None if entry in self._common else spec
        if top in sys.modules:
            return None
        # A namespace package.
        own = [entry for entry in self._entries() if entry not in self._common]
        return importlib.machinery.PathFinder.find_spec(top, own)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of this load by its full name, for the import system."""
        if not fullname.startswith(self.name + "."):
            return None
        short = fullname[len(self.name) + 1:]
        found = (self.find(short) if "." not in short
                 else importlib.machinery.PathFinder.find_spec(fullname, path))
        if found is None:
            return None
        if isinstance(found.loader, importlib.machinery.SourceFileLoader):
            assert found.origin is not None
            return importlib.util.spec_from_file_location(
                fullname, found.origin, loader=_SourceLoader(self, fullname, found.origin),
                submodule_search_locations=found.submodule_search_locations)
        if found.origin is not None and found.loader is not None:
            return importlib.util.spec_from_file_location(
                fullname, found.origin, loader=type(found.loader)(fullname, found.origin),  # type: ignore[call-arg]
                submodule_search_locations=found.submodule_search_locations)
        spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = list(found.submodule_search_locations or [])
        return spec

    def _entries(self) -> Iterator[str]:
        for entry in self.path:
            if isinstance(entry, (str, os.PathLike)):
                text = os.fspath(entry)
                if text in self._common and text not in ("", "."):
                    yield text
                else:
                    yield os.path.normpath(os.path.join(self.directory, text))


class _SourceLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, space: ImportSpace, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self._space = space

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__["__builtins__"] = self._space.builtins
        super().exec_module(module)


class _Modules(MutableMapping[str, types.ModuleType]):
    """``sys.modules`` as a project sees it: its own modules by their short names, then all
    others."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __getitem__(self, key: str) -> types.ModuleType:
        try:
            return sys.modules[self._prefix + key]
        except KeyError:
            return sys.modules[key]

    def __setitem__(self, key: str, module: types.ModuleType) -> None:
        sys.modules[self._prefix + key] = module

    def __delitem__(self, key: str) -> None:
        del sys.modules[self._prefix + key]

    def __iter__(self) -> Iterator[str]:
        own = [key[len(self._prefix):] for key in sys.modules if key.startswith(self._prefix)]
        return iter(dict.fromkeys([*own, *sys.modules]))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _ProjectSys(types.ModuleType):
    """``sys`` with the project's own ``path`` and ``modules``."""

    def __init__(self, space: ImportSpace) -> None:
        super().__init__("sys")
        self.path = space.path
        self.modules = _Modules(space.name + ".")
        self.__dict__["_space"] = space

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "path" and "_space" in self.__dict__:
            self.__dict__["_space"].path = value
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


class _ProjectImportlib(types.ModuleType):
    """``importlib`` whose ``import_module`` finds the project's own modules."""

    def __init__(self, space: ImportSpace) -> None:
        super().__init__("importlib")
        self._space = space

    def import_module(self, name: str, package: str | None = None) -> types.ModuleType:
        if name.startswith((".", self._space.name + ".")):
            return importlib.import_module(name, package)
        return self._space.import_(name, fromlist=("*",) if "." in name else ())

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib, name)
