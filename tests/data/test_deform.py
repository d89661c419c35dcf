import numpy as np

from data.dataset import Dataset
from data.deform import deformed


def test_copies_are_a_little_different(train_set: Dataset) -> None:
    images = train_set.images[:100]
    copies = deformed(images, np.random.default_rng(7))
    assert copies.dtype == np.uint8
    assert copies.shape == images.shape
    assert 0.75 < copies.sum() / images.sum() < 1.25
    flat, other = (x.reshape(100, -1).astype(float) for x in (images, copies))
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(flat, other, strict=True)]
    assert 0.3 < np.mean(correlation) < 0.95
    assert max(correlation) < 1


def test_the_same_seed_deforms_the_same(train_set: Dataset) -> None:
    images = train_set.images[:10]
    first, again = (deformed(images, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, again)
