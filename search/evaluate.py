"""Measure an embedder and its index on a test split that nothing was chosen on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.dataset import Dataset
from data.deform import deformed
from data.errors import UsageError
from data.pairs import SAME, make_pairs
from data.progress import Progress, silent
from indexer.votes import Weights
from search.classify import Classification
from search.index import DigitIndex
from search.metrics import (
    confusion,
    expected_calibration_error,
    instance_recall,
    map_at_r,
    precision,
    risk_coverage,
)

TEN = 10
COPIES, COPIES_SEED = 2_000, 7  # of stored digits that are deformed and looked for
REFERENCES = 100_000  # stored digits that mean average precision is over, at most
COVERED = (0.9, 0.95, 0.98, 0.99, 0.995, 1.0)


@dataclass(frozen=True)
class OfClass:
    """The test digits of one class: how many, and what share is named rightly, and refused.

    Both shares are None where there are none: a class of few digits has none held out to test.
    """

    label: int | str
    digits: int
    accuracy: float | None
    refused: float | None


@dataclass(frozen=True)
class Evaluation:
    """The figures, and what plots of them need.

    Attributes:
        n: test digits.
        k: neighbours that voted, with `weights`.
        knn_accuracy: share of test digits named rightly.
        precision_at_10: share of the ten nearest with the query's label.
        map_at_r: mean average precision at R, over all stored digits or 100,000 drawn by chance.
        pair_accuracy: share of 2n random test pairs judged rightly at `pair_threshold`; None where
            the test digits are of a single class, of which there are no pairs.
        refused: share of test digits on which the verdict abstains.
        accuracy_answered: share of the others that is named rightly.
        calibration_error: expected calibration error of the confidences.
        risk_coverage: accuracy on the most confident share of test digits, by that share.
        instance_recall_at_1: share of 2,000 slightly deformed stored digits that find their own
            original first.
        instance_recall_at_10: the same, among the ten nearest.
        accuracy_deformed: share of these that is named rightly.
        classes: each class by itself.
        confusion: (classes, classes) counts, in that order; rows are the truth.
        seconds: how long it took.
        classification: of every test digit.
        pairs: (2n, 2) positions of the test pairs, with `targets` (2n,), 0 for the same class, and
            `pair_distances` (2n,) between their class parts.
    """

    n: int
    k: int
    weights: Weights
    knn_accuracy: float
    precision_at_10: float
    map_at_r: float
    pair_accuracy: float | None
    pair_threshold: float
    refused: float
    accuracy_answered: float | None
    calibration_error: float
    risk_coverage: dict[str, float]
    instance_recall_at_1: float
    instance_recall_at_10: float
    accuracy_deformed: float
    classes: tuple[OfClass, ...]
    confusion: np.ndarray
    seconds: float
    classification: Classification
    pairs: np.ndarray
    targets: np.ndarray
    pair_distances: np.ndarray

    def figures(self) -> dict[str, Any]:
        """The figures alone, as JSON's own types."""
        arrays = ("classification", "pairs", "targets", "pair_distances")
        kept = {name: value for name, value in vars(self).items() if name not in arrays}
        classes = [asdict(one) for one in self.classes]
        return kept | {"classes": classes, "confusion": self.confusion.tolist()}


def evaluate(
    index: DigitIndex,
    test: Dataset,
    *,
    k: int,
    weights: Weights,
    threshold: float,
    seed: int,
    progress: Progress = silent,
) -> Evaluation:
    """Ask the index about every digit of `test`.

    Args:
        index: to measure.
        test: what to ask.
        k: neighbours that vote.
        weights: of the vote.
        threshold: distance up to which a pair counts as the same class.
        seed: for the random pairs.
        progress: told while encoding.

    Raises:
        UsageError: k out of range, or the dataset has other classes than the index.
    """
    index.vectors.check_k(k)
    _check_classes(index, test)
    started = time.perf_counter()
    vectors, labels = index.vectors, index.labels
    embeddings = index.embedder.embed(test.images, progress)  # (n, d)
    named = index.classify_embeddings(embeddings, k, weights)
    ids, _ = vectors.search(embeddings, min(TEN, len(vectors)))
    right, answered = named.labels == test.labels, named.reasons == ""
    rng = np.random.default_rng(seed)
    of_class = embeddings[:, : index.embedder.card.class_dimension]  # (n, c)
    pairs = _judge_pairs(of_class, test.labels, threshold, rng)
    drawn = _references(index, rng)
    return Evaluation(
        n=len(test),
        k=k,
        weights=weights,
        knn_accuracy=float(right.mean()),
        precision_at_10=precision(labels[ids], test.labels),
        map_at_r=map_at_r(embeddings, test.labels, vectors.vectors(drawn), labels[drawn]),
        refused=float((~answered).mean()),
        accuracy_answered=float(right[answered].mean()) if answered.any() else None,
        calibration_error=expected_calibration_error(named.confidences, right),
        risk_coverage=risk_coverage(named.confidences, right, COVERED),
        **pairs,
        **_find_deformed(index, k, weights),
        classes=tuple(_of_classes(index, test.labels, right, answered)),
        confusion=confusion(test.labels, named.labels, len(test.names)),
        seconds=round(time.perf_counter() - started, 2),
        classification=named,
    )


def _of_classes(
    index: DigitIndex, truth: np.ndarray, right: np.ndarray, answered: np.ndarray
) -> Iterator[OfClass]:
    for label in range(len(index.manifest.names)):
        own = truth == label
        shares = (float(right[own].mean()), float((~answered)[own].mean())) if own.any() else None
        yield OfClass(index.called(label), int(own.sum()), *(shares or (None, None)))


def _check_classes(index: DigitIndex, test: Dataset) -> None:
    if list(test.names) != index.manifest.names:
        raise UsageError(
            f"expected a dataset with the index's classes {', '.join(index.manifest.names)},"
            f" received {', '.join(test.names)}"
        )


def _references(index: DigitIndex, rng: np.random.Generator) -> np.ndarray:
    """Positions (m,) of the stored digits that MAP@R is measured among: all, or a sample."""
    if len(index.live) <= REFERENCES:
        return index.live
    return np.sort(rng.choice(index.live, REFERENCES, replace=False))


def worst_mistakes(named: Classification, truth: np.ndarray, most: int) -> np.ndarray:
    """Positions (m,) of digits that were named wrongly, the most confident first, at most `most`.

    Args:
        named: what n digits were named.
        truth: (n,) their labels.
        most: how many at most.
    """
    wrong = np.flatnonzero(named.labels != truth)
    return wrong[np.argsort(-named.confidences[wrong], kind="stable")][:most]


def _judge_pairs(
    embeddings: np.ndarray, labels: np.ndarray, threshold: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Random pairs of digits (n, c), how far apart they are, and how well that judges them."""
    pairs, targets = make_pairs(labels, rng)
    apart = np.linalg.norm(embeddings[pairs[:, 0]] - embeddings[pairs[:, 1]], axis=1)  # (2n,)
    judged = (apart <= threshold) == (targets == SAME)
    return {
        "pairs": pairs,
        "targets": targets,
        "pair_distances": apart,
        "pair_threshold": threshold,
        "pair_accuracy": float(judged.mean()) if len(pairs) else None,
    }


def _find_deformed(index: DigitIndex, k: int, weights: Weights) -> dict[str, Any]:
    """Deform stored digits a little and look for them: the three figures of it."""
    rng = np.random.default_rng(COPIES_SEED)
    originals = index.live[rng.permutation(len(index))[:COPIES]]
    embeddings = index.embed(deformed(index.images[originals], rng))
    ids, _ = index.vectors.search(embeddings, min(TEN, len(index)))
    named = index.classify_embeddings(embeddings, k, weights)
    return {
        "instance_recall_at_1": instance_recall(ids[:, :1], originals),
        "instance_recall_at_10": instance_recall(ids, originals),
        "accuracy_deformed": float((named.labels == index.labels[originals]).mean()),
    }
