"""What training minimises. Each loss returns one value per row; Keras averages over the batch.

Two kinds: of pairs, `(targets, distances)`, where target 0 means the same class; and of batches,
`(labels, embeddings)`, where every pair inside the batch counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

Loss = Callable[[Any, Any], Any]


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
        A loss of labels (b,) or (b, 1) and unit embeddings (b, d), giving (b,).
    """

    def supervised_contrastive_loss(labels: Any, embeddings: Any) -> Any:
        labels = ops.reshape(labels, (-1,))
        itself = ops.eye(ops.shape(labels)[0])
        similarity = ops.matmul(embeddings, ops.transpose(embeddings)) / temperature  # (b, b)
        log_share = similarity - ops.logsumexp(similarity - 1e9 * itself, axis=1, keepdims=True)
        positive = ops.cast(labels[:, None] == labels[None, :], embeddings.dtype) - itself
        count = ops.sum(positive, axis=1)
        return -ops.sum(positive * log_share, axis=1) / ops.maximum(count, 1.0)

    return supervised_contrastive_loss


LOSSES: dict[str, Callable[..., Loss]] = {
    "contrastive": contrastive,
    "supervised_contrastive": supervised_contrastive,
}
