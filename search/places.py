"""Where a person's files live when nothing else is said."""

from __future__ import annotations

from pathlib import Path


def default_embedder() -> Path:
    """The embedder folder in the user's data folder."""
    return _data_folder() / "embedder"


def default_index() -> Path:
    """The index folder in the user's data folder."""
    return _data_folder() / "index"


def completion_file(shell: str) -> Path:
    """What `shell` reads to complete our commands."""
    return _data_folder() / f"completion.{shell}"


def _data_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("digit-search"))
