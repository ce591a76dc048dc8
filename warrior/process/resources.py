"""Where the data files are: static/, templates/, projects/, the example of warrior.conf.

In a checkout (also one installed with ``pip install --editable``) the folders lie beside
the packages; an installed wheel carries them in ``warrior/share/``. The example of
warrior.conf is a link in the package, and becomes a file of the wheel.
"""

from __future__ import annotations

import os

#: The folder of the package `warrior`.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class ResourceError(Exception):
    """A file of ours is missing: the installation is incomplete."""


def _folder(name: str) -> str:
    places = (os.path.join(os.path.dirname(_PACKAGE), name), os.path.join(_PACKAGE, "share", name))
    # Beside an installed package lies site-packages, where a "static" may be anybody's.
    in_checkout = os.path.isfile(os.path.join(os.path.dirname(_PACKAGE), "setup.cfg"))
    folder = places[0] if in_checkout else places[1]
    return _there(folder)


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
    """The project definitions that come with this program; raises ResourceError."""
    return _folder("projects")


def starter_dir() -> str:
    """The files that a new project begins with; raises ResourceError."""
    return _there(os.path.join(_PACKAGE, "cli", "starter"))


def conf_example() -> str:
    """The file warrior.conf.example, which holds the defaults; raises ResourceError."""
    return _there(os.path.join(_PACKAGE, "warrior.conf.example"))
