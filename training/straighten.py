"""A front without weights: undo a digit's position, slant and size before the network sees it.

The moments of the ink say where it lies, how it leans and how far it spreads; one affine map takes
that back. Two pictures that differ by such a map then look alike, which no amount of training
teaches a small network as well. After Alpert and others' deskewing of MNIST, carried to size.

The map is used twice: inside the exported tower as products with bilinear weights, which every
ONNX runtime has; and inside the training pipeline as one fast TensorFlow kernel.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from data.convention import SIDE

CENTRE = (SIDE - 1) / 2
SPREAD = 50.0  # variance of the ink along both axes together, px^2: about MNIST's mean
GRID = np.arange(SIDE, dtype=np.float32)


def frame(images: Any) -> tuple[Any, Any, Any, Any]:
    """Where the ink lies: column and row of its centre of mass, slant, and size.

    With the covariance [[xx, xy], [xy, yy]] of the ink, slant xy / yy is the horizontal shift per
    row that makes columns and rows uncorrelated; size is 1 where the spread is `SPREAD`.

    Args:
        images: (n, 28, 28) floats in [0, 1].

    Returns:
        Four (n,) tensors.
    """
    mass = ops.sum(images, (1, 2)) + 1e-6
    columns, rows = ops.sum(images, 1), ops.sum(images, 2)  # (n, 28) each
    x, y = ops.sum(columns * GRID, 1) / mass, ops.sum(rows * GRID, 1) / mass
    xx = ops.sum(columns * GRID**2, 1) / mass - x * x
    yy = ops.sum(rows * GRID**2, 1) / mass - y * y
    xy = ops.sum(ops.sum(images * GRID, 2) * GRID, 1) / mass - x * y
    slant = ops.clip(xy / (yy + 1.0), -1.0, 1.0)
    spread = ops.maximum(xx - slant * xy + yy, 0.0)
    return x, y, slant, ops.clip(ops.sqrt(spread / SPREAD), 0.5, 2.0)


@keras.saving.register_keras_serializable("digit_search")
class Straighten(layers.Layer):
    """(n, 28, 28) -> (n, 28, 28): ink centred, upright and of one size.

    Output pixel (i, j) is the input, bilinearly, at row `size * (i - c) + y` and column
    `size * (j - c) + size * slant * (i - c) + x`. The row does not depend on j, so sampling is a
    product with hat functions for the rows, then one for the columns.
    """

    def call(self, images: Any) -> Any:
        """Apply to a batch."""
        x, y, slant, size = (ops.reshape(value, (-1, 1, 1)) for value in frame(images))
        offset = GRID - CENTRE
        rows = size * offset[None, :, None] + y  # (n, i, 1)
        sampled = ops.matmul(_hat(rows), images)  # (n, i, c)
        lean = size * slant * offset[None, :, None]  # (n, i, 1)
        columns = size * offset[None, None, :] + x + lean  # (n, i, j)
        hats = _hat(columns[..., None])  # (n, i, j, c)
        return ops.matmul(hats, sampled[..., None])[..., 0]  # (n, i, j)


def _hat(positions: Any) -> Any:
    """Bilinear weights of the 28 pixels for each position, along a new or the last axis."""
    return ops.relu(1.0 - ops.abs(positions - GRID))
