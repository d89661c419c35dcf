"""MNIST without end: the picture of an item is drawn from the item's number, so none is stored.

Items 0 to 59,999 are MNIST's training images themselves. Item n beyond is image n mod 60,000,
turned, sheared, scaled, shifted, bent by a smooth random field and drawn with a thicker or thinner
stroke, by amounts that a hash of n decides. After Loosli, Canu and Bottou, "Training invariant
support vector machines using selective sampling", 2007, who made 8.1 million digits this way.

Every step is exact in integers: the hash, the field (a matrix product of whole numbers that float32
holds), the blend and the bilinear sampling in fixed point. So an item has one picture, on any
machine and in any company.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from data.convention import MNIST8M, SIDE
from data.dataset import Dataset
from data.errors import UsageError
from data.mnist import load_mnist

LIMIT = 8_100_000
VERSION = 1  # of how pictures are drawn

# Each amount is drawn uniformly, up to this much either way; strokes between these two.
TURN, SHEAR, GROW, STRETCH = 0.12, 0.15, 0.1, 0.1  # radians, columns per row, shares
SHIFT = 1.0  # pixels
BEND = 1.6  # pixels, of the slowest wave
THIN, THICK = 38, 77  # 256ths of the difference between neighbouring pixels
WAVES = [(p, q) for p in range(4) for q in range(4) if 2 <= p + q <= 5]  # half periods a side

MARGIN = 2  # blank pixels around a tile, so that neither strokes nor samples cross into the next
TILE = SIDE + 2 * MARGIN
TOGETHER = 256  # tiles sampled at once; what they take stays in the processor's cache
STEPS = 32  # of a pixel, where cv2 samples
MOST = 255  # largest chance, either way


@dataclass(frozen=True)
class EndlessDigits:
    """Items 0 to `count` - 1 of an endless set of deformed digits.

    Attributes:
        base: the digits that are deformed; the set begins with all of them as they are.
        count: how many items belong to the set.
        name: what the set is called in ids.

    Raises:
        UsageError: `count` is less than the base, or above `LIMIT`.
    """

    base: Dataset
    count: int = LIMIT
    name: str = MNIST8M

    def __post_init__(self) -> None:
        """Refuse a count that cannot be."""
        if not len(self.base) <= self.count <= LIMIT:
            raise UsageError(
                f"expected {len(self.base):,} to {LIMIT:,} items of {self.name}, which begins with"
                f" {self.base.name} whole, received {self.count:,}"
            )

    @property
    def split(self) -> str:
        """That of the base."""
        return self.base.split

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the base's classes."""
        return self.base.names

    @property
    def files(self) -> tuple[str, ...]:
        """None: they are drawn."""
        return ()

    def __len__(self) -> int:
        """Number of items."""
        return self.count

    def facts(self) -> dict[str, str | int]:
        """Name, split, count, and a hash of all that decides the pictures."""
        digest = hashlib.sha256(f"{self.base.sha256()} {VERSION} {self.count}".encode())
        digest.update(FIELDS.tobytes())
        return {
            "name": self.name,
            "split": self.split,
            "count": self.count,
            "sha256": digest.hexdigest(),
        }

    def part(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (m, 28, 28) uint8 and labels (m,) uint8 of items `start` to `stop` - 1."""
        numbers = np.arange(start, min(stop, self.count))
        return self.pictures(numbers), self.labels(numbers)

    def labels(self, numbers: np.ndarray) -> np.ndarray:
        """Labels (m,) uint8 of items `numbers` (m,): those of the digits they are made of."""
        return np.asarray(self.base.labels[numbers % len(self.base)])

    def pictures(self, numbers: np.ndarray) -> np.ndarray:
        """The pictures (m, 28, 28) uint8 of items `numbers` (m,), in any order.

        Raises:
            UsageError: a number outside the set.
        """
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < self.count):
            raise UsageError(
                f"expected numbers of {self.name} from 0 to {self.count - 1:,}, received"
                f" {numbers.min():,} to {numbers.max():,}"
            )
        pictures = np.take(self.base.images, numbers % len(self.base), axis=0)  # (m, 28, 28)
        for some in _blocks(np.flatnonzero(numbers >= len(self.base))):
            pictures[some] = _deformed(pictures[some], numbers[some])
        return pictures


def open_mnist8m(count: int | None = None) -> EndlessDigits:
    """The first `count` items (8,100,000 if None) of the set made of MNIST's training images.

    Raises:
        UsageError: fewer than MNIST has, or more than there are.
        DatasetNotFound, DatasetCorrupt: as `load_mnist`.
    """
    base = Dataset("mnist", "train", *load_mnist("train"))
    return EndlessDigits(base, LIMIT if count is None else count)


def _blocks(positions: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(positions), TOGETHER):
        yield positions[start : start + TOGETHER]


def _deformed(images: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Images (m, 28, 28) uint8, each deformed as its number (m,) says; m is at most `TOGETHER`."""
    chances = _chances(numbers)  # (m, 32)
    tiles = np.zeros((len(images), TILE, TILE), np.uint8)
    tiles[:, MARGIN:-MARGIN, MARGIN:-MARGIN] = images
    mosaic = _restroked(tiles, chances[:, -1]).reshape(-1, TILE)  # tiles one below the other
    where, between = _sampled_at(chances)
    return cv2.remap(mosaic, where, between, cv2.INTER_LINEAR).reshape(-1, SIDE, SIDE)


def _chances(numbers: np.ndarray) -> np.ndarray:
    """32 odd integers from -255 to 255 for each of `numbers` (m,), as (m, 32) int16.

    Four outputs of SplitMix64 each, started so that no two numbers share one; Steele, Lea and
    Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    counters = 4 * numbers.astype(np.uint64)[:, None] + np.arange(1, 5, dtype=np.uint64)  # (m, 4)
    mixed: np.ndarray = counters * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(mixed.astype("<u8").view(np.uint8) * np.int16(2) - MOST)  # (m, 32)


def _restroked(tiles: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Tiles (m, 32, 32) uint8 with strokes from thinned (-255 in `amounts`, (m,)) to thick (255).

    What neighbouring pixels differ by is added to each pixel in proportion, or taken away.
    """
    mosaic = tiles.reshape(-1, TILE)
    edges: np.ndarray = cv2.morphologyEx(mosaic, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    between = (THIN + THICK) * (amounts.astype(np.int32) + MOST) // (2 * MOST)
    shares: np.ndarray = (between - THIN).astype(np.int16)
    added = shares[:, None, None] * edges.reshape(tiles.shape) >> 8
    return np.asarray(np.clip(tiles + added, 0, 255), np.uint8)


def _sampled_at(chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in the mosaic to sample each pixel, in cv2's fixed point.

    Returns:
        (m * 28, 28, 2) int16, columns and rows; (m * 28, 28) uint16, 32nds of both.
    """
    weights = np.ones((len(chances), len(FIELDS)), np.float32)
    weights[:, 1:] = chances[:, : len(FIELDS) - 1]
    # numpy's product would take all cores; cv2's is as fast on one.
    places = np.asarray(cv2.gemm(weights, FIELDS, 1, None, 0))  # type: ignore[call-overload]
    np.clip(places, 0, (TILE - 1) * STEPS - 1, out=places)
    steps = places.astype(np.int16)  # (m, 2 * 784)
    columns, rows = steps[:, : SIDE * SIDE], steps[:, SIDE * SIDE :]
    tops = TILE * np.arange(len(steps), dtype=np.int16)[:, None]  # of the tiles
    where = np.stack([columns >> 5, (rows >> 5) + tops], axis=2)  # (m, 784, 2)
    between = (rows & 31) << 5 | columns & 31
    return where.reshape(-1, SIDE, 2), between.view(np.uint16).reshape(-1, SIDE)


def _fields() -> np.ndarray:
    """What a sampled position is the sum of: the pixel's own, once, and a field for each chance.

    Returns:
        (31, 2 * 784) float32, columns then rows, in 32nds of a pixel; every number is a multiple of
        2^-11 and no sum is above 2^13, so that float32 adds them without rounding.
    """
    centre = (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE] - centre
    o, i = np.zeros((SIDE, SIDE)), np.ones((SIDE, SIDE))
    affine = [
        (-TURN * y, TURN * x),
        (SHEAR * y, o),
        (GROW * x, GROW * y),
        (STRETCH * x, -STRETCH * y),
        (SHIFT * i, o),
        (o, SHIFT * i),
    ]
    bends = []
    for p, q in WAVES:
        across, down = (np.cos(np.pi * half * (np.arange(SIDE) + 0.5) / SIDE) for half in (p, q))
        wave = BEND / (p * p + q * q) * np.outer(down, across)
        bends += [(wave, o), (o, wave)]
    place = np.array([(x, y)]) + centre + MARGIN
    fields = np.concatenate([place, np.array(affine + bends) / MOST])  # (31, 2, 28, 28)
    whole = np.rint(fields * (STEPS << 11)).reshape(len(fields), -1)
    return np.asarray(whole / (1 << 11), np.float32)


FIELDS = _fields()
