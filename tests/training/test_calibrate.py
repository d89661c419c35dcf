import numpy as np
import pytest

from training.calibrate import best_threshold


def accuracy_at(threshold: float, distances: np.ndarray, targets: np.ndarray) -> float:
    return float(((distances <= threshold) == (targets == 0)).mean())


def test_no_other_threshold_is_better(rng: np.random.Generator) -> None:
    for _ in range(50):
        n = int(rng.integers(1, 30))
        distances = rng.integers(0, 10, n) / 4
        targets = rng.integers(0, 2, n)
        threshold, accuracy = best_threshold(distances, targets)
        assert accuracy == pytest.approx(accuracy_at(threshold, distances, targets))
        candidates = np.concatenate([distances, np.maximum(distances - 0.01, 0), [99]])
        best = max(accuracy_at(one, distances, targets) for one in candidates)
        assert accuracy == pytest.approx(best)


def test_separable_pairs_are_parted_half_way() -> None:
    distances = np.array([0.1, 0.3, 0.7, 0.9])
    assert best_threshold(distances, np.array([0, 0, 1, 1])) == (pytest.approx(0.5), 1.0)
