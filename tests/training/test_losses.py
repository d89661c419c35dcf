import math
from typing import Any

import numpy as np
import pytest

from training import require_backend

require_backend()

import tensorflow as tf  # noqa: E402

from training.losses import (  # noqa: E402
    LOSSES,
    class_and_instance,
    contrastive,
    instance_contrastive,
    supervised_contrastive,
)

# Class and picture: class 2 has no other member, two pictures are there twice.
LABELS = np.array([[0, 0], [0, 0], [1, 1], [1, 2], [1, 3], [2, 4], [3, 5], [3, 5]])


def unit_vectors(rng: np.random.Generator, n: int) -> np.ndarray:
    z = rng.normal(size=(n, 5))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


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
    z = unit_vectors(rng, 8)
    loss = supervised_contrastive(temperature)
    received = np.asarray(loss(LABELS, tf.constant(z, tf.float32)))
    expected = plain_supervised_contrastive(LABELS[:, 0], z, temperature)
    assert received == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("other_class", [0.0, -5.0])
def test_instance_contrastive_is_the_formula(other_class: float, rng: np.random.Generator) -> None:
    z, t = unit_vectors(rng, 8), 0.2
    expected = []
    for i, (label, picture) in enumerate(LABELS):
        weights = [math.exp(0 if other == label else other_class) for other in LABELS[:, 0]]
        denominator = sum(weights[a] * math.exp(z[i] @ z[a] / t) for a in range(8) if a != i)
        twins = [p for p in range(8) if p != i and LABELS[p, 1] == picture]
        expected += [-math.log(math.exp(z[i] @ z[p] / t) / denominator) for p in twins]
    loss = instance_contrastive(t, other_class)
    received = np.asarray(loss(LABELS, tf.constant(z, tf.float32)))
    assert np.mean(received) == pytest.approx(np.mean(expected), abs=1e-4)
    assert np.flatnonzero(received == 0).tolist() == [2, 3, 4, 5]  # seen only once


def test_class_and_instance_is_the_sum_of_its_parts(rng: np.random.Generator) -> None:
    digit, hand, balance = unit_vectors(rng, 8), unit_vectors(rng, 8), 0.35
    loss = class_and_instance(5, balance, {"temperature": 0.1}, {"temperature": 0.2}, 0.3)
    both = np.concatenate([digit, balance**0.5 * hand], axis=1).astype(np.float32)
    received = np.asarray(loss(LABELS, tf.constant(both)))
    of_class = supervised_contrastive(0.1)(LABELS, tf.constant(digit, tf.float32))
    of_instance = instance_contrastive(0.2)(LABELS, tf.constant(hand, tf.float32))
    assert received == pytest.approx(np.asarray(of_class + 0.3 * of_instance), abs=1e-3)


def test_a_loss_falls_when_classes_come_apart() -> None:
    labels = np.array([[0, 0], [0, 1], [1, 2], [1, 3]])
    together = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    apart = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    loss: Any = LOSSES["supervised_contrastive"]()
    assert np.mean(loss(labels, tf.constant(apart))) < np.mean(loss(labels, tf.constant(together)))
