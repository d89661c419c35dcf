"""Pictures of a training run: the data, the pairs, the network, the curves."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from data.dataset import Dataset
from data.figures import (
    NEUTRAL,
    draw_curves,
    draw_digit,
    draw_pairs,
    new_figure,
    save_figure,
)
from data.pairs import SAME, make_pairs
from training.diagram import Node, layer_graph
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
    nodes = layer_graph(tower)
    places = _places(nodes)
    width, height = (max(sizes) for sizes in zip(*places, strict=True))
    figure = new_figure(4.2 + 3.2 * width, 0.7 + 0.4 * height)
    axes = figure.subplots()
    axes.axis("off")
    axes.set_xlim(-0.5, width + 0.5)
    axes.set_ylim(height + 0.5, -0.5)
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": NEUTRAL}
    arrow = {"arrowstyle": "->", "color": NEUTRAL}
    for node, (x, y) in zip(nodes, places, strict=True):
        axes.text(x, y, node.text, ha="center", va="center", fontsize=8, bbox=box)
        for parent in node.parents:
            axes.annotate("", (x, y - 0.3), places[parent], arrowprops=arrow, zorder=0)
    return save_figure(figure, folder, "network")


def _places(nodes: list[Node]) -> list[tuple[float, int]]:
    """Where to draw each node: row by row as deep as it is, below those that feed it."""
    rows: dict[int, list[int]] = {}
    for position, node in enumerate(nodes):
        rows.setdefault(node.depth, []).append(position)
    widest = max(map(len, rows.values()))
    across = np.zeros(len(nodes))
    for _, row in sorted(rows.items()):
        above = [
            across[list(nodes[position].parents)].mean() if nodes[position].parents else 0
            for position in row
        ]
        for column, turn in enumerate(np.argsort(above, kind="stable")):
            across[row[turn]] = widest * (column + 0.5) / len(row) - 0.5
    return [(float(x), node.depth) for x, node in zip(across, nodes, strict=True)]
