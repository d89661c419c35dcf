"""When to trust a vote: a verdict and a confidence, calibrated on digits held back.

Whoever is asked for the nearest neighbours always finds some. Two questions tell whether they mean
anything: do they lie as near as a digit's neighbours do, and is their name likelier right than
wrong? Where the line is drawn is read off digits whose names are known, each left out of its own
vote, and which the embedder did not learn from. Only the part of an embedding that tells the class
counts here: an unusual hand is no reason to doubt a digit. How near is asked of the witnesses down
to the last of the name in question: a class may have fewer digits than there are witnesses, and
those that follow its last are of other classes, as far away as these are. And whatever lies much
nearer than the classes lie apart is near: a sample may be small, and of the larger classes alone,
which are learned better. Pure functions of arrays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from indexer.calibration import Calibration
from indexer.votes import DEFAULT_WEIGHTS, cast_votes, winners

WITNESSES = 10  # neighbours that a verdict rests on, whatever k names the digit
TOO_FAR_SHARE = 0.0025  # of the calibration digits is refused because of distance
NEAR_SHARE = 0.25  # of the distance between classes is near, however near digits of the sample lie
LEAST_CONFIDENCE = 0.5  # a name no surer than this is no likelier right than wrong
SCALE = np.linspace(0, 100, 101)  # percentiles
FALL = 3.0  # a witness at the limit of what is near weighs exp(-FALL)
RIDGE = 1e-2  # on the sharpness, which is of the order of 1
NEWTON_STEPS = 50
TINY, LARGEST = 1e-9, 30.0  # keep divisions and exponentials finite

MATCH, ABSTAIN = "match", "abstain"
TOO_FAR, SPLIT_VOTE, BLANK, NOT_A_DIGIT = "too-far", "split-vote", "blank", "not-a-digit"
REASONS = np.array(["", TOO_FAR, SPLIT_VOTE])


def calibrate(
    labels: np.ndarray,
    distances: np.ndarray,
    class_distances: np.ndarray,
    truth: np.ndarray,
    mates: np.ndarray,
    apart: float,
    source: str,
) -> Calibration:
    """Read thresholds and confidence off digits whose names are known.

    A digit that is misnamed because its class has fewer others than there are witnesses tells
    nothing of how far a digit lies from its class, and is not counted.

    Args:
        labels: (n, w) integers, labels of the witnesses, nearest first; none is the digit itself.
        distances: (n, w) float32, between embeddings.
        class_distances: (n, w) float32, between their class parts.
        truth: (n,) integers.
        mates: (n,) integers, how many others are of each one's class.
        apart: the :func:`class_distance` of the index.
        source: what to say of where the digits come from.
    """
    witnesses = labels.shape[1]
    votes = cast_votes(labels, distances, DEFAULT_WEIGHTS, int(labels.max()) + 1)
    named = winners(votes, labels)
    telling = (named == truth) | (mates >= witnesses)
    if telling.any():
        named, labels, truth = named[telling], labels[telling], truth[telling]
        distances, class_distances = distances[telling], class_distances[telling]
    means = mean_distances(named, labels, class_distances)
    furthest = float(np.quantile(means, 1 - TOO_FAR_SHARE, method="higher"))
    too_far = max(furthest, NEAR_SHARE * apart)
    evidence = _evidence(named, labels, class_distances, too_far)
    normal = distances[_down_to_the_last(named, labels)]
    calibration = Calibration(
        witnesses=witnesses,
        sample=len(truth),
        source=source,
        too_far=too_far,
        least_confidence=LEAST_CONFIDENCE,
        refused={},
        sharpness=_fit_sharpness(evidence, named == truth),
        normal_distances=tuple(float(one) for one in np.percentile(normal, SCALE)),
    )
    chances = confidence(named, labels, class_distances, calibration)
    reasons = judge(named, labels, means, chances, calibration)
    refused = {why: round(float((reasons == why).mean()), 6) for why in (TOO_FAR, SPLIT_VOTE)}
    return replace(calibration, refused=refused)


def class_distance(vectors: np.ndarray, labels: np.ndarray) -> float:
    """How far a class lies from the one nearest to it, by their means: the median over classes.

    Args:
        vectors: (n, d) float32, what of embeddings tells the class.
        labels: (n,) integers.

    Returns:
        0 where there is but one class.
    """
    classes = np.unique(labels)
    if len(classes) < 2:
        return 0.0
    means = np.array([vectors[labels == label].mean(axis=0) for label in classes])
    between = np.linalg.norm(means[:, None] - means[None], axis=2)
    np.fill_diagonal(between, np.inf)
    return float(np.median(between.min(axis=1)))


def judge(
    named: np.ndarray,
    labels: np.ndarray,
    means: np.ndarray,
    chances: np.ndarray,
    calibration: Calibration,
) -> np.ndarray:
    """Why each of n names is not to be trusted.

    Args:
        named: (n,) integers, the names in question.
        labels: (n, w) integers, labels of the witnesses.
        means: (n,) floats, the :func:`mean_distances` of each.
        chances: (n,) floats, the :func:`confidence` in each name.
        calibration: of the index that was asked.

    Returns:
        (n,) strings: empty for a match, else `"too-far"` or `"split-vote"`.
    """
    unsure = chances <= calibration.least_confidence
    agreed = (labels == named[:, None]).all(axis=1)
    far = (means > calibration.too_far) | (unsure & agreed)
    return np.asarray(REASONS[np.where(far, 1, np.where(unsure, 2, 0))])


def mean_distances(
    named: np.ndarray, labels: np.ndarray, class_distances: np.ndarray
) -> np.ndarray:
    """How far n digits lie from the witnesses down to the last of their names: means (n,) float64.

    Args:
        named: (n,) integers, the names in question.
        labels: (n, w) integers, labels of the witnesses, nearest first.
        class_distances: (n, w) float32.
    """
    counted = _down_to_the_last(named, labels)
    means: np.ndarray = class_distances.mean(axis=1, dtype=np.float64, where=counted)
    return means


def strangeness(means: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Mean distances (n,) in units of what is too far, so that they mean the same in any index."""
    return means / max(calibration.too_far, TINY)


def _down_to_the_last(named: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which witnesses come no later than the last of a name, (n, w) bool; all where none is."""
    ours = labels == named[:, None]
    later = np.logical_or.accumulate(ours[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(later | ~ours.any(axis=1, keepdims=True))


def confidence(
    named: np.ndarray, labels: np.ndarray, class_distances: np.ndarray, calibration: Calibration
) -> np.ndarray:
    """How likely each name is right, (n,) float64 in (0, 1).

    The logistic function of the evidence for it, scaled by one number (Guo et al., "On Calibration
    of Modern Neural Networks", ICML 2017, section 4.2, with evidence in the logit's place).

    Args:
        named: (n,) integers, the names in question.
        labels: (n, w) integers, labels of the witnesses.
        class_distances: (n, w) float32.
        calibration: of the index that was asked.
    """
    evidence = _evidence(named, labels, class_distances, calibration.too_far)
    chance: np.ndarray = 1 / (1 + np.exp(-calibration.sharpness * evidence))
    return chance


def percentile(distances: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Where distances lie among those between a digit and its witnesses: 0 to 100, same shape."""
    return np.asarray(np.interp(distances, calibration.normal_distances, SCALE))


def _evidence(
    named: np.ndarray, labels: np.ndarray, class_distances: np.ndarray, too_far: float
) -> np.ndarray:
    """Log of the weight of the witnesses for a name over that of all others, (n,) float64.

    A witness weighs exp(-FALL class distance / too_far). Each side is joined by a doubt as heavy as
    one witness at the limit, so that far witnesses leave the matter open.
    """
    weights = np.exp(-FALL * class_distances.astype(np.float64) / max(too_far, TINY))
    ours = np.where(labels == named[:, None], weights, 0).sum(axis=1)
    doubt = np.exp(-FALL)
    evidence: np.ndarray = np.log((ours + doubt) / (weights.sum(axis=1) - ours + doubt))
    return evidence


def _fit_sharpness(evidence: np.ndarray, right: np.ndarray) -> float:
    """The likeliest factor of a logistic regression without intercept, by Newton's method.

    Targets are Platt's ("Probabilistic Outputs for Support Vector Machines", 1999), which keep a
    sample without a mistake from meaning certainty.
    """
    wins, losses = int(right.sum()), int((~right).sum())
    target = np.where(right, (wins + 1) / (wins + 2), 1 / (losses + 2))
    sharpness = 0.0
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(sharpness * evidence, -LARGEST, LARGEST)))
        slope = evidence @ (chance - target) + RIDGE * sharpness
        curve = evidence**2 @ (chance * (1 - chance)) + RIDGE
        sharpness -= float(slope / curve)
    return max(0.0, sharpness)
