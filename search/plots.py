"""Pictures of an evaluation: pairs judged, the confusion matrix, the mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.datasets import Dataset
from data.figures import RIGHT, WRONG, draw_digit, draw_pairs, new_figure, save_figure
from data.pairs import SAME
from search.evaluate import Evaluation

SHOWN = 10
MISTAKES = 40


def draw_evaluation(evaluation: Evaluation, test: Dataset, folder: Path) -> list[Path]:
    """Draw the pairs, the confusion matrix and the mistakes of an evaluation on `test`.

    Raises:
        MissingExtra: matplotlib is not installed.
        StorageError: the folder cannot be written.
    """
    judged_same = evaluation.pair_distances <= evaluation.pair_threshold
    right = judged_same == (evaluation.targets == SAME)
    wrong = np.flatnonzero(~right)[:SHOWN]
    drawn = [_judged_pairs(evaluation, test, np.arange(len(right))[:SHOWN], "pairs-judged", folder)]
    if len(wrong):
        drawn.append(_judged_pairs(evaluation, test, wrong, "pairs-wrong", folder))
    return [*drawn, _confusion(evaluation, test, folder), _mistakes(evaluation, test, folder)]


def _judged_pairs(
    evaluation: Evaluation, test: Dataset, chosen: np.ndarray, name: str, folder: Path
) -> Path:
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
    figure = new_figure(5, 4.6)
    axes = figure.subplots()
    off_diagonal = evaluation.confusion * (1 - np.eye(classes, dtype=int))
    axes.imshow(off_diagonal, cmap="Oranges")
    for row, column in np.ndindex(classes, classes):
        count = evaluation.confusion[row, column]
        if count:
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8)
    axes.set_xticks(range(classes), test.names)
    axes.set_yticks(range(classes), test.names)
    axes.set_xlabel("named")
    axes.set_ylabel("is")
    axes.set_title(f"k-NN accuracy {evaluation.knn_accuracy:.2%} of {evaluation.n:,}")
    return save_figure(figure, folder, "confusion")


def _mistakes(evaluation: Evaluation, test: Dataset, folder: Path) -> Path:
    """The digits named wrongly, the most confident mistakes first."""
    named, confidences = evaluation.classification.labels, evaluation.classification.confidences
    wrong = np.flatnonzero(named != test.labels)
    wrong = wrong[np.argsort(-confidences[wrong], kind="stable")][:MISTAKES]
    rows = max(1, -(-len(wrong) // SHOWN))
    figure = new_figure(SHOWN, 1.4 * rows)
    grid = figure.subplots(rows, SHOWN, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, item in zip(grid, wrong, strict=False):
        axes.axis("on")
        title = f"{test.names[test.labels[item]]} named {test.names[named[item]]}"
        draw_digit(axes, test.images[item], title, WRONG)
    return save_figure(figure, folder, "mistakes")
