"""Deformed copies of digits, made by the batch inside the input pipeline."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from data.convention import SIDE
from training.recipes import STILL, Affine, Canvas
from training.straighten import CENTRE, moments, slant_and_size

COARSEST = 9  # pixels a side
WHOLE = Canvas(SIDE, pitch=1.0)


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
    maps, shifts = _random_maps(tf.shape(images)[0], affine, seed, strength)
    return _sample(images, WHOLE, maps, CENTRE + shifts)


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
    deformation: Affine = STILL,
) -> tf.Tensor:
    """Deform, and straighten what comes of it, but for a small random map; one sampling for all.

    Ink of covariance C that goes through a map M has M C M^T. So the deformed digit's slant and
    size, which :class:`Straighten` would take back, are known before it is drawn. Its ink is
    centred anyway: `deformation`'s shift does nothing.

    `jitter` says how far the result may be from straight; images, seed and strength as for
    :func:`deform`.

    Returns:
        (b, canvas.side, canvas.side) float32.
    """
    x, y, xx, yy, xy = (column[:, 0] for column in moments(images))
    deforming, jittering = tf.unstack(tf.random.split(seed))
    deformed, _ = _random_maps(tf.shape(images)[0], deformation, deforming, strength)
    onto = tf.linalg.inv(deformed)  # from input to output
    covariance = onto @ _matrices(xx, xy, xy, yy) @ tf.linalg.matrix_transpose(onto)
    slant, size = slant_and_size(covariance[:, 0, 0], covariance[:, 1, 1], covariance[:, 0, 1])
    straight = deformed @ _matrices(size, size * slant, tf.zeros_like(size), size)
    maps, shifts = _random_maps(tf.shape(images)[0], jitter, jittering, strength)
    centres = tf.stack([x, y], axis=1)
    return _sample(images, canvas, straight @ maps, centres + tf.linalg.matvec(straight, shifts))


def _random_maps(
    count: tf.Tensor, affine: Affine, seed: tf.Tensor, strength: tf.Tensor | float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps from output to input about the centre, (n, 2, 2), and shifts (n, 2): columns, rows."""
    reach = (affine.rotation, affine.shear, affine.scale, affine.stretch, *2 * (affine.shift,))
    chance = tf.random.stateless_uniform([6, count], seed, -1, 1)
    drawn = chance * tf.constant(reach, tf.float32)[:, None] * strength  # (6, n)
    angle, shear, scale, stretch, *shifts = tf.unstack(drawn)
    wider, higher = (1 + scale) * tf.exp(stretch), (1 + scale) * tf.exp(-stretch)
    cos, sin = tf.cos(angle), tf.sin(angle)
    maps = _matrices(
        wider * cos, higher * (cos * shear - sin), wider * sin, higher * (sin * shear + cos)
    )
    return maps, tf.stack(shifts, axis=1)


def _matrices(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, d: tf.Tensor) -> tf.Tensor:
    """((a, b), (c, d)), each entry (n,), as (n, 2, 2)."""
    return tf.reshape(tf.stack([a, b, c, d], axis=1), (-1, 2, 2))


def _sample(images: tf.Tensor, canvas: Canvas, maps: tf.Tensor, origins: tf.Tensor) -> tf.Tensor:
    """Sample each image at its map times the offset from the output's centre, plus its origin.

    images (n, 28, 28), maps (n, 2, 2) and origins (n, 2), all float32: (n, side, side).
    """
    maps = canvas.pitch * maps  # (n, 2, 2)
    corners = origins - (canvas.side - 1) / 2 * tf.reduce_sum(maps, axis=2)  # (n, 2)
    rows = tf.reshape(tf.concat([maps, corners[:, :, None]], axis=2), (-1, 6))
    sampled = tf.raw_ops.ImageProjectiveTransformV3(
        images=images[..., None],
        transforms=tf.pad(rows, [[0, 0], [0, 2]]),  # (n, 8), projective terms 0
        output_shape=[canvas.side, canvas.side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )  # (n, side, side, 1)
    return sampled[..., 0]
