"""The in-batch input pipeline: deformed digits and their labels, drawn by position."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from data.datasets import Dataset
from data.normalise import scale_to_unit
from training.augment import deform, straighten_nearly
from training.recipes import Affine, Recipe

STRAIGHT = Affine(0, 0, 0, 0, 0)
MIN_STEPS = 60  # an epoch of a small dataset goes round until it has this many steps


def batches_of(
    recipe: Recipe, dataset: Dataset, training: np.ndarray, seed: int
) -> tuple[tf.data.Dataset, int]:
    """Endless batches of `(images, labels)`, and how many make an epoch.

    Images are deformed and straightened as the recipe says: they enter the network behind the
    straightening front, not the whole tower. What happens to a batch depends on `seed` and its
    number alone, so batches can be made side by side and still be repeated.

    images (b, 28, 28) float32 in [0, 1]; labels (b,) int32.
    """
    images = tf.constant(dataset.images[training])
    labels = tf.constant(dataset.labels[training].astype(np.int32))

    def gather(number: tf.Tensor, positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = tf.cast(tf.gather(images, positions), tf.float32) / 255  # (b, 28, 28)
        if recipe.augmentation:
            batch = deform(batch, recipe.augmentation, [seed, 2 * number])
        if recipe.straighten:
            batch = straighten_nearly(batch, recipe.jitter, [seed, 2 * number + 1])
        return batch, tf.gather(labels, positions)

    size = min(recipe.batch_size, len(training))
    batches = (
        tf.data.Dataset.range(len(training))
        .shuffle(len(training))
        .batch(size, drop_remainder=True)
        .repeat()
        .enumerate()
        .map(gather, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    return batches, max(len(training) // size, MIN_STEPS)


def as_seen(recipe: Recipe, images: np.ndarray) -> np.ndarray:
    """Stored digits (n, 28, 28) uint8 as the network sees them: float32, straight if it wants."""
    unit = scale_to_unit(images)
    return np.asarray(straighten_nearly(unit, STRAIGHT, [0, 0])) if recipe.straighten else unit
