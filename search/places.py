"""Where a person's files live when nothing else is said."""

from __future__ import annotations

from pathlib import Path

from data.errors import UsageError
from data.home import data_folder

SET_HOME = "set HOME (or XDG_DATA_HOME) to a folder of yours"


def default_embedder() -> Path:
    """The embedder folder in the user's data folder."""
    return _data_folder("name a folder by --embedder") / "embedder"


def default_index() -> Path:
    """The index folder in the user's data folder."""
    return _data_folder("name a folder by --index") / "index"


def completion_file(shell: str) -> Path:
    """What `shell` reads to complete our commands."""
    return _data_folder("do without --install") / f"completion.{shell}"


def home() -> Path:
    """The user's home folder.

    Raises:
        UsageError: nothing tells where it is.
    """
    try:
        return Path.home()
    except RuntimeError as exc:
        raise UsageError(f"expected a home folder, but none is known; {SET_HOME}") from exc


def _data_folder(otherwise: str) -> Path:
    """The user's data folder; without one, a person may also do what `otherwise` says."""
    folder = data_folder()
    if folder is None:
        raise UsageError(f"expected a home folder, but none is known; {SET_HOME}, or {otherwise}")
    return folder
