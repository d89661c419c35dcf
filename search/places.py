"""Where a person's embedder and index live when nothing else is said."""

from __future__ import annotations

from pathlib import Path


def default_embedder() -> Path:
    """The embedder folder in the user's data folder."""
    return _data_folder() / "embedder"


def default_index() -> Path:
    """The index folder in the user's data folder."""
    return _data_folder() / "index"


def _data_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("digit-search"))
