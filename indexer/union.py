"""Several segments asked as one: positions run on from each to the next, removed digits are silent.

What a union answers is what one segment of all its live digits would: the nearest by distance, then
by position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy

import numpy as np

from indexer.checks import check_excluded, check_k, positions_of
from indexer.segment import Segment


class UnionVectors:
    """The vectors of several segments; positions are their ids."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        """Of `segments`, in the order of their positions."""
        self._parts = [one.vectors for one in segments]
        self._live = [one.live for one in segments]
        self._starts = _starts(segments)  # (parts + 1,)
        self._labels = union_labels(segments)
        self.removed = np.zeros(self._starts[-1], bool)  # (count,)
        for start, one in zip(self._starts, segments, strict=False):
            self.removed[start + one.removed] = True

    def __len__(self) -> int:
        """Number of vectors that can answer."""
        return sum(self._live)

    def past_graphs(self) -> UnionVectors:
        """The same, sure to find a query that is stored itself; see `VectorIndex.past_graphs`."""
        same = copy(self)
        same._parts = [part.past_graphs() for part in self._parts]
        return same

    def search(
        self, queries: np.ndarray, k: int, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest vectors of each query.

        Args:
            queries: (n, d) float32, finite.
            k: how many, 1 to `len(self)`, or one less when something is excluded.
            exclude: (n,) ids, for each query the one stored vector that must not answer, or -1.

        Returns:
            ids (n, k) int64 and Euclidean distances (n, k) float32; column 0 is the nearest,
            equal distances are ordered by id.

        Raises:
            UsageError: k or excluded ids out of range, or queries of another length or not finite.
            IndexCorrupt: what must be read for the answer is damaged.
        """
        self.check_k(k, spared=exclude is not None)
        k = int(k)  # FAISS takes no integer of numpy's
        check_excluded(exclude, len(queries), len(self.removed))
        barred = None if exclude is None else np.asarray(exclude)
        found = [self._search_part(part, queries, k, barred) for part in range(len(self._parts))]
        if len(found) == 1:
            return found[0]
        ids = np.concatenate([one for one, _ in found], axis=1)  # (n, at least k)
        distances = np.concatenate([one for _, one in found], axis=1)
        return _nearest(ids, distances, k)

    def _search_part(
        self, part: int, queries: np.ndarray, k: int, barred: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of one segment, at most k; infinitely far where there are no more.

        Candidates that may not answer are passed over, so queries that found too few others are
        asked again for twice as many.
        """
        start, size, width = self._starts[part], len(self._parts[part]), min(k, self._live[part])
        if barred is None and self._live[part] == size:
            rows, apart = self._parts[part].search(queries, width)
            return rows + start, apart
        if barred is None:
            barred = np.full(len(queries), -1)
        ids = np.empty((len(queries), width), np.int64)
        distances = np.empty((len(queries), width), np.float32)
        fetched = min(size, k + 1)
        asked = np.arange(len(queries))
        while len(asked):
            rows, apart = self._parts[part].search(queries[asked], fetched)
            rows += start
            apart[self.removed[rows] | (rows == barred[asked, None])] = np.inf
            ids[asked], distances[asked] = _nearest(rows, apart, width)
            asked = asked[np.isinf(distances[asked]).any(axis=1) & (fetched < size)]
            fetched = min(size, 2 * fetched)
        return ids, distances

    def rivals(
        self, queries: np.ndarray, labels: np.ndarray, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest vector of another class than `labels` (n,), for each query.

        Args:
            queries: (n, d) float32, finite.
            labels: (n,) integers.
            exclude: as for :meth:`search`.

        Returns:
            ids (n,) int64 and Euclidean distances (n,) float32; -1 and infinity where none is.
        """
        check_excluded(exclude, len(queries), len(self.removed))
        ids, distances = np.empty(len(queries), np.int64), np.empty(len(queries), np.float32)
        for row in range(len(queries)):
            allowed = self._labels != labels[row]  # (positions,), of one query at a time
            if exclude is not None and exclude[row] >= 0:
                allowed[exclude[row]] = False
            ids[row], distances[row] = self.nearest_allowed(queries[row], allowed)
        return ids, distances

    def nearest_allowed(self, query: np.ndarray, allowed: np.ndarray) -> tuple[int, float]:
        """The vector nearest to a query among those that it may be answered by.

        Args:
            query: (d,) float32, finite.
            allowed: (count,) bool; removed ones are left out whatever it says.

        Returns:
            Its id and its Euclidean distance; -1 and infinity where none may.
        """
        allowed = allowed & ~self.removed
        nearest = -1, np.inf
        for vectors, start in zip(self._parts, self._starts, strict=False):
            row, apart = vectors.nearest_allowed(query, allowed[start : start + len(vectors)])
            if apart < nearest[1]:
                nearest = int(start) + row, apart
        return nearest

    def distances(self, queries: np.ndarray, ids: np.ndarray, dimensions: int) -> np.ndarray:
        """Euclidean distances (n, k) float32 of queries (n, d) to stored vectors ids (n, k).

        Only the first `dimensions` numbers of each count.
        """
        if len(self._parts) == 1:
            return self._parts[0].distances(queries, ids, dimensions)
        distances = np.empty(ids.shape, np.float32)
        asked = np.repeat(np.arange(len(ids)), ids.shape[1])  # (nk,)
        for part, places, rows in _parted(self._starts, ids.ravel()):
            found = self._parts[part].distances(queries[asked[places]], rows[:, None], dimensions)
            distances.ravel()[places] = found[:, 0]
        return distances

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """Stored vectors (m, d) float32 of ids (m,)."""
        return _gathered(self._starts, ids, lambda part, rows: self._parts[part].vectors(rows))

    def verify(self) -> None:
        """Verify every stored byte that was not yet.

        Raises:
            IndexCorrupt: one is damaged.
        """
        for part in self._parts:
            part.verify()

    def check_k(self, k: int, *, spared: bool = False) -> None:
        """Refuse a k out of range; `spared` leaves one vector out of every answer.

        Raises:
            UsageError: k is below 1 or above the number of vectors that can answer.
        """
        check_k(k, len(self) - spared)


class UnionImages:
    """The pictures of several segments, (count, 28, 28) uint8; indexed as an array is."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        """Of `segments`, in the order of their positions."""
        self._parts = [one.images for one in segments]
        self._starts = _starts(segments)

    def __len__(self) -> int:
        """Number of pictures, removed ones included."""
        return int(self._starts[-1])

    def __getitem__(self, chosen: int | np.integer | slice | np.ndarray) -> np.ndarray:
        """One picture (28, 28), or several (..., 28, 28); see `indexer.checks.positions_of`.

        Raises:
            IndexError: a position outside.
        """
        positions = positions_of(chosen, len(self))
        pictures = _gathered(self._starts, positions.ravel(), self._picture_rows)
        return pictures.reshape(*positions.shape, *pictures.shape[1:])

    def _picture_rows(self, part: int, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._parts[part][rows])


def union_labels(segments: Sequence[Segment]) -> np.ndarray:
    """The labels (count,) uint8 of several segments."""
    labels = [one.labels for one in segments]
    return labels[0] if len(labels) == 1 else np.concatenate(labels)


def _starts(segments: Sequence[Segment]) -> np.ndarray:
    """The position of each segment's first row, and of the end: (segments + 1,) int64."""
    return np.cumsum([0, *map(len, segments)])


def _parted(
    starts: np.ndarray, positions: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Positions (m,) by segment: its number, which of them lie there, and their rows in it."""
    parts = np.searchsorted(starts, positions, side="right") - 1  # (m,)
    for part in np.flatnonzero(np.bincount(parts)):
        chosen = np.flatnonzero(parts == part)
        yield int(part), chosen, positions[chosen] - starts[part]


def _gathered(
    starts: np.ndarray, positions: np.ndarray, rows_of: Callable[[int, np.ndarray], np.ndarray]
) -> np.ndarray:
    """The rows (m, ...) at positions (m,), where `rows_of` gives those of one segment."""
    gathered: np.ndarray | None = None
    for part, chosen, rows in _parted(starts, positions):
        found = rows_of(part, rows)
        if len(found) == len(positions):
            return found
        if gathered is None:
            gathered = np.empty((len(positions), *found.shape[1:]), found.dtype)
        gathered[chosen] = found
    return rows_of(0, positions) if gathered is None else gathered


def _nearest(ids: np.ndarray, distances: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of candidates (n, m), equal distances by id; all of them if k is more."""
    order = np.lexsort((ids, distances), axis=1)[:, :k]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)
