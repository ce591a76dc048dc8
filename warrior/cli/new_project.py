"""run-pipeline --new: writes a project folder to start from."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping

from warrior.process import exits
from warrior.process.command_line import refuse
from warrior.process.resources import ResourceError, starter_dir

#: File of the template -> its name in the project.
_FILES = {"pipeline.py.in": "pipeline.py", "README.md": "README.md", "gitignore": ".gitignore"}

_NEXT = """\
{name}/ holds pipeline.py, README.md and .gitignore. Now:

    cd {name}
    {command} --check pipeline.py

and, with `run-tracker --practice` running in another terminal:

    {command} pipeline.py YOURNAME --max-items 1
"""


def write_project(name: str) -> int:
    """Write the folder ``name`` here, and say what comes next; the exit status.

    What is there already stays as it is. ``name`` is one that a project may have.
    """
    try:
        texts = {target: _text(source, name) for source, target in _FILES.items()}
        os.mkdir(name)
        try:
            _write(name, texts)
        except OSError:
            shutil.rmtree(name, ignore_errors=True)  # the reason is told, and nothing is half there
            raise
    except FileExistsError:
        return _refuse(f"there is a {name} here already. Choose another name, or remove it.")
    except (OSError, ResourceError) as error:
        return _refuse(f"{name} cannot be written: {getattr(error, 'strerror', None) or error}.")
    print(_NEXT.format(name=name, command=_command()), end="")
    return exits.OK


def _write(folder: str, texts: Mapping[str, str]) -> None:
    for target, text in texts.items():
        with open(os.path.join(folder, target), "x", encoding="utf-8") as file:
            file.write(text)


def _text(source: str, name: str) -> str:
    with open(os.path.join(starter_dir(), source), encoding="utf-8") as file:
        text = file.read()
    return text.replace("@NAME@", name).replace("@DATE@", time.strftime("%Y%m%d"))


def _command() -> str:
    """How this program was called, as it works in the new folder."""
    called = sys.argv[0]
    return shlex.quote(os.path.abspath(called)) if os.sep in called else "run-pipeline"


def _refuse(sentence: str) -> int:
    return refuse("run-pipeline", sentence, exits.NOT_LOADED)
