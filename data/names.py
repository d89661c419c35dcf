"""What a file is called, as text that can be stored, sent and shown; and many names as a few."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

# Which macOS puts into an archive, and a network drive beside pictures.
_HIDDEN = {"__MACOSX", "@eaDir"}


def named(path: Path | str) -> str:
    """The name of a file; bytes of it that are not UTF-8 become backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def first_of(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def is_hidden(name: str) -> bool:
    """Whether programs leave a file or folder of this name for themselves."""
    return name.startswith(".") or name in _HIDDEN


def is_text(value: str) -> bool:
    """Whether `value` can be written as UTF-8, which halves of characters cannot."""
    return not any("\ud800" <= char <= "\udfff" for char in value)
