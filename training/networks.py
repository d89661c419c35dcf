"""The towers: (28, 28) pixels in, an embedding out; and the siamese twin of a tower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from data.normalise import SIDE


def notebook_tower() -> keras.Model:
    """The notebook's: 784-512-256-128, dense, no activation on the last layer."""
    return keras.Sequential(
        [
            layers.Input((SIDE, SIDE), name="images"),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, name="embeddings"),
        ],
        name="notebook_tower",
    )


def conv_tower(channels: tuple[int, ...] = (16, 32, 64), dimension: int = 64) -> keras.Model:
    """Strided 3x3 convolutions down to 7x7, then one dense layer to a unit-length embedding."""
    images = layers.Input((SIDE, SIDE), name="images")
    x = layers.Reshape((SIDE, SIDE, 1))(images)
    for depth, width in enumerate(channels):
        strides = 2 if depth in (1, 2) else 1
        x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)  # settled after a few hundred steps
        x = layers.ReLU()(x)
    x = layers.Dense(dimension)(layers.Flatten()(x))
    return keras.Model(images, layers.UnitNormalization(name="embeddings")(x), name="conv_tower")


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "notebook": notebook_tower,
    "conv": conv_tower,
}


@keras.saving.register_keras_serializable("digit_search")
class EuclideanDistance(layers.Layer):
    """Distance between two embeddings: (b, d), (b, d) -> (b, 1).

    The square root has no finite slope at 0, where a picture meets itself; squared distances are
    kept at or above `FLOOR`, below which the gradient is 0.
    """

    FLOOR = 1e-12

    def call(self, twins: tuple[Any, Any]) -> Any:
        """Apply to a pair of batches of embeddings."""
        left, right = twins
        squared = ops.sum(ops.square(left - right), axis=1, keepdims=True)  # (b, 1)
        return ops.sqrt(ops.maximum(squared, self.FLOOR))


def siamese(tower: keras.Model) -> keras.Model:
    """Two inputs through one `tower`, and the distance between what comes out: (b, 1)."""
    left = layers.Input((SIDE, SIDE), name="left")
    right = layers.Input((SIDE, SIDE), name="right")
    distance = EuclideanDistance(name="distance")((tower(left), tower(right)))
    return keras.Model([left, right], distance, name="siamese")
