"""The vectors of a generation in Milvus: its search, made to agree with that of a flat FAISS index.

Candidates come from Milvus; distances are measured again here, and more candidates are fetched
until none that was not seen can matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import IndexCorrupt, UsageError
from indexer.checks import check_excluded, check_k, check_vectors
from indexer.milvus.rows import RowTable
from indexer.squares import at_least, distances_to
from indexer.vectors import SPARE, WIDER

MOST_FOUND = 16_384  # Milvus gives no query more neighbours
NUMBERS = 1 << 21  # of vectors in one answer: 8 MB
ASKED = 128  # queries at a time


@dataclass(frozen=True)
class Known:
    """Rows that a search brought back: positions (m,) ascending, vectors (m, d), labels (m,)."""

    positions: np.ndarray
    vectors: np.ndarray
    labels: np.ndarray


class MilvusVectors:
    """The vectors of one generation; meets `indexer.protocols.Vectors`.

    What the last search found is kept, since it is asked about next: what it is, and how far away
    by fewer numbers.
    """

    def __init__(self, table: RowTable, dimension: int, removed: np.ndarray) -> None:
        """Of the rows in `table`, but for those that are `removed` (positions,) bool."""
        self._table, self._dimension, self.removed = table, dimension, removed
        hidden = np.flatnonzero(removed).tolist()
        self._where = f"position < {len(removed)}" + (
            f" and position not in {hidden}" * bool(hidden)
        )
        self._live = len(removed) - len(hidden)
        self._known = Known(np.empty(0, np.int64), np.empty((0, dimension)), np.empty(0, np.uint8))

    def __len__(self) -> int:
        """Number of vectors that can answer."""
        return self._live

    def past_graphs(self) -> MilvusVectors:
        """The same, which is exact."""
        return self

    def search(
        self, queries: np.ndarray, k: int, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest vectors of each query; see `indexer.protocols.Vectors`.

        Raises:
            UsageError: k out of range, or queries of another length or not finite.
            StoreUnreachable: the server does not answer.
        """
        self.check_k(k, spared=exclude is not None)
        check_excluded(exclude, len(queries), len(self.removed))
        return self._search(queries, k, exclude, self._where)

    def rivals(
        self, queries: np.ndarray, labels: np.ndarray, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest vector of another class than `labels` (n,), for each query."""
        check_excluded(exclude, len(queries), len(self.removed))
        ids, distances = np.empty(len(queries), np.int64), np.empty(len(queries), np.float32)
        for label in np.unique(labels):
            same = np.flatnonzero(labels == label)
            barred = None if exclude is None else np.asarray(exclude)[same]
            where = f"{self._where} and label != {label}"
            found = self._search(queries[same], 1, barred, where)
            ids[same], distances[same] = found[0][:, 0], found[1][:, 0]
        return ids, distances

    def _search(
        self, queries: np.ndarray, k: int, exclude: np.ndarray | None, where: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids and distances (n, k); -1 and infinity where there are no more."""
        check_vectors(queries, self._dimension, "queries")
        ids = np.empty((len(queries), k), np.int64)
        distances = np.empty((len(queries), k), np.float32)
        if not len(queries):
            return ids, distances
        asked, fetched, known = np.arange(len(queries)), min(k + SPARE, MOST_FOUND), []
        while len(asked):
            proven = np.empty(len(asked), bool)
            step = max(1, min(ASKED, NUMBERS // (fetched * self._dimension)))
            for start in range(0, len(asked), step):
                part = slice(start, start + step)
                rows = asked[part]
                barred = None if exclude is None else np.asarray(exclude)[rows]
                nearest = self._nearest(queries[rows], k, barred, fetched, where)
                ids[rows], distances[rows], proven[part], found = nearest
                known.append(found)
            asked = asked[~proven]
            if fetched == MOST_FOUND and len(asked):
                raise UsageError(
                    f"expected fewer than {MOST_FOUND:,} digits as near as the {k} nearest:"
                    " Milvus finds no more"
                )
            fetched = min(WIDER * fetched, MOST_FOUND)
        self._known = _merged(known)
        return ids, distances

    def _nearest(
        self,
        queries: np.ndarray,
        k: int,
        exclude: np.ndarray | None,
        fetched: int,
        where: str,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Known]:
        """Ids and distances (n, k), (n,) whether more candidates change nothing, and those seen."""
        hits = self._table.search(queries, fetched, where, ["vector", "label"])
        ids = np.full((len(queries), max(fetched, k)), -1, np.int64)
        distances = np.full(ids.shape, np.inf, np.float32)
        beyond = np.full(len(queries), np.inf, np.float32)
        for row, found in enumerate(hits):
            if not found:
                continue
            vectors = np.array([one["entity"]["vector"] for one in found], np.float32)  # (f, d)
            vectors -= queries[row]
            ids[row, : len(found)] = [one["position"] for one in found]
            distances[row, : len(found)] = np.sqrt(np.einsum("fd,fd->f", vectors, vectors))
            if len(found) == fetched:
                beyond[row] = found[-1]["distance"]
        if exclude is not None:
            distances[ids == exclude[:, None]] = np.inf
        order = np.lexsort((ids, distances), axis=1)[:, :k]
        nearest = np.take_along_axis(distances, order, axis=1)
        chosen = np.where(np.isinf(nearest), -1, np.take_along_axis(ids, order, axis=1))
        proven = (nearest[:, -1] < np.sqrt(at_least(queries, beyond))) | np.isinf(beyond)
        return chosen, nearest, proven, _known(hits, self._dimension)

    def distances(self, queries: np.ndarray, ids: np.ndarray, dimensions: int) -> np.ndarray:
        """Distances (n, k) float32 of queries (n, d) to ids (n, k) by their first numbers."""
        stored = self.vectors(ids.ravel()).reshape(*ids.shape, queries.shape[1])
        return distances_to(queries, stored, dimensions)

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """Stored vectors (m, d) float32 of ids (m,)."""
        return self._fetched(np.asarray(ids), "vector", lambda one: one.vectors)

    def labels(self, ids: np.ndarray) -> np.ndarray:
        """Labels (m,) uint8 of ids (m,)."""
        return self._fetched(np.asarray(ids), "label", lambda one: one.labels)

    def _fetched(self, ids: np.ndarray, name: str, of: Callable[[Known], np.ndarray]) -> np.ndarray:
        """A field of rows by id, from what is known already where all of them are."""
        known = self._known
        positions, places = np.unique(ids, return_inverse=True)
        inside = np.searchsorted(known.positions, positions)
        if len(positions) and np.isin(positions, known.positions, assume_unique=True).all():
            return np.asarray(of(known)[inside][places])
        shape = (len(positions), *of(known).shape[1:])
        gathered = np.empty(shape, np.uint8 if name == "label" else np.float32)
        for place, row in self._table.read(positions, [name]):
            gathered[place] = row[name]
        return gathered[places]

    def verify(self) -> None:
        """Make sure that there are as many rows as the manifest says.

        Raises:
            IndexCorrupt: some are missing.
        """
        expected, received = len(self.removed), self._table.count(0, len(self.removed))
        if received != expected:
            raise IndexCorrupt(
                f"{self._table.server.address}: expected {expected:,} rows, received {received:,};"
                " index again"
            )

    def check_k(self, k: int, *, spared: bool = False) -> None:
        """Refuse a k out of range; `spared` leaves one vector out of every answer."""
        check_k(k, len(self) - spared)
        if k + SPARE >= MOST_FOUND:
            raise UsageError(f"expected k below {MOST_FOUND - SPARE:,} with Milvus, received {k:,}")


def _known(hits: list[list[dict[str, Any]]], dimension: int) -> Known:
    """The rows in the answers to several queries, each once."""
    rows = {one["position"]: one["entity"] for found in hits for one in found}
    positions = sorted(rows)
    return Known(
        np.array(positions, np.int64),
        np.array([rows[one]["vector"] for one in positions], np.float32).reshape(-1, dimension),
        np.array([rows[one]["label"] for one in positions], np.uint8),
    )


def _merged(parts: list[Known]) -> Known:
    positions, first = np.unique(
        np.concatenate([one.positions for one in parts]), return_index=True
    )
    return Known(
        positions,
        np.concatenate([one.vectors for one in parts])[first],
        np.concatenate([one.labels for one in parts])[first],
    )
