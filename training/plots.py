"""Pictures of a training run: the data, the pairs, the network, the curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from data.datasets import Dataset
from data.figures import (
    NEUTRAL,
    draw_curves,
    draw_digit,
    draw_pairs,
    new_figure,
    save_figure,
)
from data.pairs import SAME, make_pairs
from training.fit import Trained

SHOWN = 10


def draw_training(trained: Trained, dataset: Dataset, seed: int, folder: Path) -> list[Path]:
    """Draw everything there is to see of a training run.

    Raises:
        MissingExtra: matplotlib is not installed.
        StorageError: the folder cannot be written.
    """
    return [
        _first_digits(dataset, folder),
        _pairs(dataset, seed, folder),
        _network(trained.tower, folder),
        save_figure(draw_curves(trained.history), folder, "curves"),
    ]


def _first_digits(dataset: Dataset, folder: Path) -> Path:
    figure = new_figure(SHOWN, 1.4)
    for axes, image, label in zip(
        figure.subplots(1, SHOWN), dataset.images, dataset.labels, strict=False
    ):
        draw_digit(axes, image, dataset.names[label])
    return save_figure(figure, folder, "first-digits")


def _pairs(dataset: Dataset, seed: int, folder: Path) -> Path:
    pairs, targets = make_pairs(dataset.labels, np.random.default_rng(seed))
    titles = ["positive" if target == SAME else "negative" for target in targets[:SHOWN]]
    images = dataset.images[pairs[:SHOWN]]  # (n, 2, 28, 28)
    return draw_pairs(folder, "pairs", images, titles, [NEUTRAL] * len(titles))


def _network(tower: keras.Model, folder: Path) -> Path:
    """The tower's layers from input to embedding, with the shape and weights of each."""
    layers = [layer for layer in tower.layers if not isinstance(layer, keras.layers.InputLayer)]
    boxes = [f"images  {_shape(tower.inputs[0])}"] + [
        f"{type(layer).__name__}  {_shape(layer.output)}  {layer.count_params():,} weights"
        for layer in layers
    ]
    figure = new_figure(5, 0.45 * len(boxes) + 0.3)
    axes = figure.subplots()
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(-len(boxes) + 0.5, 0.5)
    for row, text in enumerate(boxes):
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": NEUTRAL}
        axes.text(0.5, -row, text, ha="center", va="center", fontsize=9, bbox=box)
        if row:
            axes.annotate(
                "", (0.5, -row + 0.28), (0.5, -row + 0.72), arrowprops={"arrowstyle": "->"}
            )
    return save_figure(figure, folder, "network")


def _shape(tensor: Any) -> str:
    return "×".join(str(side) for side in tensor.shape[1:])
