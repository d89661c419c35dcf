"""Text that is safe to show: nothing a file is called reaches a terminal as more than text."""

from __future__ import annotations

import unicodedata

from data.names import named

__all__ = ["columns", "counted", "fitted", "named", "printable", "shortened"]


def counted(number: int, noun: str) -> str:
    """A number of things: `noun` is one of them, and several end in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """`text` with everything that is not a printable character escaped by backslashes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shortened(text: str, most: int) -> str:
    """The end of a text of more than `most` signs, where there is no room for all of it."""
    return text if len(text) <= most else f"…{text[1 - most :]}"


def columns(text: str) -> int:
    """How many columns of a terminal printable text takes: two for a wide sign, none for a mark."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(unicodedata.category(sign) in ("Mn", "Me") for sign in text)


def fitted(text: str, width: int) -> str:
    """As much of a printable text as `width` columns hold, and spaces for the rest of them."""
    while columns(text) > width:
        text = text[:-1]
    return text + " " * (width - columns(text))
