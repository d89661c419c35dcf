import numpy as np
import pytest

from search.metrics import confusion, instance_recall, map_at_r, precision, risk_coverage


def plain_map_at_r(
    queries: np.ndarray, truth: np.ndarray, references: np.ndarray, labels: np.ndarray
) -> float:
    total = 0.0
    for query, label in zip(queries, truth, strict=True):
        order = np.argsort(((references - query) ** 2).sum(axis=1))
        r = int((labels == label).sum())
        hits, score = 0, 0.0
        for i in range(1, r + 1):
            if labels[order[i - 1]] == label:
                hits += 1
                score += hits / i
        total += score / r if r else 0.0
    return total / len(queries)


def test_map_at_r_is_the_formula(rng: np.random.Generator) -> None:
    references, labels = rng.normal(size=(200, 3)), rng.integers(0, 5, 200)
    queries, truth = rng.normal(size=(40, 3)), rng.integers(0, 6, 40)  # class 5 has no references
    expected = plain_map_at_r(queries, truth, references, labels)
    assert map_at_r(queries, truth, references, labels) == pytest.approx(expected)


def test_perfect_and_collapsed_embeddings() -> None:
    labels = np.repeat(np.arange(4), 10)
    apart = np.eye(4)[labels]
    assert map_at_r(apart, labels, apart, labels) == 1
    collapsed = np.zeros((40, 4))
    assert map_at_r(collapsed, labels, collapsed, labels) == 0


def test_precision_counts_neighbours() -> None:
    assert precision(np.array([[1, 1], [2, 3]]), np.array([1, 2])) == 0.75


def test_confusion_is_truth_by_name() -> None:
    counts = confusion(np.array([0, 0, 9]), np.array([0, 3, 9]), 10)
    assert counts[0, 0] == counts[0, 3] == counts[9, 9] == 1
    assert counts.sum() == 3


def test_instance_recall_counts_originals_found() -> None:
    ids = np.array([[5, 1], [2, 7], [3, 9]])
    assert instance_recall(ids[:, :1], np.array([5, 7, 4])) == 1 / 3
    assert instance_recall(ids, np.array([5, 7, 4])) == 2 / 3


def test_risk_coverage_is_the_accuracy_of_the_surest() -> None:
    confidences = np.array([0.9, 0.2, 0.8, 0.8, 0.7])
    right = np.array([True, False, True, False, True])
    figures = risk_coverage(confidences, right, (0.2, 0.4, 0.6, 1.0))
    assert figures == {"0.2": 1.0, "0.4": 0.5, "0.6": 2 / 3, "1": 0.6}
