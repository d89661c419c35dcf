"""Recipes: everything that decides how an embedder is trained, as small data.

A recipe names its parts; :mod:`training.networks`, :mod:`training.losses` and
:mod:`training.optimizers` hold them. Nothing here imports Keras, so recipes are listed at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from data.errors import UsageError


@dataclass(frozen=True)
class Affine:
    """How far a digit may be turned, sheared, scaled and shifted; each drawn uniformly.

    Attributes:
        rotation: radians, either way.
        shear: horizontal shift per row, either way.
        scale: share by which it may grow or shrink.
        stretch: logarithm of the factor by which it may grow wider and lower, or the reverse.
        shift: pixels, either way, along both axes.
    """

    rotation: float
    shear: float
    scale: float
    stretch: float
    shift: float


STILL = Affine(0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Canvas:
    """What a straightened digit is drawn on.

    Attributes:
        side: pixels.
        pitch: how far apart they lie, in pixels of a digit of the usual size.
    """

    side: int
    pitch: float


class Block(NamedTuple):
    """A 3x3 convolution, normalised and rectified.

    Attributes:
        channels: that it gives.
        stride: of its steps, along both axes.
        padding: `"same"` goes over the edge; `"valid"` stays within, and gives two rows and two
            columns fewer.
    """

    channels: int
    stride: int = 1
    padding: Literal["same", "valid"] = "same"


@dataclass(frozen=True)
class Member:
    """One network of an embedder, and how digits are laid before it.

    Attributes:
        network: key of `NETWORKS`, with `network_options`.
        straighten: what the straightening front before the network draws on; None is no front.
        augmentation: deformation of every training image; its shift does nothing where
            `straighten` is set. Pairs are not deformed.
        jitter: how far from straight a training image may end up, where `straighten` is set.
        twice: digits of each batch that are in it once more, deformed anew: so the hand is learned.
    """

    network: str
    network_options: dict[str, Any] = field(default_factory=dict)
    straighten: Canvas | None = None
    augmentation: Affine = STILL
    jitter: Affine = STILL
    twice: int = 0


@dataclass(frozen=True)
class Recipe:
    """How to train one embedder.

    Attributes:
        name: what a person types.
        members: the networks, one or an ensemble; as many numbers of each tell the class, and some
            may tell no hand. They learn side by side, each from batches of its own and by its own
            loss; from pairs they learn as the one network that they become.
        loss: key of `LOSSES`, with `loss_options`.
        sampler: `"pairs"` (two towers, a distance, targets same or different) or `"batches"`
            (one tower, labels; every pair in the batch counts) or `"balanced"` (likewise, with all
            classes in turn).
        epochs: passes over the training set; each member sees as many digits as are in it.
        batch_size: pairs, or images of the dataset for each member, a step; those that a member
            sees `twice` come on top.
        learning_rate: at its highest.
        schedule: `"constant"` or `"cosine"` (up over the first tenth, then down to a tenth).
        optimizer: key of `OPTIMIZERS`, with `optimizer_options`.
        averaging: share of the run over whose last steps weights are averaged; 0 takes the last.
        stroke: share of training images whose strokes are thickened or thinned.
        blocky: share of training images seen through a coarse grid.
        drawn_digits: plain digits drawn by code in each batch, beside `batch_size` of the dataset.
        outliers: drawings that are no digits in each batch, likewise.
        drawn_deformation: share of `augmentation` and `jitter` by which both are deformed.
        validation: images held out of the training set to calibrate and to watch progress; 0
            trains on everything.
    """

    name: str
    members: tuple[Member, ...]
    loss: str
    sampler: Literal["pairs", "batches", "balanced"]
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    validation: int
    optimizer: str = "adam"
    averaging: float = 0.0
    stroke: float = 0.0
    blocky: float = 0.0
    drawn_digits: int = 0
    outliers: int = 0
    drawn_deformation: float = 1.0
    optimizer_options: dict[str, Any] = field(default_factory=dict)
    loss_options: dict[str, Any] = field(default_factory=dict)


MUON = {"weight_decay": 0.0, "adam_weight_decay": 0.0, "adam_beta_2": 0.98}
CLASS_DIMENSION = 16  # numbers of a member that tell the class
BALANCE = 0.35  # how much the hand counts beside the digit, in squared distances


def _two_headed(*blocks: Block) -> dict[str, Any]:
    return {"blocks": blocks, "dimensions": (CLASS_DIMENSION, 16), "early": 2, "balance": BALANCE}


STRAIGHTENED = Member(
    network="two_headed",
    network_options=_two_headed(
        Block(16, stride=2),
        Block(32, padding="valid"),
        Block(64, stride=2),
        Block(96, padding="valid"),
    ),
    straighten=Canvas(side=20, pitch=1.25),
    augmentation=Affine(rotation=0.25, shear=0.2, scale=0.12, stretch=0.12, shift=0),
    jitter=Affine(rotation=0.12, shear=0.1, scale=0.08, stretch=0.1, shift=1.2),
    twice=24,
)


def _as_stored(*blocks: Block) -> Member:
    """A network that is shown digits as they are stored, moved while it learns, and tells no hand.

    The straightened one tells the hand better: beside it a second opinion of that adds nothing.
    """
    moved = Affine(rotation=0.3, shear=0.25, scale=0.15, stretch=0.15, shift=2.5)
    return Member("conv", {"blocks": blocks, "dimension": CLASS_DIMENSION}, augmentation=moved)


DEFAULT = Recipe(
    name="default",
    members=(STRAIGHTENED,),
    loss="class_and_instance",
    loss_options={
        "dimension": CLASS_DIMENSION,
        "balance": BALANCE,
        "class_options": {"temperature": 0.1, "hard": 0.5},
        "instance_options": {"temperature": 0.07, "other_class": -5.0},
        "weight": 0.2,
    },
    sampler="batches",
    epochs=30,
    batch_size=224,
    optimizer="muon",
    optimizer_options=MUON,
    learning_rate=6e-3,
    schedule="cosine",
    averaging=0.1,
    stroke=0.3,
    blocky=0.15,
    drawn_digits=44,
    outliers=56,
    drawn_deformation=0.7,
    validation=5_000,
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        DEFAULT,
        replace(
            DEFAULT,
            name="best",
            members=(
                STRAIGHTENED,
                _as_stored(Block(16), Block(32, 2), Block(32), Block(64, 2), Block(96, 1, "valid")),
                _as_stored(
                    Block(32), Block(32, 2), Block(64), Block(64, 2), Block(128, 1, "valid")
                ),
            ),
            epochs=18,
        ),
        Recipe(
            name="fast",
            members=(
                Member(
                    network="conv",
                    network_options={
                        "blocks": (Block(24, 2), Block(24), Block(48, 2), Block(48)),
                        "dimension": 32,
                    },
                    straighten=Canvas(side=20, pitch=1.3),
                    jitter=Affine(rotation=0.1, shear=0.08, scale=0.07, stretch=0.08, shift=1.0),
                ),
            ),
            loss="supervised_contrastive",
            loss_options={"temperature": 0.1},
            sampler="batches",
            epochs=1,
            batch_size=256,
            optimizer="muon",
            optimizer_options=MUON,
            learning_rate=1e-2,
            schedule="cosine",
            averaging=0.1,
            validation=2_000,
        ),
        Recipe(
            name="notebook",
            members=(Member("notebook"),),
            loss="contrastive",
            loss_options={"margin": 1.0},
            sampler="pairs",
            epochs=5,
            batch_size=32,
            learning_rate=1e-3,
            schedule="constant",
            averaging=0.05,
            validation=0,
        ),
    )
}


@dataclass(frozen=True)
class Limits:
    """When a run ends, where it is kept, and where it is watched from.

    Attributes:
        epochs: passes over the data instead of the recipe's.
        budget: seconds after which it must be done.
        checkpoint: folder to keep the last finished epoch in.
        resume: go on from what `checkpoint` holds.
        tensorboard: folder for TensorBoard's logs.
    """

    epochs: int | None = None
    budget: float | None = None
    checkpoint: Path | None = None
    resume: bool = False
    tensorboard: Path | None = None


UNLIMITED = Limits()


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
