"""The towers: (side, side) pixels in, an embedding out; and the siamese twin of a tower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from data.convention import SIDE
from training.recipes import Block, Canvas
from training.straighten import Straighten

CLASS_HEAD = "class"


def notebook_tower(side: int = SIDE) -> keras.Model:
    """The notebook's: 784-512-256-128, dense, no activation on the last layer."""
    return keras.Sequential(
        [
            layers.Input((side, side), name="images"),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, name="embeddings"),
        ],
        name="notebook_tower",
    )


def conv_tower(
    blocks: tuple[Block, ...] = (Block(16), Block(32, 2), Block(64, 2)),
    dimension: int = 64,
    side: int = SIDE,
) -> keras.Model:
    """3x3 convolutions, then one dense layer to an embedding of unit length.

    Args:
        blocks: the convolutions, in turn.
        dimension: of the embedding.
        side: of the pictures it takes.
    """
    images = layers.Input((side, side), name="images")
    embeddings = _head(_convolved(images, blocks)[-1], dimension, name="embeddings")
    return keras.Model(images, embeddings, name="conv_tower")


def two_headed_tower(
    blocks: tuple[Block, ...],
    dimensions: tuple[int, int],
    early: int,
    balance: float,
    side: int = SIDE,
) -> keras.Model:
    """One trunk of 3x3 convolutions with two heads: which digit it is, and in which hand.

    The embedding is both heads side by side, each of unit length, the second scaled so that
    distance^2 = class distance^2 + balance * instance distance^2.

    Args:
        blocks: the convolutions, in turn.
        dimensions: of the class head and of the instance head.
        early: the convolution, counted from 1, whose features the instance head reads.
        balance: how much the hand counts beside the digit.
        side: of the pictures it takes.
    """
    images = layers.Input((side, side), name="images")
    features = _convolved(images, blocks)
    digit = _head(features[-1], dimensions[0], name=CLASS_HEAD)
    pooled = layers.AveragePooling2D(2)(features[early - 1])
    hand = layers.Rescaling(balance**0.5)(_head(pooled, dimensions[1], name="instance"))
    embeddings = layers.Concatenate(name="embeddings")([digit, hand])
    return keras.Model(images, embeddings, name="two_headed_tower")


def _convolved(images: Any, blocks: tuple[Block, ...]) -> list[Any]:
    """What each convolution gives, normalised and rectified, (b, h, w, channels)."""
    x = layers.Reshape((*images.shape[1:], 1))(images)
    given = []
    for channels, stride, padding in blocks:
        x = layers.Conv2D(channels, 3, stride, padding, use_bias=False)(x)
        x = FusedBatchNormalization(momentum=0.95)(x)  # settled after some hundred steps
        x = layers.ReLU()(x)
        given.append(x)
    return given


def _head(features: Any, dimension: int, name: str) -> Any:
    x = layers.Dense(dimension, use_bias=False)(layers.Flatten()(features))
    return layers.UnitNormalization(name=name)(x)


def class_dimension(tower: keras.Model) -> int:
    """How many of the first numbers of an embedding tell the class: all, unless there are heads."""
    models = [tower]
    for model in models:  # the outermost head counts; inner models are looked into afterwards
        for layer in model.layers:
            if layer.name == CLASS_HEAD:
                return int(layer.output.shape[-1])
            if isinstance(layer, keras.Model):
                models.append(layer)
    return int(tower.output_shape[-1])


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "notebook": notebook_tower,
    "conv": conv_tower,
    "two_headed": two_headed_tower,
}


def straightened(tower: keras.Model, canvas: Canvas) -> keras.Model:
    """`tower` with the straightening front before it; both share their weights."""
    images = layers.Input((SIDE, SIDE), name="images")
    straight = Straighten(canvas.side, canvas.pitch)(images)
    return keras.Model(images, tower(straight), name=f"straightened_{tower.name}")


@keras.saving.register_keras_serializable("digit_search")
class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation by TensorFlow's fused kernel, at half the cost of Keras's steps."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise (b, h, w, c)."""
        if not training:
            return super().call(inputs, training=False, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs


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
    left, right = (layers.Input(tower.input_shape[1:], name=name) for name in ("left", "right"))
    distance = EuclideanDistance(name="distance")((tower(left), tower(right)))
    return keras.Model([left, right], distance, name="siamese")
