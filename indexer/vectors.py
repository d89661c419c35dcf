"""FAISS, and the one distance convention: true Euclidean distances, nearest first.

FAISS speaks in squared distances, and its batched path expands |x - y|^2, which loses digits to
cancellation. So a few more candidates than asked for are fetched, their distances computed anew,
and ranked by distance, then position: one query and a batch of queries get the same answer.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from data.errors import IndexCorrupt, UsageError

SPARE = 8
BLOCK = 4096  # queries at a time, so that memory does not grow with their number


@dataclass(frozen=True)
class VectorIndex:
    """Vectors that can be searched; positions are their ids.

    Attributes:
        engine: the FAISS index behind it.
    """

    engine: Any

    @classmethod
    def build(cls, vectors: np.ndarray) -> VectorIndex:
        """An exact index of (n, d) float32 vectors."""
        engine = faiss.IndexFlatL2(vectors.shape[1])
        engine.add(np.ascontiguousarray(vectors, np.float32))
        return cls(engine)

    @classmethod
    def from_bytes(
        cls, content: bytes | mmap.mmap, count: int, dimension: int, name: str
    ) -> VectorIndex:
        """Read what :meth:`to_bytes` wrote; the bytes must already be known to be intact.

        Raises:
            IndexCorrupt: not an index of `count` vectors of length `dimension`.
        """
        try:
            engine = faiss.deserialize_index(np.frombuffer(content, np.uint8))
        except RuntimeError as exc:
            raise IndexCorrupt(f"{name}: not a FAISS index") from exc
        if (engine.ntotal, engine.d) != (count, dimension):
            raise IndexCorrupt(
                f"{name}: expected {count:,} vectors of length {dimension}, received"
                f" {engine.ntotal:,} of length {engine.d}"
            )
        return cls(engine)

    def to_bytes(self) -> bytes:
        """The index as FAISS serialises it."""
        content: bytes = faiss.serialize_index(self.engine).tobytes()
        return content

    def __len__(self) -> int:
        """Number of vectors."""
        return int(self.engine.ntotal)

    def search(
        self, queries: np.ndarray, k: int, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest vectors of each query.

        Args:
            queries: (n, d) float32, finite.
            k: how many, 1 to `len(self)`, or one less when something is excluded.
            exclude: (n,) ids, for each query the one stored vector that must not answer.

        Returns:
            ids (n, k) int64 and Euclidean distances (n, k) float32; column 0 is the nearest,
            equal distances are ordered by id.

        Raises:
            UsageError: k out of range, or queries of another length or not finite.
        """
        self.check_k(k, spared=exclude is not None)
        if exclude is not None and np.shape(exclude) != (len(queries),):
            raise UsageError(
                f"expected one excluded id for each of {len(queries)} queries, received"
                f" {np.shape(exclude)}"
            )
        self._check_queries(queries)
        ids = np.empty((len(queries), k), np.int64)
        distances = np.empty((len(queries), k), np.float32)
        for start in range(0, len(queries), BLOCK):
            block = slice(start, start + BLOCK)
            barred = None if exclude is None else np.asarray(exclude)[block]
            ids[block], distances[block] = self._search_block(queries[block], k, barred)
        return ids, distances

    def _search_block(
        self, queries: np.ndarray, k: int, exclude: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        fetched = min(k + SPARE, len(self))
        _, ids = self.engine.search(np.ascontiguousarray(queries), fetched)  # (n, f)
        found = self.vectors(ids.ravel()).reshape(*ids.shape, -1)  # (n, f, d)
        distances = np.linalg.norm(found - queries[:, None], axis=2)  # (n, f)
        if exclude is not None:
            distances[ids == exclude[:, None]] = np.inf
        nearest = np.lexsort((ids, distances), axis=1)[:, :k]  # (n, k)
        rows = np.arange(len(queries))[:, None]
        return ids[rows, nearest], distances[rows, nearest]

    def nearest_allowed(
        self, queries: np.ndarray, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest vector of each query among those it may be answered by.

        Args:
            queries: (n, d) float32, finite.
            allowed: (n, count) bool.

        Returns:
            ids (n,) int64 and Euclidean distances (n,) float32; -1 and infinity where none may.
        """
        self._check_queries(queries)
        ids = np.full(len(queries), -1, np.int64)
        for row, bits in enumerate(np.packbits(allowed, axis=1, bitorder="little")):
            selector = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg]  # as faiss wraps it
            chosen = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
            ids[row] = self.engine.search(queries[row : row + 1], 1, params=chosen)[1][0, 0]
        found = ids >= 0
        distances = np.full(len(queries), np.inf, np.float32)
        distances[found] = np.linalg.norm(self.vectors(ids[found]) - queries[found], axis=1)
        return ids, distances

    def distances(self, queries: np.ndarray, ids: np.ndarray, dimensions: int) -> np.ndarray:
        """Euclidean distances (n, k) float32 of queries (n, d) to stored vectors ids (n, k).

        Only the first `dimensions` numbers of each count.
        """
        found = self.vectors(ids.ravel())[:, :dimensions].reshape(
            *ids.shape, dimensions
        )  # (n, k, c)
        return np.asarray(np.linalg.norm(found - queries[:, None, :dimensions], axis=2))

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """Stored vectors (m, d) float32 of ids (m,)."""
        return np.asarray(self.engine.reconstruct_batch(np.ascontiguousarray(ids, np.int64)))

    def check_k(self, k: int, *, spared: bool = False) -> None:
        """Refuse a k out of range; `spared` leaves one vector out of every answer.

        Raises:
            UsageError: k is below 1 or above the number of vectors that can answer.
        """
        most = len(self) - spared
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= most:
            raise UsageError(
                f"expected k from 1 to {most:,} (the digits that can answer), received {k!r}"
            )

    def _check_queries(self, queries: np.ndarray) -> None:
        if queries.ndim != 2 or queries.shape[1] != self.engine.d:
            raise UsageError(
                f"expected queries of shape (n, {self.engine.d}), received {queries.shape}"
            )
        if queries.dtype != np.float32 or not np.isfinite(queries).all():
            raise UsageError("expected finite float32 queries")


def set_threads(threads: int) -> None:
    """Let FAISS use this many threads, but no more than there are processors."""
    faiss.omp_set_num_threads(min(threads, os.cpu_count() or 1))
