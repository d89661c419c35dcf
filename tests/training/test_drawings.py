import numpy as np

from data.dataset import Dataset
from data.normalise import scale_to_unit
from search import DigitIndex
from training.drawn_digits import draw_digits
from training.outliers import draw_outliers


def test_drawings_are_in_the_mnist_convention(train_set: Dataset, rng: np.random.Generator) -> None:
    digits, labels = draw_digits(60, train_set.images, train_set.labels, rng)
    assert set(labels) == set(range(10))
    for image in scale_to_unit(np.concatenate([digits, draw_outliers(60, train_set.images, rng)])):
        rows, columns = np.indices((28, 28))
        centre = np.array([(image * rows).sum(), (image * columns).sum()]) / image.sum()
        assert np.abs(centre - 14).max() < 1
        inked = np.flatnonzero((image > 0.3).any(axis=0) | (image > 0.3).any(axis=1))
        assert 17 <= np.ptp(inked) <= 27


def test_the_same_chance_draws_the_same(train_set: Dataset) -> None:
    twice = [draw_outliers(30, train_set.images, np.random.default_rng(3)) for _ in range(2)]
    assert np.array_equal(*twice)
    assert len({image.tobytes() for image in twice[0]}) == 30


def test_drawn_digits_are_told_from_outliers(
    index: DigitIndex, train_set: Dataset, rng: np.random.Generator
) -> None:
    """With other draws than the ones the session's embedder was trained on."""
    digits, labels = draw_digits(200, train_set.images, train_set.labels, rng)
    outliers = draw_outliers(200, train_set.images, rng)
    named = index.classify(digits)
    assert (named.labels == labels).mean() > 0.9
    assert np.median(index.strangeness(outliers)) > 2 * np.median(index.strangeness(digits))
