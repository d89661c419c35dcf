"""What is doubtful in an index: suspect labels, near-duplicates, hubs, and test digits that leaked.

Every digit, or a sample, is asked for its nearest others; all that is found follows from that table
of neighbours, by pure functions of arrays. Only the table is in memory, never all distances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.dataset import Dataset
from data.progress import Progress, silent
from search.index import DigitIndex

NEIGHBOURS = 10
ASKED = 60_000
BLOCK = 4096
MOST = 20
NEAR = 0.5  # of the usual distance to a neighbour; below it, two digits are as good as one


@dataclass(frozen=True)
class Suspect:
    """A digit whose neighbours have another label: of those `heard`, `share` say `suggested`.

    It came from `file`, if it came from one.
    """

    id: str
    label: int | str
    suggested: int | str
    heard: int
    share: float
    nearest: float
    file: str | None


@dataclass(frozen=True)
class Duplicate:
    """Two stored digits that are as good as one, and the files that they came from, if they did."""

    a: str
    b: str
    label_a: int | str
    label_b: int | str
    distance: float
    file_a: str | None
    file_b: str | None


@dataclass(frozen=True)
class Hub:
    """A digit among the neighbours of many; `differ` is the share of those with another label.

    It came from `file`, if it came from one.
    """

    id: str
    label: int | str
    occurrences: int
    differ: float
    file: str | None


@dataclass(frozen=True)
class Leak:
    """A test digit that is stored, or as good as stored; `identical` if pixel by pixel.

    The files are those that both came from, if they did.
    """

    test: str
    id: str
    distance: float
    identical: bool
    file_test: str | None
    file: str | None


@dataclass(frozen=True)
class Audit:
    """What was found, the worst first; the lists may hold fewer than the counts say.

    Attributes:
        digits: in the index.
        asked: how many of them were asked for their neighbours.
        k: neighbours each was asked for.
        near: distance up to which two digits are as good as one.
        hubness: skewness of the numbers of times that digits are neighbours; 0 where none is a hub.
            None of a sample, whose small numbers are skewed by chance alone.
        suspect_labels, near_duplicates, leaked: how many there are; `leaked` is None where no test
            digits were given.
        more_duplicates: whether all k neighbours of some digit are as good as itself, so that there
            may be more than were counted.
        suspects, duplicates, hubs, leaks: the worst of each.
    """

    digits: int
    asked: int
    k: int
    near: float
    hubness: float | None
    suspect_labels: int
    near_duplicates: int
    more_duplicates: bool
    leaked: int | None
    suspects: tuple[Suspect, ...]
    duplicates: tuple[Duplicate, ...]
    hubs: tuple[Hub, ...]
    leaks: tuple[Leak, ...]


def audit(
    index: DigitIndex,
    test: Dataset | None = None,
    *,
    k: int | None = None,
    most: int = MOST,
    sample: int = ASKED,
    seed: int = 0,
    progress: Progress = silent,
) -> Audit:
    """Look for what is doubtful in an index.

    Args:
        index: to look at.
        test: digits that should not be in it.
        k: neighbours to ask for; None is 10, or all the others where there are fewer.
        most: of each kind to list at most.
        sample: stored digits to ask at most, drawn by chance; all of them can be neighbours.
        seed: of that chance.
        progress: told after every block.

    Raises:
        UsageError: k out of range.
    """
    if k is None:
        k = min(NEIGHBOURS, len(index) - 1)
    index.vectors.check_k(k, spared=True)
    chosen = np.random.default_rng(seed).permutation(len(index))[:sample]
    asked = index.live[np.sort(chosen)]  # (n,)
    ids, distances = neighbour_table(index, asked, k, progress)
    own, others = index.labels[asked], index.labels[ids]
    near = NEAR * index.calibration.normal_distances[50]
    mates = np.bincount(index.labels[index.live])[own] - 1
    suspects = suspect_labels(own, others, distances[:, 0], mates)
    pairs, apart = near_pairs(asked, ids, distances, near)
    counts = occurrences(ids, len(index.labels))
    differ = occurrences(ids[own[:, None] != others], len(index.labels))
    leaked, leaks = (None, ()) if test is None else _leaks(index, test, near, most)
    return Audit(
        digits=len(index),
        asked=len(asked),
        k=k,
        near=near,
        hubness=skewness(counts[index.live]) if len(asked) == len(index) else None,
        suspect_labels=len(suspects[0]),
        near_duplicates=len(pairs),
        more_duplicates=k < len(index) - 1 and bool((distances[:, -1] <= near).any()),
        leaked=leaked,
        suspects=_suspects(index, asked, distances[:, 0], *(one[:most] for one in suspects)),
        duplicates=_duplicates(index, pairs[:most], apart),
        hubs=_hubs(index, counts, differ, most),
        leaks=leaks,
    )


def _suspects(
    index: DigitIndex,
    asked: np.ndarray,
    nearest: np.ndarray,
    rows: np.ndarray,
    winners: np.ndarray,
    heard: np.ndarray,
    shares: np.ndarray,
) -> tuple[Suspect, ...]:
    return tuple(
        Suspect(
            index.name(int(asked[row])),
            index.called(int(index.labels[asked[row]])),
            index.called(int(winner)),
            int(number),
            float(share),
            float(nearest[row]),
            index.file(int(asked[row])),
        )
        for row, winner, number, share in zip(rows, winners, heard, shares, strict=True)
    )


def _duplicates(index: DigitIndex, pairs: np.ndarray, apart: np.ndarray) -> tuple[Duplicate, ...]:
    return tuple(
        Duplicate(
            index.name(int(a)),
            index.name(int(b)),
            index.called(int(index.labels[a])),
            index.called(int(index.labels[b])),
            float(distance),
            index.file(int(a)),
            index.file(int(b)),
        )
        for (a, b), distance in zip(pairs, apart, strict=False)
    )


def _hubs(index: DigitIndex, counts: np.ndarray, differ: np.ndarray, most: int) -> tuple[Hub, ...]:
    return tuple(
        Hub(
            index.name(int(hub)),
            index.called(int(index.labels[hub])),
            int(counts[hub]),
            float(differ[hub] / counts[hub]),
            index.file(int(hub)),
        )
        for hub in np.argsort(-counts, kind="stable")[:most]
        if counts[hub]
    )


def neighbour_table(
    index: DigitIndex, asked: np.ndarray, k: int, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest others of the stored digits at `asked` (n,): ids and distances (n, k)."""
    ids = np.empty((len(asked), k), np.int64)
    distances = np.empty((len(asked), k), np.float32)
    for start in range(0, len(asked), BLOCK):
        part = slice(start, start + BLOCK)
        vectors = index.vectors.vectors(asked[part])
        ids[part], distances[part] = index.vectors.search(vectors, k, exclude=asked[part])
        progress(min(start + BLOCK, len(asked)), len(asked))
    return ids, distances


def suspect_labels(
    own: np.ndarray, neighbours: np.ndarray, nearest: np.ndarray, mates: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which of n digits have a label that most of their neighbours contradict with one voice.

    No more neighbours have a say than a digit has mates, or the others around a small class would
    contradict all of it. A digit alone in its class is never suspect: none could agree with it.

    Args:
        own: (n,) their labels.
        neighbours: (n, k) those of their neighbours, nearest first.
        nearest: (n,) how far the nearest of them is.
        mates: (n,) how many other stored digits have the label of each.

    Returns:
        Rows (m,), the label that more than half of the neighbours heard have, how many were heard,
        and the share that has it, (m,) each; those whom most contradict first, then those whose
        neighbours are nearest.
    """
    heard = np.minimum(mates, neighbours.shape[1])
    rows, columns = np.nonzero(np.arange(neighbours.shape[1]) < heard[:, None])
    counts = np.zeros((len(own), int(max(own.max(), neighbours.max())) + 1), np.int64)
    np.add.at(counts, (rows, neighbours[rows, columns]), 1)  # (n, classes)
    winners, most = counts.argmax(axis=1), counts.max(axis=1)
    suspect = np.flatnonzero((winners != own) & (2 * most > heard))
    suspect = suspect[np.lexsort((nearest[suspect], -most[suspect]))]
    return suspect, winners[suspect], heard[suspect], most[suspect] / heard[suspect]


def near_pairs(
    asked: np.ndarray, ids: np.ndarray, distances: np.ndarray, near: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of digits at most `near` apart, each once: (m, 2) positions, the lower first, and (m,).

    Args:
        asked: (n,) positions.
        ids: (n, k) positions of their neighbours, at `distances` (n, k).
        near: a distance.

    Returns:
        The pairs and their distances, the nearest first.
    """
    rows, columns = np.nonzero(distances <= near)
    pairs = np.sort(np.stack([asked[rows], ids[rows, columns]], axis=1), axis=1)  # (m, 2)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    apart = distances[rows, columns][first]
    order = np.argsort(apart, kind="stable")
    return pairs[order], apart[order]


def occurrences(ids: np.ndarray, size: int) -> np.ndarray:
    """How often each of `size` digits is a neighbour, by ids of any shape: (size,) int64."""
    return np.bincount(ids.ravel(), minlength=size)


def skewness(counts: np.ndarray) -> float:
    """The third standardised moment of counts (n,), which is how strong hubs are.

    Source: Radovanović, Nanopoulos and Ivanović, "Hubs in Space", JMLR 11, 2010, section 3.
    """
    apart = counts - counts.mean()
    spread = float(np.sqrt((apart**2).mean()))
    return float((apart**3).mean() / spread**3) if spread else 0.0


def _leaks(
    index: DigitIndex, test: Dataset, near: float, most: int
) -> tuple[int, tuple[Leak, ...]]:
    """How many test digits are stored or as good as stored, and the nearest of these."""
    found = [
        one for start in range(0, len(test), BLOCK) for one in _leaked(index, test, near, start)
    ]
    found.sort(key=lambda leak: (leak.distance, not leak.identical))
    return len(found), tuple(found[:most])


def _leaked(index: DigitIndex, test: Dataset, near: float, start: int) -> Iterator[Leak]:
    images = test.images[start : start + BLOCK]
    found = index.search(images, 1)
    for row in np.flatnonzero(found.distances[:, 0] <= near):
        position = int(found.ids[row, 0])
        yield Leak(
            f"{test.name}/{test.split}/{start + row}",
            index.name(position),
            float(found.distances[row, 0]),
            bool((index.images[position] == images[row]).all()),
            test.file(start + int(row)),
            index.file(position),
        )
