"""The clock of the world, which goes faster than that of the machine."""

from __future__ import annotations

import datetime
import email.utils
import sys
import time
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("fast.py")


class Clock:
    """Counts seconds from its making, ``factor`` of them in each real one.

    All commands that are started with :meth:`words` live by it.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.epoch = time.monotonic()
        self.wall = time.time()

    def at(self, real: float) -> float:
        """The seconds of the world at a moment of the machine's ``time.monotonic()``."""
        return (real - self.epoch) * self.factor

    def now(self) -> float:
        return self.at(time.monotonic())

    def real(self, seconds: float) -> float:
        """The real seconds that so many of the world take."""
        return seconds / self.factor

    def until(self, moment: float) -> None:
        """Sleep until the world's clock says ``moment``."""
        while (left := moment - self.now()) > 0:
            time.sleep(self.real(left))

    def http_date(self, seconds: float) -> str:
        """The date, as headers have it, that is so many seconds ahead for the commands. HTTP
        knows whole seconds alone: the date is rounded up."""
        ahead = self.wall + self.now() + seconds
        moment = datetime.datetime.fromtimestamp(int(ahead) + 1, datetime.timezone.utc)
        return email.utils.format_datetime(moment, usegmt=True)

    def words(self, journal: Path, program: Path, *arguments: str) -> list[str]:
        """The command line of a program of ours that lives by this clock."""
        return [sys.executable, str(_LAUNCHER), repr(self.factor), repr(self.epoch),
                repr(self.wall), str(journal), str(program), *arguments]
