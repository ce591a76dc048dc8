"""Draws the pictures of the practice site: small PNG and GIF files, the same each time."""

from __future__ import annotations

import struct
import zlib

Colour = tuple[int, int, int]


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
