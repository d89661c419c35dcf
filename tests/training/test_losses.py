import math
from typing import Any

import numpy as np
import pytest

from training import require_backend

require_backend()

import tensorflow as tf  # noqa: E402

from training.losses import LOSSES, contrastive, supervised_contrastive  # noqa: E402


def test_contrastive_is_the_formula(rng: np.random.Generator) -> None:
    targets = rng.integers(0, 2, (50, 1)).astype(np.uint8)
    distances = rng.uniform(0, 2, (50, 1)).astype(np.float32)
    received = np.asarray(contrastive(margin=1.0)(targets, tf.constant(distances)))
    for y, d, loss in zip(targets[:, 0], distances[:, 0], received[:, 0], strict=True):
        expected = d**2 / 2 if y == 0 else max(0.0, 1.0 - d) ** 2 / 2
        assert loss == pytest.approx(expected, abs=1e-6)


def plain_supervised_contrastive(labels: np.ndarray, z: np.ndarray, t: float) -> list[float]:
    losses = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        denominator = sum(math.exp(z[i] @ z[a] / t) for a in others)
        positives = [p for p in others if labels[p] == labels[i]]
        terms = [math.log(math.exp(z[i] @ z[p] / t) / denominator) for p in positives]
        losses.append(-sum(terms) / len(positives) if positives else 0.0)
    return losses


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_supervised_contrastive_is_the_formula(
    temperature: float, rng: np.random.Generator
) -> None:
    labels = np.array([0, 0, 1, 1, 1, 2, 3, 3])  # class 2 has no other member
    z = rng.normal(size=(8, 5))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    loss = supervised_contrastive(temperature)
    received = np.asarray(loss(labels, tf.constant(z, tf.float32)))
    assert received == pytest.approx(plain_supervised_contrastive(labels, z, temperature), abs=1e-4)
    as_column = np.asarray(loss(labels[:, None], tf.constant(z, tf.float32)))
    assert np.array_equal(received, as_column)


def test_a_loss_falls_when_classes_come_apart() -> None:
    labels = np.array([0, 0, 1, 1])
    together = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    apart = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    loss: Any = LOSSES["supervised_contrastive"]()
    assert np.mean(loss(labels, tf.constant(apart))) < np.mean(loss(labels, tf.constant(together)))
