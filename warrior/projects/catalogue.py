"""What is on offer: by Warrior HQ, by the operator, and with this program."""

from __future__ import annotations

import asyncio
import json
import logging
import random as random_numbers
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.files import write_whole
from pipeline_core.event import Event
from warrior.projects.choice import Choice, choose, shares_of
from warrior.projects.entry import NAME_RULE, Entry, is_project_name
from warrior.projects.hq_answer import Offer, UnexpectedAnswer, offer_json, parse_answer, read_offer
from warrior.projects.shipped import read_shipped

if TYPE_CHECKING:
    from warrior.config.config import OperatorProject

__all__ = ["Catalogue", "Entry", "UnexpectedAnswer"]

logger = logging.getLogger(__name__)

#: Bytes of the kept list; what is larger is not ours.
_LARGEST_FILE = 32 << 20
#: So many names that HQ dropped are remembered.
_MOST_GONE = 1000


class Catalogue:
    """All projects on offer, and Archive Team's choice among them.

    ``entries`` are in order: Warrior HQ's, the operator's, those that come with this
    program; of one name the operator's wins, then HQ's. ``announcement`` is HQ's, raw HTML;
    ``wanted_api`` the API level that HQ wants if it is above ours, else ''; ``choice``
    Archive Team's choice, '' while there is none; ``gone`` the names that HQ has dropped
    since; ``refused`` sentences about what was left out. ``on_change(catalogue)`` follows
    each change of these.
    """

    def __init__(
        self,
        path: str,
        *,
        operator: Sequence[OperatorProject] = (),
        shipped_dir: str | None = None,
        hq_url: str | None = None,
        random: random_numbers.Random | None = None,
    ) -> None:
        """``path`` is the file with the last good list.

        With an ``hq_url`` only a list of that HQ is taken from it ('': none is).
        """
        self.path = path
        self.entries: Mapping[str, Entry] = {}
        self.gone: frozenset[str] = frozenset()
        self.refused: tuple[str, ...] = ()
        self.on_change = Event()
        self._hq_url = hq_url
        self._shipped_dir = shipped_dir
        self._random = random if random is not None else random_numbers.Random()
        self._offer = Offer()
        self._choice = Choice()
        self._dropped: dict[str, None] = {}
        self._shipped: Sequence[Entry] = ()
        self._operator: list[Entry] = []
        self._operator_refused: list[str] = []
        #: What the file holds, as far as is known.
        self._kept = ""
        for one in operator:
            self._add_operator(one)
        self._arrange()

    @property
    def announcement(self) -> str:
        return self._offer.announcement

    @property
    def wanted_api(self) -> str:
        return self._offer.wanted_api

    @property
    def choice(self) -> str:
        return self._choice.project

    @property
    def hq_names(self) -> tuple[str, ...]:
        """What Warrior HQ offered last."""
        return tuple(entry.name for entry in self._offer.entries)

    async def load(self) -> None:
        """Read the last good list and the projects that come with this program."""
        self._shipped, kept = await asyncio.to_thread(self._read)
        if kept is not None:
            self._kept, self._offer, self._choice = kept
        self._arrange()
        self.on_change(self)

    async def apply(self, answer: dict[str, Any]) -> None:
        """Take an answer of Warrior HQ, and keep it on disk.

        Raises UnexpectedAnswer, and then all stays as it was.
        """
        offer = await asyncio.to_thread(read_offer, answer)
        choice = choose(self._choice, offer.weights, offer.auto_project, self._random)
        await self._keep(offer, choice)
        before = (self._offer, self._choice.project)
        self._note_dropped({entry.name for entry in offer.entries})
        self._offer, self._choice = offer, choice
        if (offer, choice.project) != before:
            self._arrange()
            self.on_change(self)

    def _add_operator(self, one: OperatorProject) -> None:
        if not is_project_name(one.name):
            self._operator_refused.append(
                f"The operator's project {one.name!r} is left out: {NAME_RULE}. Change its "
                "[project …] line in warrior.conf.")
            return
        self._operator.append(Entry(
            name=one.name, title=one.title or one.name, description=one.description,
            repository=one.repository, source="operator"))

    def _note_dropped(self, offered: Collection[str]) -> None:
        for name in self.hq_names:
            self._dropped[name] = None
        for name in offered:
            self._dropped.pop(name, None)
        for name in list(self._dropped)[:-_MOST_GONE]:
            del self._dropped[name]

    def _arrange(self) -> None:
        own = {entry.name: entry for entry in self._operator}
        entries = {entry.name: entry for entry in self._offer.entries if entry.name not in own}
        entries.update(own)
        for entry in self._shipped:
            entries.setdefault(entry.name, entry)
        self.entries = entries
        self.gone = frozenset(name for name in self._dropped if name not in entries)
        self.refused = (*self._operator_refused, *self._offer.refused)

    # -- the file: in a thread -----------------------------------------------------
    def _read(self) -> tuple[list[Entry], tuple[str, Offer, Choice] | None]:
        shipped = read_shipped(self._shipped_dir) if self._shipped_dir is not None else []
        try:
            with open(self.path, "rb") as file:
                return shipped, self._read_kept(file.read(_LARGEST_FILE))
        except FileNotFoundError:
            pass  # the first start
        except (OSError, UnexpectedAnswer) as error:
            logger.warning("The list of projects in %s cannot be used (%s). Warrior HQ is asked "
                           "for a new one.", self.path, error)
        return shipped, None

    def _read_kept(self, data: bytes) -> tuple[str, Offer, Choice] | None:
        kept = parse_answer(data)
        answer, choice = kept.get("answer"), kept.get("choice")
        if self._hq_url is not None and kept.get("hq") != self._hq_url:
            return None
        if not isinstance(answer, dict):
            raise UnexpectedAnswer("there is no list in it")
        offer = read_offer(answer)
        drawn = Choice()
        if isinstance(choice, dict):
            name, share = choice.get("project"), choice.get("share")
            if (isinstance(name, str) and isinstance(share, float) and 0 <= share <= 1
                    and any(entry.name == name for entry in offer.entries)):
                # The other shares are those of the list that was kept with it.
                others = shares_of(offer.weights, offer.auto_project)
                others.pop(name, None)
                drawn = Choice(name, share, others)
        return data.decode(), offer, drawn

    async def _keep(self, offer: Offer, choice: Choice) -> None:
        """Write it down, if it has changed: the list lasts for years on a small card."""
        try:
            self._kept = await asyncio.to_thread(self._write, offer, choice, self._kept)
        except OSError as error:
            # It counts until the end of this run all the same; the next answer tries again.
            logger.warning("The list of projects cannot be kept in %s: %s", self.path, error)

    def _write(self, offer: Offer, choice: Choice, before: str) -> str:
        text = json.dumps({
            "hq": self._hq_url, "answer": offer_json(offer),
            "choice": {"project": choice.project, "share": choice.share}}, indent=1)
        if text != before:
            write_whole(self.path, text.encode())
        return text
