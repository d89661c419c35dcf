"""From an embedding to a place on a map: the plane in which the stored digits are spread widest.

It is found by principal component analysis when an index is built. Two digits never lie farther
apart on the map than their embeddings do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.errors import IndexCorrupt
from data.npy import BadArray, npy_of, read_npy

SAMPLE = 20_000  # digits; more of them do not turn the plane


@dataclass(frozen=True)
class Projection:
    """A linear map from d numbers to 2.

    Attributes:
        origin: (d,) float32, the embedding that lies at (0, 0).
        axes: (2, d) float32, of length 1 and at right angles; the first is spread widest.
    """

    origin: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, embeddings: np.ndarray) -> Projection:
        """The plane of a sample (s, d) of floats, s >= 1.

        The largest number of each axis is positive, so that one sample has one map.
        """
        origin = embeddings.mean(axis=0, dtype=np.float64)
        spread = embeddings - origin  # (s, d)
        widest = np.linalg.eigh(spread.T @ spread)[1].T[::-1]  # (d, d), a row an axis
        axes = np.zeros((2, len(origin)))
        axes[: len(widest)] = widest[:2]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
        axes *= np.where(largest < 0, -1, 1)
        return cls(origin.astype(np.float32), axes.astype(np.float32))

    def place(self, embeddings: np.ndarray) -> np.ndarray:
        """Where embeddings (n, d) float32 lie on the map: (n, 2) float32."""
        return np.asarray((embeddings - self.origin) @ self.axes.T, np.float32)

    def to_bytes(self) -> bytes:
        """An `.npy` file of (3, d) float32: the origin, then the axes."""
        return npy_of(np.vstack([self.origin, self.axes]))

    @classmethod
    def from_bytes(cls, content: bytes, dimension: int, name: str) -> Projection:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            IndexCorrupt: it is no projection of embeddings of this length; `name` is the file.
        """
        try:
            rows = read_npy(content)
        except BadArray as exc:
            raise IndexCorrupt(f"{name}: expected an array, but {exc}") from exc
        if rows.shape != (3, dimension) or rows.dtype != np.float32:
            raise IndexCorrupt(
                f"{name}: expected (3, {dimension}) float32, received {rows.shape} {rows.dtype}"
            )
        return cls(rows[0], rows[1:])
