"""An ensemble: networks that learn side by side and become one.

What one gets wrong another may get right, most of all if it is shown digits in another way. Each
learns from batches of its own: from the same ones they would learn the same mistakes.
Source: Hansen and Salamon, "Neural Network Ensembles", PAMI 1990.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from data.convention import SIDE
from training.losses import Loss
from training.networks import CLASS_HEAD, NETWORKS, class_dimension, straightened
from training.recipes import Recipe


def networks_of(recipe: Recipe) -> list[keras.Model]:
    """Each member's network, which takes what is on its canvas; each begins by chance."""
    networks = []
    for number, member in enumerate(recipe.members):
        side = member.straighten.side if member.straighten else SIDE
        network = NETWORKS[member.network](side=side, **member.network_options)
        network.name = f"member_{number}"
        networks.append(network)
    return networks


def tower_of(recipe: Recipe, networks: list[keras.Model]) -> keras.Model:
    """The members' networks, each behind its front, as one tower: (n, 28, 28) to (n, m * d).

    Members give d numbers, of which the first c tell the class; of the tower's the first m * c do.
    Squared distances, of the class and of the hand, are means of the members'.
    """
    members = [
        straightened(network, member.straighten) if member.straighten else network
        for member, network in zip(recipe.members, networks, strict=True)
    ]
    return members[0] if len(members) == 1 else _joined(members)


def _joined(members: list[keras.Model]) -> keras.Model:
    images = layers.Input((SIDE, SIDE), name="images")
    given = [member(images) for member in members]
    (dimension,) = {class_dimension(member) for member in members}
    parts = [
        layers.Rescaling(len(members) ** -0.5, name=name)(layers.Concatenate()(numbers))
        for name, numbers in (
            (CLASS_HEAD, [one[:, :dimension] for one in given]),
            ("rest", [one[:, dimension:] for one in given]),
        )
    ]
    return keras.Model(images, layers.Concatenate(name="embeddings")(parts), name="ensemble")


def side_by_side(networks: list[keras.Model]) -> keras.Model:
    """The model to fit: a batch (b, side, side) for each of m networks, to (m * b, d)."""
    inputs = [layers.Input(network.input_shape[1:]) for network in networks]
    given = [network(images) for network, images in zip(networks, inputs, strict=True)]
    return keras.Model(inputs, ops.concatenate(given), name="side_by_side")


def of_each(loss: Loss, members: int) -> Loss:
    """`loss` of each member's rows by themselves: (m * b, 2) and (m * b, d) to (m * b,)."""

    def of_each_loss(labels: Any, embeddings: Any) -> Any:
        shares = zip(ops.split(labels, members), ops.split(embeddings, members), strict=True)
        return ops.concatenate([loss(*share) for share in shares])

    return of_each_loss
