"""From neighbours to a name: labels, votes, confidence, verdict. Pure functions of arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from indexer.calibration import Calibration
from indexer.verdicts import ABSTAIN, MATCH, confidence, judge, mean_distances
from indexer.votes import Weights, cast_votes, winners


class Neighbours(NamedTuple):
    """The stored digits nearest to n queries; column 0 is the nearest.

    Attributes:
        ids: (n, k) int64, positions in the index.
        labels: (n, k) uint8.
        distances: (n, k) float32, Euclidean.
    """

    ids: np.ndarray
    labels: np.ndarray
    distances: np.ndarray

    def nearest(self, k: int) -> Neighbours:
        """The first k of each query."""
        return Neighbours(self.ids[:, :k], self.labels[:, :k], self.distances[:, :k])


class Classification(NamedTuple):
    """What n queries were named, why, and whether to trust it.

    Attributes:
        labels: (n,) uint8, the winners of the vote: best guesses where the verdict abstains.
        confidences: (n,) float64, how likely each label is right.
        votes: (n, classes) float64, the share of each class; rows add up to 1.
        reasons: (n,) strings, why the verdict abstains: `"too-far"`, `"split-vote"`, `"blank"`
            where nothing is drawn, or empty for a match.
        mean_distances: (n,) float64, how far each lies from its class, as
            :func:`indexer.verdicts.mean_distances` has it.
        neighbours: those who voted.
    """

    labels: np.ndarray
    confidences: np.ndarray
    votes: np.ndarray
    reasons: np.ndarray
    mean_distances: np.ndarray
    neighbours: Neighbours

    @property
    def verdicts(self) -> np.ndarray:
        """(n,) strings, `"match"` or `"abstain"`."""
        return np.where(self.reasons == "", MATCH, ABSTAIN)


def classify(
    neighbours: Neighbours,
    class_distances: np.ndarray,
    k: int,
    weights: Weights,
    classes: int,
    calibration: Calibration,
) -> Classification:
    """Name each query by the vote of its k nearest, and judge whether that means anything.

    Args:
        neighbours: at least k and at least `calibration.witnesses` of each query.
        class_distances: (n, witnesses) float32, to the first of them.
        k: how many vote.
        weights: of the vote.
        classes: how many there are.
        calibration: of the index that was asked.
    """
    voters, witnesses = neighbours.nearest(k), neighbours.nearest(calibration.witnesses)
    votes = cast_votes(voters.labels, voters.distances, weights, classes)
    labels = winners(votes, voters.labels)
    chances = confidence(labels, witnesses.labels, class_distances, calibration)
    means = mean_distances(labels, witnesses.labels, class_distances)
    return Classification(
        labels,
        chances,
        votes,
        judge(labels, witnesses.labels, means, chances, calibration),
        means,
        voters,
    )
