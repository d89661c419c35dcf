"""Open an index once, ask it often: the Python API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from data.convention import DIGITS
from data.errors import UsageError
from data.files import Content
from data.names import first_of
from indexer.calibration import Calibration
from indexer.checks import as_numbers, check_number, check_vectors
from indexer.embedder import Embedder
from indexer.manifest import Manifest
from indexer.place import Place, parse_place, store_at
from indexer.protocols import Generation, Rows, Vectors
from indexer.sources import Sources
from indexer.vectors import set_threads
from indexer.verdicts import BLANK, strangeness
from indexer.votes import DEFAULT_WEIGHTS, Weights
from search.classify import Classification, Neighbours, classify

if TYPE_CHECKING:
    from indexer.projection import Projection

__all__ = ["Classification", "DigitIndex", "Neighbours"]

DEFAULT_K = 10
MAPPED = 65_536  # stored vectors at a time
SHOWN = 20  # ids in a message


@dataclass(frozen=True, eq=False, repr=False)
class DigitIndex:
    """One generation of an index, verified and in memory.

    Every digit has a position, which counts through the segments and stays the same within one
    generation. Digits that were removed keep theirs, but never answer.

    Attributes:
        manifest: what it is.
        embedder: the one it was built with.
        vectors: the embeddings of its digits, searched as one.
        labels: (positions,) uint8, read where they are asked for.
        images: (positions, 28, 28) uint8, likewise.
        sources: what each digit is called, and the file that it came from.
        plane: content of the file that :attr:`projection` is read from, where there is one.
    """

    manifest: Manifest
    embedder: Embedder
    vectors: Vectors
    labels: Rows
    images: Rows
    sources: Sources
    plane: bytes | None = None

    @classmethod
    def open(cls, place: str | Place, threads: int | None = None) -> DigitIndex:
        """Open the index at `place`.

        Args:
            place: a folder, or an address in Milvus as `indexer.milvus.address` reads it.
            threads: at most so many are used; None for as many as there are processors.

        Raises:
            UsageError: `place` is neither, or `threads` no number from 1.
            IndexNotFound: there is none.
            IndexVersion: written in a format this program does not read.
            IndexCorrupt, EmbedderCorrupt: damaged; the message names the file.
            EmbedderMismatch: its embedder is not the one it was built with.
            IndexLocked: replaced again and again while it was read.
            StorageError: a file may not be read.
            StoreUnreachable: the server that keeps it does not answer.
        """
        place = parse_place(place) if isinstance(place, str) else place
        return cls.of(store_at(place).read(), str(place), threads)

    @classmethod
    def of(
        cls,
        generation: Generation,
        place: str,
        threads: int | None = None,
        embedder: Embedder | None = None,
    ) -> DigitIndex:
        """An index of one generation; `place` is to blame for its embedder, if it is not open."""
        if threads is not None:
            set_threads(threads)
        manifest, contents = generation.manifest, generation.contents
        return cls(
            manifest,
            embedder or Embedder.of_generation(place, manifest, contents, threads),
            generation.vectors,
            generation.labels,
            generation.images,
            generation.sources,
            _plane(manifest, contents),
        )

    def __repr__(self) -> str:
        """What it is, in one line."""
        generation, count = self.manifest.generation, self.manifest.count
        return f"<DigitIndex: {count:,} digits, generation {generation}>"

    def __len__(self) -> int:
        """Number of digits that can answer."""
        return self.manifest.count

    @cached_property
    def live(self) -> np.ndarray:
        """The positions (n,) int64 of the digits that can answer."""
        return np.flatnonzero(~self.vectors.removed)

    @cached_property
    def projection(self) -> Projection:
        """From embeddings to places on the map of this index.

        It stays as it was built while digits are added and removed. An index that was built before
        there was one gets that of the digits it holds now.

        Raises:
            IndexCorrupt: its file is whole, but holds no projection.
        """
        from indexer.projection import SAMPLE, Projection  # only maps need it

        if self.plane is None:
            chosen = np.linspace(0, len(self) - 1, min(SAMPLE, len(self))).astype(np.int64)
            return Projection.of(self.vectors.vectors(self.live[chosen]))
        name = self.manifest.files["projection"].name
        return Projection.from_bytes(self.plane, self.manifest.dimension, name)

    def map_points(self, positions: np.ndarray) -> np.ndarray:
        """Where the stored digits at positions (m,) lie on the map: (m, 2) float32.

        Raises:
            UsageError: no integers, or positions that are not there.
        """
        positions = as_numbers(positions, len(self.labels), "positions")
        points = np.empty((len(positions), 2), np.float32)
        for start in range(0, len(positions), MAPPED):
            part = np.s_[start : start + MAPPED]
            points[part] = self.projection.place(self.vectors.vectors(positions[part]))
        return points

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings (n, d) float32 of digits (n, 28, 28), uint8 or float32 in [0, 1]."""
        return self.embedder.embed(images)

    def search(
        self, images: np.ndarray, k: int = DEFAULT_K, exclude: np.ndarray | None = None
    ) -> Neighbours:
        """The k stored digits most like each of n digits.

        Args:
            images: (n, 28, 28) uint8, or float32 in [0, 1], ink bright; in the MNIST convention
                (`data.normalise.find_digits` brings pictures there).
            k: 1 to the number of digits in the index.
            exclude: (n,) positions; for each query the stored digit that must not answer, because
                it is the query itself, or -1.

        Raises:
            UsageError: wrong shape, dtype or values, or k out of range.
            IndexCorrupt: what must be read for the answer is damaged.
            StoreUnreachable: its server does not answer.
        """
        ids, distances = self.vectors.search(self.embed(images), k, exclude)
        return Neighbours(ids, self.labels[ids], distances)

    def classify(
        self,
        images: np.ndarray,
        k: int | None = None,
        weights: Weights = DEFAULT_WEIGHTS,
        exclude: np.ndarray | None = None,
    ) -> Classification:
        """Name each of n digits by the vote of its k nearest.

        Args:
            images: as for :meth:`search`.
            k: how many vote; None takes the k chosen by leave-one-out when the index was built.
            weights: `"uniform"`, or `"distance"` for 1/distance^2.
            exclude: as for :meth:`search`.

        Returns:
            Names, and for each a confidence and whether to trust it at all.

        Raises:
            UsageError, IndexCorrupt, StoreUnreachable: as for :meth:`search`; unknown weights.
        """
        named = self.classify_embeddings(self.embed(images), k, weights, exclude)
        blank = ~images.any(axis=(1, 2))
        return named._replace(reasons=np.where(blank, BLANK, named.reasons))

    def classify_embeddings(
        self,
        embeddings: np.ndarray,
        k: int | None = None,
        weights: Weights = DEFAULT_WEIGHTS,
        exclude: np.ndarray | None = None,
    ) -> Classification:
        """As :meth:`classify`, of embeddings (n, d) float32."""
        check_vectors(embeddings, self.embedder.card.dimension, "embeddings")
        spared = exclude is not None
        chosen = self.chosen_k(weights, spared=spared)
        asked = chosen if k is None else k
        self.vectors.check_k(asked, spared=spared)
        most = max(asked, self._witnesses(spared=spared))
        ids, distances = self.vectors.search(embeddings, most, exclude)
        return classify(
            Neighbours(ids, self.labels[ids], distances),
            self._class_distances(embeddings, ids),
            asked,
            weights,
            len(self.manifest.names),
            self.calibration,
        )

    def _class_distances(self, embeddings: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Distances (n, witnesses) to the nearest of ids (n, k) by what tells the class."""
        witnesses = ids[:, : self.calibration.witnesses]
        dimensions = self.embedder.card.class_dimension
        return self.vectors.distances(embeddings, witnesses, dimensions)

    def _witnesses(self, *, spared: bool = False) -> int:
        """How many neighbours a verdict can rest on, which is fewer where few digits are left."""
        return min(self.calibration.witnesses, len(self) - spared)

    def chosen_k(self, weights: Weights, *, spared: bool = False) -> int:
        """How many vote where nobody says: the k chosen when it was built, or all where fewer.

        Raises:
            UsageError: unknown weights.
        """
        if not isinstance(weights, str) or weights not in self.manifest.k:
            raise UsageError(
                f"expected weights {' or '.join(self.manifest.k)}, received {weights!r}"
            )
        return min(self.manifest.k[weights], len(self) - spared)

    @property
    def calibration(self) -> Calibration:
        """What is normal among a digit's neighbours here."""
        return self.manifest.calibration

    def strangeness(self, images: np.ndarray) -> np.ndarray:
        """How unlike those stored digits (n, 28, 28) are: (n,), above 1 where none gets a name.

        See :func:`indexer.verdicts.strangeness`.
        """
        return strangeness(self.classify(images).mean_distances, self.calibration)

    def rivals(
        self, images: np.ndarray, labels: np.ndarray, exclude: np.ndarray | None = None
    ) -> Neighbours:
        """The nearest stored digit of another class than `labels`, for each of n digits.

        Args:
            images: as for :meth:`search`.
            labels: (n,) integers.
            exclude: as for :meth:`search`.

        Returns:
            One neighbour each; where there is no other its id is -1, its label the one given and
            its distance infinite.

        Raises:
            UsageError: as for :meth:`search`, or not one label of a class for each digit.
        """
        own = as_numbers(labels, len(self.manifest.names), "labels")
        embeddings = self.embed(images)
        if len(own) != len(embeddings):
            raise UsageError(f"expected {len(embeddings)} labels, one each, received {len(own)}")
        ids, distances = self.vectors.rivals(embeddings, own, exclude)
        theirs, is_there = own.astype(np.uint8), ids >= 0
        theirs[is_there] = self.labels[ids[is_there]]
        return Neighbours(ids[:, None], theirs[:, None], distances[:, None])

    def called(self, label: int) -> int | str:
        """What a class is called: an integer where all are digits, else text.

        Raises:
            UsageError: there is no such class.
        """
        check_number(label, len(self.manifest.names), "a label")
        name = self.manifest.names[label]
        return int(name) if tuple(self.manifest.names) == DIGITS else name

    def name(self, position: int) -> str:
        """The id of a stored digit, for example `mnist/train/123`.

        Raises:
            UsageError: there is no such position.
        """
        check_number(position, len(self.sources), "a position")
        return self.sources.name(position)

    def file(self, position: int) -> str | None:
        """The file that a stored digit came from, for example `mine/7/a.png`, if it did.

        Raises:
            UsageError: there is no such position.
        """
        check_number(position, len(self.sources), "a position")
        return self.sources.file(position)

    def position(self, name: str) -> int:
        """The position of the stored digit with this id.

        Raises:
            UsageError: there is none.
        """
        return self.positions([name])[0]

    def positions(self, names: Iterable[str]) -> list[int]:
        """The positions of the stored digits with these ids, in their order.

        Raises:
            UsageError: some are not there, or no longer; the first of these are named.
        """
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise UsageError(f"expected ids, one after the other, received {names!r}")
        positions, absent = [], []
        for name in names:
            position = self.sources.find(name) if isinstance(name, str) else None
            if position is None:
                absent.append(repr(name))
            elif self.vectors.removed[position]:
                absent.append(f"{name!r} (removed)")
            else:
                positions.append(position)
        if absent:
            raise UsageError(
                f"no item {first_of(absent, SHOWN)} in the index: expected"
                f" {self.sources.examples()}"
            )
        return positions


def _plane(manifest: Manifest, contents: Mapping[str, Content]) -> bytes | None:
    entry = manifest.files.get("projection")
    return bytes(contents[entry.name]) if entry else None
