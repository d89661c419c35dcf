"""How many scans a JPEG has, each of which refines all pixels, before any is decoded.

Markers are followed as libjpeg follows them: a segment is skipped by its length, what is no marker
is passed over, and at the end of the image it ends. So neither a thumbnail in a segment counts, nor
the film that a phone hides behind a photo.
Source: ITU-T T.81, "Digital compression and coding of continuous-tone still images", annex B.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

# Markers that a length follows, and the end of the image; pixels hold none of them.
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_PIECE = 4096


def is_endless(file: BinaryIO, most_scans: int, most_segments: int) -> bool:
    """Whether the JPEG at the start of an open file has more scans, or more segments, than these.

    No more of the file is in memory than a piece, and none is read beyond the image, or beyond what
    is one too many.
    """
    scans = 0
    for number, marker in enumerate(_markers(file)):
        scans += marker == _START_OF_SCAN
        if scans > most_scans or number > most_segments:
            return True
        if marker == _END_OF_IMAGE:
            break
    return False


def _markers(file: BinaryIO) -> Iterator[int]:
    place = 0
    while len(piece := _read(file, place, _PIECE)) > 1:
        if found := _MARKER.search(piece):
            yield found[1][0]
            place += found.end()
            place += max(2, int.from_bytes(_read(file, place, 2)))  # the length counts itself
        else:
            place += len(piece) - 1  # the last may begin a marker


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)
