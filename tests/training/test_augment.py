import numpy as np

from data.dataset import Dataset
from data.normalise import scale_to_unit
from training import require_backend

require_backend()

import tensorflow as tf  # noqa: E402

from training.augment import coarsen, deform, straighten_nearly, vary_strokes  # noqa: E402
from training.recipes import STILL, Affine, Canvas  # noqa: E402
from training.straighten import Straighten  # noqa: E402

SEED = tf.constant([0, 7])
SMALL = Canvas(side=20, pitch=1.2)
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


def test_strength_is_a_share_of_the_ranges(train_set: Dataset) -> None:
    copies = tf.constant(np.repeat(scale_to_unit(train_set.images[:1]), 6, axis=0))
    half = Affine(rotation=0.1, shear=0.1, scale=0.06, stretch=0.025, shift=1)
    strength = tf.constant([1.0, 1.0, 0.5, 0.5, 0.0, 0.0])

    def straightened(images: tf.Tensor, affine: Affine, *rest: tf.Tensor) -> tf.Tensor:
        return straighten_nearly(images, SMALL, affine, *rest)

    def deformed_first(
        images: tf.Tensor, affine: Affine, seed: tf.Tensor, strength: tf.Tensor | float = 1.0
    ) -> tf.Tensor:
        return straighten_nearly(images, SMALL, STILL, seed, strength, affine)

    for change in (deform, straightened, deformed_first):
        received = np.asarray(change(copies, MOVED, SEED, strength))
        for rows, affine in (([0, 1], MOVED), ([2, 3], half), ([4, 5], STILL)):
            expected = np.asarray(change(copies, affine, SEED))
            assert np.abs(received - expected)[rows].max() < 1e-4


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
    in_pipeline = np.asarray(straighten_nearly(tf.constant(images), SMALL, STILL, SEED))
    in_tower = np.asarray(Straighten(SMALL.side, SMALL.pitch)(images))
    assert np.abs(in_pipeline - in_tower).max() < 1e-4


def test_one_sampling_deforms_and_straightens_as_two_do(train_set: Dataset) -> None:
    """But for what a second sampling blurs."""
    images = tf.constant(scale_to_unit(train_set.images[:100]))
    deformation = Affine(rotation=0.3, shear=0.2, scale=0.12, stretch=0.12, shift=0)
    at_once = straighten_nearly(images, SMALL, STILL, SEED, 1.0, deformation)
    deforming, _ = tf.unstack(tf.random.split(SEED))
    deformed = deform(images, deformation, deforming)
    in_two = straighten_nearly(deformed, SMALL, STILL, SEED)
    apart = np.abs(np.asarray(at_once - in_two)).mean()
    plain = straighten_nearly(images, SMALL, STILL, SEED)
    assert apart < np.abs(np.asarray(at_once - plain)).mean() / 4


def test_how_far_from_straight_is_counted_from_straight(train_set: Dataset) -> None:
    """Straight first, then moved, but for what a second sampling blurs."""
    images = tf.constant(scale_to_unit(train_set.images[:100]))
    whole = Canvas(side=28, pitch=1.0)
    received = straighten_nearly(images, whole, MOVED, SEED)
    straight = straighten_nearly(images, whole, STILL, SEED)
    _, moving = tf.unstack(tf.random.split(SEED))
    apart = np.abs(np.asarray(received - deform(straight, MOVED, moving))).mean()
    assert apart < np.abs(np.asarray(received - straight)).mean() / 4


def test_straightening_undoes_shift_slant_and_size(train_set: Dataset) -> None:
    images = scale_to_unit(train_set.images[:100])
    slanted = Affine(rotation=0, shear=0.25, scale=0.15, stretch=0, shift=2)
    moved = np.asarray(deform(tf.constant(images), slanted, SEED))
    apart = np.abs(moved - images).mean()
    front = Straighten(side=28, pitch=1.0)
    straight = np.asarray(front(moved)) - np.asarray(front(images))
    assert np.abs(straight).mean() < apart / 4


def test_a_blank_image_stays_blank() -> None:
    blank = Straighten(side=20, pitch=1.2)(np.zeros((1, 28, 28), np.float32))
    assert blank.shape == (1, 20, 20)
    assert (np.asarray(blank) == 0).all()


def test_strokes_grow_and_shrink_but_stay_where_they_are(train_set: Dataset) -> None:
    images = scale_to_unit(train_set.images[:200])
    varied = np.asarray(vary_strokes(tf.constant(images), 1.0, SEED))
    assert 0 <= varied.min() <= varied.max() <= 1 + 1e-6
    growth = varied.sum(axis=(1, 2)) / images.sum(axis=(1, 2))
    assert (growth > 1.1).any()
    assert (growth < 0.9).any()
    far = tf.nn.max_pool2d(images[..., None], 5, 1, "SAME")[..., 0] == 0
    assert np.abs(varied[far]).max() == 0


def test_a_coarse_grid_keeps_the_ink_and_loses_detail(train_set: Dataset) -> None:
    images = scale_to_unit(train_set.images[:200])
    coarse = np.asarray(coarsen(tf.constant(images), 1.0, SEED))
    assert 0 <= coarse.min() <= coarse.max() <= 1
    assert 0.9 < coarse.sum() / images.sum() < 1.15

    def detail(batch: np.ndarray) -> float:
        return float(np.abs(np.diff(batch, axis=1)).sum() / batch.sum())

    assert detail(coarse) < detail(images)


def test_only_the_share_asked_for_is_changed(train_set: Dataset) -> None:
    images = tf.constant(scale_to_unit(train_set.images[:400]))
    for change in (vary_strokes, coarsen):
        changed = np.abs(np.asarray(change(images, 0.25, SEED)) - images).max(axis=(1, 2)) > 1e-6
        assert 0.15 < changed.mean() < 0.35
        assert np.array_equal(np.asarray(change(images, 0.0, SEED)), np.asarray(images))
