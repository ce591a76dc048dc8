"""What is taken from a tracker's answer, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline_core.net.tracker_answers import (
    DEEPEST,
    MOST_NAMES,
    UnexpectedAnswer,
    parse_items,
    parse_object,
    parse_target,
    split_answer,
)


@pytest.mark.parametrize("body", [
    "", "null", "[]", '"x"', "1", "{", '{"a": 1} {"b": 2}', '{"a": NaN}', '{"a": [Infinity]}',
    '{"a": -Infinity}', "[" * 500_000, '{"a":' * 200_000, '{"a": ' + "9" * 500_000 + "}x"])
def test_what_is_no_object(body: str) -> None:
    """A sentence, never another error."""
    with pytest.raises(UnexpectedAnswer, match=r"^it is not "):
        parse_object(body)


@pytest.mark.parametrize("depth", [101, 500, 900])
def test_what_is_too_deep(depth: int) -> None:
    """Python can read it, and could not print or send it any more."""
    for left, right in (("[", "]"), ('{"x":', "}")):
        inner = left * depth + ("1" if left != "[" else "") + right * depth
        with pytest.raises(UnexpectedAnswer, match="nested over 100 levels deep"):
            parse_object('{"extra": ' + inner + "}")


def test_what_is_deep_enough() -> None:
    """Real answers are shallow; a wide one is no trouble."""
    depth = DEEPEST - 1
    answer = parse_object('{"a": ' + "[" * depth + "]" * depth + ', "b": ' + "1}")
    assert answer["b"] == 1
    assert len(parse_object('{"a": [' + "[]," * 300_000 + "[]]}")["a"]) == 300_001


def test_reserved_keys() -> None:
    """Ours are left out and named; all else stays as it is."""
    values, dropped = split_answer({
        "item_name": "x", "data_dir": "/", "item_dir": "/etc", "stats": {}, "tries": 99,
        "ExternalProcess.args": ["sh"], "ExternalProcess.": 1, "other": {"data_dir": 1}})
    assert values == {"item_name": "x", "other": {"data_dir": 1}}
    assert dropped == ["data_dir", "item_dir", "stats", "tries", "ExternalProcess.args",
                       "ExternalProcess."]


@pytest.mark.parametrize("name", [
    "/etc/passwd", "../../x", "..", ".", "-rf", "--option", "a\nb", "a\rb", "$(id)", "`id`", "; id",
    "\u202e\u0000\u4f60", "\U0001f600", "https://example.org/?a=b&c", "'\"", " ", "\x1b[2J"])
def test_names_are_legal_whatever_they_look_like(name: str) -> None:
    """They are names, passed on verbatim; what is made of them is nobody's path here."""
    values, dropped = split_answer(parse_object(json.dumps({"item_name": name})))
    assert values["item_name"] == name and dropped == []
    assert "\0".join(parse_items(values)[0]) == name


@pytest.mark.parametrize("answer", [
    {"item_name": "\0".join(["a"] * (MOST_NAMES + 1))}, {"item_name": "\0" * MOST_NAMES},
    {"item_name": "a", "items": ["a"] * (MOST_NAMES + 1)}, {"items": ["a"] * (MOST_NAMES + 1)}])
def test_the_number_of_names(answer: dict[str, Any]) -> None:
    """No more than anybody asks for."""
    with pytest.raises(UnexpectedAnswer, match="items"):
        split_answer(answer)
    assert split_answer({"item_name": "\0".join(["a"] * MOST_NAMES)})[1] == []


@pytest.mark.parametrize("target", [
    "rsync://host/module/", "rsync://user@host:8730/module/dir/:downloader/", "http://h/", "https://h/x/",
    "http://[::1]:8/x/", "rsync://[2001:db8::1]/m/", "http://user:word@h/x/",
    "http://[::1]/", "http://u@[2001:db8::1]:80/x/", "http://h:80/", "http://h/\u4f60/"])
def test_targets_that_are_taken(target: str) -> None:
    """The three kinds, as they are."""
    assert parse_target({"upload_target": target}) == target


@pytest.mark.parametrize("target", [
    None, 5, True, [], {}, "", " ", "/tmp/", "host:/dir/", "host::module/", "-e sh", "--rsh=sh",
    "rsync://-e sh/m/", "rsync://-esh/m/", "rsync://u@-oProxyCommand=id/m/", "rsync://-u@h/m/",
    "rsync://a@b@-e/m/", "rsync:host/m", "rsync:/h/m", "rsync:///m/", "RSYNC://h/m/", "rsync://h:x/m/",
    "rsync://h:99999/m/", "rsync://[bad/m/", "rsync://h/m/ -e id", "rsync://h/\t", "rsync://h/\n--delete",
    "rsync://h/\0", "rsync://h/\r", "rsync://h/\x7f", "rsync://h/\x85", "rsync://h/\u2028",
    "rsync://h/\u00a0x", "rsync://h/\ud800", "http://h/\u200b", "\nhttp://h/", "http://h/\x1f",
    "http:/h/", "http:h", "http://", "http:///x", "http://-h/", "http://:80/", "http://@/x", "HTTP://h/",
    "file:///etc/", "scp://h/x", "sftp://h/x", "gopher://h/x", "ftp://h/x", "dict://h/", "smb://h/",
    "ldap://h", "javascript:1", "ssh://h/x", "ext::sh -c id", "httpx://h/", "http+unix://h/",
    "http://127.0.0.[1-3]/", "http://127.0.0.[1-3]:80/x", "http://[1-3]/", "http://[a,b]/",
    "http://[::1][1-3]/", "http://[::1]x/", "http://[fe80::[1-3]]/", "http://u[1-3]@h/",
    "http://a@b@h/", "http://h\\@i/", "http://h%2e/", "rsync://h.[1-3]/m/",
    "http://h{a,b}/", "http://h/[1-99]", "http://h/{x}", "http://h/" + "x" * 2000,
    "http://h", "http://h/x", "https://h/x/y", "http://h:80", "http://h/?", "http://h/?a", "http://h/?a=/",
    "https://h/x?to=/y/", "http://h/x/#", "http://h/#/", "http://h/x/?#/"])
def test_targets_that_are_refused(target: Any) -> None:
    """Neither another kind, nor an option, nor anything that a program reads as more than one."""
    with pytest.raises(UnexpectedAnswer) as refused:
        parse_target({"upload_target": target})
    told = str(refused.value)
    assert "upload" in told and len(told) < 300
    told.encode()
    assert told.isprintable()


def test_why_a_target_of_curl_is_refused() -> None:
    """The sentence names the address and what is wrong with it."""
    with pytest.raises(UnexpectedAnswer, match=r"'http://h/x' does not end with a slash"):
        parse_target({"upload_target": "http://h/x"})
    with pytest.raises(UnexpectedAnswer, match=r"'http://h/\?to=/' contains '\?' or '#'"):
        parse_target({"upload_target": "http://h/?to=/"})
