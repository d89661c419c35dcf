"""Recipes: everything that decides how an embedder is trained, as small data.

A recipe names its parts; :mod:`training.networks`, :mod:`training.losses` and
:mod:`training.augment` hold them. Nothing here imports Keras, so that recipes are listed at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from data.errors import UsageError


@dataclass(frozen=True)
class Affine:
    """How far a digit may be turned, scaled, sheared and shifted; each drawn uniformly.

    Attributes:
        rotation: radians, either way.
        scale: share by which width and height may each grow or shrink.
        shear: horizontal shift per row, either way.
        shift: pixels, either way, along both axes.
    """

    rotation: float = 0.2
    scale: float = 0.12
    shear: float = 0.2
    shift: float = 2.0


@dataclass(frozen=True)
class Recipe:
    """How to train one embedder.

    Attributes:
        name: what a person types.
        network: key of `NETWORKS`, with `network_options`.
        loss: key of `LOSSES`, with `loss_options`.
        sampler: `"pairs"` (two towers, a distance, targets same or different) or `"batches"`
            (one tower, labels; every pair in the batch counts).
        epochs: passes over the training set.
        batch_size: pairs or images a step.
        learning_rate: Adam's, at its highest.
        schedule: `"constant"` or `"cosine"` (warm-up over the first tenth, then down to 0).
        augmentation: deformation of every training image, or None.
        validation: images held out of the training set to calibrate and to watch progress; 0
            trains on everything.
    """

    name: str
    network: str
    loss: str
    sampler: Literal["pairs", "batches"]
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    augmentation: Affine | None
    validation: int
    network_options: dict[str, Any] = field(default_factory=dict)
    loss_options: dict[str, Any] = field(default_factory=dict)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="default",
            network="conv",
            network_options={"channels": (16, 32, 64), "dimension": 64},
            loss="supervised_contrastive",
            loss_options={"temperature": 0.1},
            sampler="batches",
            epochs=10,
            batch_size=256,
            learning_rate=3e-3,
            schedule="cosine",
            augmentation=Affine(),
            validation=2_000,
        ),
        Recipe(
            name="notebook",
            network="notebook",
            loss="contrastive",
            loss_options={"margin": 1.0},
            sampler="pairs",
            epochs=5,
            batch_size=32,
            learning_rate=1e-3,
            schedule="constant",
            augmentation=None,
            validation=0,
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        UsageError: there is none.
    """
    try:
        return RECIPES[name]
    except KeyError:
        known = ", ".join(sorted(RECIPES))
        raise UsageError(f"unknown recipe {name!r}: expected one of {known}") from None
