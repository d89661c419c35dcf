"""Read IDX, the big-endian array format MNIST was published in, and its gzip wrapping.

The magic's third byte is the element type (8: uint8), its fourth the number of dimensions: images
are 2051 (count, rows, columns, then one byte a pixel), labels 2049 (count, then one byte a label).
Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.errors import DatasetCorrupt

UINT8 = 0x0800
IMAGES_MAGIC = UINT8 | 3
LABELS_MAGIC = UINT8 | 1
GZIP = b"\x1f\x8b"
# Gzip shrinks MNIST to a fifth; more than so many bytes that were shrunk far more are a bomb. Fewer
# may be labels in order of their classes.
BOMB, MOST_SHRUNK = 10 << 20, 20


def unpack(raw: BinaryIO, expected: int, name: Path | str) -> bytes:
    """The content of a file, unpacked when it is gzip; a file that lies costs little.

    No more than `expected + 1` bytes are ever unpacked, and none of what is far too small to hold
    as many.

    Args:
        raw: the file.
        expected: bytes of content.
        name: of the file to blame.

    Raises:
        DatasetCorrupt: truncated or damaged gzip, or another length than `expected`.
    """
    zipped = raw.read(len(GZIP)) == GZIP
    present = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    if zipped and expected > max(BOMB, MOST_SHRUNK * present):
        raise DatasetCorrupt(
            f"{name}: expected {expected:,} bytes, which {present:,} bytes of gzip are far too few"
            " for; fetch it again"
        )
    if not zipped and present != expected:
        raise _other_length(name, expected, present)
    try:
        content = gzip.GzipFile(fileobj=raw).read(expected + 1) if zipped else raw.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
        raise DatasetCorrupt(
            f"{name}: expected {expected:,} bytes of gzip content, but it breaks off or is"
            f" damaged ({exc}); fetch it again"
        ) from exc
    if len(content) != expected:
        raise _other_length(name, expected, len(content))
    return content


def _other_length(name: Path | str, expected: int, received: int) -> DatasetCorrupt:
    came = f"{received:,}" if received < expected else "more"
    return DatasetCorrupt(f"{name}: expected {expected:,} bytes, received {came}; fetch it again")


def parse(content: bytes | mmap.mmap, magic: int, name: Path | str) -> np.ndarray:
    """The uint8 array of an IDX file that should begin with `magic`, read-only.

    Raises:
        DatasetCorrupt: wrong magic, or a header that does not match the length.
    """
    start = header_size(magic)
    shape = parse_header(content[:start], magic, name)
    promised = math.prod(shape)
    present = len(content) - start
    if present != promised:
        raise DatasetCorrupt(
            f"{name}: expected {promised:,} bytes after the header for shape {tuple(shape)},"
            f" received {present:,}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def header_size(magic: int) -> int:
    """Bytes before the elements: the magic, and a length for each dimension."""
    return 4 * (1 + (magic & 0xFF))


def parse_header(header: bytes, magic: int, name: Path | str) -> tuple[int, ...]:
    """The shape in the first `header_size(magic)` bytes of an IDX file.

    Raises:
        DatasetCorrupt: wrong magic, or too short.
    """
    if len(header) < header_size(magic):
        raise DatasetCorrupt(
            f"{name}: expected an IDX header of {header_size(magic)} bytes, received"
            f" {len(header)} bytes"
        )
    received, *shape = struct.unpack(f">{len(header) // 4}I", header)
    if received != magic:
        raise DatasetCorrupt(f"{name}: expected IDX magic {magic}, received {received}")
    return tuple(shape)


def pack(array: np.ndarray) -> bytes:
    """The IDX file of `array`, uint8: the inverse of :func:`parse`."""
    return struct.pack(f">{1 + array.ndim}I", UINT8 | array.ndim, *array.shape) + array.tobytes()
