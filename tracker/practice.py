"""The practice project: items to claim, and a small website to archive for each of them.

A site is the same at every visit. It has what a crawl of a real site finds: pages that link to
each other, style sheets that load others, pictures, redirects, a query string, an address that is
not ASCII, a slow page and a missing page. ``resources`` returns the whole site.
"""

from __future__ import annotations

import asyncio
import html
import random
import struct
import zlib
from dataclasses import dataclass
from urllib.parse import quote, unquote

from tracker.errors import Refusal
from tracker.names import SITE_FOLDER
from tracker.store.store import Store
from tracker.web.handlers import Handler

Colour = tuple[int, int, int]

PROJECT = "practice"

SLOW_SECONDS = 1.0
"""How long the slow page takes to answer."""

MAX_DIGITS = 9
"""Longest number of an item that has a site."""

PAGES = 4
"""Numbered pages; each links to the previous and the next one."""

_THINGS = (
    "a guestbook",
    "a web ring",
    "a fan page",
    "a hit counter",
    "a blog",
    "a forum",
    "a photo album",
)
_FATES = ("closed", "was sold", "lost its disk", "moved away", "ran out of money", "was redesigned")
_ENDS = ("and we still have it", "but somebody kept a copy", "and nobody had asked for a copy")


def stock(store: Store, waiting: int) -> int:
    """Queue new practice items until *waiting* of them wait; return how many were new.

    The server calls it at every start, so that there are always items to practise with. Between
    two starts they can run out: a volunteer then sees what "no items" looks like, and a practice
    run that was forgotten for a month stops downloading.
    """
    store.make_project(PROJECT)
    counts = store.project(PROJECT).counts
    missing = max(0, waiting - counts["todo"])
    new, last = 0, sum(counts.values())
    while new < missing:  # an operator may have added such names already
        first, last = last + 1, last + missing - new
        new += store.add(PROJECT, [f"{PROJECT}:{n}" for n in range(first, last + 1)]).new
    return new


@dataclass(frozen=True)
class Resource:
    """What the site answers at one address."""

    body: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    location: str | None = None
    """Target of a redirect, relative to the root of the site, percent-encoded."""
    delay: float = 0.0
    """Seconds before the answer."""


def site_path(number: int) -> str:
    """Return the path of the site of item *number*, which begins and ends with a slash."""
    return f"/{SITE_FOLDER}/{number}/"


def resources(number: int) -> dict[str, Resource]:
    """Return the site of item *number*: its resources by path.

    A path is relative to the root of the site and percent-encoded, and includes the query. The
    front page is ``''``.
    """
    rng = random.Random(f"practice site {number}")
    light, dark = _colour(rng, 160, 255), _colour(rng, 0, 120)
    return {
        "": _front(number, rng),
        "style.css": _css('@import "more.css";\nbody { background: url(images/paper.png); }\n'),
        "more.css": _css('h1::before { content: url("images/dot.gif"); }\n'),
        "images/logo.png": Resource(png(96, 32, light, dark), "image/png"),
        "images/paper.png": Resource(png(16, 16, light, (255, 255, 255), 4), "image/png"),
        "images/dot.gif": Resource(gif(24, 24, light, dark), "image/gif"),
        "images/photo.png": Resource(png(160, 120, dark, light, 20), "image/png"),
        **{f"pages/{page}.html": _numbered(page, rng) for page in range(1, PAGES + 1)},
        "list?page=1": _page("List, part 1", '<p><a href="list?page=2">Part 2</a></p>'),
        "list?page=2": _page("List, part 2", '<p><a href="list?page=1">Part 1</a></p>'),
        "old": _redirect(301, "pages/1.html"),
        "latest": _redirect(302, "further"),
        "further": _redirect(301, "end.html"),
        "end.html": _page("The end of the way", _story(rng)),
        quote("café/東京.html"): _page("東京のカフェ", "<p>Grüße, 世界, дом.</p>", up="../"),
        "notes.txt": Resource(_story(rng).encode(), "text/plain; charset=utf-8"),
        "slow.html": Resource(_page("A slow page", _story(rng)).body, delay=SLOW_SECONDS),
        "missing.html": Resource(_page("Nothing is here", "").body, status=404),
    }


def _front(number: int, rng: random.Random) -> Resource:
    """Return the front page, which leads to everything else."""
    links = [*(f"pages/{page}.html" for page in range(1, PAGES + 1)), "list?page=1", "old"]
    links += ["latest", "café/東京.html", "notes.txt", "slow.html", "missing.html"]
    items = "".join(f'<li><a href="{html.escape(link)}">{link}</a></li>\n' for link in links)
    return _page(f"Practice site {number}", f"{_story(rng)}<ul>\n{items}</ul>")


def _numbered(page: int, rng: random.Random) -> Resource:
    """Return one of the numbered pages."""
    near = [other for other in (page - 1, page + 1) if 1 <= other <= PAGES]
    links = " ".join(f'<a href="{other}.html">Page {other}</a>' for other in near)
    body = f'{_story(rng)}<p><img src="../images/photo.png" alt=""></p><p>{links}</p>'
    return _page(f"Page {page}", body, up="../")


def _page(title: str, body: str, up: str = "") -> Resource:
    """Return an HTML page; *up* leads from its folder to the root of the site."""
    return Resource(
        f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="{up}style.css"></head>
<body><p><a href="{up or "./"}"><img src="{up}images/logo.png" alt="Practice"></a></p>
<h1>{title}</h1>
{body}
</body>
</html>
""".encode()
    )


def _redirect(status: int, location: str) -> Resource:
    return Resource(_page("Moved", "").body, status=status, location=location)


def _css(text: str) -> Resource:
    return Resource(text.encode(), "text/css; charset=utf-8")


def _story(rng: random.Random) -> str:
    """Return a few sentences, as HTML paragraphs."""
    return "".join(
        f"<p>In {rng.randint(1994, 2012)} {rng.choice(_THINGS)} {rng.choice(_FATES)}, "
        f"{rng.choice(_ENDS)}.</p>\n"
        for _ in range(3)
    )


def _colour(rng: random.Random, low: int, high: int) -> Colour:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def png(width: int, height: int, light: Colour, dark: Colour, cell: int = 8) -> bytes:
    """Return a PNG chequered in two colours, in squares of *cell* pixels (8 bits per channel)."""
    pair = bytes(dark) * cell + bytes(light) * cell, bytes(light) * cell + bytes(dark) * cell
    lines = [(squares * (width // (2 * cell) + 1))[: 3 * width] for squares in pair]
    # The 0 before each row is its filter type: none.
    rows = b"".join(b"\0" + lines[y // cell % 2] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 2: colour without alpha
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Return one PNG chunk: length, kind, data, and the checksum of kind and data."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def gif(width: int, height: int, light: Colour, dark: Colour) -> bytes:
    """Return a GIF of diagonal stripes in two colours.

    The pixels are LZW codes of three bits. A clear code before every second pixel keeps the
    decoder's table from growing, and with it the size of a code.
    """
    clear, end = 4, 5
    codes = []
    for number in range(width * height):
        if number % 2 == 0:
            codes.append(clear)
        codes.append((number % width + number // width) // 4 % 2)
    codes.append(end)
    packed = sum(code << (3 * place) for place, code in enumerate(codes))
    data = packed.to_bytes((3 * len(codes) + 7) // 8, "little")
    blocks = b"".join(
        bytes([len(data[start : start + 255])]) + data[start : start + 255]
        for start in range(0, len(data), 255)
    )
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0)  # 0x80: table of two colours
    picture = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return b"GIF89a" + screen + bytes(light + dark) + picture + b"\x02" + blocks + b"\x00;"


class SiteHandler(Handler):
    """``/practice-site/N/…``: the website of item N."""

    async def get(self, digits: str, _path: str) -> None:
        if len(digits) > MAX_DIGITS or digits != str(int(digits)):
            raise Refusal(404, "There is no such practice site.")
        root = site_path(int(digits))
        address = quote(unquote(self.request.path.removeprefix(root)))
        if self.request.query:
            address += f"?{self.request.query}"
        found = resources(int(digits)).get(address)
        if found is None:
            raise Refusal(404, "The practice site has no such page.")
        if found.delay:
            await asyncio.sleep(found.delay)
        self.set_status(found.status)
        self.set_header("Content-Type", found.kind)
        if found.location is not None:
            self.set_header("Location", root + found.location)
        self.finish(found.body)

    head = get
