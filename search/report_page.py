"""All there is to see of an index on one page: what it is, how good it is, where it errs."""

from __future__ import annotations

from html import escape

import numpy as np

from data.dataset import Dataset
from data.figures import draw_curves
from indexer.sources import ADDED
from indexer.votes import DEFAULT_WEIGHTS
from search import markup
from search.classify import Classification, Neighbours
from search.evaluate import Evaluation, worst_mistakes
from search.index import DigitIndex
from search.layout import lay_out
from search.plots import draw_map, draw_risk
from search.text import counted, printable

MISTAKES, GRID, COLUMNS = 40, 12, 8
SHADES = 6  # of a cell of the confusion matrix
VOTES = {"uniform": "one vote each", "distance": "by 1/distance²"}


def report_page(index: DigitIndex, evaluation: Evaluation, test: Dataset) -> bytes:
    """The page of an index and of its evaluation on `test`, as UTF-8.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    manifest = index.manifest
    sections = [
        ("What it is", _facts(index)),
        ("How good it is", _figures(evaluation, test)),
        ("Confusion", _confusion(evaluation, test)),
        ("Worst mistakes", _mistakes(evaluation, test)),
        ("Neighbours", _neighbours(index, evaluation, test)),
        ("Risk and coverage", _risk(evaluation, test)),
        ("Map", _map(index)),
        ("Training", _training(index)),
        ("Growth", _growth(index)),
    ]
    body = "\n".join(f"<section><h2>{title}</h2>\n{inner}</section>" for title, inner in sections)
    title = f"{counted(len(index), 'digit')} of {printable(manifest.dataset['name'])}"
    return markup.page(title, body).encode()


def _facts(index: DigitIndex) -> str:
    manifest, card = index.manifest, index.embedder.card
    return markup.table(
        ("", ""),
        [
            (
                "dataset",
                f"{manifest.dataset['name']}, {counted(manifest.dataset['count'], 'digit')}",
            ),
            ("generation", f"{manifest.generation}, made {manifest.created}"),
            ("classes", ", ".join(manifest.names)),
            ("embedding", f"{manifest.dimension} numbers, {manifest.metric} distance"),
            ("embedder", f"recipe {card.recipe['name']}, {manifest.embedder[:12]}"),
            (
                "vote",
                f"of {counted(manifest.k[DEFAULT_WEIGHTS], 'neighbour')}, {VOTES[DEFAULT_WEIGHTS]}",
            ),
            ("program", f"digit-search {manifest.program}"),
        ],
    )


def _figures(evaluation: Evaluation, test: Dataset) -> str:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.2%}"

    rows = [
        (
            "k-NN accuracy",
            share(evaluation.knn_accuracy),
            f"the vote of {counted(evaluation.k, 'neighbour')}, {VOTES[evaluation.weights]}",
        ),
        ("precision@10", share(evaluation.precision_at_10), "of the ten nearest"),
        ("MAP@R", share(evaluation.map_at_r), "how purely the nearest are of the query's class"),
        (
            "pair accuracy",
            share(evaluation.pair_accuracy),
            f"same or different, at distance {evaluation.pair_threshold:.3f}",
        ),
        ("refused", share(evaluation.refused), "digits on which the verdict abstains"),
        (
            "accuracy of the answered",
            share(evaluation.accuracy_answered),
            "of digits whose verdict is a match",
        ),
        ("calibration error", share(evaluation.calibration_error), "of the confidence"),
        (
            "own original first",
            share(evaluation.instance_recall_at_1),
            "of stored digits, slightly deformed",
        ),
    ]
    note = f"Measured on the {evaluation.n:,} test digits of {test.name}."
    return markup.note(note) + markup.table(("figure", "value", "meaning"), rows)


def _confusion(evaluation: Evaluation, test: Dataset) -> str:
    counts = evaluation.confusion
    mistakes = counts * (1 - np.eye(len(counts), dtype=int))
    shades = np.ceil(SHADES * mistakes / max(1, mistakes.max())).astype(int)
    names = [escape(printable(name)) for name in test.names]
    head = "".join(f'<th class="number" scope="col">{name}</th>' for name in names)
    lines = []
    for row, name in enumerate(names):
        cells = [
            f'<td class="number {"diagonal" if row == column else f"s{shades[row, column]}"}">'
            f"{counts[row, column] or ''}</td>"
            for column in range(len(names))
        ]
        lines.append(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>')
    return (
        '<div class="wide"><table><caption>Rows: what digits are. Columns: what they were named.'
        f"</caption><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _mistakes(evaluation: Evaluation, test: Dataset) -> str:
    named = evaluation.classification
    worst = worst_mistakes(named, test.labels, MISTAKES)
    if not len(worst):
        return markup.note("None: every test digit was named rightly.")
    items = []
    for item in worst:
        truth, label = (printable(test.names[one[item]]) for one in (test.labels, named.labels))
        said = f"{truth} named {label}"
        chance = f"{named.confidences[item]:.0%} sure"
        alt = f"A {said}, {chance}{_from(test.file(int(item)))}"
        items.append((test.images[item], alt, f"{escape(said)}<br>{chance}"))
    wrong = int((named.labels != test.labels).sum())
    note = f"Named wrongly: {wrong:,} of {evaluation.n:,}. Shown: the surest {len(worst)} of these."
    return markup.note(note) + markup.digits(items)


def _neighbours(index: DigitIndex, evaluation: Evaluation, test: Dataset) -> str:
    """Some test digits beside their nearest: one of each class, then mistakes."""
    named = evaluation.classification
    first = [int(np.flatnonzero(test.labels == label)[0]) for label in np.unique(test.labels)]
    worst = worst_mistakes(named, test.labels, GRID).tolist()
    shown = [*first[: max(GRID // 2, GRID - len(worst))], *worst][:GRID]
    found = index.search(test.images[shown], min(COLUMNS, len(index)))
    rows = []
    for row, item in enumerate(shown):
        query = markup.digits([_asked(test, named, item)])
        near = markup.digits(_near(index, found, row, int(test.labels[item])))
        rows.append(f'<div class="row">{query}{near}</div>')
    note = "A test digit, and the stored digits nearest to it: class and distance of each."
    if len(first) > GRID:
        note += f" Shown are {GRID} of {len(first)} classes, and mistakes."
    return markup.note(note) + "\n".join(rows)


def _asked(test: Dataset, named: Classification, item: int) -> markup.Tile:
    """A test digit, and what it is named."""
    label, own = int(named.labels[item]), int(test.labels[item])
    said = f"{test.names[own]}, named {test.names[label]}"
    return test.images[item], printable(f"Query: a {said}"), markup.marked(said, label != own)


def _near(index: DigitIndex, found: Neighbours, row: int, own: int) -> list[markup.Tile]:
    """The neighbours of the digit in one row, marked where they are not of class `own`."""
    items = []
    for rank, position in enumerate(found.ids[row].tolist(), 1):
        label, apart = found.labels[row, rank - 1], found.distances[row, rank - 1]
        told = f"Neighbour {rank}: a {index.manifest.names[label]}, {apart:.3f} away"
        alt = printable(told) + _from(index.file(position))
        caption = f"{index.manifest.names[label]} · {apart:.3f}"
        items.append((index.images[position], alt, markup.marked(caption, differs=label != own)))
    return items


def _from(file: str | None) -> str:
    return printable(f", {file}") if file else ""


def _risk(evaluation: Evaluation, test: Dataset) -> str:
    rows = [(f"{float(share):.1%}", f"{a:.2%}") for share, a in evaluation.risk_coverage.items()]
    caption = "How many of the surest digits are named wrongly, by how many are answered."
    drawn = markup.plot(lambda: draw_risk(evaluation, test), caption)
    return drawn + markup.table(("coverage", "accuracy"), rows)


def _map(index: DigitIndex) -> str:
    layout = lay_out(index)
    caption = (
        f"{len(layout.positions):,} stored digits in the plane in which embeddings are spread"
        " widest; its lengths are distances between embeddings, or less."
    )
    return markup.plot(lambda: draw_map(index, layout), caption)


def _training(index: DigitIndex) -> str:
    card = index.embedder.card
    if not card.history:
        return markup.note("The embedder was not trained in epochs.")
    epochs = counted(len(card.history), "epoch")
    caption = f"{epochs} of recipe {card.recipe['name']}, {card.seconds:,.0f} s."
    return markup.plot(lambda: draw_curves(card.history), caption)


def _size(count: int) -> str:
    """So many bytes, for people."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def _growth(index: DigitIndex) -> str:
    manifest = index.manifest
    runs = index.sources.runs
    was_added = np.repeat([run.prefix == ADDED for run in runs], [run.count for run in runs])
    starts = np.cumsum([0, *(one.count for one in manifest.segments[:-1])])
    all_added = np.logical_and.reduceat(was_added, starts)  # of each segment
    rows = [
        (
            number,
            "added" if all_added[number - 1] else "built",
            f"{one.count - one.removed:,}",
            f"{one.removed:,}",
            one.kind,
            _size(sum(entry.size for entry in one.files.values())),
        )
        for number, one in enumerate(manifest.segments, 1)
    ]
    note = (
        f"Generation {manifest.generation} holds {counted(len(index), 'digit')} in"
        f" {counted(len(rows), 'segment')}; digits ever added: {manifest.next_number:,}. Of the"
        " generations before, an index keeps only the last, for undo, so their counts are not told."
    )
    labels = index.labels[index.live]
    added = was_added[index.live]
    classes = [
        (name, f"{(labels == label).sum():,}", f"{((labels == label) & added).sum():,}")
        for label, name in enumerate(manifest.names)
    ]
    return (
        markup.note(note)
        + markup.table(("segment", "", "digits", "removed", "kind", "size"), rows)
        + "<p></p>"
        + markup.table(("class", "digits", "of these added"), classes)
    )
