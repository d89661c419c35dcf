"""The digits of an index in Milvus: a collection with a row for each, and what is asked of them.

A row's key is the position of its digit. Rows are only ever added; which of them a generation has,
its manifest says, and every question leaves out the others: those at positions that the generation
does not reach, and those it has removed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.convention import MNIST8M, SIDE
from data.errors import IndexCorrupt, UsageError
from indexer.milvus.records import create
from indexer.milvus.server import Server
from indexer.segment import REDRAWN
from indexer.sources import Sources
from indexer.squares import slack
from indexer.vectors import SPARE, WIDER, check_excluded, check_k, check_queries

LONGEST_NAME = 512
PIXELS = -(-SIDE * SIDE // 3) * 4  # characters of a picture in base64
MOST_FOUND = 16_384  # Milvus gives no query more neighbours
NUMBERS = 1 << 21  # of vectors in one answer: 8 MB
ASKED = 128  # queries at a time
AT_A_TIME = 1_000  # rows written
READ = 4_096  # rows read


@dataclass(frozen=True)
class Batch:
    """Rows to write: vectors (n, d) floats, labels (n,), names, images (n, 28, 28) or None."""

    vectors: np.ndarray
    labels: np.ndarray
    names: Sequence[str]
    images: np.ndarray | None


class RowTable:
    """One collection of rows."""

    def __init__(self, server: Server, name: str) -> None:
        """The collection called `name`."""
        self.server, self.name = server, name

    def create(self, dimension: int) -> None:
        """Make it, for vectors of this length, if it is not there."""
        if self.server.call("has_collection", self.name):
            self.check(dimension)
            return
        from pymilvus import DataType

        schema = self.server.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("position", DataType.INT64, is_primary=True)
        schema.add_field("id", DataType.VARCHAR, max_length=LONGEST_NAME)
        schema.add_field("label", DataType.INT16)
        schema.add_field("image", DataType.VARCHAR, max_length=PIXELS)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        create(self.server, self.name, schema, "vector")

    def check(self, dimension: int) -> None:
        """Make sure that it is there, with vectors of this length.

        Raises:
            IndexCorrupt: it is not.
        """
        place = self.server.address
        if not self.server.call("has_collection", self.name):
            raise IndexCorrupt(f"{place}: its collection {self.name} is gone; index again")
        fields = self.server.call("describe_collection", self.name)["fields"]
        received = [field["params"].get("dim") for field in fields if field["name"] == "vector"]
        if [int(one) for one in received] != [dimension]:
            raise IndexCorrupt(
                f"{place}: expected vectors of length {dimension} in its collection {self.name},"
                f" received {received[0] if received else 'none'}; index again"
            )

    def write(self, start: int, batch: Batch) -> None:
        """Put rows at positions from `start` on; what is there is replaced."""
        pictures = (
            [""] * len(batch.labels)
            if batch.images is None
            else [base64.b64encode(image.tobytes()).decode() for image in batch.images]
        )
        rows = [
            {
                "position": start + row,
                "id": name,
                "label": int(label),
                "image": picture,
                "vector": v,
            }
            for row, (name, label, picture, v) in enumerate(
                zip(
                    batch.names,
                    batch.labels,
                    pictures,
                    np.asarray(batch.vectors, np.float32),
                    strict=True,
                )
            )
        ]
        for first in range(0, len(rows), AT_A_TIME):
            self.server.call("upsert", self.name, rows[first : first + AT_A_TIME])

    def flush(self) -> None:
        """Have the server write down what it was given."""
        self.server.call("flush", self.name)

    def count(self, start: int, stop: int) -> int:
        """How many rows there are at positions `start` to `stop` - 1."""
        where = f"position >= {start} and position < {stop}"
        found = self.server.call("query", self.name, filter=where, output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def read(
        self, positions: np.ndarray, fields: list[str]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Rows at `positions` (m,), ascending and different, each with its place among them.

        Raises:
            IndexCorrupt: one is not there.
        """
        for start in range(0, len(positions), READ):
            asked = positions[start : start + READ]
            first, last = int(asked[0]), int(asked[-1])
            where = (
                f"position >= {first} and position <= {last}"
                if last - first + 1 == len(asked)
                else f"position in {asked.tolist()}"
            )
            rows = self.server.call(
                "query",
                self.name,
                filter=where,
                output_fields=["position", *fields],
                limit=len(asked),
            )
            if len(rows) != len(asked):
                raise IndexCorrupt(
                    f"{self.server.address}: expected {len(asked):,} rows at positions {first:,} to"
                    f" {last:,}, received {len(rows):,}; index again"
                )
            found = np.array([row["position"] for row in rows])
            for place, row in zip(start + np.searchsorted(asked, found), rows, strict=True):
                yield int(place), row

    def search(
        self, queries: np.ndarray, limit: int, where: str, fields: list[str]
    ) -> list[list[dict[str, Any]]]:
        """The rows nearest to each query, as Milvus has them."""
        found = self.server.call(
            "search",
            self.name,
            data=list(queries),
            limit=limit,
            filter=where,
            output_fields=fields,
            search_params={"metric_type": "L2"},
        )
        return list(found)


@dataclass(frozen=True)
class Known:
    """Rows that a search brought back: positions (m,) ascending, vectors (m, d), labels (m,)."""

    positions: np.ndarray
    vectors: np.ndarray
    labels: np.ndarray


class MilvusVectors:
    """The vectors of one generation; meets `indexer.place.Vectors`.

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
        """The k nearest vectors of each query; see `indexer.place.Vectors`.

        Raises:
            UsageError: k out of range, or queries of another length or not finite.
            StoreUnreachable: the server does not answer.
        """
        self.check_k(k, spared=exclude is not None)
        return self._search(queries, k, exclude, self._where)

    def rivals(
        self, queries: np.ndarray, labels: np.ndarray, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest vector of another class than `labels` (n,), for each query."""
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
        check_excluded(exclude, len(queries))
        check_queries(queries, self._dimension)
        ids = np.empty((len(queries), k), np.int64)
        distances = np.empty((len(queries), k), np.float32)
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
        last = np.square(nearest[:, -1:])
        with np.errstate(invalid="ignore"):
            proven = ((last + slack(queries, last))[:, 0] < beyond) | np.isinf(beyond)
        return chosen, nearest, proven, _known(hits, self._dimension)

    def distances(self, queries: np.ndarray, ids: np.ndarray, dimensions: int) -> np.ndarray:
        """Distances (n, k) float32 of queries (n, d) to ids (n, k) by their first numbers."""
        found = self.vectors(ids.ravel())[:, :dimensions].reshape(*ids.shape, dimensions)
        return np.asarray(np.linalg.norm(found - queries[:, None, :dimensions], axis=2))

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
        if k + SPARE > MOST_FOUND:
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


class MilvusLabels:
    """The labels of one generation; meets `indexer.place.Rows`."""

    def __init__(self, vectors: MilvusVectors) -> None:
        """Of the digits that have these vectors."""
        self._vectors = vectors

    def __len__(self) -> int:
        """Number of positions."""
        return len(self._vectors.removed)

    def __getitem__(self, chosen: Any) -> Any:
        """The label at one position, or at an array (any shape) or a slice of them."""
        positions = _positions(chosen, len(self))
        labels = self._vectors.labels(positions.ravel()).reshape(positions.shape)
        return labels[()] if np.ndim(positions) == 0 else labels


class MilvusImages:
    """The pictures of one generation; meets `indexer.place.Rows`."""

    def __init__(self, table: RowTable, sources: Sources) -> None:
        """Of the rows in `table`, which are called as `sources` say."""
        self._table, self._sources = table, sources

    def __len__(self) -> int:
        """Number of positions."""
        return len(self._sources)

    def __getitem__(self, chosen: Any) -> Any:
        """One picture (28, 28) of a position, several (m, 28, 28) of an array or a slice."""
        positions = _positions(chosen, len(self))
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


def _positions(chosen: Any, count: int) -> np.ndarray:
    if isinstance(chosen, slice):
        return np.arange(count)[chosen]
    positions = np.asarray(chosen)
    if positions.dtype == bool:
        return np.flatnonzero(positions)
    if positions.size and not (positions.min() >= -1 and positions.max() < count):
        raise IndexError(f"expected positions from 0 to {count - 1}, received {chosen}")
    return positions
