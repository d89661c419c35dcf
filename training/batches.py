"""The in-batch input pipeline: deformed digits and their labels, drawn by position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from data.convention import DIGITS, SIDE
from data.dataset import Dataset
from training.augment import coarsen, deform, straighten_nearly, vary_strokes
from training.drawn_digits import draw_digits
from training.outliers import draw_outliers
from training.recipes import Member, Recipe

STREAMS = 3  # of chance in each batch
DRAWN = 83  # batches' worth of drawings, then seen again; prime, so each member gets all of them
AHEAD = 4  # steps made before they are asked for
MIN_STEPS = 60  # an epoch of a small dataset goes round until it has this many steps


def batches_of(
    recipe: Recipe, dataset: Dataset, training: np.ndarray, seed: int
) -> tuple[Callable[[int], tf.data.Dataset], int]:
    """Endless steps of `(images, labels)`, and how many make an epoch.

    In each step there is a batch for each of the m members, deformed, and straightened where the
    member is: it enters the network behind the straightening front. What happens to a batch depends
    on `seed` and its number alone, so batches can be made side by side and still be repeated.

    images: m of (b, side, side) float32 in [0, 1], side being that of the member's canvas, or 28
    without one; labels: m of (b, 2) int32, class and picture.

    Returns:
        The steps from a given epoch on, counted from 0, and the steps of an epoch.
    """
    images = tf.constant(dataset.images[training])
    labels = tf.constant(dataset.labels[training].astype(np.int32))
    drawings = _drawings(recipe, np.asarray(images), np.asarray(labels), seed)  # no copies
    members = len(recipe.members)
    size = min(recipe.batch_size, len(training))
    steps = max(len(training) // size, MIN_STEPS)

    def from_epoch(first: int) -> tf.data.Dataset:
        streams = [
            _positions(recipe, dataset.labels[training], seed + turn)
            .batch(size, drop_remainder=True)
            .repeat()
            for turn in range(members)
        ]
        numbers = tf.data.Dataset.counter()
        return (
            tf.data.Dataset.zip(numbers, _in_turn(streams).batch(members), drawings.batch(members))
            .skip(first * steps)
            .map(_Batches(recipe, images, labels, seed).step, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(AHEAD)
            .with_options(untuned())
        )

    return from_epoch, steps


@dataclass(frozen=True)
class _Batches:
    """Makes a step's batches, one for each member.

    Attributes:
        recipe: that says how.
        images: (n, 28, 28) uint8, with `labels` (n,) int32.
        seed: of all chance.
    """

    recipe: Recipe
    images: tf.Tensor
    labels: tf.Tensor
    seed: int

    @tf.autograph.experimental.do_not_convert  # nothing to convert, and looking takes a second
    def step(
        self, number: tf.Tensor, positions: tf.Tensor, drawn: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tuple[tf.Tensor, ...], ...]:
        """Images and labels of each of m members, in step `number`.

        positions (m, p) of stored digits; drawn (m, q, 28, 28) uint8 with classes (m, q) int32.
        """
        members, (drawings, classes) = self.recipe.members, drawn
        batches = [
            self._batch(
                member, number * len(members) + turn, positions[turn], drawings[turn], classes[turn]
            )
            for turn, member in enumerate(members)
        ]
        return tuple(zip(*batches, strict=True))

    def _batch(
        self,
        member: Member,
        number: tf.Tensor,
        positions: tf.Tensor,
        drawn: tf.Tensor,
        classes: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        positions = tf.concat([positions, positions[: member.twice]], axis=0)
        batch, told = self._gathered(positions, drawn, classes)
        weaker = tf.fill(tf.shape(classes), self.recipe.drawn_deformation)
        strength = tf.concat([tf.ones(tf.shape(positions)), weaker], axis=0)  # (b,)
        return self._changed(member, batch, strength, number), told

    def _gathered(
        self, positions: tf.Tensor, drawn: tf.Tensor, classes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Stored digits, then drawings: (b, 28, 28) float32 in [0, 1]; (b, 2) class and picture."""
        batch = tf.concat([tf.gather(self.images, positions), drawn], axis=0)
        strangers = len(self.images) + tf.range(tf.size(classes))
        classes = tf.concat([tf.gather(self.labels, positions), classes], axis=0)
        pictures = tf.concat([tf.cast(positions, tf.int32), strangers], axis=0)
        return tf.cast(batch, tf.float32) / 255, tf.stack([classes, pictures], axis=1)

    def _changed(
        self, member: Member, batch: tf.Tensor, strength: tf.Tensor, number: tf.Tensor
    ) -> tf.Tensor:
        """Batch `number`, (b, 28, 28), changed by chance, as a member is shown it: (b, s, s)."""
        recipe, chance = self.recipe, number * STREAMS
        if recipe.stroke:
            batch = vary_strokes(batch, recipe.stroke, [self.seed, chance])
        if recipe.blocky:
            batch = coarsen(batch, recipe.blocky, [self.seed, chance + 1])
        deformation, for_maps = member.augmentation, [self.seed, chance + 2]
        if member.straighten is None:
            return deform(batch, deformation, for_maps, strength)
        canvas, jitter = member.straighten, member.jitter
        return straighten_nearly(batch, canvas, jitter, for_maps, strength, deformation)


def untuned() -> tf.data.Options:
    """Options of a pipeline that takes all processors from its first batch to its last.

    TensorFlow's tuning of it ends with a thread that sleeps for up to a minute, and whoever drops
    the pipeline waits for that.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _positions(recipe: Recipe, labels: np.ndarray, seed: int) -> tf.data.Dataset:
    """Positions in a random order: each once, or endlessly with all classes in turn."""
    if recipe.sampler != "balanced":
        return tf.data.Dataset.range(len(labels)).shuffle(len(labels), seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    streams = [
        tf.data.Dataset.from_tensor_slices(one).shuffle(len(one), seed).repeat() for one in classes
    ]
    return _in_turn(streams)


def _in_turn(streams: list[tf.data.Dataset]) -> tf.data.Dataset:
    """One element of each endless stream after the other, endlessly."""
    turns = tf.data.Dataset.range(len(streams)).repeat()
    return tf.data.Dataset.choose_from_datasets(streams, turns)


def _drawings(recipe: Recipe, images: np.ndarray, labels: np.ndarray, seed: int) -> tf.data.Dataset:
    """The drawings of each batch, endlessly: (m, 28, 28) uint8 and classes (m,) int32.

    Digits first, then outliers, each of these alone in its class. Drawn while training goes on, so
    that nothing waits for them.
    """

    def draw(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, int(number)])
        digits, classes = draw_digits(recipe.drawn_digits, images, labels, rng)
        outliers = draw_outliers(recipe.outliers, images, rng)
        nobodys = len(DIGITS) + np.arange(recipe.outliers, dtype=np.int32)
        return np.concatenate([digits, outliers]), np.append(classes, nobodys)

    def drawn(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        both = tf.numpy_function(draw, [number], (tf.uint8, tf.int32), stateful=False)
        count = recipe.drawn_digits + recipe.outliers
        return tf.ensure_shape(both[0], (count, SIDE, SIDE)), tf.ensure_shape(both[1], (count,))

    numbers = tf.data.Dataset.range(DRAWN)
    return numbers.map(drawn, num_parallel_calls=tf.data.AUTOTUNE).cache().repeat()
