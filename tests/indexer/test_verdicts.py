import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from indexer.calibration import Calibration
from indexer.verdicts import (
    calibrate,
    class_distance,
    confidence,
    judge,
    mean_distances,
    percentile,
)

WITNESSES, SHARPNESS = 10, 1.5


def plain_evidence(name: int, labels: np.ndarray, distances: np.ndarray, limit: float) -> float:
    ours = theirs = math.exp(-3)
    for label, distance in zip(labels, distances, strict=True):
        weight = math.exp(-3 * float(distance) / limit)
        ours, theirs = (ours + weight, theirs) if label == name else (ours, theirs + weight)
    return math.log(ours / theirs)


def plain_mean_distance(name: int, labels: np.ndarray, distances: np.ndarray) -> float:
    ours = [place for place, label in enumerate(labels) if label == name]
    counted = distances[: ours[-1] + 1] if ours else distances
    return sum(float(one) for one in counted) / len(counted)


def votes(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits; one in five is torn between two classes, and is what evidence says by its odds."""
    truth = rng.integers(0, 10, n)
    labels = np.repeat(truth[:, None], WITNESSES, axis=1)
    distances = np.sort(rng.uniform(0.05, 0.3, (n, WITNESSES)), axis=1).astype(np.float32)
    limit = float(np.quantile(distances.mean(axis=1), 1 - 0.0025, method="higher"))
    for row in range(n):
        one, other = truth[row], (truth[row] + 1) % 10
        share = rng.random() if rng.random() < 0.2 else 1.0
        labels[row] = np.where(rng.random(WITNESSES) < share, one, other)
        odds = SHARPNESS * plain_evidence(one, labels[row], distances[row], limit)
        truth[row] = one if rng.random() < 1 / (1 + math.exp(-odds)) else other
    return labels, distances, truth


@pytest.fixture
def calibration(rng: np.random.Generator) -> Calibration:
    labels, distances, truth = votes(rng, 4000)
    return calibrate(
        labels, distances, distances, truth, np.full(len(truth), 99), 0, "drawn by chance"
    )


def test_mean_distances_end_with_the_last_witness_of_the_name(rng: np.random.Generator) -> None:
    labels, distances, truth = votes(rng, 300)
    named = (truth + rng.integers(0, 2, 300)) % 10
    rows = list(zip(named, labels, distances, strict=True))
    assert len({len(np.flatnonzero(row == name)) for name, row, _ in rows}) > 5
    expected = [plain_mean_distance(*row) for row in rows]
    assert np.allclose(mean_distances(named, labels, distances), expected)


def judged(
    named: np.ndarray, labels: np.ndarray, distances: np.ndarray, calibration: Calibration
) -> np.ndarray:
    chances = confidence(named, labels, distances, calibration)
    return judge(named, labels, mean_distances(named, labels, distances), chances, calibration)


def winners(labels: np.ndarray, distances: np.ndarray) -> np.ndarray:
    weights = 1 / distances.astype(np.float64) ** 2
    return np.array(
        [np.bincount(*row, minlength=10).argmax() for row in zip(labels, weights, strict=True)]
    )


def test_two_that_are_one_are_named_as_queries_are() -> None:
    labels, distances = np.array([[1, 0]] * 50), np.zeros((50, 2), np.float32)
    as_nearest = calibrate(
        labels, distances, distances, np.ones(50, int), np.full(50, 99), 0, "twins"
    )
    as_lowest = calibrate(
        labels, distances, distances, np.zeros(50, int), np.full(50, 99), 0, "twins"
    )
    assert confidence(np.ones(1, int), labels[:1], distances[:1], as_nearest) == 0.5
    assert as_nearest.refused == as_lowest.refused


def test_as_many_are_refused_as_was_promised(rng: np.random.Generator) -> None:
    labels, distances, truth = votes(rng, 4000)
    calibration = calibrate(
        labels, distances, distances, truth, np.full(len(truth), 99), 0, "drawn by chance"
    )
    named = winners(labels, distances)
    reasons = judged(named, labels, distances, calibration)
    far = mean_distances(named, labels, distances) > calibration.too_far
    assert 4000 * 0.0025 - 1 <= far.sum() <= 4000 * 0.0025
    assert (reasons[far] == "too-far").all()
    for reason in ("too-far", "split-vote"):
        assert calibration.refused[reason] == pytest.approx((reasons == reason).mean(), abs=1e-6)


def test_what_lies_much_nearer_than_classes_lie_apart_is_near(rng: np.random.Generator) -> None:
    labels, distances, truth = votes(rng, 400)
    near = calibrate(
        labels,
        distances / 100,
        distances / 100,
        truth,
        np.full(len(truth), 99),
        1.2,
        "drawn by chance",
    )
    assert near.too_far == pytest.approx(0.3)
    far = calibrate(
        labels,
        distances * 10,
        distances * 10,
        truth,
        np.full(len(truth), 99),
        1.2,
        "drawn by chance",
    )
    limit = np.quantile(mean_distances(winners(labels, distances), labels, distances * 10), 0.9975)
    assert far.too_far == pytest.approx(limit, abs=0.1)


def test_digits_of_classes_too_small_to_be_named_set_no_limit(rng: np.random.Generator) -> None:
    labels, distances, truth = votes(rng, 400)
    mates = np.full(400, 99)
    without = calibrate(labels, distances, distances, truth, mates, 0, "drawn by chance")
    few = np.full((3, WITNESSES), 4), np.full((3, WITNESSES), 7.0, np.float32)
    labels, distances = np.concatenate([labels, few[0]]), np.concatenate([distances, few[1]])
    truth, mates = np.append(truth, [5, 5, 5]), np.append(mates, [2, 2, 2])
    assert calibrate(labels, distances, distances, truth, mates, 0, "drawn by chance") == without
    mates[:] = 99
    among = calibrate(labels, distances, distances, truth, mates, 0, "drawn by chance")
    assert among.too_far == pytest.approx(7)


def test_class_distance_is_that_to_the_nearest_mean(rng: np.random.Generator) -> None:
    labels, vectors = rng.integers(0, 5, 300), rng.normal(size=(300, 4)).astype(np.float32)
    means = [vectors[labels == label].astype(float).mean(axis=0) for label in range(5)]
    nearest = [
        min(math.dist(means[one], means[other]) for other in range(5) if other != one)
        for one in range(5)
    ]
    assert class_distance(vectors, labels) == pytest.approx(sorted(nearest)[2], rel=1e-4)
    assert class_distance(vectors, np.zeros(300, int)) == 0


def test_names_are_refused_where_they_are_likelier_wrong(
    calibration: Calibration, rng: np.random.Generator
) -> None:
    labels, distances, truth = votes(rng, 4000)
    named = (truth + rng.integers(0, 2, 4000)) % 10
    reasons = judged(named, labels, distances, calibration)
    near = mean_distances(named, labels, distances) <= calibration.too_far
    for row in np.flatnonzero(near)[:500]:
        evidence = plain_evidence(named[row], labels[row], distances[row], calibration.too_far)
        assert (reasons[row] == "split-vote") == (evidence < 0)


def test_distance_comes_before_disagreement(calibration: Calibration) -> None:
    labels = np.array([[1] * 10, [1] * 10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0], [1, 2, 3, 4, 5] * 2])
    near, far = [0.1] * 10, [3.0] * 10
    distances = np.array([near, far, near, far], np.float32)
    reasons = judged(np.ones(4, int), labels, distances, calibration)
    assert reasons.tolist() == ["", "too-far", "split-vote", "too-far"]


def test_confidence_is_the_share_that_is_right(
    calibration: Calibration, rng: np.random.Generator
) -> None:
    labels, distances, truth = votes(rng, 20_000)
    named = winners(labels, distances)
    confidences = confidence(named, labels, distances, calibration)
    right = named == truth
    assert calibration.sharpness == pytest.approx(SHARPNESS, abs=0.2)
    for low, high in ((0.3, 0.6), (0.6, 0.9), (0.9, 1)):
        chosen = (confidences >= low) & (confidences < high)
        assert chosen.sum() > 100
        assert right[chosen].mean() == pytest.approx(confidences[chosen].mean(), abs=0.06)


def test_confidence_falls_with_disagreement_and_with_distance(calibration: Calibration) -> None:
    agreeing, split = np.full((1, 10), 7), np.array([[7] * 6 + [9] * 4])
    near, far = np.full((1, 10), 0.1, np.float32), np.full((1, 10), 0.9, np.float32)
    seven = np.array([7])
    best = confidence(seven, agreeing, near, calibration)
    assert confidence(seven, split, near, calibration) < best
    assert confidence(seven, agreeing, far, calibration) <= best
    assert confidence(np.array([3]), agreeing, near, calibration) < 0.5


def test_no_mistakes_do_not_mean_certainty() -> None:
    truth = np.arange(50) % 10
    labels = np.repeat(truth[:, None], WITNESSES, axis=1)
    distances = np.full((50, WITNESSES), 0.1, np.float32)
    calibration = calibrate(
        labels, distances, distances, truth, np.full(len(truth), 99), 0, "perfect"
    )
    sure = confidence(truth, labels, distances, calibration)
    assert np.allclose(sure, 51 / 52, atol=0.01)


def test_doubles_of_stored_digits_are_no_division_by_zero() -> None:
    truth = np.arange(20) % 10
    labels = np.repeat(truth[:, None], 3, axis=1)
    distances = np.zeros((20, 3), np.float32)
    calibration = calibrate(
        labels, distances, distances, truth, np.full(len(truth), 99), 0, "doubles"
    )
    assert judged(truth, labels, distances, calibration).tolist() == [""] * 20
    assert np.isfinite(confidence(truth, labels, distances, calibration)).all()
    assert np.isfinite(percentile(distances, calibration)).all()


def test_percentiles_are_those_of_the_sample(rng: np.random.Generator) -> None:
    labels, distances, truth = votes(rng, 1000)
    calibration = calibrate(
        labels, distances, distances, truth, np.full(len(truth), 99), 0, "drawn by chance"
    )
    asked = np.array([0.0, float(np.median(distances)), 99.0])
    below, middle, above = percentile(asked, calibration)
    assert below == 0
    assert middle == pytest.approx(50, abs=0.5)
    assert above == 100


def test_it_survives_the_manifest(calibration: Calibration) -> None:
    record = json.loads(json.dumps(asdict(calibration)))
    assert Calibration.from_record(record) == calibration
