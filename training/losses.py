"""What training minimises. Each loss returns one value per row; Keras averages over the batch.

Two kinds: of pairs, `(targets, distances)`, where target 0 means the same class; and of batches,
`(labels, embeddings)`, where every pair inside the batch counts. Labels of a batch are (b, 2): the
class, and the picture, which two rows share where a picture was deformed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

Loss = Callable[[Any, Any], Any]
Options = dict[str, float]


def contrastive(margin: float = 1.0) -> Loss:
    """Pull the same class together, push others out to `margin`.

    L(y, d) = (1 - y) / 2 * d^2 + y / 2 * max(0, margin - d)^2, with y = 0 for the same class.
    Source: Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant
    Mapping", CVPR 2006, equation 4.

    Returns:
        A loss of targets (b, 1) in {0, 1} and distances (b, 1), giving (b, 1).
    """

    def contrastive_loss(targets: Any, distances: Any) -> Any:
        y = ops.cast(targets, distances.dtype)
        pull = (1 - y) / 2 * ops.square(distances)
        push = y / 2 * ops.square(ops.maximum(0.0, margin - distances))
        return pull + push

    return contrastive_loss


def supervised_contrastive(temperature: float = 0.1) -> Loss:
    """Make every other item of the anchor's class likelier than the rest of the batch.

    L_i = -1/|P(i)| * sum over p in P(i) of log(exp(z_i.z_p / t) / sum over a != i of
    exp(z_i.z_a / t)), P(i) being the other items of i's class; 0 where there are none.
    Source: Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2.

    Returns:
        A loss of labels (b, 2) and unit embeddings (b, d), giving (b,).
    """

    def supervised_contrastive_loss(labels: Any, embeddings: Any) -> Any:
        labels = labels[:, 0]
        itself = ops.eye(ops.shape(labels)[0])
        similarity = ops.matmul(embeddings, ops.transpose(embeddings)) / temperature  # (b, b)
        log_share = similarity - ops.logsumexp(similarity - 1e9 * itself, axis=1, keepdims=True)
        positive = ops.cast(labels[:, None] == labels[None, :], embeddings.dtype) - itself
        count = ops.sum(positive, axis=1)
        return -ops.sum(positive * log_share, axis=1) / ops.maximum(count, 1.0)

    return supervised_contrastive_loss


def instance_contrastive(temperature: float = 0.07, other_class: float = 0.0) -> Loss:
    """Make the other view of the same picture likelier than the rest of the batch.

    L_i = -log(exp(z_i.z_p / t) / sum over a != i of w_ia exp(z_i.z_a / t)), p being the other view
    of picture i; w_ia is 1 where a is of i's class, else exp(other_class): digits of its own class
    are the harder ones. 0 where there is no other view; the rest are weighed up so that the mean
    over the batch is the mean over pictures with two views.
    Source: van den Oord, Li and Vinyals, "Representation Learning with Contrastive Predictive
    Coding", 2018, equation 4 (InfoNCE).

    Returns:
        A loss of labels (b, 2) and unit embeddings (b, d), giving (b,).
    """

    def instance_contrastive_loss(labels: Any, embeddings: Any) -> Any:
        itself = ops.eye(ops.shape(labels)[0])
        similarity = ops.matmul(embeddings, ops.transpose(embeddings)) / temperature  # (b, b)
        same_class = ops.cast(labels[:, None, 0] == labels[None, :, 0], embeddings.dtype)
        weighed = similarity + other_class * (1 - same_class) - 1e9 * itself
        log_share = similarity - ops.logsumexp(weighed, axis=1, keepdims=True)
        other_view = ops.cast(labels[:, None, 1] == labels[None, :, 1], embeddings.dtype) - itself
        rows = -ops.sum(other_view * log_share, axis=1)
        return rows * (ops.cast(ops.size(rows), rows.dtype) / ops.maximum(ops.sum(other_view), 1.0))

    return instance_contrastive_loss


def class_and_instance(
    dimension: int, balance: float, class_options: Options, instance_options: Options, weight: float
) -> Loss:
    """Supervised contrastive on the class part, plus `weight` times InfoNCE on the instance part.

    Args:
        dimension: of the class part, which comes first.
        balance: squared length of the instance part.
        class_options: of :func:`supervised_contrastive`.
        instance_options: of :func:`instance_contrastive`.
        weight: of the instance part.

    Returns:
        A loss of labels (b, 2) and embeddings (b, d), giving (b,).
    """
    of_class = supervised_contrastive(**class_options)
    of_instance = instance_contrastive(**instance_options)

    def class_and_instance_loss(labels: Any, embeddings: Any) -> Any:
        digit, hand = embeddings[:, :dimension], embeddings[:, dimension:] / balance**0.5
        return of_class(labels, digit) + weight * of_instance(labels, hand)

    return class_and_instance_loss


LOSSES: dict[str, Callable[..., Loss]] = {
    "contrastive": contrastive,
    "supervised_contrastive": supervised_contrastive,
    "instance_contrastive": instance_contrastive,
    "class_and_instance": class_and_instance,
}
