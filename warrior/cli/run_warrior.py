"""The entry point of run-warrior: options, checks, exit statuses."""

from __future__ import annotations

import os
import sys

from warrior.config.config import ConfigurationError, read_options
from warrior.process import exits
from warrior.process.command_line import missing_module, refuse
from warrior.process.first_process import leave_first_process
from warrior.process.resources import ResourceError

_NEEDED = ("tornado", "psutil", "sockjs", "jinja2", "nh3")


def main_run_warrior() -> int:
    """The entry point of run-warrior; returns the exit status."""
    leave_first_process()
    environment = dict(os.environ)
    try:
        options = read_options(sys.argv[1:], os.environ)
    except ConfigurationError as error:
        return refuse("run-warrior", str(error), exits.BAD_CONFIGURATION)
    except ResourceError as error:
        return refuse("run-warrior", str(error), exits.NOT_LOADED)
    if trouble := missing_module(_NEEDED):
        return refuse("run-warrior", trouble, exits.NOT_LOADED)
    from warrior.daemon.app import run

    return run(options, environment)
