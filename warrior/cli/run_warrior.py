"""The entry point of run-warrior: checks, exit statuses."""

from __future__ import annotations

import importlib.util
import os
import sys

from warrior.config.config import ConfigurationError, read_options
from warrior.process import exits
from warrior.process.first_process import leave_first_process
from warrior.process.resources import ResourceError

_NEEDED = ("tornado", "psutil", "sockjs", "jinja2", "nh3")


def main_run_warrior() -> int:
    """The entry point of run-warrior; the exit status."""
    leave_first_process()
    environment = dict(os.environ)
    try:
        options = read_options(sys.argv[1:], os.environ)
    except ConfigurationError as error:
        return _refuse(str(error), exits.BAD_CONFIGURATION)
    except ResourceError as error:
        return _refuse(str(error), exits.NOT_LOADED)
    missing = next((name for name in _NEEDED if importlib.util.find_spec(name) is None), "")
    if missing:
        return _refuse(
            f"The Python module {missing} is not installed. Install what is needed with: "
            f"{sys.executable} -m pip install -r requirements.txt", exits.NOT_LOADED)
    from warrior.daemon.app import run

    return run(options, environment)


def _refuse(sentence: str, status: int) -> int:
    print(f"run-warrior: {sentence}", file=sys.stderr)
    return status
