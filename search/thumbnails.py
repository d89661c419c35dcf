"""Digits on a terminal: small pictures of half blocks, side by side.

A half block shows two pixels, one above the other: its own colour and that of the paper behind it.
Where there are no colours, ink is a block and paper a space.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

import numpy as np

from data.normalise import scale_to_unit
from search.text import fitted

SIDE = 14  # of a thumbnail in pixels: so many columns, half as many lines
GREYS, BLACK = 24, 232  # of the 256 colours
INK = 0.35  # where there are no colours
RESET = "\x1b[0m"
NARROWEST = 3 * (SIDE + 1)
MONO = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def can_show(stream: TextIO, environment: Mapping[str, str], width: int) -> bool:
    """Whether a stream is a terminal that has half blocks and room for a few thumbnails."""
    return (
        stream.isatty()
        and has_blocks(stream)
        and environment.get("TERM", "dumb") != "dumb"
        and width >= NARROWEST
    )


def has_blocks(stream: TextIO) -> bool:
    """Whether half blocks can be written to a stream."""
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def has_greys(environment: Mapping[str, str]) -> bool:
    """Whether a terminal shows the 256 colours, and a person wants any."""
    if environment.get("NO_COLOR"):
        return False
    deep = environment.get("COLORTERM") in ("truecolor", "24bit")
    return deep or "256color" in environment.get("TERM", "")


def thumbnail(image: np.ndarray, *, greys: bool) -> list[str]:
    """Lines of equal width that show a digit (28, 28), uint8 or floats in [0, 1]."""
    scaled = scale_to_unit(image) if image.dtype == np.uint8 else image
    small = scaled.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    pairs = zip(small[::2], small[1::2], strict=True)
    return [_coloured(*rows) if greys else _plain(*rows) for rows in pairs]


def side_by_side(
    digits: Sequence[tuple[np.ndarray, str]], width: int, *, greys: bool
) -> Iterator[str]:
    """Lines of at most `width` columns that show digits, each with a caption of one line."""
    many = max(1, (width + 1) // (SIDE + 1))
    for start in range(0, len(digits), many):
        row = digits[start : start + many]
        drawn = [thumbnail(image, greys=greys) for image, _ in row]
        yield from (" ".join(lines).rstrip() for lines in zip(*drawn, strict=True))
        yield " ".join(fitted(caption, SIDE) for _, caption in row).rstrip()


def _coloured(above: np.ndarray, below: np.ndarray) -> str:
    shades = BLACK + np.round(np.stack([above, below], axis=1) * (GREYS - 1)).astype(int)
    return "".join(f"\x1b[38;5;{up};48;5;{down}m▀" for up, down in shades) + RESET


def _plain(above: np.ndarray, below: np.ndarray) -> str:
    return "".join(
        MONO[bool(up), bool(down)] for up, down in zip(above > INK, below > INK, strict=True)
    )
