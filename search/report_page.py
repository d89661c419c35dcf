"""All there is to see of an index on one page: HTML that needs nothing but itself.

Pictures are data URIs, there is no script, and the one style sheet is named by its hash in the
page's own Content-Security-Policy. Plots are drawn twice, for light and for dark screens.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from data.datasets import Dataset
from data.figures import draw_curves, png_of, theme
from indexer.sources import ADDED
from indexer.votes import DEFAULT_WEIGHTS
from search.evaluate import Evaluation, worst_mistakes
from search.index import DigitIndex
from search.layout import lay_out
from search.plots import draw_map, draw_risk
from search.text import counted, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MISTAKES, GRID, COLUMNS = 40, 12, 8
SHADES = 6  # of a cell of the confusion matrix
VOTES = {"uniform": "one vote each", "distance": "by 1/distance²"}
STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --faint: #5c5c5c; --paper: #fff; --rim: #ccc;
  --shade: 213, 94, 0; --right: 0, 114, 178; }
@media screen and (prefers-color-scheme: dark) { :root { --text: #ddd; --faint: #a0a0a0;
  --paper: #16181d; --rim: #444; --shade: 230, 130, 50; --right: 86, 180, 233; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
p.note, figcaption, caption { color: var(--faint); font-size: .9rem; text-align: left; }
caption { padding-bottom: .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border: 1px solid var(--rim); text-align: left; }
.number { text-align: right; }
figure { margin: 1rem 0; } picture img { max-width: 100%; height: auto; }
img.digit { width: 56px; height: 56px; image-rendering: pixelated; background: #fff;
  border: 1px solid var(--rim); display: block; margin: 0 auto; }
.digits { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0; padding: 0; list-style: none; }
td, th, li { overflow-wrap: anywhere; }
.digits li { font-size: .8rem; text-align: center; break-inside: avoid; }
.row { display: flex; gap: 1rem; align-items: start; margin: .6rem 0; break-inside: avoid; }
.row .digits { gap: .6rem .2rem; } .row li { min-width: 4.3rem; }
.row .digits:first-child li { min-width: 5.4rem; }
.differs { color: rgb(var(--shade)); font-weight: bold; }
.diagonal { background: rgba(var(--right), .18); }
.s1 { background: rgba(var(--shade), .12); } .s2 { background: rgba(var(--shade), .24); }
.s3 { background: rgba(var(--shade), .36); } .s4 { background: rgba(var(--shade), .48); }
.s5 { background: rgba(var(--shade), .6); } .s6 { background: rgba(var(--shade), .72); }
@media print { :root { color-scheme: light; } body { max-width: none; margin: 0; font-size: 11pt; }
  a { color: inherit; } h2, p.note { break-after: avoid; } figure, table { break-inside: avoid; }
  .wide { overflow: visible; } * { print-color-adjust: exact; } }
"""
Rows = Iterable[Sequence[Any]]


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
    return _page(title, body).encode()


def _page(title: str, body: str) -> str:
    hashed = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{hashed}'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _facts(index: DigitIndex) -> str:
    manifest, card = index.manifest, index.embedder.card
    return _table(
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
    return _note(note) + _table(("figure", "value", "meaning"), rows)


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
        return _note("None: every test digit was named rightly.")
    items = []
    for item in worst:
        truth, label = (printable(test.names[one[item]]) for one in (test.labels, named.labels))
        said = f"{truth} named {label}"
        chance = f"{named.confidences[item]:.0%} sure"
        alt = f"A {said}, {chance}{_from(test.file(int(item)))}"
        items.append((test.images[item], alt, f"{escape(said)}<br>{chance}"))
    wrong = int((named.labels != test.labels).sum())
    note = f"Named wrongly: {wrong:,} of {evaluation.n:,}. Shown: the surest {len(worst)} of these."
    return _note(note) + _digits(items)


def _neighbours(index: DigitIndex, evaluation: Evaluation, test: Dataset) -> str:
    """Some test digits beside their nearest: one of each class, then mistakes."""
    named = evaluation.classification
    first = [int(np.flatnonzero(test.labels == label)[0]) for label in np.unique(test.labels)]
    worst = worst_mistakes(named, test.labels, GRID).tolist()
    shown = [*first[: max(GRID // 2, GRID - len(worst))], *worst][:GRID]
    found = index.search(test.images[shown], min(COLUMNS, len(index)))
    rows = []
    for row, item in enumerate(shown):
        label, own = int(named.labels[item]), int(test.labels[item])
        asked = f"{test.names[own]}, named {test.names[label]}"
        near = [
            (
                index.images[int(position)],
                printable(f"Neighbour {rank}: a {index.manifest.names[other]}, {apart:.3f} away")
                + _from(index.file(int(position))),
                _marked(f"{index.manifest.names[other]} · {apart:.3f}", differs=other != own),
            )
            for rank, (position, other, apart) in enumerate(
                zip(found.ids[row], found.labels[row], found.distances[row], strict=True), 1
            )
        ]
        query = _digits(
            [(test.images[item], printable(f"Query: a {asked}"), _marked(asked, label != own))]
        )
        rows.append(f'<div class="row">{query}{_digits(near)}</div>')
    note = "A test digit, and the stored digits nearest to it: class and distance of each."
    if len(first) > GRID:
        note += f" Shown are {GRID} of {len(first)} classes, and mistakes."
    return _note(note) + "\n".join(rows)


def _from(file: str | None) -> str:
    return printable(f", {file}") if file else ""


def _marked(text: str, differs: bool) -> str:
    shown = escape(printable(text))
    return f'<span class="differs">{shown}</span>' if differs else shown


def _risk(evaluation: Evaluation, test: Dataset) -> str:
    rows = [(f"{float(share):.1%}", f"{a:.2%}") for share, a in evaluation.risk_coverage.items()]
    caption = "How many of the surest digits are named wrongly, by how many are answered."
    drawn = _plot(lambda: draw_risk(evaluation, test), caption)
    return drawn + _table(("coverage", "accuracy"), rows)


def _map(index: DigitIndex) -> str:
    layout = lay_out(index)
    caption = (
        f"{len(layout.positions):,} stored digits in the plane in which embeddings are spread"
        " widest; its lengths are distances between embeddings, or less."
    )
    return _plot(lambda: draw_map(index, layout), caption)


def _training(index: DigitIndex) -> str:
    card = index.embedder.card
    if not card.history:
        return _note("The embedder was not trained in epochs.")
    epochs = counted(len(card.history), "epoch")
    caption = f"{epochs} of recipe {card.recipe['name']}, {card.seconds:,.0f} s."
    return _plot(lambda: draw_curves(card.history), caption)


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
        _note(note)
        + _table(("segment", "", "digits", "removed", "kind", "size"), rows)
        + "<p></p>"
        + _table(("class", "digits", "of these added"), classes)
    )


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>\n'


def _table(header: Sequence[str], rows: Rows) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    text = printable(str(value))
    number = (
        text[:1].isdecimal() and text.rstrip(" %MB").replace(",", "").replace(".", "").isdigit()
    )
    return f'<td class="number">{text}</td>' if number else f"<td>{escape(text)}</td>"


def _digits(items: Iterable[tuple[np.ndarray, str, str]]) -> str:
    """Digits (28, 28) uint8, each with a text in place of or beside it and a caption, in HTML."""
    tiles = "".join(
        f'<li><img class="digit" src="{_data_uri(_tile(image))}" alt="{escape(alt)}"'
        f' title="{escape(alt)}">{caption}</li>'
        for image, alt, caption in items
    )
    return f'<ul class="digits">{tiles}</ul>'


def _tile(image: np.ndarray) -> bytes:
    """A digit as a small PNG, dark on white."""
    file = io.BytesIO()
    Image.fromarray(255 - np.asarray(image)).save(file, "PNG", optimize=True)
    return file.getvalue()


def _plot(draw: Callable[[], Figure], caption: str) -> str:
    """A figure for light and for dark screens; the caption says what it shows."""
    drawn = []
    for dark in (False, True):
        with theme(dark=dark):
            drawn.append(_data_uri(png_of(draw())))
    light, dim = drawn
    return (
        f'<figure><picture><source srcset="{dim}"'
        ' media="screen and (prefers-color-scheme: dark)">'
        f'<img src="{light}" alt="{escape(caption)}"></picture>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
