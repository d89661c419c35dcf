"""Digits that were written together: their files opened, and new ones made from arrays.

A segment never changes. What is removed from it is remembered beside it; what is joined to it makes
a new one, and the files that a segment shares with the one it came from are not written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.convention import MNIST8M, SIDE
from data.errors import IndexCorrupt
from data.files import Content
from data.npy import BadArray, npy_of, read_npy
from indexer.kinds import FLAT
from indexer.manifest import FileEntry, Part, SegmentRecord
from indexer.packing import pack, unpack
from indexer.sources import Sources, pack_sources, parse_sources
from indexer.vectors import VectorIndex

if TYPE_CHECKING:
    from data.mnist8m import EndlessDigits

REDRAWN = f"{MNIST8M}/train"
ADDED_OPTIONS = {"recall": 1.0, "rounding": 0.0, "chosen": "exact, as added digits are"}


@dataclass(frozen=True)
class Redrawn:
    """Pictures of consecutive items of mnist8m, which are drawn whenever they are asked for.

    Attributes:
        first: number of the first item.
    """

    first: int

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """The pictures (m, 28, 28) uint8 of `rows` (m,)."""
        return self._digits.pictures(self.first + rows)

    @cached_property
    def _digits(self) -> EndlessDigits:
        from data.mnist8m import open_mnist8m  # reads MNIST, which few queries need

        return open_mnist8m()


@dataclass(frozen=True)
class Segment:
    """Consecutive positions of an index.

    Attributes:
        vectors: embeddings of its digits.
        labels: (count,) uint8.
        images: (count, 28, 28) uint8, stored or drawn again.
        sources: what its digits are called, and the files that they came from.
        removed: (r,) int64, ascending: rows that never answer.
        kind_options: of `vectors`, as they were measured.
        written: those of its files that are in place already, or staged, by role.
    """

    vectors: VectorIndex
    labels: np.ndarray
    images: np.ndarray | Redrawn
    sources: Sources
    removed: np.ndarray
    kind_options: Mapping[str, Any] = field(default_factory=lambda: ADDED_OPTIONS)
    written: Mapping[str, Part] = field(default_factory=dict)

    @classmethod
    def of(
        cls, vectors: np.ndarray, labels: np.ndarray, images: np.ndarray | Redrawn, sources: Sources
    ) -> Segment:
        """A new one, of vectors (n, d) floats, labels (n,) and images (n, 28, 28) uint8."""
        return cls(VectorIndex.build(vectors), labels, images, sources, np.empty(0, np.int64))

    @classmethod
    def open(
        cls,
        folder: Path,
        record: SegmentRecord[FileEntry],
        contents: Mapping[str, Content],
        dimension: int,
    ) -> Segment:
        """Open one of what `read_generation(folder)` gave.

        Raises:
            IndexCorrupt: the files are not what the manifest says; the message names one.
        """
        path = {role: str(folder / entry.name) for role, entry in record.files.items()}
        content = {role: contents[entry.name] for role, entry in record.files.items()}
        count = record.count
        vectors = unpack(
            content["vectors"],
            count,
            dimension,
            path["vectors"],
            record.kind,
            record.kind_options,
            bytes(content["blocks"]) if "blocks" in content else None,
        )
        sources = _sources(content["sources"], count, path["sources"])
        return cls(
            vectors,
            _array(content["labels"], (count,), path["labels"]),
            _array(content["images"], (count, SIDE, SIDE), path["images"])
            if "images" in content
            else _redrawn(sources, path["sources"]),
            sources,
            _removed(content["removed"], record, path["removed"])
            if "removed" in content
            else np.empty(0, np.int64),
            record.kind_options,
            record.files,
        )

    def __len__(self) -> int:
        """Number of rows, removed ones included."""
        return len(self.labels)

    @property
    def live(self) -> int:
        """Number of digits that can answer."""
        return len(self) - len(self.removed)

    @property
    def movable(self) -> bool:
        """Whether its digits can be moved to another segment without loss."""
        return self.vectors.kind == FLAT and isinstance(self.images, np.ndarray)

    def without(self, rows: np.ndarray) -> Segment:
        """The same with `rows` (m,) removed too."""
        if not len(rows):
            return self
        kept = {role: entry for role, entry in self.written.items() if role != "removed"}
        return replace(self, removed=np.union1d(self.removed, rows), written=kept)

    def joined(self, *others: Segment) -> Segment:
        """A new one of the digits of this and of `others` that can answer; all are movable."""
        parts = [(one, np.setdiff1d(np.arange(len(one)), one.removed)) for one in (self, *others)]
        sources = Sources(())
        for one, rows in parts:
            sources += one.sources.at(rows)
        return Segment.of(
            np.concatenate([one.vectors.vectors(rows) for one, rows in parts]),
            np.concatenate([one.labels[rows] for one, rows in parts]),
            np.concatenate([one.images[rows] for one, rows in parts]),
            sources,
        )

    def record(self) -> SegmentRecord[Part]:
        """What to commit: its facts, and those of its files that are not in place as bytes."""
        arrays = {"labels": self.labels}
        if isinstance(self.images, np.ndarray):
            arrays["images"] = self.images
        if len(self.removed):
            arrays["removed"] = self.removed
        ways: dict[str, Callable[[], bytes]] = {
            "sources": partial(pack_sources, self.sources),
            **{role: partial(npy_of, array) for role, array in arrays.items()},
        }
        fresh = {role: packed() for role, packed in ways.items() if role not in self.written}
        if "vectors" not in self.written:
            fresh |= pack(self.vectors)
        kind = self.vectors.kind.name
        return SegmentRecord(
            len(self), len(self.removed), kind, dict(self.kind_options), {**self.written, **fresh}
        )


def _array(
    content: Content, shape: tuple[int, ...], path: str, dtype: type[np.generic] = np.uint8
) -> np.ndarray:
    try:
        array = read_npy(content)
    except BadArray as exc:
        raise IndexCorrupt(f"{path}: expected an array, but {exc}") from exc
    if array.shape != shape or array.dtype != dtype:
        raise IndexCorrupt(
            f"{path}: expected {shape} {np.dtype(dtype)}, received {array.shape} {array.dtype}"
        )
    return array


def _removed(content: Content, record: SegmentRecord[FileEntry], path: str) -> np.ndarray:
    rows = _array(content, (record.removed,), path, np.int64)
    if (np.diff(rows) <= 0).any() or not 0 <= rows[0] <= rows[-1] < record.count:
        raise IndexCorrupt(f"{path}: expected ascending rows below {record.count:,}")
    return rows


def _sources(content: Content, count: int, path: str) -> Sources:
    try:
        sources = parse_sources(bytes(content))
    except (ValueError, TypeError) as exc:
        raise IndexCorrupt(f"{path}: expected a run a line, but {exc}") from exc
    if len(sources) != count:
        raise IndexCorrupt(f"{path}: expected {count:,} items, received {len(sources):,}")
    return sources


def _redrawn(sources: Sources, path: str) -> Redrawn:
    prefixes = [(run.prefix, run.first) for run in sources.runs]
    if len(prefixes) != 1 or prefixes[0][0] != REDRAWN:
        raise IndexCorrupt(f"{path}: expected a run of {REDRAWN}, as there are no pictures stored")
    return Redrawn(prefixes[0][1])
