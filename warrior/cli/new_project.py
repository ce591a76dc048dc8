"""run-pipeline --new: writes a new project folder."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time

from warrior.process import exits
from warrior.process.command_line import refuse
from warrior.process.resources import ResourceError, starter_dir

#: The template files -> their names in the project.
_FILES = {"pipeline.py.in": "pipeline.py", "README.md": "README.md", "gitignore": ".gitignore"}

_NEXT = """\
Created {name}/ with pipeline.py, README.md and .gitignore. Next:

    cd {name}
    {command} --check pipeline.py

then, while `run-tracker --practice` is running in another terminal:

    {command} pipeline.py YOURNAME --max-items 1
"""


def write_project(name: str) -> int:
    """Write the folder ``name``, print what to do next, and return the exit status.

    Nothing that exists is changed. ``name`` must be a valid project name.
    """
    try:
        texts = {target: _text(source, name) for source, target in _FILES.items()}
        os.mkdir(name)
        try:
            for target, text in texts.items():
                with open(os.path.join(name, target), "x", encoding="utf-8") as file:
                    file.write(text)
        except OSError:
            shutil.rmtree(name, ignore_errors=True)  # leave nothing half written
            raise
    except FileExistsError:
        sentence = f"{name} already exists here. Choose another name, or remove it."
        return refuse("run-pipeline", sentence, exits.NOT_LOADED)
    except (OSError, ResourceError) as error:
        sentence = f"{name} cannot be written: {getattr(error, 'strerror', None) or error}."
        return refuse("run-pipeline", sentence, exits.NOT_LOADED)
    called = sys.argv[0]
    # A relative path would not work in the new folder.
    command = shlex.quote(os.path.abspath(called)) if os.sep in called else "run-pipeline"
    print(_NEXT.format(name=name, command=command), end="")
    return exits.OK


def _text(source: str, name: str) -> str:
    with open(os.path.join(starter_dir(), source), encoding="utf-8") as file:
        text = file.read()
    return text.replace("@NAME@", name).replace("@DATE@", time.strftime("%Y%m%d"))
