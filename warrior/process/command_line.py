"""What our command lines have in common: the parser and its errors."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import pipeline_core
import warrior
from warrior.process import exits


class Parser(argparse.ArgumentParser):
    """Exits with 64 if the command line is wrong. Accepts no abbreviations."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(
            prog=prog, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
            **options)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(exits.USAGE, f"{self.prog}: {message}\n")

    def add_version(self) -> None:
        """Add ``--version``. Existing scripts expect the level of the API first."""
        self.add_argument(
            "--version", action="version",
            version=f"{pipeline_core.__version__} (archive-warrior {warrior.__version__}, "
                    f"Python {sys.version.split()[0]})",
            help="print the level of the pipeline API, then this program's version")


def missing_module(names: Iterable[str]) -> str:
    """A sentence about the first module that is not installed; '' if all are."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            return (f"The Python module {name} is not installed. Install the required modules "
                    f"with: {sys.executable} -m pip install -r requirements.txt")
    return ""


def refuse(program: str, sentence: str, status: int) -> int:
    """Print to standard error why the program ends; returns the status."""
    print(f"{program}: {sentence}", file=sys.stderr)
    return status
