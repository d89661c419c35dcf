"""FAISS, and the one distance convention: true Euclidean distances, nearest first.

FAISS speaks in squared distances, and its batched path expands |x - y|^2, which loses digits to
cancellation. So a few more candidates than asked for are fetched, their distances to what is stored
computed anew, and ranked by distance, then position. A query whose answer is not proven by that,
because candidates are too few or the last of them too near, is asked again for more: one query and
a batch of queries get the same answer, and nobody gets fewer than k.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import faiss
import numpy as np

from data.files import Content
from data.processors import usable
from indexer.blocks import Blocks
from indexer.checks import check_excluded, check_k, check_vectors
from indexer.kinds import FAISS, FLAT, Kind, empty_engine
from indexer.lists import InvertedLists
from indexer.squares import NOTHING, at_least, distances_to, squares_to

SPARE = 8
WIDER = 4  # times as many candidates and as much effort when a query is asked again
RERANKED = 4  # times as many candidates by code as are asked for
PAIRS = 1 << 20  # candidates, or distances to centroids, at a time: memory is bounded
BLOCK = 4096  # queries at a time
CANDIDATE = np.dtype([("id", "<u4"), ("distance", "<f4")])  # by distance, then id, as one number
MANY = 512  # queries that are worth an order
LANDMARKS = 64  # stored vectors that queries are ordered by
NO_OPTIONS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class VectorIndex:
    """Vectors that can be searched; positions are their ids.

    Attributes:
        engine: the FAISS index behind it.
        kind: of index.
        options: of the kind: `lists`, `parts`; `probes` (lists read for a query; all that can
            matter, where it is missing) or `effort` (candidates kept on the way through a graph).
        radii: (lists,) float32, how far the farthest vector of each list is from its centroid.
        blocks: the file behind the engine, where it is verified as it is read.
        content: the file behind the engine.
    """

    engine: Any
    kind: Kind = FLAT
    options: Mapping[str, Any] = field(default_factory=dict)
    radii: np.ndarray | None = None
    blocks: Blocks | None = None
    content: Content | None = None

    @classmethod
    def build(cls, vectors: np.ndarray) -> VectorIndex:
        """An exact index of (n, d) float32 vectors, kind `flat`."""
        index = cls.empty(FLAT, {}, vectors[:1])
        index.add(vectors)
        return index

    @classmethod
    def empty(cls, kind: Kind, options: Mapping[str, Any], sample: np.ndarray) -> VectorIndex:
        """An index without vectors that has learned from a sample (s, d) float32.

        Raises:
            UsageError: the sample is too small for this kind, or not finite.
        """
        check_vectors(sample, sample.shape[-1], "vectors")
        radii = np.full(options["lists"], -np.inf, np.float32) if kind.way == "lists" else None
        return cls(empty_engine(kind, dict(options), sample), kind, options, radii)

    def add(self, vectors: np.ndarray) -> None:
        """Append (n, d) float32 vectors; the first gets the id `len(self)`.

        Raises:
            UsageError: they are of another length or not finite.
        """
        vectors = np.ascontiguousarray(vectors, np.float32)
        check_vectors(vectors, self.engine.d, "vectors")
        first = len(self)
        self.engine.add(vectors)
        for view in ("_floats", "_lists"):  # FAISS may have moved what they look at
            self.__dict__.pop(view, None)
        if self._lists is not None:
            self._lists.widen(vectors, np.arange(first, len(self)))

    def with_options(self, **options: Any) -> VectorIndex:
        """The same index, searched with other options."""
        return replace(self, options={**self.options, **options})

    def __len__(self) -> int:
        """Number of vectors."""
        return int(self.engine.ntotal)

    def past_graphs(self) -> VectorIndex:
        """The same vectors, all looked at where otherwise a graph leads to some.

        A graph may miss even a query that is stored itself; lists miss none of those.
        """
        if self.kind.way != "graph":
            return self
        return VectorIndex(self._stored, content=self.content)

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
            UsageError: k out of range, or queries of another length or not finite.
            IndexCorrupt: what must be read for the answer is damaged.
        """
        self.check_k(k, spared=exclude is not None)
        check_excluded(exclude, len(queries), len(self))
        check_vectors(queries, self.engine.d, "queries")
        if self.kind.way == "graph" and len(queries) >= MANY:
            return self._search_in_order(queries, k, exclude)
        return self._search(queries, k, exclude)

    def _search_in_order(
        self, queries: np.ndarray, k: int, exclude: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `_search`, but like queries come after each other.

        They lead through the same part of the graph, which then is in the processor's cache.
        """
        landmarks = self.vectors(np.linspace(0, len(self) - 1, LANDMARKS).astype(np.int64))
        _, nearest = FAISS.knn(queries, landmarks, 1)  # (n, 1)
        order = np.argsort(nearest[:, 0], kind="stable")
        barred = None if exclude is None else np.asarray(exclude)[order]
        found = self._search(queries[order], k, barred)
        ids, distances = (np.empty_like(one) for one in found)
        ids[order], distances[order] = found
        return ids, distances

    def _search(
        self, queries: np.ndarray, k: int, exclude: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        count = len(self)
        fetched, wider = min(k + SPARE, count), 1
        barred = None if exclude is None else np.asarray(exclude)
        ids, distances, proven = self._nearest(queries, k, barred, fetched, wider)
        while fetched < count and not proven.all():
            fetched, wider = min(WIDER * fetched, count), WIDER * wider
            rows = np.flatnonzero(~proven)
            spared = None if barred is None else barred[rows]
            ids[rows], distances[rows], proven[rows] = self._nearest(
                queries[rows], k, spared, fetched, wider
            )
        return ids, distances

    def _nearest(
        self,
        queries: np.ndarray,
        k: int,
        exclude: np.ndarray | None,
        fetched: int,
        wider: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids and distances (n, k), and (n,) whether more candidates change nothing."""
        step = max(1, min(BLOCK, PAIRS // max(fetched, self.options.get("lists", 0))))
        if len(queries) > step:
            parts = [slice(start, start + step) for start in range(0, len(queries), step)]
            barred = [None if exclude is None else exclude[part] for part in parts]
            answers = [
                self._nearest(queries[part], k, spared, fetched, wider)
                for part, spared in zip(parts, barred, strict=True)
            ]
            joined = [np.concatenate(arrays) for arrays in zip(*answers, strict=True)]
            return joined[0], joined[1], joined[2]
        queries = np.ascontiguousarray(queries)
        ids, squares, beyond = self._candidates(queries, k, fetched, wider)
        found = np.empty(ids.shape, CANDIDATE)
        found["id"] = ids
        np.sqrt(squares, out=found["distance"])
        if exclude is not None:
            found["distance"][ids == exclude[:, None]] = np.inf
        # Distances are not negative, so their bits are ordered as they are.
        found.view("<u8").sort(axis=1)
        found = found[:, :k]
        nearest = found["distance"].copy()
        return found["id"].astype(np.int64), nearest, nearest[:, -1] < np.sqrt(beyond)

    def _candidates(
        self, queries: np.ndarray, k: int, fetched: int, wider: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors that may be nearest.

        Returns:
            ids (n, f), -1 where there are no more; squared distances (n, f), measured directly;
            and (n,) squared distances that no vector which was looked at and left out falls short
            of.
        """
        if self._lists is not None:
            return self._from_lists(self._lists, queries, k, fetched, wider)
        with _threads_for(queries):
            if self.kind.way == "graph" and fetched < len(self):
                effort = max(self.options["effort"] * wider, fetched)
                chosen = FAISS.SearchParametersHNSW(efSearch=effort)
                squares, ids = self.engine.search(queries, fetched, params=chosen)
            else:
                squares, ids = self._stored.search(queries, fetched)
            return ids, self._squares(queries, ids), at_least(queries, squares[:, -1])

    def _from_lists(
        self, lists: InvertedLists, queries: np.ndarray, k: int, fetched: int, wider: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        probes = self.options.get("probes")
        if fetched < len(self) and probes is None and self.kind.can_be_exact:
            return lists.all_that_matter(queries, k, fetched)
        if fetched == len(self) or probes is None:
            probes = len(lists)
        if self.kind.coded:
            fetched = min(RERANKED * fetched, len(self))
        with _threads_for(queries):
            ids, squares = lists.nearest(queries, probes * wider, fetched)
            # Codes rank only roughly, so their distances prove nothing.
            proof = np.full(len(ids), NOTHING) if self.kind.coded else squares[:, -1]
            return ids, self._squares(queries, ids), at_least(queries, proof)

    def _squares(self, queries: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Squared distances (n, f) of queries (n, d) to stored vectors ids (n, f).

        Measured directly; infinite where the id is -1.
        """
        if self._floats is not None:
            return squares_to(queries, self._floats, ids)
        stored = self.vectors(np.maximum(ids, 0).ravel())  # (n * f, d)
        rows = np.arange(ids.size).reshape(ids.shape)
        return squares_to(queries, stored, np.where(ids < 0, -1, rows))

    def nearest_allowed(self, query: np.ndarray, allowed: np.ndarray) -> tuple[int, float]:
        """The vector nearest to a query among those that it may be answered by.

        Args:
            query: (d,) float32, finite.
            allowed: (count,) bool.

        Returns:
            Its id and its Euclidean distance; -1 and infinity where none may.

        Raises:
            IndexCorrupt: what must be read for the answer is damaged.
        """
        asked = np.ascontiguousarray(query[None])  # (1, d)
        check_vectors(asked, self.engine.d, "queries")
        if not allowed.any():
            return -1, np.inf
        bits = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]  # as faiss wraps it
        ids = self._selected(asked, selector)  # (f,)
        (squares,) = self._squares(asked, ids[None])  # (f,)
        nearest = squares.argmin()
        return int(ids[nearest]), float(np.sqrt(squares[nearest]))

    def _selected(self, query: np.ndarray, selector: Any) -> np.ndarray:
        """Ids (f,) of the nearest vectors that `selector` lets through, -1 where no more are."""
        if self._lists is not None:
            probes = self.options.get("probes", len(self._lists))
            return self._lists.nearest_selected(query, probes, 1 + SPARE, selector)
        chosen = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        return np.asarray(self._stored.search(query, 1 + SPARE, params=chosen)[1][0])

    def distances(self, queries: np.ndarray, ids: np.ndarray, dimensions: int) -> np.ndarray:
        """Euclidean distances (n, k) float32 of queries (n, d) to stored vectors ids (n, k).

        Only the first `dimensions` numbers of each count.
        """
        stored = self.vectors(ids.ravel()).reshape(*ids.shape, queries.shape[1])
        return distances_to(queries, stored, dimensions)

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """Stored vectors (m, d) float32 of ids (m,).

        Raises:
            IndexCorrupt: where they are stored is damaged.
        """
        if self._floats is not None:
            return np.asarray(self._floats[ids])
        if self.blocks and self.kind.coded:
            self.blocks.need_vectors(ids)
        elif self._lists is not None:
            self._lists.need(ids)
        return np.asarray(self._stored.reconstruct_batch(np.ascontiguousarray(ids, np.int64)))

    def verify(self) -> None:
        """Make sure of every byte of the file behind the index.

        Raises:
            IndexCorrupt: it is damaged.
        """
        if self.blocks:
            self.blocks.need_all()

    def check_k(self, k: int, *, spared: bool = False) -> None:
        """Refuse a k out of range; `spared` leaves one vector out of every answer.

        Raises:
            UsageError: k is below 1 or above the number of vectors that can answer.
        """
        check_k(k, len(self) - spared)

    @cached_property
    def _stored(self) -> Any:
        """The part of the engine that gives back vectors, and can search through all of them."""
        inner = {"graph": "storage", "lists": "refine_index"}.get(self.kind.way, "")
        stored: Any = faiss.downcast_index(getattr(self.engine, inner, self.engine))
        stored.referenced_objects = [self.engine]  # whose part it is
        return stored

    @cached_property
    def _floats(self) -> np.ndarray | None:
        """The stored vectors (count, d) where they lie one after the other as float32."""
        if not isinstance(self._stored, faiss.IndexFlat):
            return None
        numbers = faiss.rev_swig_ptr(self._stored.get_xb(), len(self) * self.engine.d)
        return np.asarray(numbers.reshape(len(self), self.engine.d))

    @cached_property
    def _lists(self) -> InvertedLists | None:
        """Where candidates are, for kinds with lists."""
        if self.radii is None:
            return None
        ivf: Any = faiss.extract_index_ivf(self.engine)
        centroids = VectorIndex(faiss.downcast_index(ivf.quantizer))
        return InvertedLists(ivf, centroids, self.radii, self.blocks)


@contextlib.contextmanager
def _threads_for(queries: np.ndarray) -> Iterator[None]:
    """One thread for one query: waking another takes longer than it saves."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(min(threads, max(1, len(queries))))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def set_threads(threads: int) -> None:
    """Let FAISS use this many threads, but no more than there are processors."""
    faiss.omp_set_num_threads(usable(threads))
