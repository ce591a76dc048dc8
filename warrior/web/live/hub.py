"""Tells open pages what has changed.

A new page gets a snapshot, then numbered changes, which contain only the sections that differ from
those sent before. Changes within a tenth of a second are sent together, encoded once for all
pages. While no page is open, nothing here runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from warrior.web import messages, sections
from warrior.web.live.logs import Logs, Reader
from warrior.web.messages import Json
from warrior.web.program import Program

if TYPE_CHECKING:
    from warrior.daemon.machine import MachineMonitor, Sample
    from warrior.web.live.sockets import PageConnection

logger = logging.getLogger(__name__)

#: Seconds between two batches.
INTERVAL = 0.1
#: Seconds between two batches with changes that are not urgent.
LATER_INTERVAL = 1.0
#: A page that has read nothing for this many seconds is closed; it may come back.
PATIENCE = 60.0
#: Seconds between two checks of the sections LOOKED_AT while a page is open. No event tells when
#: these change: they contain times, and project code that does not return.
LOOK_INTERVAL = 5.0
LOOKED_AT = ("workers", "status", "runner")


class Hub:
    """The open pages and the sequence number. ``machine`` measures while a page is open."""

    def __init__(self, program: Program, machine: MachineMonitor | None = None) -> None:
        self.program = program
        self.board = program.board
        self.sequence = 0
        self.readers: set[Reader] = set()
        self.logs = Logs(self.board)
        self._machine = machine
        #: The sections that all pages have that are not behind; empty while no page is open.
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
        """Add a page of this session, and send it a snapshot."""
        if not self.readers:
            self._shown = {name: make() for name, make in self.program.sections.items()}
            self._poll_sections()
            if self._machine is not None:
                self._machine.on_sample += self._sampled
                self._machine.watch()
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
        """Close the pages of all other sessions."""
        self._close([reader for reader in self.readers if reader.session_id != session_id])

    def close(self, farewell: str) -> None:
        """Tell all pages that the program ends, and close them."""
        if self.readers:
            self._send_batch()
        bye = messages.frame({"type": "bye", "text": farewell}, 0.0)
        for reader in list(self.readers):
            reader.channel.send(bye)
            reader.channel.close("The console has ended.")
            self.leave(reader)

    def _close(self, readers: list[Reader]) -> None:
        for reader in readers:
            reader.channel.close("Log in again.")
            self.leave(reader)

    def _rest(self) -> None:
        for handle in (self._tick, self._look):
            if handle is not None:
                handle.cancel()
        self._tick = self._look = None
        if self._machine is not None:
            self._machine.unwatch()
            self._machine.on_sample -= self._sampled
        self.logs.clear_pending()
        self._shown = {}
        for waiting in (self._dirty, self._dirty_later, self._changed, self._gone):
            waiting.clear()

    # -- messages of a page ------------------------------------------------------------
    def received(self, reader: Reader, message: Any) -> None:
        """Handle one message of a page. Raises ValueError if it makes no sense."""
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
            # Not at once: a page that asks without pause must not keep the loop busy.
            reader.stale = True
            self._soon()
        else:
            raise ValueError(f"unknown message {kind!r}")

    # -- changes on the board ------------------------------------------------------------
    def changed(self, *names: str) -> None:
        """Check whether these sections have changed, with the next batch."""
        if self.readers:
            self._dirty.update(names)
            self._soon()

    def changed_later(self, *names: str) -> None:
        """The same, but it is not urgent."""
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
            after = self.logs.add_output(item_id, text)
            if after is not None:
                self._soon(after)

    # -- batches -------------------------------------------------------------------------
    def _soon(self, after: float = 0.0) -> None:
        """Schedule a batch, no sooner than the interval allows."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(self._sent + INTERVAL - time.monotonic(), after, 0.0)
        if self._tick is not None:
            if self._tick.when() <= when:
                return
            self._tick.cancel()
        self._tick = loop.call_at(when, self._on_tick)

    def _on_tick(self) -> None:
        self._tick = None
        self._send_batch()
        now = time.monotonic()
        behind = [reader for reader in self.readers if self._catch_up(reader)]
        for reader in behind:
            if reader.behind_since is not None and now - reader.behind_since > PATIENCE:
                logger.info("A page has not read anything for %.0f s: closed.", PATIENCE)
                reader.channel.abort()
                self.leave(reader)
        if not self.readers:
            return
        if behind:
            self._soon(INTERVAL)
        lines = self.logs.due(now)
        if lines is not None:
            self._soon(lines)
        if self._dirty_later:
            self._soon(max(0.0, self._later_sent + LATER_INTERVAL - now))

    def _send_batch(self) -> None:
        now = self._sent = time.monotonic()
        changed = self._changed_sections(now)
        items = [messages.item_json(self.board, self.board.items[item_id])
                 for item_id in self._changed if item_id in self.board.items]
        gone = sorted(self._gone)
        self._changed.clear()
        self._gone.clear()
        if changed or items or gone:
            self.sequence += 1
            frame = messages.frame({
                "type": "change", "seq": self.sequence, "set": changed,
                "items": sorted(items, key=lambda item: int(item["number"])), "gone": gone}, now)
            for reader in self.readers:
                reader.send_state(frame)
        self.logs.send(self.readers, now)

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

    def _sampled(self, sample: Sample) -> None:
        self._send_extra(messages.machine_frame([sample]))

    # -- pages that are new or behind ------------------------------------------------------
    def _catch_up(self, reader: Reader) -> bool:
        """Send a page what it has missed; whether it is still behind."""
        if not reader.stale and not reader.skipped and not reader.unopened:
            reader.behind_since = None
            return False
        if not reader.ready():
            if reader.behind_since is None:
                reader.behind_since = time.monotonic()
            return True
        reader.behind_since = None
        if reader.stale:
            reader.stale = False
            for frame in self._opening():
                reader.send(frame)
        for item_id in list(reader.unopened):
            if not reader.ready():
                return True
            frame = self.logs.opening(reader, item_id, self._unread())
            del reader.unopened[item_id]
            reader.send(frame)
        for item_id in list(reader.skipped):
            if not reader.ready():
                return True
            reader.send(messages.log_frame(item_id, "", reader.skipped.pop(item_id)))
        return False

    def _unread(self) -> int:
        return sum(reader.unread for reader in self.readers)

    def _opening(self) -> list[str]:
        if self._dirty or self._changed:
            # Bring all other pages to the same place.
            self._send_batch()
        state = {**self._shown, "items": messages.items_json(self.board)}
        snapshot = {"type": "snapshot", "seq": self.sequence, "state": state}
        samples = [] if self._machine is None else list(self._machine.samples)
        return [messages.frame(snapshot, time.monotonic()),
                *([messages.machine_frame(samples, start=True)] if samples else [])]

    def _poll_sections(self) -> None:
        """Check the sections LOOKED_AT, regularly and when the next call has taken too long."""
        now = time.monotonic()
        due = [left for _, busy in self.program.busy()
               if (left := busy.since + sections.BUSY_SHOWN_AFTER - now) > 0]
        delay = min([LOOK_INTERVAL, *(left + 0.05 for left in due)])
        self._look = asyncio.get_running_loop().call_later(delay, self._poll_sections)
        self.changed(*LOOKED_AT)
