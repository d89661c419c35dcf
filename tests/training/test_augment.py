import numpy as np

from data.datasets import Dataset
from data.normalise import scale_to_unit
from training import require_backend

require_backend()

import tensorflow as tf  # noqa: E402

from training.augment import deform, straighten_nearly  # noqa: E402
from training.recipes import Affine  # noqa: E402
from training.straighten import Straighten  # noqa: E402

SEED = tf.constant([0, 7])
STILL = Affine(0, 0, 0, 0, 0)
MOVED = Affine(rotation=0.2, shear=0.2, scale=0.12, stretch=0.05, shift=2)


def test_no_deformation_is_none(train_set: Dataset) -> None:
    images = scale_to_unit(train_set.images[:20])
    assert np.allclose(np.asarray(deform(tf.constant(images), STILL, SEED)), images, atol=1e-5)


def test_every_copy_is_its_own(train_set: Dataset) -> None:
    copies = np.repeat(scale_to_unit(train_set.images[:1]), 8, axis=0)
    deformed = np.asarray(deform(tf.constant(copies), MOVED, SEED))
    assert deformed.shape == copies.shape
    assert 0 <= deformed.min() <= deformed.max() <= 1 + 1e-6
    again = np.asarray(deform(tf.constant(copies), MOVED, SEED))
    assert np.array_equal(deformed, again)
    assert len({image.tobytes() for image in deformed}) == 8


def test_the_ink_stays_about_where_and_what_it_was(train_set: Dataset) -> None:
    """Turned, scaled and sheared about the centre, shifted by two pixels at most."""
    images = scale_to_unit(train_set.images[:200])
    deformed = np.asarray(deform(tf.constant(images), MOVED, SEED))
    grid = np.indices((28, 28)).reshape(2, -1)

    def middles(batch: np.ndarray) -> np.ndarray:
        flat = batch.reshape(len(batch), -1)
        return flat @ grid.T / flat.sum(axis=1, keepdims=True)  # (n, 2)

    assert np.abs(middles(deformed) - middles(images)).max() < 4
    assert 0.7 < deformed.sum() / images.sum() < 1.3


def test_the_pipeline_straightens_as_the_tower_does(train_set: Dataset) -> None:
    images = scale_to_unit(train_set.images[:100])
    in_pipeline = np.asarray(straighten_nearly(tf.constant(images), STILL, SEED))
    in_tower = np.asarray(Straighten()(images))
    assert np.abs(in_pipeline - in_tower).max() < 1e-4


def test_straightening_undoes_shift_slant_and_size(train_set: Dataset) -> None:
    images = scale_to_unit(train_set.images[:100])
    slanted = Affine(rotation=0, shear=0.25, scale=0.15, stretch=0, shift=2)
    moved = np.asarray(deform(tf.constant(images), slanted, SEED))
    apart = np.abs(moved - images).mean()
    straight = np.asarray(Straighten()(moved)) - np.asarray(Straighten()(images))
    assert np.abs(straight).mean() < apart / 4


def test_a_blank_image_stays_blank() -> None:
    assert (np.asarray(Straighten()(np.zeros((1, 28, 28), np.float32))) == 0).all()
