"""Deformed copies of digits, made by the batch inside the input pipeline."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from training.recipes import Affine


def deform(images: tf.Tensor, affine: Affine, seed: tf.Tensor) -> tf.Tensor:
    """Each image through its own random affine map about its centre, bilinear.

    Args:
        images: (b, h, w) float32, background 0.
        affine: the ranges.
        seed: (2,) integers; the same seed gives the same maps.

    Returns:
        (b, h, w) float32.
    """
    count, height, width = tf.unstack(tf.shape(images))
    reach = [affine.rotation, affine.shear, affine.scale, affine.scale, affine.shift, affine.shift]
    chance = tf.random.stateless_uniform([6, count], seed, -1, 1)
    angle, shear, wider, higher, right, down = tf.unstack(
        chance * tf.constant(reach, tf.float32)[:, None]
    )
    scale_x, scale_y = 1 / (1 + wider), 1 / (1 + higher)
    cos, sin = tf.cos(angle), tf.sin(angle)
    # Output pixel -> input pixel: rotate, shear, scale about the centre, then shift.
    a, b = cos * scale_x, (cos * shear - sin) * scale_x
    c, d = sin * scale_y, (sin * shear + cos) * scale_y
    middle_x, middle_y = (tf.cast(side - 1, tf.float32) / 2 for side in (width, height))
    shift_x = middle_x - a * middle_x - b * middle_y + right
    shift_y = middle_y - c * middle_x - d * middle_y + down
    zero = tf.zeros_like(a)
    deformed = tf.raw_ops.ImageProjectiveTransformV3(
        images=images[..., None],
        transforms=tf.stack([a, b, shift_x, c, d, shift_y, zero, zero], axis=1),  # (b, 8)
        output_shape=tf.stack([height, width]),
        fill_value=np.float32(0),
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )  # (b, h, w, 1)
    return deformed[..., 0]
