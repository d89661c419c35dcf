"""An ensemble: networks that learn side by side and become one.

What one gets wrong another may get right, most of all if it is shown digits in another way. Each
learns from batches of its own: from the same ones they would learn the same mistakes.
Source: Hansen and Salamon, "Neural Network Ensembles", PAMI 1990.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from data.convention import SIDE
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
    """The members' networks, each behind its front, as one tower: (n, 28, 28) to (n, d).

    The first c numbers of each member tell the class, and those that it has beyond them the hand;
    so it is with the tower, whose first m * c tell the class. Its squared distance of the class is
    the mean of all members', that of the hand the mean of those members' that tell the hand.
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
    digit = [numbers[:, :dimension] for numbers in given]
    hand = [numbers[:, dimension:] for numbers in given if numbers.shape[1] > dimension]
    parts = [_mean(digit, CLASS_HEAD)] + ([_mean(hand, "hand")] if hand else [])
    return keras.Model(images, layers.Concatenate(name="embeddings")(parts), name="ensemble")


def _mean(parts: list[Any], name: str) -> Any:
    """Members' numbers side by side; squared distances are the means of theirs."""
    whole = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    return layers.Rescaling(len(parts) ** -0.5, name=name)(whole)


def side_by_side(networks: list[keras.Model]) -> keras.Model:
    """The model to fit: a batch (b, side, side) for each of m networks, to m of (b, d)."""
    inputs = [layers.Input(network.input_shape[1:]) for network in networks]
    given = [network(images) for network, images in zip(networks, inputs, strict=True)]
    return keras.Model(inputs, given, name="side_by_side")
