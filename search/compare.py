"""Are two digits the same? By the distance between their embeddings, and a calibrated threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import PictureUnreadable
from search.index import DigitIndex
from search.queries import AnyQuery, FailedQuery, Query, RefusedQuery


@dataclass(frozen=True)
class Comparison:
    """How far apart two digits are.

    Attributes:
        a: what the first was called.
        b: the second.
        distance: Euclidean, between the numbers of their embeddings that tell the class.
        threshold: up to this they are the same; calibrated when the embedder was trained.
        verdict: `"same"` or `"different"`.
    """

    a: str
    b: str
    distance: float
    threshold: float
    verdict: str


def the_digit(name: str, queries: Sequence[AnyQuery]) -> Query:
    """The one digit on a picture called `name`.

    Raises:
        PictureUnreadable: it cannot be read, or shows none or several.
    """
    for query in queries:
        if isinstance(query, FailedQuery):
            raise PictureUnreadable(query.error)
        if isinstance(query, RefusedQuery):
            raise PictureUnreadable(f"{query.name}: {query.detail}")
    digits = [query for query in queries if isinstance(query, Query)]
    if len(digits) != 1:
        raise PictureUnreadable(
            f"expected one digit on {name}, received {len(digits)}; crop to one, or take all ink"
            " as one with --single"
        )
    return digits[0]


def compare(index: DigitIndex, names: tuple[str, str], pair: tuple[Query, Query]) -> Comparison:
    """Compare the digits that are called `names`."""
    card = index.embedder.card
    left, right = index.embed(np.stack([query.image for query in pair]))[:, : card.class_dimension]
    distance = float(np.linalg.norm(left - right))
    threshold = card.same_different.threshold
    verdict = "same" if distance <= threshold else "different"
    return Comparison(*names, distance, threshold, verdict)
