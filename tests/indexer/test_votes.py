import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from indexer.votes import WEIGHTS, Weights, best_k, cast_votes, winners


def inverse_squares(distances: np.ndarray) -> np.ndarray:
    at_once = distances == 0
    weights = np.where(at_once, 1, 1 / np.where(at_once, 1, distances) ** 2)
    weights[at_once.any(axis=1)] = at_once[at_once.any(axis=1)]
    return weights


@pytest.mark.parametrize("weights", WEIGHTS)
def test_votes_are_scikit_learn_s(weights: Weights, rng: np.random.Generator) -> None:
    asked = {"uniform": "uniform", "distance": inverse_squares}[weights]
    points, labels = rng.integers(0, 6, (300, 2)), rng.integers(0, 10, 300)
    queries = rng.integers(0, 6, (100, 2))  # on a grid, so that many distances are 0
    reference = KNeighborsClassifier(9, weights=asked, algorithm="brute").fit(points, labels)
    distances, ids = reference.kneighbors(queries)
    votes = cast_votes(labels[ids], distances, weights, 10)
    assert np.allclose(votes, reference.predict_proba(queries))
    assert np.allclose(votes.sum(axis=1), 1)


def test_all_votes_for_one_are_all_votes() -> None:
    for k in range(1, 21):
        votes = cast_votes(np.full((1, k), 7), np.ones((1, k)), "uniform", 10)
        assert votes[0, 7] == 1


def test_equal_votes_go_to_the_nearest() -> None:
    labels = np.array([[7, 3, 3, 7], [3, 7, 7, 3], [1, 2, 3, 4]])
    votes = cast_votes(labels, np.ones(labels.shape), "uniform", 10)
    assert winners(votes, labels).tolist() == [7, 3, 1]


def test_the_most_votes_win_over_the_nearest() -> None:
    labels = np.array([[7, 3, 3]])
    assert winners(cast_votes(labels, np.ones((1, 3)), "uniform", 10), labels).tolist() == [3]
    near = np.array([[0.7, 1.0, 1.0]])  # 1 / 0.49 is more than two
    assert winners(cast_votes(labels, near, "distance", 10), labels).tolist() == [7]
    far = np.array([[0.72, 1.0, 1.0]])  # 1 / 0.5184 is not
    assert winners(cast_votes(labels, far, "distance", 10), labels).tolist() == [3]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_most_vote_that_are_about_as_good_as_the_best(
    weights: Weights, rng: np.random.Generator
) -> None:
    truth = rng.integers(0, 10, 200)
    labels = np.where(
        rng.uniform(size=(200, 12)) < 0.4, truth[:, None], rng.integers(0, 10, (200, 12))
    )
    distances = np.sort(rng.uniform(0.1, 1, (200, 12)), axis=1)
    accuracies = {}
    for k in range(1, 13):
        votes = cast_votes(labels[:, :k], distances[:, :k], weights, 10)
        accuracies[k] = (winners(votes, labels[:, :k]) == truth).mean()
    k, accuracy = best_k(labels, distances, truth, weights)
    best = max(accuracies.values())
    assert accuracy == accuracies[k] >= best - (best * (1 - best) / 200) ** 0.5
    assert all(
        accuracies[more] < best - (best * (1 - best) / 200) ** 0.5 for more in range(k + 1, 13)
    )


def test_one_votes_where_more_are_worse() -> None:
    """The nearest is always right, all others are always wrong."""
    labels = np.tile([3, 7, 7, 7], (50, 1))
    truth = np.full(50, 3)
    assert best_k(labels, np.ones((50, 4)), truth, "uniform") == (2, 1.0)
