"""What a tracker may answer. Everything in it comes from a stranger."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from pipeline_core.net.address_scope import names_one_host

#: Keys of an item that are ours; a tracker must not set them.
RESERVED_KEYS = frozenset({"data_dir", "item_dir", "stats", "tries"})
#: Lists and objects within each other: what is deeper could not even be printed.
DEEPEST = 100
#: Names that one answer may give out.
MOST_NAMES = 10_000
#: Characters of an address to upload to.
LONGEST_TARGET = 2000


class UnexpectedAnswer(ValueError):
    """The answer cannot be used; the message says why."""


def parse_object(body: str) -> dict[str, Any]:
    """The JSON object in the text; UnexpectedAnswer for all else."""
    try:
        answer = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise UnexpectedAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise UnexpectedAnswer("it is not a JSON object")
    level: list[Any] = [answer]
    for _ in range(DEEPEST):
        level = [inner for outer in level
                 for inner in (outer.values() if isinstance(outer, dict) else outer)
                 if isinstance(inner, (dict, list))]
    if level:
        raise UnexpectedAnswer(f"there are over {DEEPEST} lists within each other in it")
    return answer


def _no_number(word: str) -> None:
    """NaN and Infinity, which JSON does not know, and nobody else would read from us."""
    raise ValueError(word)


def split_answer(answer: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values for the item, and the reserved keys that were left out."""
    name = answer.get("item_name")
    if name is not None and not isinstance(name, str):
        raise UnexpectedAnswer("item_name is not text")
    items, queues = answer.get("items"), answer.get("queues")
    if items is not None and not (
            isinstance(items, list) and items and all(isinstance(one, str) for one in items)):
        raise UnexpectedAnswer("items is not a list of names")
    if queues is not None and not (
            isinstance(queues, list) and (items is None or len(queues) == len(items))):
        raise UnexpectedAnswer("queues is not a list as long as items")
    if items is not None and name and "\0".join(items) != name:
        raise UnexpectedAnswer("items are not those of item_name")
    if max(len(items or []), (name or "").count("\0") + 1) > MOST_NAMES:
        raise UnexpectedAnswer(f"it gives out over {MOST_NAMES} items at once")
    for text in [name or "", *(items or [])]:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnexpectedAnswer("a name holds half a character (a lone surrogate)") from None
    reserved = [key for key in answer
                if key in RESERVED_KEYS or key.startswith("ExternalProcess.")]
    return {key: value for key, value in answer.items() if key not in reserved}, reserved


def parse_items(values: dict[str, Any]) -> tuple[list[str], list[Any] | None]:
    """The names, and the queue of each (None without ``items`` and ``queues``)."""
    items, queues = values.get("items"), values.get("queues")
    if items is not None and queues is not None:
        return list(items), list(queues)
    return values["item_name"].split("\0"), None


def parse_target(answer: dict[str, Any]) -> str:
    """The upload target: ``rsync://host/…`` or ``http(s)://host/…/``.

    A program gets it as an argument, so a host that begins with a dash, which
    rsync hands on to other programs, is refused. curl adds the name of the file only to an
    address whose path ends with a slash and that has no query: any other would be the
    address of each file, and the last one would replace all before it.
    """
    target = answer.get("upload_target")
    if not isinstance(target, str) or not target:
        raise UnexpectedAnswer("there is no upload_target in it")
    told = repr(target if len(target) <= 100 else target[:100] + "…")
    if len(target) > LONGEST_TARGET:
        raise UnexpectedAnswer(f"the upload target {told} is too long")
    if " " in target or not target.isprintable():
        raise UnexpectedAnswer(f"the upload target {told} holds blanks")
    try:
        parts = urlsplit(target)
        host = parts.hostname or ""
        parts.port  # noqa: B018  raises for one that is no number
    except ValueError:
        raise UnexpectedAnswer(f"the upload target {told} is no address") from None
    if not target.startswith(("rsync://", "http://", "https://")):
        raise UnexpectedAnswer(f"the upload target {told} is neither rsync nor http")
    if not host or host.startswith("-") or parts.netloc.startswith("-"):
        raise UnexpectedAnswer(f"the upload target {told} names no host")
    if not names_one_host(parts.netloc):
        raise UnexpectedAnswer(f"the upload target {told} does not name one host")
    user, _, place = parts.netloc.rpartition("@")
    if parts.scheme != "rsync" and re.search(r"[{}\[\]]", user + target.replace(place, "", 1)):
        # Some versions of curl take these for a list of addresses.
        raise UnexpectedAnswer(f"the upload target {told} holds brackets")
    if parts.scheme != "rsync" and re.search(r"[?#]", target):
        raise UnexpectedAnswer(
            f"the upload target {told} holds '?' or '#', so curl adds no file name to it")
    if parts.scheme != "rsync" and not target.endswith("/"):
        raise UnexpectedAnswer(
            f"the upload target {told} does not end with a slash, so curl adds no file name to it")
    return target


def multi_base(url: str) -> str:
    """The tracker's URL without ``/multi=N``."""
    return re.sub(r"/multi=\d+/?$", "", url.rstrip("/"))


#: Characters of a wrong result of item_filter that are logged.
MOST_OF_RESULT = 200


def verdicts_error(verdicts: Any, wanted: int) -> str:
    """What is wrong with the result of an item_filter, for the log; '' when nothing is.

    Asks the result for its repr, which may be the project's code: call it on its thread.
    """
    if isinstance(verdicts, (list, tuple)) and len(verdicts) == wanted:
        return ""
    try:
        text = repr(verdicts)
    except Exception as error:
        text = (f"an object of class {type(verdicts).__name__} whose repr raises "
                f"{type(error).__name__}")
    if len(text) > MOST_OF_RESULT:
        text = text[:MOST_OF_RESULT - 1] + "…"
    values = f"{wanted} truth values, one for each name" if wanted != 1 else "1 truth value"
    return f": {text}. Wanted is a list of {values}."
