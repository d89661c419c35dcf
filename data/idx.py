"""Read IDX, the big-endian array format MNIST was published in, and its gzip wrapping.

The magic's third byte is the element type (8: uint8), its fourth the number of dimensions: images
are 2051 (count, rows, columns, then one byte a pixel), labels 2049 (count, then one byte a label).
Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from data.errors import DatasetCorrupt, DatasetNotFound

UINT8 = 0x0800
IMAGES_MAGIC = UINT8 | 3
LABELS_MAGIC = UINT8 | 1


def read_bytes(path: Path, expected: int) -> bytes:
    """The content of `path`, unpacked when it is gzip.

    No more than `expected + 1` bytes are ever unpacked, so a file that lies costs little.

    Raises:
        DatasetNotFound: `path` cannot be opened.
        DatasetCorrupt: truncated or damaged gzip, or another length than `expected`.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    content = unpacked.read(expected + 1)
            else:
                content = raw.read(expected + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
        raise DatasetCorrupt(
            f"{path}: expected {expected:,} bytes of gzip content, but it breaks off or is"
            f" damaged ({exc}); fetch it again"
        ) from exc
    except OSError as exc:
        raise DatasetNotFound(f"{path}: cannot be read ({exc.strerror})") from exc
    if len(content) != expected:
        came = f"{len(content):,}" if len(content) < expected else "more"
        raise DatasetCorrupt(
            f"{path}: expected {expected:,} bytes, received {came}; fetch it again"
        )
    return content


def parse(content: bytes, magic: int, path: Path) -> np.ndarray:
    """The uint8 array of an IDX file that should begin with `magic`, read-only.

    Raises:
        DatasetCorrupt: wrong magic, or a header that does not match the length.
    """
    dimensions = magic & 0xFF
    layout = f">I{dimensions}I"
    start = struct.calcsize(layout)
    if len(content) < start:
        raise DatasetCorrupt(
            f"{path}: expected an IDX header of {start} bytes, received {len(content)} bytes"
        )
    received, *shape = struct.unpack(layout, content[:start])
    if received != magic:
        raise DatasetCorrupt(f"{path}: expected IDX magic {magic}, received {received}")
    promised = math.prod(shape)
    present = len(content) - start
    if present != promised:
        raise DatasetCorrupt(
            f"{path}: expected {promised:,} bytes after the header for shape {tuple(shape)},"
            f" received {present:,}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def pack(array: np.ndarray) -> bytes:
    """The IDX file of `array`, uint8: the inverse of :func:`parse`."""
    return struct.pack(f">{1 + array.ndim}I", UINT8 | array.ndim, *array.shape) + array.tobytes()
