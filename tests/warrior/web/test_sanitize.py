"""HTML of projects."""

from __future__ import annotations

import pytest

from warrior.web.sanitize import (
    MAX_HTML,
    MAX_REMEMBERED,
    Cleaner,
    clean_html,
    image_address,
    link_address,
)


def test_real_headers_stay_as_they_are() -> None:
    """What projects use is kept; an http logo becomes https."""
    html = ('<img class="project-logo" src="http://example.org/logo.png" alt="Logo" title="T" '
            'height="50"><h2>Title <span class="links"><a href="https://example.org/" '
            'title="Site">Website</a></span></h2><p class="note"><b>bold</b> <i>it</i></p>')
    cleaned = clean_html(html)
    assert 'src="https://example.org/logo.png"' in cleaned
    for part in ('class="project-logo"', 'alt="Logo"', 'title="T"', 'height="50"', "<h2>Title ",
                 '<span class="links">', 'href="https://example.org/"', '<p class="note">',
                 "<b>bold</b>", "<i>it</i>"):
        assert part in cleaned


@pytest.mark.parametrize("html", [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>",
    '<a href="javascript:alert(1)">x</a>', '<a href=" JaVa\nScript:alert(1)">x</a>',
    '<img src="data:text/html,<script>alert(1)</script>">', "<style>*{}</style>",
    '<p style="position:fixed">x</p>', '<iframe src="https://x/"></iframe>',
    '<form action="/api/stop"><button>x</button></form>', '<base href="//x/">',
    '<meta http-equiv="refresh" content="0">', "<p id=app>x</p>", "<!-- x -->"])
def test_nothing_that_acts_is_left(html: str) -> None:
    """No script, no style, no frame, no form, no ids."""
    cleaned = clean_html(html).lower()
    for bad in ("script", "onerror", "onload", "style", "iframe", "form", "base", "meta",
                "id=", "<!--", "data:text"):
        assert bad not in cleaned


def test_strange_classes_of_ours_are_dropped() -> None:
    """A project cannot dress up as the console's own controls."""
    assert "controls" not in clean_html('<span class="controls links">x</span>')


def test_length_is_bounded() -> None:
    """The rest of an endless header is cut off."""
    assert len(clean_html("é" * MAX_HTML)) <= MAX_HTML


def test_cleaner_remembers() -> None:
    """The same text is cleaned once; the number of remembered texts is bounded."""
    clean = Cleaner()
    assert clean("") == ""
    assert clean("<b>a</b><script>b</script>") == "<b>a</b>"
    assert clean("<b>a</b><script>b</script>") is clean("<b>a</b><script>b</script>")
    for number in range(2 * MAX_REMEMBERED):
        clean(str(number))
    assert clean._clean.cache_info().currsize == MAX_REMEMBERED


@pytest.mark.parametrize("address,picture,link", [
    ("http://example.org/a.png", "https://example.org/a.png", "http://example.org/a.png"),
    ("https://example.org/", "https://example.org/", "https://example.org/"),
    ("data:image/png;base64,AA", "data:image/png;base64,AA", None),
    ("javascript:alert(1)", None, None), ("/logo.png", None, None), ("", None, None),
    ("//example.org/a.png", None, None), ("data:text/html,x", None, None),
    ("file:///etc/passwd", None, None), ("https://[", None, None)])
def test_addresses(address: str, picture: str | None, link: str | None) -> None:
    """Pictures by https, links to the web, and nothing else."""
    assert image_address(address) == picture
    assert link_address(address) == link
