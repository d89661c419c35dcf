"""An ensemble: networks of one kind that learn side by side and become one.

What one gets wrong by the chance of its training, most of the others get right. Each learns from
batches of its own: from the same ones they would learn the same mistakes.
Source: Hansen and Salamon, "Neural Network Ensembles", PAMI 1990.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from training.losses import Loss
from training.networks import CLASS_HEAD, NETWORKS, class_dimension
from training.recipes import Recipe


def members_of(recipe: Recipe, side: int) -> list[keras.Model]:
    """The networks that a recipe asks for, for pictures of `side`; each begins by chance."""
    members = []
    for number in range(recipe.members):
        member = NETWORKS[recipe.network](side=side, **recipe.network_options)
        member.name = f"member_{number}"
        members.append(member)
    return members


def joined(members: list[keras.Model]) -> keras.Model:
    """One network of m: squared distances, of the class and of the hand, are means of theirs.

    Members give d numbers, of which the first c tell the class. The result gives m * d: the m * c
    that tell the class first. One member is itself the result.
    """
    if len(members) == 1:
        return members[0]
    images = layers.Input(members[0].input_shape[1:], name="images")
    given = [member(images) for member in members]
    dimension = class_dimension(members[0])
    parts = [
        layers.Rescaling(len(members) ** -0.5, name=name)(layers.Concatenate()(numbers))
        for name, numbers in (
            (CLASS_HEAD, [one[:, :dimension] for one in given]),
            ("rest", [one[:, dimension:] for one in given]),
        )
    ]
    return keras.Model(images, layers.Concatenate(name="embeddings")(parts), name="ensemble")


def dealt(members: list[keras.Model]) -> keras.Model:
    """The model to fit: (m * b, side, side) to (m * b, d), each member embedding its own b rows."""
    shape = members[0].input_shape[1:]
    images = layers.Input(shape, name="images")
    shares = ops.reshape(images, (len(members), -1, *shape))
    given = [member(shares[number]) for number, member in enumerate(members)]
    return keras.Model(images, ops.concatenate(given), name="dealt")


def of_each(loss: Loss, members: int) -> Loss:
    """`loss` of each member's rows by themselves: (m * b, 2) and (m * b, d) to (m * b,)."""

    def of_each_loss(labels: Any, embeddings: Any) -> Any:
        shares = zip(ops.split(labels, members), ops.split(embeddings, members), strict=True)
        return ops.concatenate([loss(*share) for share in shares])

    return of_each_loss
