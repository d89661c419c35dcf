"""What a file is called, as text that can be stored, sent and shown."""

from __future__ import annotations

import os
from pathlib import Path

# Which macOS puts into an archive, and a network drive beside pictures.
_HIDDEN = {"__MACOSX", "@eaDir"}


def named(path: Path | str) -> str:
    """The name of a file; bytes of it that are not UTF-8 become backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_hidden(name: str) -> bool:
    """Whether programs leave a file or folder of this name for themselves."""
    return name.startswith(".") or name in _HIDDEN


def is_text(value: str) -> bool:
    """Whether `value` can be written as UTF-8, which halves of characters cannot."""
    return not any("\ud800" <= char <= "\udfff" for char in value)
