"""Text that is safe to show: nothing a file is called reaches a terminal as more than text."""

from __future__ import annotations

from data.names import named

__all__ = ["counted", "named", "printable"]


def counted(number: int, noun: str) -> str:
    """A number of things: `noun` is one of them, and several end in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """`text` with everything that is not a printable character escaped by backslashes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
