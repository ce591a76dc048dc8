"""Makes what a tracker with faults has more than another one."""

from __future__ import annotations

from typing import Any

from tracker.errors import CannotListen
from tracker.faults import Faults, Plan
from tracker.faultyhandlers import FaultyCommandHandler
from tracker.faultytargets import HTTP_500, Http500Handler, ModulelessRsync


class FaultyParts:
    """The faults of a running tracker, and the dead targets that it names."""

    def __init__(self, faults: Faults, rsync: ModulelessRsync) -> None:
        self.faults = faults
        self.handler = FaultyCommandHandler
        """Stands in for the protocol's own, constructed with ``arguments``."""
        self.arguments: dict[str, Any] = {"faults": faults, "rsync": rsync}
        self.addresses: list[Any] = [(rf"{HTTP_500}(.*)", Http500Handler)]
        self._rsync = rsync

    @classmethod
    async def start(cls, plan: Plan, address: str) -> FaultyParts:
        """Start the dead targets at *address*; raises CannotListen."""
        rsync = ModulelessRsync()
        try:
            await rsync.start(address)
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {address} for the dead upload targets of --faults: "
                f"{error.strerror}."
            ) from error
        return cls(Faults(plan), rsync)

    async def stop(self) -> None:
        """Stop the dead targets."""
        await self._rsync.stop()
