"""Labels and pictures of a generation in Milvus, read where they are asked for."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from data.convention import MNIST8M, SIDE
from data.errors import IndexCorrupt
from indexer.checks import positions_of
from indexer.milvus.rows import RowTable
from indexer.milvus.vectors import MilvusVectors
from indexer.segment import REDRAWN
from indexer.sources import Sources


class MilvusLabels:
    """The labels of one generation; meets `indexer.protocols.Rows`."""

    def __init__(self, vectors: MilvusVectors) -> None:
        """Of the digits that have these vectors."""
        self._vectors = vectors

    def __len__(self) -> int:
        """Number of positions."""
        return len(self._vectors.removed)

    def __getitem__(self, chosen: Any) -> Any:
        """The label at one position, or those at several; see `indexer.checks.positions_of`."""
        positions = positions_of(chosen, len(self))
        labels = self._vectors.labels(positions.ravel()).reshape(positions.shape)
        return labels[()] if np.ndim(positions) == 0 else labels


class MilvusImages:
    """The pictures of one generation; meets `indexer.protocols.Rows`."""

    def __init__(self, table: RowTable, sources: Sources) -> None:
        """Of the rows in `table`, which are called as `sources` say."""
        self._table, self._sources = table, sources

    def __len__(self) -> int:
        """Number of positions."""
        return len(self._sources)

    def __getitem__(self, chosen: Any) -> Any:
        """One picture (28, 28), or several (..., 28, 28); see `indexer.checks.positions_of`."""
        positions = positions_of(chosen, len(self))
        unique, places = np.unique(positions.ravel(), return_inverse=True)
        pictures = np.empty((len(unique), SIDE, SIDE), np.uint8)
        missing = []
        for place, row in self._table.read(unique, ["image"]):
            if row["image"]:
                pixels = np.frombuffer(base64.b64decode(row["image"]), np.uint8)
                pictures[place] = pixels.reshape(SIDE, SIDE)
            else:
                missing.append(place)
        if missing:
            pictures[missing] = self._redrawn(unique[missing])
        return pictures[places].reshape(*positions.shape, SIDE, SIDE)

    def _redrawn(self, positions: np.ndarray) -> np.ndarray:
        """Pictures (m, 28, 28) that are not stored, drawn from their numbers."""
        from data.mnist8m import open_mnist8m

        numbers = []
        for position in positions:
            prefix, _, number = self._sources.name(int(position)).rpartition("/")
            if prefix != REDRAWN:
                raise IndexCorrupt(
                    f"{self._table.server.address}: no picture at position {position}, which is no"
                    f" item of {MNIST8M}; index again"
                )
            numbers.append(int(number))
        return open_mnist8m().pictures(np.array(numbers))
