"""A vector index as files, and back.

FAISS's own file, and beside it, where there are lists, a table of hashes that vouches for it part
by part.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from data.errors import IndexCorrupt, IndexVersion, StorageError, UsageError
from data.files import Content, storage_errors
from indexer.blocks import Blocks, block_table
from indexer.kinds import FAISS, FLAT, find_kind
from indexer.vectors import NO_OPTIONS, VectorIndex

WRITTEN = 1 << 20  # bytes at a time


def pack(index: VectorIndex) -> dict[str, bytes]:
    """The files of an index, by role: `vectors`, and `blocks` where there are lists."""
    content: bytes = faiss.serialize_index(index.engine).tobytes()
    return {"vectors": content} | _table(index, content)


def write(index: VectorIndex, path: Path) -> dict[str, bytes]:
    """Write an index to `path` as FAISS serialises it; gives its other file, by role.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    try:
        with storage_errors(path):
            path.unlink(missing_ok=True)  # it may be a link to what is not ours
        with storage_errors(path), path.open("xb") as file:
            # FAISS's own writer does not notice a disk that is full when the file is closed.
            faiss.write_index(index.engine, FAISS.PyCallbackIOWriter(file.write, WRITTEN))
    except StorageError:
        path.unlink(missing_ok=True)
        raise
    with path.open("rb") as file:
        return _table(index, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def unpack(
    content: Content,
    count: int,
    dimension: int,
    name: str,
    kind: str = FLAT.name,
    options: Mapping[str, Any] = NO_OPTIONS,
    table: bytes | None = None,
) -> VectorIndex:
    """Read what :func:`pack` or :func:`write` gave, without copying it.

    Args:
        content: best a memory map: what a query does not touch is never read.
        count: number of vectors there must be.
        dimension: length they must have.
        name: what to call the file.
        kind: of index, with `options`.
        table: of hashes, for kinds with lists, itself known to be intact; `content` of other kinds
            must already be known to be intact.

    Raises:
        IndexVersion: of a kind that is not known.
        IndexCorrupt: not an index of `count` vectors of length `dimension`, or damaged.
    """
    try:
        found = find_kind(kind)
    except UsageError as exc:
        raise IndexVersion(f"{name}: {exc}; update the program, or build the index again") from exc
    blocks = None
    if found.way == "lists":
        if table is None:
            raise IndexCorrupt(f"{name}: its table of hashes is missing; build the index again")
        blocks = Blocks.open(content, table, name)
    engine = _read(content, name)
    if (engine.ntotal, engine.d) != (count, dimension):
        raise IndexCorrupt(
            f"{name}: expected {count:,} vectors of length {dimension}, received"
            f" {engine.ntotal:,} of length {engine.d}; build the index again"
        )
    radii = blocks.radii(options["lists"]) if blocks else None
    return VectorIndex(engine, found, options, radii, blocks, content)


def _table(index: VectorIndex, content: Content) -> dict[str, bytes]:
    if index.radii is None:
        return {}
    return {"blocks": block_table(content, _read(content, "index"), index.radii)}


def _read(content: Content, name: str) -> Any:
    """The FAISS index whose arrays lie inside `content`."""
    array = np.frombuffer(content, np.uint8)
    reader = FAISS.ZeroCopyIOReader(faiss.swig_ptr(array), array.size)
    try:
        return faiss.read_index(reader, faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
    except RuntimeError as exc:
        raise IndexCorrupt(f"{name}: not a FAISS index") from exc
