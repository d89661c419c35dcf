import numpy as np

from data.holdout import hold_out


def test_digits_are_held_out_class_by_class(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 10, 5000)
    training, held_out = hold_out(labels, 300, seed=1)
    assert sorted([*training, *held_out]) == list(range(5000))
    assert 280 <= len(held_out) <= 300
    assert np.bincount(labels[held_out]).min() > 20
    assert len(hold_out(labels, 0, seed=1)[1]) == 0
    assert len(hold_out(labels, 5000, seed=1)[1]) <= 500  # a tenth at most


def test_the_same_seed_holds_out_the_same(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 10, 5000)
    assert np.array_equal(hold_out(labels, 300, seed=1)[1], hold_out(labels, 300, seed=1)[1])
    assert not np.array_equal(hold_out(labels, 300, seed=1)[1], hold_out(labels, 300, seed=2)[1])
