"""A front without weights: undo a digit's position, slant and size before the network sees it.

The moments of the ink say where it lies, how it leans and how far it spreads; one affine map takes
that back. Two pictures that differ by such a map then look alike, which no amount of training
teaches a small network as well. After Alpert and others' deskewing of MNIST, carried to size.

The map is used twice: inside the exported tower by operators that every ONNX runtime has; and
inside the training pipeline as one fast TensorFlow kernel.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from data.convention import SIDE

CENTRE = (SIDE - 1) / 2
SPREAD = 50.0  # variance of the ink along both axes together, px^2: about MNIST's mean
GRID = np.arange(SIDE, dtype=np.float32)
ROW, COLUMN = np.mgrid[:SIDE, :SIDE].astype(np.float32).reshape(2, -1) - CENTRE
POWERS = np.stack(
    [ROW**0, COLUMN, ROW, COLUMN * COLUMN, ROW * ROW, COLUMN * ROW], axis=1
)  # (784, 6), what the ink is weighed with


def moments(images: Any) -> tuple[Any, Any, Any, Any, Any]:
    """The ink's centre of mass and covariance, in pixels: x, y, xx, yy, xy; x counts columns.

    Args:
        images: (n, 28, 28) floats in [0, 1].

    Returns:
        Five (n, 1) tensors.
    """
    weighed = ops.matmul(ops.reshape(images, (-1, SIDE * SIDE)), POWERS)  # (n, 6)
    _, x, y, xx, yy, xy = ops.split(weighed / (weighed[:, :1] + 1e-6), 6, axis=1)
    return x + CENTRE, y + CENTRE, xx - x * x, yy - y * y, xy - x * y


def slant_and_size(xx: Any, yy: Any, xy: Any) -> tuple[Any, Any]:
    """How ink of this covariance leans and how far it spreads; shapes as given.

    Slant xy / yy is the horizontal shift per row that makes columns and rows uncorrelated; size is
    1 where the spread that is then left is `SPREAD`.
    """
    slant = ops.clip(xy / (yy + 1.0), -1.0, 1.0)
    spread = ops.maximum(xx - slant * xy + yy, 0.0)
    return slant, ops.clip(ops.sqrt(spread / SPREAD), 0.5, 2.0)


@keras.saving.register_keras_serializable("digit_search")
class Straighten(layers.Layer):
    """(n, 28, 28) -> (n, side, side): ink centred, upright and of one size.

    With u = pitch * (j - c) and v = pitch * (i - c) from the output's centre c, output pixel (i, j)
    is the input, bilinearly, at row `size * v + y` and column `size * u + size * slant * v + x`,
    linear in size, size * slant, x and y. The row does not depend on j, so sampling rows is one
    product with hat functions; columns are then taken from each row, two for each pixel.
    """

    def __init__(self, side: int, pitch: float, **kwargs: Any) -> None:
        """Draw on `side` pixels that lie `pitch` apart."""
        super().__init__(**kwargs)
        self.side, self.pitch = side, pitch

    def get_config(self) -> dict[str, Any]:
        """What a saved layer is made from again."""
        return {**super().get_config(), "side": self.side, "pitch": self.pitch}

    def call(self, images: Any) -> Any:
        """Apply to a batch."""
        x, y, *covariance = moments(images)
        slant, size = slant_and_size(*covariance)
        across, down = self._offset, self._offset[:, None]
        apart = _linear([size, y], [down, 1.0], -GRID, (self.side, SIDE))
        hats = ops.relu(1.0 - ops.abs(apart))  # (n, i, 28), weights of the pixels of a column
        columns = _linear([size, size * slant, x], [across, down, 1.0], 1.0, (self.side, self.side))
        return _sample(ops.matmul(hats, images), columns)

    @property
    def _offset(self) -> np.ndarray:
        """How far the output's pixels lie from its centre, (side,), in pixels of a usual digit."""
        return self.pitch * (np.arange(self.side, dtype=np.float32) - (self.side - 1) / 2)


def _linear(values: list[Any], factors: list[Any], constant: Any, shape: tuple[int, int]) -> Any:
    """Values (n, 1), each times its factor, and a constant added up; these are of `shape`.

    Returns:
        (n, *shape).
    """
    flat = np.stack([_flat(one, shape) for one in factors])
    summed = ops.matmul(ops.concatenate(values, axis=1), flat) + _flat(constant, shape)
    return ops.reshape(summed, (-1, *shape))


def _flat(values: Any, shape: tuple[int, int]) -> np.ndarray:
    return np.broadcast_to(np.float32(values), shape).ravel()


def _sample(rows: Any, positions: Any) -> Any:
    """Each row of (n, i, c) at its own positions (n, i, j), linearly and blank beyond its ends.

    Pixel c is at position c + 1; what comes after the last position is there to be read, too.
    """
    padded = ops.pad(rows, ((0, 0), (0, 0), (1, 2)))
    positions = ops.clip(positions, 0.0, SIDE + 1.0)
    left = ops.floor(positions)
    first = ops.cast(left, "int32")
    before, after = (tf.gather(padded, one, axis=2, batch_dims=2) for one in (first, first + 1))
    return before + (positions - left) * (after - before)
