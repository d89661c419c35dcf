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


def batch_contrastive(margin: float = 1.0) -> Loss:
    """As :func:`contrastive`, over every pair of the batch.

    L_i = mean over the others p of i's class of d_ip^2 / 2, plus mean over all n of other classes
    of max(0, margin - d_in)^2 / 2: the two kinds count alike, however many there are of each.
    Source: Hadsell, Chopra and LeCun 2006, equation 4, over the pairs of Khosla et al. 2020.

    Returns:
        A loss of labels (b, 2) and embeddings (b, d), giving (b,).
    """

    def batch_contrastive_loss(labels: Any, embeddings: Any) -> Any:
        distances = _distances(embeddings)
        same, other = _kinship(labels, embeddings.dtype)
        pull = _row_mean(ops.square(distances) / 2, same)
        push = _row_mean(ops.square(ops.maximum(0.0, margin - distances)) / 2, other)
        return pull + push

    return batch_contrastive_loss


def triplet_semihard(margin: float = 0.2) -> Loss:
    """Keep every other class further than the own one, by a margin, for the telling triplets.

    L_i = mean over the others p of i's class of max(0, d_ip^2 - d_in^2 + margin), n being the
    nearest of another class that is further than p, or the furthest of all where none is.
    Source: Schroff, Kalenichenko and Philbin, "FaceNet: A Unified Embedding for Face Recognition
    and Clustering", CVPR 2015, section 3.2.

    Returns:
        A loss of labels (b, 2) and unit embeddings (b, d), giving (b,).
    """

    def triplet_semihard_loss(labels: Any, embeddings: Any) -> Any:
        squared = ops.square(_distances(embeddings))  # (b, b)
        same, other = _kinship(labels, embeddings.dtype)
        negative, far = squared[:, None, :], 1e9  # (b, 1, n)
        beyond = ops.cast(negative > squared[:, :, None], squared.dtype) * other[:, None, :]
        nearest = ops.min(negative + far * (1 - beyond), axis=2)  # (b, p)
        furthest = ops.max(squared - far * (1 - other), axis=1, keepdims=True)  # (b, 1)
        chosen = ops.where(nearest < far / 2, nearest, furthest)
        return _row_mean(ops.maximum(0.0, squared - chosen + margin), same)

    return triplet_semihard_loss


def supervised_contrastive(temperature: float = 0.1, hard: float = 0.0) -> Loss:
    """Make every other item of the anchor's class likelier than the rest of the batch.

    L_i = -w_i/|P(i)| * sum over p in P(i) of log s_ip, with s_ip = exp(z_i.z_p / t) / sum over
    a != i of exp(z_i.z_a / t), P(i) being the other items of i's class; 0 where there are none.
    Source: Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2.

    There w_i is 1. Here a share `hard` of all weight goes to anchors by how much of their share
    lies outside their class: w_i = 1 - hard + hard * m_i / mean m, m_i = 1 - sum over p in P(i) of
    s_ip, with the mean over anchors that have a P(i).
    Source: the weight of Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, section
    3.2, with gamma 1, but relative to the batch and without a gradient of its own.

    Returns:
        A loss of labels (b, 2) and unit embeddings (b, d), giving (b,).
    """

    def supervised_contrastive_loss(labels: Any, embeddings: Any) -> Any:
        itself = ops.eye(ops.shape(labels)[0])
        similarity = ops.matmul(embeddings, ops.transpose(embeddings)) / temperature  # (b, b)
        log_share = similarity - ops.logsumexp(similarity - 1e9 * itself, axis=1, keepdims=True)
        positive, _ = _kinship(labels, embeddings.dtype)
        losses = -_row_mean(log_share, positive)
        if not hard:
            return losses
        missed = 1 - ops.sum(ops.exp(log_share) * positive, axis=1)
        return losses * (1 - hard + hard * ops.stop_gradient(_relative(missed, positive)))

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

    The class part alone where there is no other.

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
        rows = of_class(labels, digit)
        return rows + weight * of_instance(labels, hand) if hand.shape[1] else rows

    return class_and_instance_loss


def _distances(embeddings: Any) -> Any:
    """Euclidean distances (b, b), with a finite slope where two embeddings are one."""
    squares = ops.sum(ops.square(embeddings), axis=1)
    products = ops.matmul(embeddings, ops.transpose(embeddings))
    squared = squares[:, None] + squares[None, :] - 2 * products
    return ops.sqrt(ops.maximum(squared, 1e-12))


def _kinship(labels: Any, dtype: Any) -> tuple[Any, Any]:
    """Which others are of a row's class, and which are not: two (b, b) of 0 and 1."""
    kin = ops.cast(labels[:, None, 0] == labels[None, :, 0], dtype)
    return kin - ops.eye(ops.shape(labels)[0]), 1 - kin


def _relative(values: Any, positive: Any) -> Any:
    """Values (b,) by their mean over the rows that have positives (b, b)."""
    counted = ops.cast(ops.any(positive > 0, axis=1), values.dtype)
    mean = ops.sum(values * counted) / ops.maximum(ops.sum(counted), 1.0)
    return values / ops.maximum(mean, 1e-6)


def _row_mean(values: Any, chosen: Any) -> Any:
    """Mean of each row's chosen values, 0 where there are none: (b, b), (b, b) -> (b,)."""
    return ops.sum(values * chosen, axis=1) / ops.maximum(ops.sum(chosen, axis=1), 1.0)


LOSSES: dict[str, Callable[..., Loss]] = {
    "contrastive": contrastive,
    "batch_contrastive": batch_contrastive,
    "triplet_semihard": triplet_semihard,
    "supervised_contrastive": supervised_contrastive,
    "instance_contrastive": instance_contrastive,
    "class_and_instance": class_and_instance,
}
