"""The projects on offer: Warrior HQ's, the operator's, and those shipped with this program."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import os
import random as random_numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.engine.files import write_whole
from pipeline_core.event import Event
from warrior.projects.choice import Choice, choose, shares_of
from warrior.projects.entry import NAME_RULE, Entry, is_project_name
from warrior.projects.hq_answer import Offer, UnexpectedAnswer, offer_json, parse_answer, read_offer

if TYPE_CHECKING:
    from warrior.config.config import OperatorProject

logger = logging.getLogger(__name__)

#: The most bytes of the list on disk.
_LARGEST_FILE = 32 << 20
#: The most bytes of a README that are read.
_README_READ = 64 * 1024


class Catalogue:
    """All projects on offer, and Archive Team's choice among them.

    ``entries`` has Warrior HQ's projects first, then the operator's, then the shipped ones. If
    several have the same name, the operator's wins, then HQ's. ``refused`` are sentences about
    what was left out. ``on_change(catalogue)`` is called after each change.
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
        """``path`` is the file with the last good list. With an ``hq_url``, only a list of that HQ
        is read from it ('': none)."""
        self.path = path
        self.entries: Mapping[str, Entry] = {}
        self.refused: tuple[str, ...] = ()
        self.on_change = Event()
        self._hq_url = hq_url
        self._shipped_dir = shipped_dir
        self._random = random if random is not None else random_numbers.Random()
        #: What Warrior HQ offered last.
        self.offer = Offer()
        self._choice = Choice()
        self._shipped: Sequence[Entry] = ()
        self._operator: list[Entry] = []
        self._operator_refused: list[str] = []
        #: The content of the file, as far as is known.
        self._kept = ""
        for one in operator:
            if is_project_name(one.name):
                self._operator.append(Entry(
                    name=one.name, title=one.title or one.name, description=one.description,
                    repository=one.repository, source="operator"))
            else:
                self._operator_refused.append(
                    f"The operator's project {one.name!r} is left out: {NAME_RULE}. Change its "
                    "[project …] line in warrior.conf.")
        self._arrange()

    @property
    def choice(self) -> str:
        """Archive Team's choice; '' if there is none."""
        return self._choice.project

    async def load(self) -> None:
        """Read the last good list and the shipped projects."""
        self._shipped, kept = await asyncio.to_thread(self._read)
        if kept is not None:
            self._kept, self.offer, self._choice = kept
        self._arrange()
        self.on_change(self)

    async def apply(self, answer: dict[str, Any]) -> None:
        """Use an answer of Warrior HQ, and keep it on disk. Raises UnexpectedAnswer; then nothing
        changes."""
        offer = await asyncio.to_thread(read_offer, answer)
        choice = choose(self._choice, offer.weights, offer.auto_project, self._random)
        await self._keep(offer, choice)
        before = (self.offer, self._choice.project)
        self.offer, self._choice = offer, choice
        if (offer, choice.project) != before:
            self._arrange()
            self.on_change(self)

    def _arrange(self) -> None:
        own = {entry.name: entry for entry in self._operator}
        entries = {entry.name: entry for entry in self.offer.entries if entry.name not in own}
        entries.update(own)
        for entry in self._shipped:
            entries.setdefault(entry.name, entry)
        self.entries = entries
        self.refused = (*self._operator_refused, *self.offer.refused)

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
            raise UnexpectedAnswer("it has no list")
        offer = read_offer(answer)
        drawn = Choice()
        if isinstance(choice, dict):
            name, share = choice.get("project"), choice.get("share")
            if (isinstance(name, str) and isinstance(share, float) and 0 <= share <= 1
                    and any(entry.name == name for entry in offer.entries)):
                # The other shares are those of the list in the same file.
                others = shares_of(offer.weights, offer.auto_project)
                others.pop(name, None)
                drawn = Choice(name, share, others)
        return data.decode(), offer, drawn

    async def _keep(self, offer: Offer, choice: Choice) -> None:
        """Write the list if it has changed, but no more often, to spare SD cards."""
        try:
            self._kept = await asyncio.to_thread(self._write, offer, choice, self._kept)
        except OSError as error:
            # It is still used until this run ends; the next answer tries again.
            logger.warning("The list of projects cannot be kept in %s: %s", self.path, error)

    def _write(self, offer: Offer, choice: Choice, before: str) -> str:
        text = json.dumps({
            "hq": self._hq_url, "answer": offer_json(offer),
            "choice": {"project": choice.project, "share": choice.share}}, indent=1)
        if text != before:
            write_whole(self.path, text.encode())
        return text


# -- shipped projects ------------------------------------------------------------------
def read_shipped(folder: str) -> list[Entry]:
    """Return each folder in ``folder`` that has a ``pipeline.py``, by name. Call it in a thread.

    Title and description are the first heading and paragraph of its ``README.md``, because the
    pipeline's own are not known before it is loaded.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        logger.warning("The projects shipped with this program cannot be read: %s", error)
        return []
    return [_entry(name, os.path.join(os.path.abspath(folder), name)) for name in names
            if is_project_name(name) and os.path.isfile(os.path.join(folder, name, "pipeline.py"))]


def _entry(name: str, path: str) -> Entry:
    heading, paragraph = "", ""
    try:
        with open(os.path.join(path, "README.md"), "rb") as file:
            heading, paragraph = _beginning(file.read(_README_READ).decode("utf-8", "replace"))
    except FileNotFoundError:
        pass  # a README is optional
    except OSError as error:
        logger.warning("The description of the project %s cannot be read: %s", name, error)
    return Entry(name=name, title=heading or name, description=html.escape(paragraph),
                 repository=path, source="shipped")


def _beginning(text: str) -> tuple[str, str]:
    """Return the first heading and the first paragraph of a Markdown text."""
    heading, paragraph = "", ""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = block.strip().split("\n")
        if lines[0].startswith("#"):
            if heading:
                break
            heading = lines.pop(0).strip("# ")
        paragraph = " ".join(" ".join(lines).split())
        if paragraph:
            break
    return heading, paragraph
