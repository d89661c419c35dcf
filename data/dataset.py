"""A labelled set of digits: in memory, or in files that are read part by part.

`Digits` is what both have in common, and what is drawn without end has too (data.mnist8m).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from data.convention import DIGITS
from data.sets.pictures import Pictures


class Digits(Protocol):
    """A labelled set that is read part by part, however many items it has."""

    @property
    def name(self) -> str:
        """What ids begin with."""

    @property
    def split(self) -> str:
        """`"train"` or `"test"`."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the classes are called."""

    @property
    def files(self) -> Sequence[str]:
        """Where each item came from, such as `mine/7/a.png`; empty where not from files."""

    def __len__(self) -> int:
        """Number of items."""

    def facts(self) -> dict[str, str | int]:
        """Name, split, count and a hash of what decides the content."""

    def part(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (m, 28, 28) uint8 and labels (m,) uint8 of items `start` to `stop` - 1."""


@dataclass(frozen=True)
class Dataset:
    """One split of a labelled set.

    Attributes:
        name: for example `mnist`; with split and position it makes the id `mnist/train/123`.
        split: `"train"` or `"test"`.
        images: (n, 28, 28) uint8, ink bright on black.
        labels: (n,) uint8, positions in `names`.
        names: what the classes are called; digits 0 to 9 unless the dataset says otherwise.
        files: the file that each came from, if they came from a file each.
    """

    name: str
    split: str
    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...] = DIGITS
    files: Sequence[str] = ()

    def __len__(self) -> int:
        """Number of items."""
        return len(self.labels)

    def part(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (m, 28, 28) uint8 and labels (m,) uint8 of items `start` to `stop` - 1."""
        return self.images[start:stop], self.labels[start:stop]

    def file(self, row: int) -> str | None:
        """The file that an item came from, if it came from one."""
        return self.files[row] if self.files else None

    def whole(self) -> Dataset:
        """Itself: all of it is in memory."""
        return self

    def facts(self) -> dict[str, str | int]:
        """What an embedder or index remembers of it: name, split, count and content hash."""
        return {
            "name": self.name,
            "split": self.split,
            "count": len(self),
            "sha256": self.sha256(),
        }

    def sha256(self) -> str:
        """Hash of the content, whatever file it came from."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Parted:
    """One split of a labelled set whose pictures stay where they are until they are asked for.

    Attributes:
        name, split, labels, names: as those of a :class:`Dataset`.
        rows: (n,) int64, ascending: which of all pictures there belong to the split.
        pictures: where they are.
    """

    name: str
    split: str
    labels: np.ndarray
    names: tuple[str, ...]
    rows: np.ndarray
    pictures: Pictures

    @property
    def files(self) -> Sequence[str]:
        """The file that each came from, if they came from a file each."""
        return self.pictures.files_of(self.rows)

    def __len__(self) -> int:
        """Number of items."""
        return len(self.labels)

    def part(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (m, 28, 28) uint8 and labels (m,) uint8 of items `start` to `stop` - 1."""
        return self.pictures.read(self.rows[start:stop]), self.labels[start:stop]

    def facts(self) -> dict[str, str | int]:
        """Name, split, count and a hash that tells changed files; their content is not read."""
        digest = hashlib.sha256(self.pictures.stamp().encode())
        for array in (self.labels, self.rows):
            digest.update(array.data)
        return {
            "name": self.name,
            "split": self.split,
            "count": len(self),
            "sha256": digest.hexdigest(),
        }

    def whole(self) -> Dataset:
        """All of it in memory."""
        images, labels = self.part(0, len(self))
        return Dataset(self.name, self.split, images, labels, self.names, self.files)
