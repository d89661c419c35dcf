"""Pictures of an evaluation and of an index: pairs, confusion, mistakes, risk, the map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.dataset import Dataset
from data.figures import (
    HUES,
    MARKERS,
    NEUTRAL,
    RIGHT,
    WRONG,
    draw_digit,
    draw_pairs,
    figure_saying,
    legible,
    new_figure,
    save_figure,
)
from data.pairs import SAME
from search.evaluate import Evaluation, worst_mistakes
from search.index import DigitIndex
from search.layout import METHODS, PCA, Layout
from search.metrics import accuracy_by_coverage
from search.text import printable, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 10
MISTAKES = 40
LONGEST_CLASS, LONGEST_NAME = 14, 60  # letters of a class and of a query on a plot
LOOKS = len(HUES) * len(MARKERS)  # that classes on a map can have
CELL = 0.4  # inches of a class in the confusion matrix, where there is room
ROOM = 0.05  # of coverage, shown before the first mistake


def draw_evaluation(evaluation: Evaluation, test: Dataset, folder: Path) -> list[Path]:
    """Draw pairs, the confusion matrix and the mistakes of an evaluation.

    Raises:
        MissingExtra: matplotlib is not installed.
        StorageError: the folder cannot be written.
    """
    judged_same = evaluation.pair_distances <= evaluation.pair_threshold
    right = judged_same == (evaluation.targets == SAME)
    return [
        _judged_pairs(evaluation, test, np.arange(len(right))[:SHOWN], "pairs-judged", folder),
        _judged_pairs(evaluation, test, np.flatnonzero(~right)[:SHOWN], "pairs-wrong", folder),
        _confusion(evaluation, test, folder),
        _mistakes(evaluation, test, folder),
    ]


def _judged_pairs(
    evaluation: Evaluation, test: Dataset, chosen: np.ndarray, name: str, folder: Path
) -> Path:
    if not len(chosen):
        count = len(evaluation.pairs)
        none = f"None of {count:,} pairs is judged wrongly" if count else "No pairs of two classes"
        return save_figure(figure_saying(none), folder, name)
    titles, colours = [], []
    for pair in chosen:
        distance = evaluation.pair_distances[pair]
        judged = "same" if distance <= evaluation.pair_threshold else "different"
        truth = "same" if evaluation.targets[pair] == SAME else "different"
        titles.append(f"{'✓' if judged == truth else '✗'} {judged}\n{distance:.2f}")
        colours.append(RIGHT if judged == truth else WRONG)
    return draw_pairs(folder, name, test.images[evaluation.pairs[chosen]], titles, colours)


def _confusion(evaluation: Evaluation, test: Dataset, folder: Path) -> Path:
    classes = len(test.names)
    side = float(np.clip(CELL * classes, 4, 24))
    figure = new_figure(1 + side, 0.6 + side)
    axes = figure.subplots()
    fitting = 72 * side / classes  # points that a class has
    off_diagonal = evaluation.confusion * (1 - np.eye(classes, dtype=int))
    axes.imshow(off_diagonal, cmap="Oranges")
    for row, column in np.ndindex(classes, classes):
        count = evaluation.confusion[row, column]
        if count:
            is_dark = off_diagonal[row, column] > off_diagonal.max() / 2
            axes.text(
                column, row, str(count), ha="center", va="center", fontsize=min(8, fitting / 2),
                color="white" if is_dark else "black",
            )  # fmt: skip
    names = [legible(_class(name)) for name in test.names]
    axes.set_xticks(range(classes), names, rotation=90 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(range(classes), names)
    axes.tick_params(labelsize=min(10, fitting))
    axes.set_xlabel("named")
    axes.set_ylabel("is")
    axes.set_title(f"k-NN accuracy {evaluation.knn_accuracy:.2%} of {evaluation.n:,}")
    return save_figure(figure, folder, "confusion")


def _mistakes(evaluation: Evaluation, test: Dataset, folder: Path) -> Path:
    """The digits named wrongly, the most confident mistakes first."""
    named = evaluation.classification.labels
    wrong = worst_mistakes(evaluation.classification, test.labels, MISTAKES)
    if not len(wrong):
        none = f"None of {len(test):,} is named wrongly"
        return save_figure(figure_saying(none), folder, "mistakes")
    rows, columns = -(-len(wrong) // SHOWN), min(SHOWN, max(4, len(wrong)))
    figure = new_figure(columns, 1.6 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, item in zip(grid, wrong, strict=False):
        axes.axis("on")
        label, name = (_class(test.names[one]) for one in (test.labels[item], named[item]))
        title = f"{label}\nnamed {name}"
        draw_digit(axes, test.images[item], title, WRONG)
    return save_figure(figure, folder, "mistakes")


def _class(name: str) -> str:
    """What a class is called, as far as there is room."""
    return shortened(printable(name), LONGEST_CLASS)


def draw_map(index: DigitIndex, layout: Layout, names: Sequence[str] = ()) -> Figure:
    """Stored digits as dots in their class's colour, and queries as numbered stars.

    Args:
        index: whose digits they are.
        layout: where they lie.
        names: what each query is called; numbered in the legend.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure = new_figure(8, 7)
    axes = figure.subplots()
    labels = index.labels[layout.positions]
    for label in np.unique(labels):
        _draw_class(axes, label, layout.points[labels == label], index.manifest.names[label])
    for number, (point, name) in enumerate(zip(layout.queries, names, strict=True), 1):
        _draw_query(axes, number, point, name)
    if names:
        axes.legend(loc="best", fontsize=8)
    _name_axes(axes, layout.method)
    shown, classes = f"{len(labels):,} of {len(index):,} digits", len(index.manifest.names)
    axes.set_title(shown if classes <= LOOKS else f"{shown}; classes {LOOKS} apart look alike")
    return figure


def _draw_class(axes: Any, label: int, points: np.ndarray, name: str) -> None:
    """The dots (n, 2) of one class, and its name in their midst."""
    marker = MARKERS[label // len(HUES) % len(MARKERS)]
    colour = HUES[label % len(HUES)]
    axes.scatter(*points.T, s=7, marker=marker, color=colour, linewidths=0)
    box = {"boxstyle": "round", "facecolor": axes.get_facecolor(), "alpha": 0.8}
    middle: Any = {"ha": "center", "va": "center", "fontweight": "bold", "bbox": box}
    axes.annotate(_class(name), np.median(points, axis=0), **middle)


def _draw_query(axes: Any, number: int, point: np.ndarray, name: str) -> None:
    """A star at a point (2,), its number, and its name in the legend."""
    ground = axes.get_facecolor()
    star: Any = {"s": 220, "marker": "*", "color": axes.xaxis.label.get_color(), "zorder": 3}
    shown = f"{number}  {shortened(printable(name), LONGEST_NAME)}"
    axes.scatter(*point, **star, edgecolors=ground, label=shown)
    box = {"boxstyle": "circle,pad=0.15", "facecolor": ground, "alpha": 0.8}
    place: Any = {"xytext": (9, 9), "textcoords": "offset points", "zorder": 4}
    axes.annotate(str(number), point, **place, fontsize=9, bbox=box)


def _name_axes(axes: Any, method: str) -> None:
    way = METHODS[method]
    if method == PCA:
        axes.set_xlabel(f"first {way} (distance between embeddings, or less)")
        axes.set_ylabel(f"second {way} (distance between embeddings, or less)")
    else:
        axes.set_xlabel(f"{way} 1 (no unit)")
        axes.set_ylabel(f"{way} 2 (no unit)")
    axes.set_aspect("equal", "datalim")
    axes.grid(alpha=0.3)


def draw_risk(evaluation: Evaluation, test: Dataset) -> Figure:
    """The share of mistakes among the digits that are answered, the surest first.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    named = evaluation.classification
    risk = 1 - accuracy_by_coverage(named.confidences, named.labels == test.labels)
    share = np.arange(1, len(risk) + 1) / len(risk)
    figure = new_figure(6, 3.4)
    axes = figure.subplots()
    axes.plot(100 * share, 100 * risk, color=NEUTRAL)
    answered = 1 - evaluation.refused
    axes.axvline(100 * answered, color=WRONG, linestyle="--", label=f"answered: {answered:.1%}")
    axes.set_xlabel("coverage: digits answered, the surest first (%)")
    axes.set_ylabel("risk: mistakes among them (%)")
    axes.set_ylim(bottom=0)
    axes.set_xlim(100 * max(0, share[np.argmax(risk > 0)] - ROOM), 100)
    axes.legend()
    axes.grid(alpha=0.3)
    return figure
