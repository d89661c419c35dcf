"""What digits are called: labels of any kind become positions among names."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from data.convention import DIGITS
from data.errors import DatasetInvalid
from data.names import is_text

MOST_CLASSES = 250


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Labels of several files one after the other: as text if no type of integers holds them all.

    Args:
        parts: (n,) each, integers or text.
    """
    if np.result_type(*parts).kind not in "iuU":  # int64 and uint64 would become floats
        parts = [part.astype(str) for part in parts]
    return np.concatenate(parts)


def numbered(labels: np.ndarray, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as positions among their names, which are the digits if all of them are digits.

    Names are in the order of the alphabet, or of numbers where all are.
    """
    unique = np.unique(labels)
    try:
        found = tuple(str(label) for label in unique)
    except (ValueError, SystemError) as exc:  # numpy meets what is no character
        raise DatasetInvalid(f"{source}: expected labels that are text, received {exc}") from exc
    if any(not label or not is_text(label) for label in found):
        raise DatasetInvalid(
            f"{source}: expected labels of whole characters, at least one, received {found!r}"
        )
    ordered = sorted(found, key=Decimal) if all(map(str.isdecimal, found)) else found
    names = DIGITS if set(found) <= set(DIGITS) else tuple(ordered)
    if len(names) > MOST_CLASSES:
        raise DatasetInvalid(
            f"{source}: expected at most {MOST_CLASSES} classes, received {len(names):,}"
        )
    place = {name: number for number, name in enumerate(names)}
    numbers = np.array([place[label] for label in found], np.uint8)
    return numbers[np.searchsorted(unique, labels)], names


def check_classes(labels: np.ndarray, names: tuple[str, ...], source: str) -> None:
    """Refuse a set of fewer than two classes, or with one of a single digit.

    Args:
        labels: (n,) positions in `names`.
        names: of classes.
        source: to blame.

    Raises:
        DatasetInvalid: it is one.
    """
    present, counts = np.unique(labels, return_counts=True)
    if len(present) < 2:
        raise DatasetInvalid(
            f"{source}: expected at least two classes, received only"
            f" {[names[label] for label in present]}"
        )
    if counts.min() < 2:
        raise DatasetInvalid(
            f"{source}: expected at least two images of each class, received one of"
            f" {names[present[counts.argmin()]]!r}; add some or remove it"
        )
