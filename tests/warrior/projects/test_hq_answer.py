"""What Warrior HQ may answer: the good of it is taken, nothing else does harm."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from tests.support.scripted_hq import project
from warrior.projects.hq_answer import (
    MOST_PROJECTS,
    MOST_REFUSED,
    UnexpectedAnswer,
    offer_json,
    parse_answer,
    read_offer,
    read_warrior_id,
)

#: What JSON can hold in the place of anything.
WRONG: list[Any] = [None, True, 5, 1.5, [], {}, [1], {"a": 1}, "", "\ud800", "\0", float("nan")]


def test_a_whole_answer() -> None:
    """All that the protocol has arrives."""
    offer = read_offer({
        "warrior": {"seesaw_version": "0.11"},
        "projects": [
            project("urls", logo="http://h.example/l.png", deadline="2030-01-02T03:04:05Z",
                    leaderboard="http://t.example/urls/", marker_html="<b>m</b>", lat_lng=[1, 2]),
            project("other-2_x.y")],
        "auto_project": "urls",
        "auto_projects_config": [{"project": "urls", "weight": 3},
                                 {"project": "other-2_x.y", "weight": 0.5}],
        "broadcast_message": "<i>hello</i>"})
    urls, other = offer.entries
    assert (urls.name, urls.title, urls.source) == ("urls", "Title of urls", "hq")
    assert urls.description == "<p>About urls.</p>"
    assert urls.repository == "https://code.example/urls-grab"
    assert urls.logo == "https://h.example/l.png"
    assert urls.leaderboard == "http://t.example/urls/"
    assert urls.deadline == datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    assert (other.logo, other.leaderboard, other.deadline) == ("", "", None)
    assert offer.announcement == "<i>hello</i>"
    assert offer.wanted_api == "0.11"
    assert offer.weights == {"urls": 3.0, "other-2_x.y": 0.5}
    assert offer.auto_project == "urls"
    assert offer.refused == ()


@pytest.mark.parametrize("name", [
    "../x", "..", ".", "", "a/b", "/etc", "auto", "-rf", ".git", "a b", "a\n", "a\0", "ä", "x" * 65,
    "a%2f", "a\\b", 5, None, ["a"], "\ud800"])
def test_names_that_are_refused(name: Any) -> None:
    """No name that could leave a folder, be an option or the choice; it is said; others go on."""
    offer = read_offer({"projects": [project("good"), {**project("x"), "name": name}]})
    assert [entry.name for entry in offer.entries] == ["good"]
    (sentence,) = offer.refused
    assert sentence.startswith("Left out of Warrior HQ's list: ") and len(sentence) < 400
    sentence.encode()


@pytest.mark.parametrize("repository", [
    "file:///etc", "/srv/repo", "../repo", "ext::sh -c id", "ext::https://h/x", "-uhttps://h/x",
    "--upload-pack=id", "https::https://h/x", "https:///x", "https://-h/x", "ssh://-oProxyCommand=id/x",
    "https://h/ x", "https://h/\n", "git@h.example:x/y", "ftp://h/x", "HTTPS://h/x", "https://[bad",
    "https://h:port/x", "git://h/%0ahost", "https://h%0d/x", "https://" + "h" * 3000, "ssh://-o@h/x", "", None, 5, ["https://h/x"], "\ud800"])
def test_repositories_that_are_refused(repository: Any) -> None:
    """Never a file of this machine, an option, a command or a transport of git's own."""
    offer = read_offer({"projects": [project("good"), {**project("bad"), "repository": repository}]})
    assert [entry.name for entry in offer.entries] == ["good"]
    (sentence,) = offer.refused
    assert "bad" in sentence and len(sentence) < 400


@pytest.mark.parametrize("repository", [
    "https://github.com/ArchiveTeam/urls-grab", "http://127.0.0.1:8080/r.git", "git://h.example/r",
    "ssh://git@h.example:22/r", "https://[::1]:8/r"])
def test_repositories_that_are_taken(repository: str) -> None:
    """Addresses of http, https, git and ssh pass as they are."""
    (entry,) = read_offer({"projects": [project("a", repository)]}).entries
    assert entry.repository == repository


@pytest.mark.parametrize("key", ["title", "description", "logo", "leaderboard", "marker_html",
                                 "deadline", "lat_lng"])
@pytest.mark.parametrize("value", WRONG)
def test_wrong_types_in_a_project(key: str, value: Any) -> None:
    """What only decorates a project never loses it, and what is kept has an encoding."""
    offer = read_offer({"projects": [{**project("a"), key: value}]})
    (entry,) = offer.entries
    assert entry.title
    assert offer.refused == ()
    json.dumps(offer_json(offer), ensure_ascii=False).encode()


@pytest.mark.parametrize("key", ["warrior", "auto_project", "auto_projects_config",
                                 "broadcast_message"])
@pytest.mark.parametrize("value", WRONG)
def test_wrong_types_beside_the_projects(key: str, value: Any) -> None:
    """The list counts, whatever stands beside it."""
    offer = read_offer({"projects": [project("a")], key: value})
    assert [entry.name for entry in offer.entries] == ["a"]
    assert offer.weights == {} and offer.auto_project == "" and offer.wanted_api == ""
    offer.announcement.encode()


@pytest.mark.parametrize("projects", [None, "a", 5, {"a": {}}, [1], [None, "x"], [{}],
                                      [{"name": "../x", "repository": "https://h/x"}]])
def test_answers_without_a_usable_project(projects: Any) -> None:
    """Refused as a whole, so that the last good list stays."""
    with pytest.raises(UnexpectedAnswer):
        read_offer({"projects": projects})
    with pytest.raises(UnexpectedAnswer):
        read_offer({})


def test_an_empty_list_is_an_answer() -> None:
    """HQ may have no projects."""
    assert read_offer({"projects": []}).entries == ()


@pytest.mark.parametrize("weight", [0, -1, True, None, "3", float("nan"), float("inf"), 10 ** 400,
                                    [1]])
def test_weights_that_do_not_count(weight: Any) -> None:
    """A weight is a number above zero, of a project on offer."""
    offer = read_offer({
        "projects": [project("a"), project("b")], "auto_project": "nowhere",
        "auto_projects_config": [{"project": "a", "weight": weight}, {"project": "b", "weight": 2},
                                 {"project": "c", "weight": 2}, {"weight": 2}, 5, None]})
    assert offer.weights == {"b": 2.0}
    assert offer.auto_project == ""


@pytest.mark.parametrize(("wanted", "above"), [
    ("0.10.3", False), ("0.10.4", True), ("0.9.9", False), ("0.10", False), ("1", True),
    ("0.10.3.0", False), ("0.10.3.1", True), ("1.0b2", False), ("9" * 5000, False), ("٣.1", False)])
def test_the_wanted_level(wanted: str, above: bool) -> None:
    """Told only when it is a version above ours."""
    offer = read_offer({"projects": [], "warrior": {"seesaw_version": wanted}})
    assert offer.wanted_api == (wanted if above else "")


@pytest.mark.parametrize(("text", "expected"), [
    ("2030-01-02T03:04:05Z", (2030, 1, 2, 3, 4, 5)), ("2030-01-02T05:04:05+02:00", (2030, 1, 2, 3, 4, 5)),
    ("2030-01-02T03:04:05", (2030, 1, 2, 3, 4, 5)), ("2030-01-02", (2030, 1, 2)),
    ("soon", None), ("0001-01-01T00:00:00+14:00", None), ("2030-13-01T00:00:00Z", None), ("Z", None)])
def test_deadlines(text: str, expected: tuple[int, ...] | None) -> None:
    """In UTC; what is no time is none."""
    (entry,) = read_offer({"projects": [project("a", deadline=text)]}).entries
    assert entry.deadline == (
        None if expected is None
        else datetime.datetime(*expected, tzinfo=datetime.timezone.utc))  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(("text", "logo"), [
    ("https://h/l.png", "https://h/l.png"), ("http://h/l.png", "https://h/l.png"),
    ("//h/l.png", "https://h/l.png"), ("javascript:alert(1)", ""), ("data:text/html,x", ""),
    ("/l.png", ""), ("https://h/ l", ""), ("https://", "")])
def test_logos(text: str, logo: str) -> None:
    """Only addresses of pictures that the console may load."""
    (entry,) = read_offer({"projects": [project("a", logo=text)]}).entries
    assert entry.logo == logo


def test_sizes_are_bounded() -> None:
    """Titles, HTML, the number of projects and of sentences."""
    (entry,) = read_offer({"projects": [project("a") | {
        "title": "t\n\x1b[31m " * 100000, "description": "é" * (1 << 20)}]}).entries
    assert len(entry.title) < 250 and entry.title.isprintable()
    assert len(entry.description.encode()) <= 16384
    offer = read_offer({"projects": [project(f"p{n}") for n in range(MOST_PROJECTS + 7)]})
    assert len(offer.entries) == MOST_PROJECTS
    assert "507" in offer.refused[0]
    offer = read_offer({"projects": [project("a")] * 100, "broadcast_message": "x" * (1 << 20)})
    assert len(offer.refused) == MOST_REFUSED + 1 and offer.refused[-1] == "And 79 more."
    assert len(offer.announcement) == 16384


def test_a_name_twice() -> None:
    """The first counts, and it is said."""
    offer = read_offer({"projects": [project("a", "https://one/x"), project("a", "https://two/x")]})
    assert [entry.repository for entry in offer.entries] == ["https://one/x"]
    assert "twice" in offer.refused[0]


def test_an_offer_survives_being_written() -> None:
    """Written and read again it is the same, a cut title included."""
    offer = read_offer({
        "projects": [project("a", title="t" * 500, deadline="2030-01-02T03:04:05.5Z",
                             logo="http://h/x"), project("b")],
        "auto_projects_config": [{"project": "a", "weight": 3}, {"project": "b", "weight": 0.1}],
        "auto_project": "b", "broadcast_message": "<b>\ud800</b>",
        "warrior": {"seesaw_version": "7.1"}})
    assert read_offer(parse_answer(json.dumps(offer_json(offer)).encode())) == offer


@pytest.mark.parametrize("body", [b"", b"\xff", b"null", b"[1]", b'"x"', b"<html>", b'{"a":',
                                  b"[" * 100000])
def test_bodies_that_are_no_object(body: bytes) -> None:
    """A sentence, never another error."""
    with pytest.raises(UnexpectedAnswer, match=r"^it is not "):
        parse_answer(body)


def test_ids() -> None:
    """An id is a word; all else is none."""
    assert read_warrior_id({"warrior_id": "5b1f-x"}) == "5b1f-x"
    for wrong in [*WRONG, "a b", "a\n", "x" * 201]:
        with pytest.raises(UnexpectedAnswer):
            read_warrior_id({"warrior_id": wrong})
    with pytest.raises(UnexpectedAnswer):
        read_warrior_id({})
