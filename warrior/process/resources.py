"""Finds the data files: static/, templates/, projects/, warrior.conf.example.

In a checkout (also one installed with ``pip install --editable``) the folders are beside the
packages; a wheel has them in ``warrior/share/``. warrior.conf.example is a link in the package, and
becomes a file in the wheel.
"""

from __future__ import annotations

import os

#: The folder of the package `warrior`.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class ResourceError(Exception):
    """One of our files is missing: the installation is incomplete."""


def _folder(name: str) -> str:
    parent = os.path.dirname(_PACKAGE)
    # Check for a checkout: in site-packages, a "static" may belong to another package.
    in_checkout = os.path.isfile(os.path.join(parent, "setup.cfg"))
    return _there(os.path.join(parent if in_checkout else os.path.join(_PACKAGE, "share"), name))


def _there(path: str) -> str:
    if not os.path.exists(path):
        raise ResourceError(f"{path} is missing: the installation is incomplete. Install it again.")
    return path


def static_dir() -> str:
    """The page's scripts and styles; raises ResourceError."""
    return _folder("static")


def templates_dir() -> str:
    """The page's templates; raises ResourceError."""
    return _folder("templates")


def projects_dir() -> str:
    """The projects that come with this program; raises ResourceError."""
    return _folder("projects")


def starter_dir() -> str:
    """The files of a new project; raises ResourceError."""
    return _there(os.path.join(_PACKAGE, "cli", "starter"))


def conf_example() -> str:
    """The file warrior.conf.example, which has the defaults; raises ResourceError."""
    return _there(os.path.join(_PACKAGE, "warrior.conf.example"))
