"""Photos of many digits: how many are found where they are, and named; and what else is named.

`make bench PART=photos`. Drawn by code from MNIST's test digits (:mod:`benchmarks.scenes`), since
no real photo says where its digits are. A digit is found where a box overlaps its own by a third.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from benchmarks.measure import table
from benchmarks.scenes import KINDS, Scene, Writer
from data.datasets import load_dataset
from data.errors import PictureError
from data.normalise import find_digits
from data.picture import picture_from_array
from search.index import DigitIndex

PHOTOS = 12  # of each kind
OVERLAP = 1 / 3

Box = tuple[float, float, float, float]


@dataclass
class Counts:
    """What became of some digits: named rightly, not found, misnamed; and what else is named."""

    digits: int = 0
    right: int = 0
    lost: int = 0
    misnamed: int = 0
    extra: int = 0

    def add(self, other: Counts) -> None:
        """Count the digits of another photo, too."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def bench_photos(folder: Path) -> None:
    """Print the table for the index in `folder`."""
    index = DigitIndex.open(folder)
    test = load_dataset("mnist", "test").whole()
    print(f"## Photos\n\n{by_kind(index, test.images, test.labels)}\n", flush=True)


def by_kind(index: DigitIndex, images: np.ndarray, labels: np.ndarray) -> str:
    """Counts for each kind of photo, drawn with digits (n, 28, 28) uint8 and labels (n,)."""
    total, rows = Counts(), []
    for kind, draw in KINDS.items():
        counts = Counts()
        for seed in range(PHOTOS):
            counts.add(count(index, draw(Writer(images, labels, seed))))
        rows.append(row(kind.replace("_", " "), counts))
        total.add(counts)
    return table(
        ["photos", *(field.name for field in fields(Counts)), "right, %"],
        [*rows, row("all", total)],
    )


def row(name: str, counts: Counts) -> list[str]:
    """A row of the table."""
    numbers = [str(getattr(counts, field.name)) for field in fields(counts)]
    return [name, *numbers, f"{100 * counts.right / counts.digits:.1f}"]


def count(index: DigitIndex, scene: Scene) -> Counts:
    """What becomes of the digits of one photo, asked as `digits classify` asks."""
    try:
        found = find_digits(picture_from_array(scene.photo), strangeness=index.strangeness)
    except PictureError:
        found = []
    counts = Counts(digits=len(scene.digits))
    named = index.classify(np.stack([one.image for one in found])) if found else None
    free = set(range(len(found)))
    for label, box in scene.digits:
        nearest = max(free, key=lambda i: overlap(found[i].box, box), default=None)
        if named is None or nearest is None or overlap(found[nearest].box, box) < OVERLAP:
            counts.lost += 1
            continue
        free.remove(nearest)
        is_right = named.labels[nearest] == label
        counts.right += is_right
        counts.misnamed += not is_right and not named.reasons[nearest]
    counts.extra = sum(not named.reasons[i] for i in free) if named is not None else 0
    return counts


def overlap(one: Box, other: Box) -> float:
    """What two boxes share, as a share of what either covers."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
