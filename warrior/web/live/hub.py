"""The one place that tells open pages what has changed.

On connect a snapshot, then numbered changes, with those sections only that differ from
what was sent before. What changes within a tenth of a second is sent together, encoded
once for all pages. While no page is open, nothing here runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from warrior.web import messages, sections
from warrior.web.live.logs import Logs
from warrior.web.live.machine import MachineFeed
from warrior.web.live.reader import Reader
from warrior.web.messages import Json
from warrior.web.program import Program

if TYPE_CHECKING:
    from warrior.daemon.machine import MachineMonitor
    from warrior.web.live.sockets import PageConnection

logger = logging.getLogger(__name__)

#: Seconds between two batches.
INTERVAL = 0.1
#: Seconds between two sendings of what may be told a little later.
LATER_INTERVAL = 1.0
#: A page that has not read anything for so many seconds is let go; it may come back.
PATIENCE = 60.0
#: Seconds between two looks at what nothing tells of, while a page is open.
LOOK_INTERVAL = 5.0
#: The sections that are looked at then: project code that does not return, and times.
LOOKED_AT = ("workers", "status", "runner")


class Hub:
    """Connections and the sequence number."""

    def __init__(self, program: Program, machine: MachineMonitor | None = None) -> None:
        self.program = program
        self.board = program.board
        self.sequence = 0
        self.readers: set[Reader] = set()
        self.logs = Logs(self.board)
        self._machine = MachineFeed(machine, self._send_extra)
        #: The sections as all pages know them that are not behind.
        self._shown: Json = {}
        self._dirty: set[str] = set()
        self._dirty_later: set[str] = set()
        self._later_sent = 0.0
        self._changed: set[str] = set()
        self._gone: set[str] = set()
        self._sent = 0.0
        self._tick: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self.board.listener = self

    # -- pages come and go -----------------------------------------------------------
    def join(self, channel: PageConnection, session_id: str = "") -> Reader:
        """A page of this session has opened: it gets a snapshot."""
        if not self.readers:
            self._begin()
        reader = Reader(channel, session_id)
        self.readers.add(reader)
        self._catch_up(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        if reader in self.readers:
            self.readers.discard(reader)
            self.logs.leave(reader)
            if not self.readers:
                self._rest()

    def log_out(self, session_id: str) -> None:
        """Close the pages of this session."""
        self._close([reader for reader in self.readers if reader.session_id == session_id])

    def log_out_others(self, session_id: str) -> None:
        """Close the pages of all sessions but this one."""
        self._close([reader for reader in self.readers if reader.session_id != session_id])

    def close(self, farewell: str) -> None:
        """Tell all pages that this is the end, and close them."""
        if self.readers:
            self._send_batch()
        bye = messages.frame({"type": "bye", "text": farewell}, 0.0)
        for reader in list(self.readers):
            reader.channel.send(bye)
            reader.channel.close("The console has ended.")
            self.leave(reader)
        self._rest()

    def _close(self, readers: list[Reader]) -> None:
        for reader in readers:
            reader.channel.close("Log in again.")
            self.leave(reader)

    def _begin(self) -> None:
        self._shown = {name: make() for name, make in self.program.sections.items()}
        self._look_around()
        self._machine.begin()

    def _rest(self) -> None:
        for handle in (self._tick, self._look):
            if handle is not None:
                handle.cancel()
        self._tick = self._look = None
        self._machine.end()
        self.logs.rest()
        self._shown = {}
        for waiting in (self._dirty, self._dirty_later, self._changed, self._gone):
            waiting.clear()

    # -- what a page says ------------------------------------------------------------
    def received(self, reader: Reader, message: Any) -> None:
        """One message of a page. Raises ValueError for one that makes no sense."""
        if reader not in self.readers:
            return  # it has been closed
        if not isinstance(message, dict):
            raise ValueError("a message must be an object")
        kind, item_id = message.get("type"), message.get("item")
        if kind == "watch" and isinstance(item_id, str):
            self.logs.watch(reader, item_id)
            self._soon()
        elif kind == "unwatch" and isinstance(item_id, str):
            self.logs.unwatch(reader, item_id)
        elif kind == "view" and isinstance(message.get("items"), list):
            if self.logs.set_view(reader, message["items"]):
                self._soon()
        elif kind == "resync":
            # In its turn: who asks without pause must not keep the loop busy.
            reader.stale = True
            self._soon()
        else:
            raise ValueError(f"unknown message {kind!r}")

    # -- what the board says -----------------------------------------------------------
    def changed(self, *names: str) -> None:
        """These sections may look different now."""
        if self.readers:
            self._dirty.update(names)
            self._soon()

    def changed_later(self, *names: str) -> None:
        """The same, but there is no hurry."""
        if self.readers:
            self._dirty_later.update(names)
            self._soon(max(0.0, self._later_sent + LATER_INTERVAL - time.monotonic()))

    def item_changed(self, item_id: str) -> None:
        if self.readers:
            self._changed.add(item_id)
            self._dirty.update(("status", "runner"))
            self._soon()

    def item_gone(self, item_id: str) -> None:
        if self.readers:
            self._changed.discard(item_id)
            self._gone.add(item_id)
            self.logs.gone(item_id)
            self._soon()

    def output_came(self, item_id: str, text: str) -> None:
        if self.readers:
            after = self.logs.came(item_id, text)
            if after is not None:
                self._soon(after)

    # -- batches -------------------------------------------------------------------------
    def _soon(self, after: float = 0.0) -> None:
        """See to it that a batch goes out, but not sooner than the interval allows."""
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        when = loop.time() + max(self._sent + INTERVAL - now, after, 0.0)
        if self._tick is not None:
            if self._tick.when() <= when:
                return
            self._tick.cancel()
        self._tick = loop.call_at(when, self._on_tick)

    def _on_tick(self) -> None:
        self._tick = None
        if not self.readers:
            return
        self._send_batch()
        now = time.monotonic()
        behind = [reader for reader in self.readers if self._catch_up(reader)]
        for reader in behind:
            if reader.behind_since is not None and now - reader.behind_since > PATIENCE:
                logger.info("A page has not read anything for %.0f s: closed.", PATIENCE)
                reader.channel.abort()
                self.leave(reader)
        if behind:
            self._soon(INTERVAL)
        lines = self.logs.due(now)
        if lines is not None:
            self._soon(lines)
        if self._dirty_later:
            self._soon(max(0.0, self._later_sent + LATER_INTERVAL - now))

    def _send_batch(self) -> None:
        now = self._sent = time.monotonic()
        change = self._change(now)
        if change is not None:
            frame = messages.frame(change, now)
            for reader in self.readers:
                reader.send_state(frame)
        self.logs.send(self.readers, now)

    def _change(self, now: float) -> Json | None:
        changed = self._changed_sections(now)
        items = [messages.item_json(self.board, self.board.items[item_id])
                 for item_id in self._changed if item_id in self.board.items]
        gone = sorted(self._gone)
        self._changed.clear()
        self._gone.clear()
        if not (changed or items or gone):
            return None
        self.sequence += 1
        return {"type": "change", "seq": self.sequence, "set": changed,
                "items": sorted(items, key=lambda item: int(item["number"])), "gone": gone}

    def _changed_sections(self, now: float) -> Json:
        wanted, self._dirty = self._dirty, set()
        if self._dirty_later and now - self._later_sent >= LATER_INTERVAL - 0.001:
            wanted |= self._dirty_later
            self._dirty_later.clear()
            self._later_sent = now
        changed: Json = {}
        for name, make in self.program.sections.items():
            if name in wanted:
                value = make()
                if value != self._shown[name]:
                    self._shown[name] = changed[name] = value
        return changed

    def _send_extra(self, frame: str) -> None:
        for reader in self.readers:
            reader.send_extra(frame)

    def _catch_up(self, reader: Reader) -> bool:
        return reader.catch_up(
            time.monotonic(), self._opening,
            lambda item_id: self.logs.opening(reader, item_id, self._unread()),
            lambda item_id, missed: messages.log_frame(item_id, "", missed))

    def _unread(self) -> int:
        return sum(reader.unread for reader in self.readers)

    def _opening(self) -> list[str]:
        if self._dirty or self._changed:
            # So that all pages go on from the same place.
            self._send_batch()
        state = {**self._shown, "items": messages.items_json(self.board)}
        snapshot = {"type": "snapshot", "seq": self.sequence, "state": state}
        return [messages.frame(snapshot, time.monotonic()), *self._machine.opening()]

    # -- what nothing tells of ---------------------------------------------------------------
    def _look_around(self) -> None:
        """Nothing tells when project code takes too long: while a page is open, look now
        and then, and when the next call will have taken too long."""
        now = time.monotonic()
        due = [left for _, busy in self.program.busy()
               if (left := busy.since + sections.BUSY_SHOWN_AFTER - now) > 0]
        delay = min([LOOK_INTERVAL, *(left + 0.05 for left in due)])
        self._look = asyncio.get_running_loop().call_later(delay, self._look_around)
        self.changed(*LOOKED_AT)
