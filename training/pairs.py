"""The siamese input pipeline: pairs of digits, same or different, drawn by position.

Pixels stay where they are, as bytes; what is shuffled and batched are positions, gathered and
scaled batch by batch. The notebook copied every pixel of every pair instead: 5 GB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from data.dataset import Dataset
from data.pairs import make_pairs
from training.batches import AHEAD, untuned
from training.recipes import Recipe


def pairs_of(
    recipe: Recipe, dataset: Dataset, training: np.ndarray, seed: int
) -> tuple[Callable[[int], tf.data.Dataset], int]:
    """Endless batches of `((left, right), targets)`, and how many make an epoch.

    Partners are drawn anew for each epoch: every anchor is once in a positive and once in a
    negative pair of it.

    left, right (b, 28, 28) float32 in [0, 1]; targets (b, 1) uint8, 0 for the same class.

    Returns:
        The batches from a given epoch on, counted from 0, and the steps of an epoch.
    """
    rng = np.random.default_rng(seed)
    drawn = [make_pairs(dataset.labels[training], rng) for _ in range(recipe.epochs)]
    pairs = np.concatenate([pairs for pairs, _ in drawn])
    targets = np.concatenate([targets for _, targets in drawn])
    images = tf.constant(dataset.images[training])
    steps = -(-2 * len(training) // recipe.batch_size)

    def gather(pair: tf.Tensor, target: tf.Tensor) -> tuple[Any, tf.Tensor]:
        twins = tf.cast(tf.gather(images, pair), tf.float32) / 255  # (b, 2, 28, 28)
        return (twins[:, 0], twins[:, 1]), target[:, None]

    def from_epoch(first: int) -> tf.data.Dataset:
        return (
            tf.data.Dataset.from_tensor_slices((pairs, targets))
            .repeat()
            .batch(recipe.batch_size)
            .skip(first * steps)
            .map(gather, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(AHEAD)
            .with_options(untuned())
        )

    return from_epoch, steps
