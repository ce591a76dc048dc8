"""Checks the answers of Warrior HQ, which are not trusted.

Anything that does not follow the protocol is left out, with a sentence if a whole project is lost.
An answer of which nothing is left is refused.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pipeline_core
from pipeline_core.net.tracker_answers import UnexpectedAnswer, parse_object
from warrior.checkout.git import is_remote
from warrior.projects.entry import NAME_RULE, Entry, is_project_name

__all__ = ["Offer", "UnexpectedAnswer", "offer_json", "parse_answer", "read_offer",
           "read_warrior_id"]

#: The most projects of an answer.
MOST_PROJECTS = 500
#: The most sentences about what was left out; the others are only counted.
MOST_REFUSED = 20
#: The most characters of a title, and of an address.
LONGEST_LINE, LONGEST_ADDRESS = 200, 2000
#: The most bytes of a piece of HTML.
LONGEST_HTML = 16 * 1024
#: Larger weights would be lost in rounding.
LARGEST_WEIGHT = 1e12

_REPOSITORY_SCHEMES = frozenset({"http", "https", "git", "ssh"})


@dataclasses.dataclass(frozen=True)
class Offer:
    """A checked answer of Warrior HQ.

    ``weights`` (above zero) and ``auto_project`` ('' for none) only name projects of ``entries``.
    ``wanted_api`` is the API level that HQ wants if it is above ours, else ''.
    """

    entries: tuple[Entry, ...] = ()
    announcement: str = ""
    wanted_api: str = ""
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    auto_project: str = ""
    refused: tuple[str, ...] = ()


def parse_answer(body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body; call it in a thread if the body is large. Raises
    UnexpectedAnswer."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise UnexpectedAnswer("it is not UTF-8") from None
    return parse_object(text)


def read_warrior_id(answer: dict[str, Any]) -> str:
    """Return the id in the answer to a registration. Raises UnexpectedAnswer."""
    warrior_id = answer.get("warrior_id")
    if not isinstance(warrior_id, str) or not re.fullmatch(r"[!-~]{1,200}", warrior_id):
        raise UnexpectedAnswer("it has no warrior_id")
    return warrior_id


def read_offer(answer: dict[str, Any]) -> Offer:
    """Return the offer in an answer. Raises UnexpectedAnswer if no project in it is usable."""
    projects = answer.get("projects")
    if not isinstance(projects, list):
        raise UnexpectedAnswer("it has no list of projects")
    entries: dict[str, Entry] = {}
    refused = []
    for project in projects[:MOST_PROJECTS]:
        try:
            entry = _read_entry(project)
            if entry.name in entries:
                raise UnexpectedAnswer(f"it offers the project {entry.name} twice")
            entries[entry.name] = entry
        except UnexpectedAnswer as error:
            refused.append(str(error))
    if projects and not entries:
        raise UnexpectedAnswer(f"no project in it can be used: {refused[0]}")
    if len(projects) > MOST_PROJECTS:
        refused.append(f"it offers {len(projects)} projects, over {MOST_PROJECTS}")
    texts = _texts(answer)
    auto_project = texts.get("auto_project", "")
    return Offer(
        entries=tuple(entries.values()),
        announcement=_html(texts.get("broadcast_message", "")),
        wanted_api=_wanted_api(answer.get("warrior")),
        weights=_read_weights(answer.get("auto_projects_config"), entries),
        auto_project=auto_project if auto_project in entries else "",
        refused=_sentences(refused))


def offer_json(offer: Offer) -> dict[str, Any]:
    """Return an answer that :func:`read_offer` reads as the same offer, without ``refused``."""
    return {
        "warrior": {"seesaw_version": offer.wanted_api},
        "projects": [
            {**dataclasses.asdict(entry),
             "deadline": entry.deadline.isoformat() if entry.deadline is not None else None}
            for entry in offer.entries],
        "auto_project": offer.auto_project,
        "auto_projects_config": [{"project": name, "weight": weight}
                                 for name, weight in offer.weights.items()],
        "broadcast_message": offer.announcement,
    }


def _sentences(refused: list[str]) -> tuple[str, ...]:
    told = [f"Left out of Warrior HQ's list: {reason}." for reason in refused[:MOST_REFUSED]]
    if len(refused) > MOST_REFUSED:
        told.append(f"And {len(refused) - MOST_REFUSED} more.")
    return tuple(told)


def _read_entry(project: Any) -> Entry:
    if not isinstance(project, dict):
        raise UnexpectedAnswer("its list contains something that is not a project")
    texts = _texts(project)
    if "name" not in texts:
        raise UnexpectedAnswer("a project has no name")
    name = texts["name"]
    if not is_project_name(name):
        raise UnexpectedAnswer(f"a project is named {_shown(name)}, but {NAME_RULE}")
    return Entry(
        name=name,
        title=_line(texts.get("title", "")) or name,
        description=_html(texts.get("description", "")),
        repository=_repository(name, texts.get("repository", "")),
        source="hq",
        # The console must not load pictures by plain http.
        logo=re.sub("^http:", "https:", _address(texts.get("logo", ""))),
        leaderboard=_address(texts.get("leaderboard", "")),
        deadline=_deadline(texts.get("deadline", "")))


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _repository(name: str, value: str) -> str:
    """Return an address that is safe for git: never a local file, an option or a command."""
    if not value:
        raise UnexpectedAnswer(f"the project {name} has no repository")
    parts = _split(value)
    if parts is None or parts[0] not in _REPOSITORY_SCHEMES or not is_remote(value):
        raise UnexpectedAnswer(
            f"the repository of {name} is {_shown(value)}, not an http, https, git or ssh address")
    return value


def _address(value: str) -> str:
    """Return the address of a picture or a page; '' for anything else."""
    text = value.strip()
    if text.startswith("//"):
        text = f"https:{text}"
    parts = _split(text)
    return text if parts is not None and parts[0] in ("http", "https") else ""


def _split(text: str) -> tuple[str, str] | None:
    """Return scheme and host of an absolute address without blanks; None for anything else."""
    if len(text) > LONGEST_ADDRESS or any(not "!" <= character <= "~" for character in text):
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        parts.port  # noqa: B018  raises if it is not a number
    except ValueError:
        return None
    if not host or host.startswith("-") or parts.netloc.startswith("-"):
        return None
    if not text.startswith(f"{parts.scheme}://"):  # git does not accept HTTPS:// or https::
        return None
    return parts.scheme, host


def _line(value: str) -> str:
    """Return the text as one line, without unprintable characters."""
    words = "".join(c if c.isprintable() else " " for c in value[:4 * LONGEST_LINE]).split()
    line = " ".join(words)
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…"


def _html(value: str) -> str:
    """Return HTML cut to size, with valid characters; it is not sanitized."""
    data = value[:LONGEST_HTML].encode("utf-8", "replace")[:LONGEST_HTML]
    return data.decode("utf-8", "ignore").replace("\0", "")


def _deadline(value: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", value.strip()))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return moment.astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return None


def _wanted_api(warrior: Any) -> str:
    wanted = warrior.get("seesaw_version") if isinstance(warrior, dict) else None
    if not isinstance(wanted, str) or not re.fullmatch(r"\d{1,6}(\.\d{1,6}){0,3}", wanted, re.A):
        return ""
    return wanted if _numbers(wanted) > _numbers(pipeline_core.__version__) else ""


def _numbers(version: str) -> list[int]:
    numbers = [int(part) for part in version.split(".")]
    return numbers + [0] * (4 - len(numbers))


def _read_weights(config: Any, entries: Mapping[str, Entry]) -> dict[str, float]:
    """Return the usable weights; those of a project named twice are added."""
    weights: dict[str, float] = {}
    for one in config if isinstance(config, list) else []:
        if not isinstance(one, dict):
            continue
        name, weight = one.get("project"), one.get("weight")
        if not isinstance(name, str) or name not in entries:
            continue
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            continue
        if 0 < weight <= LARGEST_WEIGHT:  # not so for NaN
            weights[name] = weights.get(name, 0.0) + float(weight)
    return weights


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
