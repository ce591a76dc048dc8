"""The pictures of the practice site are valid."""

from __future__ import annotations

import struct
import zlib

import pytest

from tracker.practice import gif, png

LIGHT, DARK = (250, 240, 10), (10, 20, 200)


def test_png_decodes() -> None:
    """Every chunk has the right checksum, and the pixels are the expected squares."""
    data = png(20, 10, LIGHT, DARK, 4)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + body)
        chunks[kind], at = body, at + 12 + length
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (20, 10)
    pixels = zlib.decompress(chunks[b"IDAT"])
    assert len(pixels) == 10 * (1 + 3 * 20)
    for y in range(10):
        row = pixels[y * 61 : (y + 1) * 61]
        assert row[0] == 0
        for x in range(20):
            expected = LIGHT if (x // 4 + y // 4) % 2 else DARK
            assert tuple(row[1 + 3 * x : 4 + 3 * x]) == expected


@pytest.mark.parametrize(("width", "height"), [(24, 24), (1, 1), (7, 3), (100, 60)])
def test_gif_decodes(width: int, height: int) -> None:
    """A decoder that follows the format, and grows its table, reads the expected stripes."""
    data = gif(width, height, LIGHT, DARK)
    assert data[:6] == b"GIF89a" and data[-2:] == b"\x00;"
    assert struct.unpack("<HH", data[6:10]) == (width, height)
    assert (tuple(data[13:16]), tuple(data[16:19])) == (LIGHT, DARK)
    at = 13 + 6 + 10
    assert data[at] == 2  # smallest code size
    packed, at = b"", at + 1
    while data[at]:
        packed, at = packed + data[at + 1 : at + 1 + data[at]], at + 1 + data[at]
    assert at == len(data) - 2
    stripes = [(x + y) // 4 % 2 for y in range(height) for x in range(width)]
    assert _lzw(packed) == stripes


def _lzw(packed: bytes) -> list[int]:
    """Decode GIF's LZW with a smallest code size of two bits."""
    bits, place, size = int.from_bytes(packed, "little"), 0, 3
    table: list[list[int]] = []
    pixels: list[int] = []
    before: list[int] | None = None
    while True:
        code, place = bits >> place & (1 << size) - 1, place + size
        if code == 4:
            table, size, before = [[n] for n in range(4)] + [[], []], 3, None
            continue
        if code == 5:
            return pixels
        assert before is not None or code < 4
        known = table[code] if code < len(table) else [*(before or []), (before or [0])[0]]
        if before is not None:
            table.append([*before, known[0]])
            size += len(table) == 1 << size and size < 12
        pixels += known
        before = known
