import math
from typing import Any

import numpy as np
import pytest

from training import require_backend

require_backend()

import tensorflow as tf  # noqa: E402

from training.losses import (  # noqa: E402
    LOSSES,
    Loss,
    batch_contrastive,
    class_and_instance,
    contrastive,
    instance_contrastive,
    supervised_contrastive,
    triplet_semihard,
)

# Class and picture: class 2 has no other member, two pictures are there twice.
LABELS = np.array([[0, 0], [0, 0], [1, 1], [1, 2], [1, 3], [2, 4], [3, 5], [3, 5]])


def kin(i: int) -> tuple[list[int], list[int]]:
    """The others of row i's class, and those of other classes."""
    same = [j for j in range(8) if LABELS[j, 0] == LABELS[i, 0]]
    return [j for j in same if j != i], [j for j in range(8) if j not in same]


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


def test_batch_contrastive_is_the_formula(rng: np.random.Generator) -> None:
    z, margin = rng.normal(size=(8, 5)), 1.5
    expected = []
    for i in range(8):
        same, other = kin(i)
        pulls = [np.linalg.norm(z[i] - z[p]) ** 2 / 2 for p in same]
        pushes = [max(0.0, margin - np.linalg.norm(z[i] - z[n])) ** 2 / 2 for n in other]
        expected.append(sum(pulls) / max(1, len(pulls)) + sum(pushes) / len(pushes))
    received = np.asarray(batch_contrastive(margin)(LABELS, tf.constant(z, tf.float32)))
    assert received == pytest.approx(expected, abs=1e-4)


def test_triplet_semihard_is_the_formula(rng: np.random.Generator) -> None:
    z, margin = unit_vectors(rng, 8), 0.4
    squared = ((z[:, None] - z[None]) ** 2).sum(axis=2)
    expected = []
    for i in range(8):
        same, other = kin(i)
        terms = []
        for p in same:
            beyond = [squared[i, n] for n in other if squared[i, n] > squared[i, p]]
            chosen = min(beyond) if beyond else max(squared[i, n] for n in other)
            terms.append(max(0.0, squared[i, p] - chosen + margin))
        expected.append(sum(terms) / max(1, len(terms)))
    assert max(expected) > 0
    received = np.asarray(triplet_semihard(margin)(LABELS, tf.constant(z, tf.float32)))
    assert received == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        *(LOSSES[name]() for name in sorted(set(LOSSES) - {"contrastive", "class_and_instance"})),
        supervised_contrastive(hard=0.5),
    ],
)
def test_gradients_are_finite_where_digits_coincide(loss: Loss) -> None:
    z = tf.Variable(np.tile(np.eye(8, 5, dtype=np.float32)[:1], (8, 1)))
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(loss(LABELS, z))
    assert np.isfinite(np.asarray(tape.gradient(value, z))).all()


def plain_supervised_contrastive(
    labels: np.ndarray, z: np.ndarray, t: float, hard: float = 0.0
) -> list[float]:
    losses, missed = [], []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        denominator = sum(math.exp(z[i] @ z[a] / t) for a in others)
        positives = [p for p in others if labels[p] == labels[i]]
        terms = [math.log(math.exp(z[i] @ z[p] / t) / denominator) for p in positives]
        losses.append(-sum(terms) / len(positives) if positives else 0.0)
        missed.append(1 - sum(math.exp(term) for term in terms) if positives else math.nan)
    mean = np.nanmean(missed)
    weights = [1 - hard + hard * one / mean if one == one else 0.0 for one in missed]
    return [weight * loss for weight, loss in zip(weights, losses, strict=True)]


@pytest.mark.parametrize("hard", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_supervised_contrastive_is_the_formula(
    temperature: float, hard: float, rng: np.random.Generator
) -> None:
    z = unit_vectors(rng, 8)
    loss = supervised_contrastive(temperature, hard)
    received = np.asarray(loss(LABELS, tf.constant(z, tf.float32)))
    expected = plain_supervised_contrastive(LABELS[:, 0], z, temperature, hard)
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
    for name in ("supervised_contrastive", "batch_contrastive", "triplet_semihard"):
        loss: Any = LOSSES[name]()
        assert np.mean(loss(labels, tf.constant(apart))) < np.mean(
            loss(labels, tf.constant(together))
        )
