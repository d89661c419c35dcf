"""Recall: how many of the nearest an index finds, against exact search, and the effort it takes.

recall@10 is the share of a query's ten nearest that are found. The ground truth is gathered batch
by batch while an index is filled, so it never needs all vectors at once.
"""

from __future__ import annotations

import math

import numpy as np

from indexer.vectors import VectorIndex

NEAREST = 10  # recall is of that many
EFFORTS = (*range(1, 9), *(step << power for power in range(1, 8) for step in (5, 6, 7, 8)))


class GroundTruth:
    """The ten nearest of a few queries among all vectors seen so far, by exact search.

    Attributes:
        queries: (q, d) float32.
        own: (q,) the ids of the queries themselves, which do not count; -1 if they are not stored.
    """

    def __init__(self, queries: np.ndarray, own: np.ndarray) -> None:
        """Nothing is seen yet."""
        self.queries, self.own, self._seen = queries, own, 0
        self._ids = np.empty((len(queries), 0), np.int64)
        self._distances = np.empty((len(queries), 0), np.float32)

    def add(self, vectors: np.ndarray) -> None:
        """See the next (n, d) float32 vectors."""
        ids, distances = VectorIndex.build(vectors).search(
            self.queries, min(NEAREST + 1, len(vectors))
        )
        ids += self._seen
        self._seen += len(vectors)
        others = ids != self.own[:, None]
        ids = np.concatenate([self._ids, ids], axis=1)
        distances = np.concatenate([self._distances, np.where(others, distances, np.inf)], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, :NEAREST]
        self._ids = np.take_along_axis(ids, order, axis=1)
        self._distances = np.take_along_axis(distances, order, axis=1)

    def recall(self, index: VectorIndex) -> float:
        """The share of the ten nearest that `index`, which holds what was seen, finds."""
        k = min(NEAREST, len(index) - 1)
        found, _ = index.search(self.queries, k, exclude=self.own)
        hits = (found[:, :, None] == self._ids[:, None, :k]).any(axis=2)
        return float(hits.mean())

    def error(self, recall: float) -> float:
        """The standard error of a recall that was measured with so many queries."""
        return math.sqrt(recall * (1 - recall) / max(1, self._ids.size))


def tune(
    index: VectorIndex, truth: GroundTruth, wanted: float, least: int = 1
) -> tuple[VectorIndex, float]:
    """The index with the least effort, from `least` on, that finds `wanted` of the nearest.

    It must find one standard error more, or other queries would as likely find less than `wanted`.

    Returns:
        It, and what it finds.
    """
    name = {"lists": "probes", "graph": "effort"}.get(index.kind.way)
    if name is None:
        return index, truth.recall(index)
    most = index.options.get("lists", EFFORTS[-1])
    recall = 0.0
    for effort in (*(one for one in EFFORTS if least <= one < most), most):
        index = index.with_options(**{name: effort})
        recall = truth.recall(index)
        if recall - truth.error(recall) >= wanted:
            break
    return index, recall
