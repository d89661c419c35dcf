"""Inverted lists: which of them hold a query's candidates, and what is in those.

Each vector is in the list of its nearest centroid. To read the lists of a few nearest centroids is
fast and nearly always enough; to read all whose ball can hold an answer is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import faiss
import numpy as np

from indexer.blocks import Blocks
from indexer.squares import FARTHEST, rounding, squares_to, squares_to_all

if TYPE_CHECKING:
    from indexer.vectors import VectorIndex

FEW = 8  # one list in so many is read at first, and bounds the distance of the last answer


class Balls(NamedTuple):
    """What holds the vectors of each list, around its centroid.

    Attributes:
        radii: (lists,) float32, 0 of empty lists.
        squares: of the radii.
    """

    radii: np.ndarray
    squares: np.ndarray


@dataclass(frozen=True)
class InvertedLists:
    """The lists of a FAISS index, verified before they are read.

    Attributes:
        ivf: FAISS's object.
        centroids: of the lists, to be searched exactly; a position is the number of a list.
        radii: (lists,) float32, how far the farthest vector of each list is from its centroid.
        blocks: the file behind them, where it is verified as it is read.
    """

    ivf: Any
    centroids: VectorIndex
    radii: np.ndarray
    blocks: Blocks | None

    def __len__(self) -> int:
        """Number of lists."""
        return len(self.radii)

    def nearest(
        self, queries: np.ndarray, probes: int, fetched: int, selector: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Candidates from the lists of the `probes` nearest centroids of each query.

        Args:
            queries: (n, d) float32, contiguous.
            probes: how many lists, all if there are no more.
            fetched: how many candidates.
            selector: FAISS's, of the ids that may be candidates.

        Returns:
            ids (n, fetched) int64, -1 where there are no more, and FAISS's squared distances.

        Raises:
            IndexCorrupt: a list is damaged.
        """
        lists, apart = self.centroids.search(queries, min(probes, len(self)))
        return self._read(queries, lists, fetched, apart**2, selector)

    def all_that_matter(
        self, queries: np.ndarray, k: int, fetched: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Candidates among which are all k + 1 nearest of each query.

        A share of the lists, those whose balls are nearest by power distance, bounds the distance
        of the last answer. Digits lie in clusters, so these are mostly all lists that can matter;
        if others come nearer than that bound, they are read as well.

        Returns:
            ids (n, some) int64, -1 where there are no more; FAISS's squared distances (n, some);
            and (n,) float32 squared distances that no vector which is left out and can be among
            the k + 1 falls short of.

        Raises:
            IndexCorrupt: a list is damaged.
        """
        to_centroid = squares_to_all(queries, self._centroids)  # (n, lists)
        few = max(1, len(self) // FEW)
        to_ball = to_centroid - self._balls.squares
        lists = to_ball.argpartition(few - 1, axis=1)[:, :few]
        ids, squares = self._read(queries, lists, fetched)
        reach = squares[:, min(k, fetched - 1), None]  # one more than k, as one may be excluded
        within = np.sqrt(np.minimum(reach, FARTHEST)) + self._balls.radii
        matters = to_centroid <= self._looser * within * within
        matters[np.arange(len(lists))[:, None], lists] = False
        if not matters.any():
            return ids, squares, squares[:, -1]
        more, more_squares = self._read(queries, _padded(matters), fetched)
        beyond = np.minimum(squares[:, -1], more_squares[:, -1])
        both = np.concatenate([ids, more], axis=1), np.concatenate([squares, more_squares], axis=1)
        return *both, beyond

    def nearest_selected(
        self, query: np.ndarray, probes: int, fetched: int, selector: Any
    ) -> np.ndarray:
        """Ids (fetched,) of the vectors nearest to query (1, d) that `selector` lets through.

        There is at least one; -1 stands for those that are missing. More and more lists are read,
        from `probes` on, until one is found.
        """
        while True:
            ids, _ = self.nearest(query, probes, fetched, selector)
            if ids[0, 0] >= 0:
                return np.asarray(ids[0])
            probes *= 2

    def widen(self, vectors: np.ndarray, ids: np.ndarray) -> None:
        """Let the balls hold vectors (n, d) float32 that were stored with ids (n,)."""
        lists = self.holding(ids)
        squares = squares_to(vectors, self._centroids, lists[:, None])  # (n, 1)
        np.maximum.at(self.radii, lists, np.sqrt(squares[:, 0]))

    def need(self, ids: np.ndarray) -> None:
        """Verify the lists that hold the vectors with these ids (m,).

        Raises:
            IndexCorrupt: one is damaged.
        """
        if self.blocks:
            self.blocks.need_lists(self.holding(ids))

    def holding(self, ids: np.ndarray) -> np.ndarray:
        """Numbers (m,) of the lists that hold the vectors with these ids (m,)."""
        return np.asarray(self._places[ids] >> 32)

    def _read(
        self,
        queries: np.ndarray,
        lists: np.ndarray,
        fetched: int,
        squares: np.ndarray | None = None,
        selector: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Candidates from lists (n, p), -1 for none; codes need the `squares` to the centroids."""
        if self.blocks:
            self.blocks.need_lists(lists)
        lists = np.ascontiguousarray(lists, np.int64)
        if squares is None:
            squares = np.zeros(lists.shape, np.float32)
        found = np.empty((len(queries), fetched), np.float32)
        ids = np.empty((len(queries), fetched), np.int64)
        probes = lists.shape[1]
        chosen = _parameters(probes, selector) if selector else _unselective(probes)
        arrays = (faiss.swig_ptr(one) for one in (lists, squares, found, ids))
        self.ivf.search_preassigned_c(
            len(queries), faiss.swig_ptr(queries), fetched, *arrays, False, chosen
        )
        return ids, found

    @cached_property
    def _centroids(self) -> np.ndarray:
        return self.centroids.vectors(np.arange(len(self)))

    @cached_property
    def _looser(self) -> np.float32:
        """A factor for squared distances, for each here is rounded: to, from and among vectors."""
        return np.float32(1 + 4 * rounding(self.ivf.d))

    @cached_property
    def _balls(self) -> Balls:
        radii = np.maximum(self.radii, 0)  # that of an empty list is below 0
        return Balls(radii, radii * radii)

    @cached_property
    def _places(self) -> np.ndarray:
        """Number of its list, times 2^32, plus place in it: (count,) int64, by id."""
        places = self.ivf.direct_map.array
        return np.asarray(faiss.rev_swig_ptr(places.data(), places.size()))


def _parameters(probes: int, selector: Any) -> Any:
    return faiss.IVFSearchParameters(nprobe=probes, sel=selector)  # type: ignore[call-arg]


@cache
def _unselective(probes: int) -> Any:
    """Made once: SWIG takes as long for it as FAISS for a list."""
    return _parameters(probes, None)


def _padded(chosen: np.ndarray) -> np.ndarray:
    """The columns chosen (n, m) in each row, as (n, most) int64 filled up with -1."""
    if len(chosen) == 1:
        return np.flatnonzero(chosen)[None]
    counts = chosen.sum(axis=1)
    rows, columns = np.nonzero(chosen)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded = np.full((len(chosen), counts.max()), -1, np.int64)
    padded[rows, places] = columns
    return padded
