"""Deformed copies of digits, made by the batch inside the input pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from data.convention import SIDE
from training.recipes import Affine, Canvas
from training.straighten import CENTRE, frame

COARSEST = 9  # pixels a side
AS_STORED = Canvas(SIDE, pitch=1.0)

Row = tuple[Any, ...]


def deform(
    images: tf.Tensor, affine: Affine, seed: tf.Tensor, strength: tf.Tensor | float = 1.0
) -> tf.Tensor:
    """Each image through its own random affine map about its centre, bilinear.

    Args:
        images: (b, 28, 28) float32, background 0.
        affine: the ranges.
        seed: (2,) integers; the same seed gives the same maps.
        strength: (b,) float32, the share of the ranges for each image.

    Returns:
        (b, 28, 28) float32.
    """
    (a, b), (c, d), (right, down) = _random_maps(tf.shape(images)[0], affine, seed, strength)
    return _sample(images, AS_STORED, (a, b, CENTRE + right), (c, d, CENTRE + down))


def vary_strokes(images: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Thicken or thin the strokes of a share of the images by up to a pixel on each side.

    Shapes and seed as for :func:`deform`.
    """

    def varied(some: tf.Tensor) -> tf.Tensor:
        amount = tf.random.stateless_uniform([tf.shape(some)[0], 1, 1], seed, -1, 1)
        planes = some[..., None]
        thick = tf.nn.max_pool2d(planes, 3, 1, "SAME")[..., 0]
        thin = -tf.nn.max_pool2d(-planes, 3, 1, "SAME")[..., 0]
        return some + (0.3 + 0.5 * tf.abs(amount)) * (tf.where(amount > 0, thick, thin) - some)

    return _on_some(images, share, seed, varied)


def coarsen(images: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Show a share of the images through a grid of fewer pixels, smoothed or in blocks.

    Shapes and seed as for :func:`deform`.
    """

    def coarse(some: tf.Tensor) -> tf.Tensor:
        is_blocky = tf.random.stateless_uniform([tf.shape(some)[0], 1, 1], seed) < 0.3
        side = tf.random.stateless_uniform([], seed, COARSEST, 17, tf.int32)
        small = tf.image.resize(some[..., None], [side, side], "area")
        smooth = tf.image.resize(small, [SIDE, SIDE], "bicubic")[..., 0]
        blocks = tf.image.resize(small, [SIDE, SIDE], "nearest")[..., 0]
        return tf.clip_by_value(tf.where(is_blocky, blocks, smooth), 0, 1)

    return _on_some(images, share, seed, coarse)


def _on_some(
    images: tf.Tensor, share: float, seed: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Put a share of the images, drawn by chance, through `change`; the rest stay."""
    count = tf.shape(images)[0]
    order = tf.random.experimental.stateless_shuffle(tf.range(count), seed)
    chosen = order[: tf.cast(share * tf.cast(count, tf.float32), tf.int32)]
    changed = change(tf.gather(images, chosen))
    return tf.tensor_scatter_nd_update(images, chosen[:, None], changed)


def straighten_nearly(
    images: tf.Tensor,
    canvas: Canvas,
    jitter: Affine,
    seed: tf.Tensor,
    strength: tf.Tensor | float = 1.0,
) -> tf.Tensor:
    """Straighten, as :class:`Straighten` does, but for a small random map; one sampling for both.

    `jitter` says how far the result may be from straight; images, seed and strength as for
    :func:`deform`.

    Returns:
        (b, canvas.side, canvas.side) float32.
    """
    x, y, slant, size = (column[:, 0] for column in frame(images))
    (a, b), (c, d), (right, down) = _random_maps(tf.shape(images)[0], jitter, seed, strength)
    return _sample(
        images,
        canvas,
        (size * (a + slant * c), size * (b + slant * d), x + size * (right + slant * down)),
        (size * c, size * d, y + size * down),
    )


def _random_maps(
    count: tf.Tensor, affine: Affine, seed: tf.Tensor, strength: tf.Tensor | float
) -> tuple[Row, Row, Row]:
    """Maps from output to input about the centre: ((a, b), (c, d)) and a shift, each entry (n,)."""
    reach = (affine.rotation, affine.shear, affine.scale, affine.stretch, *2 * (affine.shift,))
    chance = tf.random.stateless_uniform([6, count], seed, -1, 1)
    drawn = chance * tf.constant(reach, tf.float32)[:, None] * strength  # (6, n)
    angle, shear, scale, stretch, right, down = tf.unstack(drawn)
    wider, higher = (1 + scale) * tf.exp(stretch), (1 + scale) * tf.exp(-stretch)
    cos, sin = tf.cos(angle), tf.sin(angle)
    to_column = (wider * cos, higher * (cos * shear - sin))
    to_row = (wider * sin, higher * (sin * shear + cos))
    return to_column, to_row, (right, down)


def _sample(images: tf.Tensor, canvas: Canvas, to_column: Row, to_row: Row) -> tf.Tensor:
    """Sample at column a*u + b*v + e, row c*u + d*v + f; u and v are offsets from the centre."""
    (a, b, e), (c, d, f) = to_column, to_row
    a, b, c, d = (canvas.pitch * factor for factor in (a, b, c, d))
    centre = (canvas.side - 1) / 2
    zero = tf.zeros_like(a)
    maps = [a, b, e - centre * (a + b), c, d, f - centre * (c + d), zero, zero]
    sampled = tf.raw_ops.ImageProjectiveTransformV3(
        images=images[..., None],
        transforms=tf.stack(maps, axis=1),  # (n, 8)
        output_shape=[canvas.side, canvas.side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )  # (n, side, side, 1)
    return sampled[..., 0]
