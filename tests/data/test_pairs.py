import numpy as np
import pytest

from data.pairs import DIFFERENT, SAME, make_pairs


@pytest.fixture
def labels(rng: np.random.Generator) -> np.ndarray:
    return rng.choice(10, 5000, p=np.arange(1, 11) / 55).astype(np.uint8)


def test_every_anchor_once_positive_once_negative(
    labels: np.ndarray, rng: np.random.Generator
) -> None:
    pairs, targets = make_pairs(labels, rng)
    assert pairs.shape == (2 * len(labels), 2)
    for target in (SAME, DIFFERENT):
        anchors = pairs[targets == target, 0]
        assert np.array_equal(np.sort(anchors), np.arange(len(labels)))


def test_targets_tell_the_truth(labels: np.ndarray, rng: np.random.Generator) -> None:
    pairs, targets = make_pairs(labels, rng)
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    assert np.array_equal(targets == SAME, same)


def test_partners_are_drawn_uniformly(labels: np.ndarray, rng: np.random.Generator) -> None:
    """As the notebook draws them: any member of the class, any member of any other class."""
    small = labels[:40]
    drawn = [make_pairs(small, rng) for _ in range(4000)]
    for target in (SAME, DIFFERENT):
        partners = np.concatenate(
            [pairs[(targets == target) & (pairs[:, 0] == 0), 1] for pairs, targets in drawn]
        )
        allowed = np.flatnonzero((small == small[0]) == (target == SAME))
        counts = np.bincount(partners, minlength=40)
        assert set(np.flatnonzero(counts)) == set(allowed)
        expected = len(partners) / len(allowed)
        assert np.abs(counts[allowed] - expected).max() < 5 * np.sqrt(expected)


def test_order_is_shuffled_and_seeded(labels: np.ndarray) -> None:
    first, targets = make_pairs(labels, np.random.default_rng(1))
    again, _ = make_pairs(labels, np.random.default_rng(1))
    other, _ = make_pairs(labels, np.random.default_rng(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0.4 < (targets[:1000] == SAME).mean() < 0.6


def test_of_a_single_class_there_are_no_pairs(rng: np.random.Generator) -> None:
    pairs, targets = make_pairs(np.full(7, 3, np.uint8), rng)
    assert pairs.shape == (0, 2)
    assert targets.shape == (0,)
