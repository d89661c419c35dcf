"""What vectors may be asked, wherever they lie: k, queries, positions, and who must not answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from data.errors import UsageError

LARGEST = 1e15  # of a number in a vector: its square, added up, must be finite


def check_k(k: int, most: int) -> None:
    """Refuse a k that is no number from 1 to `most`.

    Raises:
        UsageError: it is not.
    """
    if most < 1:
        raise UsageError("expected another digit in the index than the one that asks, found none")
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= most:
        raise UsageError(
            f"expected k from 1 to {most:,} (the digits that can answer), received {k!r}"
        )


def check_vectors(vectors: np.ndarray, dimension: int, what: str) -> None:
    """Refuse vectors that are not (n, dimension) finite float32; `what` is what to call them.

    Raises:
        UsageError: they are not.
    """
    shape = getattr(vectors, "shape", type(vectors).__name__)
    if not isinstance(vectors, np.ndarray) or shape != (len(vectors), dimension):
        raise UsageError(f"expected {what} of shape (n, {dimension}), received {shape}")
    if vectors.dtype != np.float32 or not (np.abs(vectors) < LARGEST).all():
        raise UsageError(f"expected finite float32 {what} below {LARGEST:g}")


def check_excluded(exclude: np.ndarray | None, queries: int, count: int) -> None:
    """Refuse what is not one id for each of n queries: of one of `count` vectors, or -1.

    Raises:
        UsageError: it is not.
    """
    if exclude is None:
        return
    try:
        given = np.asarray(exclude)
    except ValueError:  # of lists of unequal lengths
        given = np.asarray(None)
    if given.shape != (queries,) or given.dtype.kind not in "iu":
        raise UsageError(
            f"expected an excluded id for each of {queries} queries, (n,) integers, received"
            f" {given.shape} {given.dtype}"
        )
    if ((given < -1) | (given >= count)).any():
        raise UsageError(f"expected excluded ids from -1 to {count - 1:,}")


def positions_of(chosen: Any, count: int) -> np.ndarray:
    """The positions (...) int64 that an array of `count` rows is indexed with, all from 0.

    Args:
        chosen: a position, integers of any shape, a slice, or a mask (count,) bool; what is below
            0 counts from the end.
        count: of the rows.

    Raises:
        IndexError: it is none of these, or a position lies outside.
    """
    if isinstance(chosen, slice):
        return np.arange(*chosen.indices(count))
    given = np.asarray(chosen)
    if given.shape == (count,) and given.dtype == bool:
        return np.flatnonzero(given)
    if not given.size:
        return given.astype(np.int64)
    if given.dtype.kind not in "iu" or given.min() < -count or given.max() >= count:
        raise IndexError(f"expected positions from {-count} to {count - 1}, received {chosen}")
    positions = given.astype(np.int64)
    return np.where(positions < 0, positions + count, positions)


def as_numbers(given: Any, count: int, what: str) -> np.ndarray:
    """Numbers (m,) int64 of some of `count` things, which are called `what`.

    Raises:
        UsageError: they are no integers, or not all from 0 to `count` - 1.
    """
    try:
        numbers = np.asarray(given)
    except ValueError:  # of lists of unequal lengths
        numbers = np.asarray(None)
    if numbers.shape == (0,):
        return numbers.astype(np.int64)
    expected = f"expected {what} (m,) from 0 to {count - 1:,}"
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise UsageError(f"{expected}, received {numbers.shape} {numbers.dtype}")
    absent = numbers[(numbers < 0) | (numbers >= count)]
    if len(absent):
        raise UsageError(f"{expected}, received {absent[0]}")
    return numbers.astype(np.int64, copy=False)


def check_number(given: Any, count: int, what: str) -> None:
    """Refuse what is not the number of one of `count` things; `what` is what to call it.

    Raises:
        UsageError: it is not.
    """
    is_integer = isinstance(given, int | np.integer) and not isinstance(given, bool)
    if not is_integer or not 0 <= given < count:
        raise UsageError(f"expected {what} from 0 to {count - 1:,}, received {given!r}")
