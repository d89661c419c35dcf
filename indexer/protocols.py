"""What an index is asked wherever it lies, in a folder or in Milvus: one protocol for both.

A :class:`Store` is where the generations of an index lie. Whoever searches reads one, and asks its
:class:`Vectors`; whoever changes it holds a :class:`Change`. `indexer.folder` and `indexer.milvus`
meet the protocol. Above them, whoever asks which of the two it is asks a place, for what is quick
or at fault there alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from data.files import Content
from indexer.manifest import FileEntry, Manifest
from indexer.segment import Segment
from indexer.sources import Sources

if TYPE_CHECKING:
    from data.progress import Progress


class Vectors(Protocol):
    """The embeddings of the digits of one generation; positions are their ids.

    Attributes:
        removed: (positions,) bool; those that never answer.
    """

    removed: np.ndarray

    def __len__(self) -> int:
        """Number of vectors that can answer."""

    def past_graphs(self) -> Vectors:
        """The same, sure to find a query that is stored itself."""

    def search(
        self, queries: np.ndarray, k: int, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n, k) int64 and Euclidean distances (n, k) float32 of the nearest of each query.

        Distances are measured directly, equal ones are ordered by id. `exclude` (n,) has for each
        query the one id that must not answer, or -1.
        """

    def rivals(
        self, queries: np.ndarray, labels: np.ndarray, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Id (n,) and distance (n,) of the nearest of another class than `labels` (n,).

        -1 and infinity where there is none.
        """

    def distances(self, queries: np.ndarray, ids: np.ndarray, dimensions: int) -> np.ndarray:
        """Distances (n, k) float32 of queries (n, d) to ids (n, k) by their first numbers."""

    def vectors(self, ids: np.ndarray) -> np.ndarray:
        """Stored vectors (m, d) float32 of ids (m,)."""

    def verify(self) -> None:
        """Verify all that was not verified when it was opened."""

    def check_k(self, k: int, *, spared: bool = False) -> None:
        """Refuse a k out of range; `spared` leaves one vector out of every answer."""


class Rows(Protocol):
    """Labels (positions,) or pictures (positions, 28, 28), read where they are asked for."""

    def __len__(self) -> int:
        """Number of positions, removed ones included."""

    def __getitem__(self, chosen: Any) -> Any:
        """What is at one position, or at an array or a slice of them."""


class Generation(NamedTuple):
    """One generation of an index, opened.

    Attributes:
        manifest: what it is.
        contents: the verified content of the files that all its digits share, by name.
        vectors, labels, images, sources: of its digits, by position.
    """

    manifest: Manifest
    contents: Mapping[str, Content]
    vectors: Vectors
    labels: Rows
    images: Rows
    sources: Sources


class Change(Protocol):
    """Held by whoever alone may change an index; each change is of the generation in place.

    What it raises, it raises with the index as it was.
    """

    @property
    def base(self) -> Generation:
        """The generation in place."""

    def add(
        self, vectors: np.ndarray, labels: np.ndarray, images: np.ndarray, files: Sequence[str]
    ) -> tuple[Manifest, list[str]]:
        """Put a generation in place with n more digits; it, and their ids.

        Each came from one of `files`, where "" is none.
        """

    def remove(self, positions: np.ndarray) -> Manifest:
        """Put a generation in place without the digits at `positions` (m,)."""

    def undo(self) -> Manifest:
        """Put the generation before this one in place again, as the next."""


class Store(Protocol):
    """Where the generations of an index lie."""

    def read(self) -> Generation:
        """The generation in place."""

    def verified(self, manifest: Manifest) -> Mapping[str, FileEntry]:
        """What the generation in place is made of, and the one that undo goes back to, by name.

        What opening the index did not verify of the latter is verified here.
        """

    def signature(self) -> object:
        """What differs from before once another generation is in place; cheap to ask."""

    def change(self) -> AbstractContextManager[Change]:
        """Keep all others from changing the index."""

    def staging(self) -> Path:
        """A folder of this machine for what is encoded part by part before it is in place."""

    def replacing(self) -> AbstractContextManager[Replacement]:
        """Be ready to replace what is here, if anything is."""


class Replacement(Protocol):
    """Held by whoever replaces an index; see :meth:`Store.replacing`."""

    def put(
        self,
        facts: dict[str, Any],
        files: Mapping[str, bytes],
        segment: Segment,
        embeddings: np.ndarray,
        progress: Progress,
    ) -> Manifest:
        """Put a generation in place that holds the digits of `segment` alone.

        Args:
            facts: the fields of the manifest that decide nothing of how it is stored.
            files: `embedder`, `card` and others that all digits share, by role.
            segment: the digits, and an index of their vectors.
            embeddings: (n, d) float32 or float16, those vectors as the embedder gave them.
            progress: told what was stored.
        """
