"""Where on this machine a person's own files are kept, as far as the system tells."""

from __future__ import annotations

from pathlib import Path

PROGRAM = "digit-search"


def data_folder() -> Path | None:
    """The folder for what a person makes; None where nothing tells of a home folder."""
    return _folder("user_data_dir")


def cache_folder() -> Path | None:
    """The folder for what can be fetched again; None likewise."""
    return _folder("user_cache_dir")


def _folder(name: str) -> Path | None:
    import platformdirs

    try:
        folder = Path(getattr(platformdirs, name)(PROGRAM))
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None  # older versions name a folder called ~
