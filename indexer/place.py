"""An index is a place: a folder, or a collection in Milvus. From its name to its store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from data.errors import UsageError

if TYPE_CHECKING:
    from indexer.milvus.address import Address
    from indexer.protocols import Store

Place: TypeAlias = "Path | Address"


def store_at(place: Place) -> Store:
    """The store at `place`; nothing is opened yet.

    Raises:
        UsageError: `place` is none.
    """
    if isinstance(place, Path) and _is_path(place):
        from indexer.folder import FolderStore

        return FolderStore(place)
    from indexer.milvus.address import Address

    if not isinstance(place, Address):
        raise UsageError(f"expected the folder of an index or an address, received {place!r}")
    from indexer.milvus.store import MilvusStore

    return MilvusStore(place)


def _is_path(path: Path) -> bool:
    """Whether a file may have this name: without a null, and of characters that have bytes."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def is_address(text: str) -> bool:
    """Whether a person meant an address, be it a right one or not."""
    return "://" in text or text.startswith("milvus:")


def parse_place(text: str) -> Place:
    """A folder, or an address in Milvus.

    Raises:
        UsageError: it is empty, or looks like an address, but is none.
    """
    if not text:
        raise UsageError("expected the folder of an index or an address, received neither")
    if is_address(text):
        from indexer.milvus.address import Address

        return Address.parse(text)
    return Path(text)
