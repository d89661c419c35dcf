"""Text that is safe to show: nothing a file is called reaches a terminal as more than text."""

from __future__ import annotations

import os
from pathlib import Path


def printable(text: str) -> str:
    """`text` with everything that is not a printable character escaped by backslashes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def named(path: Path | str) -> str:
    """What to call a file; bytes of its name that are not UTF-8 become backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
