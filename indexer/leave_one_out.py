"""What an index finds for its own digits, each left out; k and verdicts are chosen by that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.card import EmbedderCard
from data.dataset import Dataset
from data.holdout import hold_out
from indexer.calibration import Calibration
from indexer.vectors import VectorIndex
from indexer.verdicts import WITNESSES, calibrate, class_distance
from indexer.votes import WEIGHTS, best_k

LARGEST_K = 20
OF_A_CLASS = 100  # digits, whose mean is where a class lies
SAMPLE = 10_000


@dataclass(frozen=True)
class LeftOut:
    """Stored digits, each asked about without itself.

    Attributes:
        labels: (s, m) uint8, of the nearest others, nearest first.
        distances: (s, m) float32.
        class_distances: (s, m) float32, over the numbers of an embedding that tell the class.
        truth: (s,) uint8, their own.
        mates: (s,) int64, how many others are of that class, without copies.
        apart: how far classes lie from each other, by the same numbers.
    """

    labels: np.ndarray
    distances: np.ndarray
    class_distances: np.ndarray
    truth: np.ndarray
    mates: np.ndarray
    apart: float


def calibration_sample(dataset: Dataset, card: EmbedderCard, seed: int) -> tuple[np.ndarray, str]:
    """Positions (s,) int64, ascending, of digits not learned from, and which they are.

    Where the dataset is what the embedder was trained on, these are the digits that were held out
    of training; if none were, or it is another dataset, a sample of at most 10,000 of all.
    """
    if card.dataset["sha256"] == dataset.sha256():
        _, held_out = hold_out(dataset.labels, card.recipe["validation"], card.seed)
        if len(held_out):
            return held_out, "held out of training"
        source = "the embedder was trained on them"
    else:
        source = "not trained on"
    return np.sort(np.random.default_rng(seed).permutation(len(dataset))[:SAMPLE]), source


def ask_without_copies(
    vectors: VectorIndex,
    queries: np.ndarray,
    labels: np.ndarray,
    sample: np.ndarray,
    card: EmbedderCard,
    originals: int,
) -> LeftOut:
    """Search for the neighbours of digits, which find neither themselves nor copies of themselves.

    Args:
        vectors: the index they are in.
        queries: (s, d) float32, what is stored at positions `sample`.
        labels: (n,) uint8.
        sample: (s,) positions below `originals`.
        card: of the embedder.
        originals: how many of the n are no copies; position p is a copy of p mod `originals`.
    """
    copies = -(-len(labels) // originals)
    most = min(LARGEST_K, len(labels) - copies)
    ids, distances = vectors.search(queries, most + copies)
    others = np.argsort(ids % originals == sample[:, None], axis=1, kind="stable")[:, :most]
    ids, distances = (np.take_along_axis(found, others, axis=1) for found in (ids, distances))
    of_class = vectors.distances(queries, ids, card.class_dimension)
    few = np.concatenate(
        [np.flatnonzero(labels == label)[:OF_A_CLASS] for label in np.unique(labels)]
    )
    apart = class_distance(vectors.vectors(few)[:, : card.class_dimension], labels[few])
    mates = np.bincount(labels[:originals])[labels[sample]] - 1
    return LeftOut(labels[ids], distances, of_class, labels[sample], mates, apart)


def choose_k(left_out: LeftOut) -> tuple[dict[str, int], dict[str, float]]:
    """The largest k that is about as good as the best, and its accuracy, by kind of weights."""
    chosen = {
        weights: best_k(left_out.labels, left_out.distances, left_out.truth, weights)
        for weights in WEIGHTS
    }
    accuracy = {str(weights): round(share, 6) for weights, (_, share) in chosen.items()}
    return {str(weights): k for weights, (k, _) in chosen.items()}, accuracy


def calibrate_verdicts(left_out: LeftOut, source: str) -> Calibration:
    """Thresholds and confidence from the nearest few of the digits that were left out."""
    nearest = np.s_[:, :WITNESSES]
    return calibrate(
        left_out.labels[nearest],
        left_out.distances[nearest],
        left_out.class_distances[nearest],
        left_out.truth,
        left_out.mates,
        left_out.apart,
        source,
    )
