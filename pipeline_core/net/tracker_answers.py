"""Parse and check a tracker's answers. Their content is untrusted."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from pipeline_core.net.address_scope import names_one_host

#: Keys of an item that only the toolkit and the project set; a tracker must not set them.
RESERVED_KEYS = frozenset({"data_dir", "item_dir", "stats", "tries"})
#: The deepest nesting of lists and objects; deeper ones could not even be printed.
DEEPEST = 100
#: The most names in one answer.
MOST_NAMES = 10_000
#: The most characters in the address of an upload target.
LONGEST_TARGET = 2000


class UnexpectedAnswer(ValueError):
    """The answer cannot be used; the message says why."""


def parse_object(body: str) -> dict[str, Any]:
    """Return the JSON object in the text. Raises UnexpectedAnswer for anything else."""
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
        raise UnexpectedAnswer(f"its lists or objects are nested over {DEEPEST} levels deep")
    return answer


def _no_number(word: str) -> None:
    """Refuse NaN and Infinity: they are not JSON, and other programs would not read them."""
    raise ValueError(word)


def split_answer(answer: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the values for the item, and the reserved keys that were left out."""
    name = answer.get("item_name")
    if name is not None and not isinstance(name, str):
        raise UnexpectedAnswer("item_name is not text")
    items, queues = answer.get("items"), answer.get("queues")
    if items is not None and not (
            isinstance(items, list) and items and all(isinstance(one, str) for one in items)):
        raise UnexpectedAnswer("items is not a list of names")
    if queues is not None and not (
            isinstance(queues, list) and (items is None or len(queues) == len(items))):
        raise UnexpectedAnswer("queues is not a list of the same length as items")
    if items is not None and name and "\0".join(items) != name:
        raise UnexpectedAnswer("items and item_name name different items")
    if max(len(items or []), (name or "").count("\0") + 1) > MOST_NAMES:
        raise UnexpectedAnswer(f"it holds more than {MOST_NAMES} items")
    for text in [name or "", *(items or [])]:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnexpectedAnswer(
                "a name contains half a character (a lone surrogate)") from None
    reserved = [key for key in answer
                if key in RESERVED_KEYS or key.startswith("ExternalProcess.")]
    return {key: value for key, value in answer.items() if key not in reserved}, reserved


def parse_items(values: dict[str, Any]) -> tuple[list[str], list[Any] | None]:
    """Return the names, and the queue of each (None without ``items`` and ``queues``)."""
    items, queues = values.get("items"), values.get("queues")
    if items is not None and queues is not None:
        return list(items), list(queues)
    return values["item_name"].split("\0"), None


def parse_target(answer: dict[str, Any]) -> str:
    """Return the upload target: ``rsync://host/…`` or ``http(s)://host/…/``.

    A host that starts with a dash is refused: the target is an argument of rsync, which passes
    the host on to other programs as an argument. An HTTP target must end with a slash and have
    no query. Otherwise curl would not append the file name, and each file would replace the one
    before it.
    """
    target = answer.get("upload_target")
    if not isinstance(target, str) or not target:
        raise UnexpectedAnswer("it has no upload_target")
    quoted = repr(target if len(target) <= 100 else target[:100] + "…")
    try:
        parts = urlsplit(target)
        host = parts.hostname or ""
        parts.port  # noqa: B018  raises ValueError when it is not a number
    except ValueError:
        raise UnexpectedAnswer(f"the upload target {quoted} is not a valid address") from None
    user, _, place = parts.netloc.rpartition("@")
    is_http = parts.scheme != "rsync"
    for is_wrong, why in (
        (len(target) > LONGEST_TARGET, "is too long"),
        (" " in target or not target.isprintable(), "contains spaces or unprintable characters"),
        (not target.startswith(("rsync://", "http://", "https://")), "is neither rsync nor HTTP"),
        (not host or host.startswith("-") or parts.netloc.startswith("-"), "names no host"),
        (not names_one_host(parts.netloc), "does not name one host"),
        # Some versions of curl read brackets and braces as a list of addresses.
        (is_http and re.search(r"[{}\[\]]", user + target.replace(place, "", 1)),
         "contains brackets or braces"),
        (is_http and re.search(r"[?#]", target),
         "contains '?' or '#', so curl adds no file name to it"),
        (is_http and not target.endswith("/"),
         "does not end with a slash, so curl adds no file name to it"),
    ):
        if is_wrong:
            raise UnexpectedAnswer(f"the upload target {quoted} {why}")
    return target


def multi_base(url: str) -> str:
    """Return the tracker's URL without ``/multi=N``."""
    return re.sub(r"/multi=\d+/?$", "", url.rstrip("/"))


#: The most characters of an invalid item_filter result that are logged.
MOST_OF_RESULT = 200


def verdicts_error(verdicts: Any, wanted: int) -> str:
    """Return what is wrong with the result of an item_filter, for the log; '' when it is valid.

    This calls the result's ``repr``, which may be project code: call it in the worker.
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
