"""`digits map`, `report`, `audit` and `export`: an index to be looked at, and for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from search.cli.console import FAILED, note, progress_bar, say
from search.cli.options import (
    check_stdin,
    format_option,
    index_option,
    k_option,
    max_pixels_option,
    out_option,
    sample_option,
    seed_option,
    sheet_option,
    single_option,
    test_option,
    threads_option,
    weights_option,
    with_options,
)
from search.cli.show import keep_inputs

if TYPE_CHECKING:
    from indexer.place import Place
    from indexer.votes import Weights
    from search.audit import Audit
    from search.index import DigitIndex


@click.command(
    "map",
    short_help="Draw an index in two dimensions.",
    epilog="Example: digits map --out map.png --query photo.jpg",
)
@with_options(
    out_option(".png"),
    index_option,
    click.option(
        "--method",
        type=click.Choice(["pca", "tsne", "umap"]),
        default="pca",
        show_default=True,
        help="The stored plane, or a layout computed anew that keeps neighbours together.",
    ),
    click.option(
        "--query", "queries", multiple=True, metavar="PICTURE", help="Also place its digits."
    ),
    sample_option(5_000),
    max_pixels_option,
    single_option,
    seed_option,
    threads_option,
    format_option,
)
def draw_map(
    out: Path,
    index_place: Place,
    method: str,
    queries: tuple[str, ...],
    sample: int,
    max_pixels: int,
    single: bool,
    seed: int,
    threads: int | None,
    style: str,
) -> None:
    """Draw the digits of the index in two dimensions, each in the colour of its class.

    PICTURE is a picture, a folder of pictures, an .npy array, or - for stdin.
    """
    from data.figures import png_of, require_matplotlib
    from data.files import write_whole
    from search import plots
    from search.index import DigitIndex
    from search.layout import lay_out
    from search.queries import FailedQuery, Query, Reader, RefusedQuery, without_picture
    from search.report import format_facts

    check_stdin(queries)
    keep_inputs(queries, out)
    require_matplotlib()
    index = DigitIndex.open(index_place, threads)
    read = list(map(without_picture, Reader(index, max_pixels, single).read(queries, ())))
    for one in read:
        if isinstance(one, FailedQuery):
            note(f"Error: {one.error}")
        elif isinstance(one, RefusedQuery):
            note(f"{one.name} has no place: {one.detail}")
    asked = [one for one in read if isinstance(one, Query)]
    embeddings = _embed(index, asked)
    layout = lay_out(index, method, sample, seed, embeddings)
    figure = plots.draw_map(index, layout, [one.name for one in asked])
    write_whole(out, png_of(figure))
    placed = [
        {"query": one.name, "x": float(x), "y": float(y)}
        for one, (x, y) in zip(asked, layout.queries, strict=True)
    ]
    facts = {"map": str(out), "method": method, "digits": len(layout.positions), "queries": placed}
    say(format_facts(facts, style))
    if any(isinstance(one, FailedQuery) for one in read):
        raise click.exceptions.Exit(FAILED)


def _embed(index: DigitIndex, asked: list[Any]) -> Any:
    import numpy as np

    return index.embed(np.stack([one.image for one in asked])) if asked else None


@click.command(
    short_help="Put all there is to see on one page.",
    epilog="Example: digits report --dataset mnist --out report.html",
)
@with_options(
    out_option(".html"),
    test_option,
    index_option,
    k_option,
    weights_option,
    seed_option,
    threads_option,
    format_option,
)
def report(
    out: Path,
    source: str | None,
    index_place: Place,
    k: int | None,
    weights: Weights,
    seed: int,
    threads: int | None,
    style: str,
) -> None:
    """Measure the index on a dataset's test split and put all there is to see on one HTML page.

    Figures, confusion, worst mistakes, neighbours, risk, the map, training and growth. The page
    needs nothing but itself.
    """
    from data.figures import require_matplotlib
    from search.cli.check import measure, test_digits
    from search.index import DigitIndex
    from search.report import format_facts

    require_matplotlib()
    index = DigitIndex.open(index_place, threads)
    test = test_digits(index, source)
    evaluation = measure(index, test, seed, k=k, weights=weights)
    size = write_report(out, index, evaluation, test)
    facts = {"report": str(out), "bytes": size, "n": evaluation.n}
    say(format_facts(facts | {"knn_accuracy": evaluation.knn_accuracy}, style))


def write_report(out: Path, index: DigitIndex, evaluation: Any, test: Any) -> int:
    """Write the page whole or not at all; gives its size in bytes."""
    from data.files import write_whole
    from search.report_page import report_page

    page = report_page(index, evaluation, test)
    write_whole(out, page)
    return len(page)


@click.command(
    short_help="List suspect labels, duplicates, hubs and leaks.",
    epilog="Example: digits audit --dataset mnist --sheet doubtful.png",
)
@with_options(
    index_option,
    click.option(
        "--dataset",
        "source",
        metavar="NAME|FOLDER|FILE",
        help="Also look for this dataset's test digits among the stored ones.",
    ),
    click.option(
        "-k",
        "k",
        type=int,
        help="How many neighbours to ask for.  [default: 10, or all the others]",
    ),
    click.option(
        "--most",
        type=click.IntRange(min=1),
        default=20,
        show_default=True,
        help="How many of each kind to list.",
    ),
    sample_option(60_000),
    sheet_option,
    seed_option,
    threads_option,
    format_option,
)
def audit(
    index_place: Place,
    source: str | None,
    k: int | None,
    most: int,
    sample: int,
    sheet_file: Path | None,
    seed: int,
    threads: int | None,
    style: str,
) -> None:
    """List what is doubtful in the index: suspect labels, near-duplicates, hubs and leaks.

    A label is suspect where more than half of the neighbours agree on another; no more are heard
    than there are other digits of that label. Near-duplicates lie within half of the usual
    distance to a neighbour. Hubs are neighbours of very many. Leaks are test digits that are
    stored, or as good as stored.
    """
    from dataclasses import asdict

    from data.datasets import load_dataset
    from search.audit import audit as look
    from search.index import DigitIndex
    from search.report import format_facts

    if source and sheet_file:
        _keep_set(source, sheet_file)
    test = load_dataset(source, "test") if source else None
    index = DigitIndex.open(index_place, threads)
    with progress_bar("Asking") as progress:
        found = look(index, test, k=k, most=most, sample=sample, seed=seed, progress=progress)
    lists = ("suspects", "duplicates", "hubs", "leaks")
    facts = asdict(found)
    facts |= {name: list(facts[name]) for name in lists}
    if test is None:
        facts["leaks"] = None  # not none: nobody looked
    if style == "table" and facts.pop("more_duplicates"):
        facts["near_duplicates"] = f"at least {found.near_duplicates}"
    say(format_facts(facts, style))
    if sheet_file:
        _draw_findings(index, found, test, sheet_file)
        note(f"Contact sheet: {sheet_file}")


def _keep_set(source: str, sheet_file: Path) -> None:
    """Refuse to draw over a picture of a labelled folder, which lies in a folder of that."""
    from data.datasets import BUILT_IN

    place = sheet_file.resolve()
    in_class = Path(source).resolve() in place.parent.parents
    if source not in BUILT_IN and in_class and place.exists():
        raise click.UsageError(f"{sheet_file}: expected another file than a picture of {source}")


def _draw_findings(index: DigitIndex, found: Audit, test: Any, path: Path) -> None:
    from data.files import write_whole
    from search.sheet import draw_findings

    write_whole(path, draw_findings(index, found, test))


@click.command(
    short_help="Write vectors, labels, ids and files for other tools.",
    epilog="Example: digits export --out vectors.parquet",
)
@with_options(out_option(".npz", ".parquet"), index_option, format_option)
def export(out: Path, index_place: Place, style: str) -> None:
    """Write the vectors, labels, ids and files of all digits as .npz, or as Parquet.

    Parquet needs the extra: pip install 'digit-search[parquet]'.
    """
    from search.export import export as write
    from search.index import DigitIndex
    from search.report import format_facts

    index = DigitIndex.open(index_place)
    count = write(index, out)
    facts = {"out": str(out), "count": count, "dimension": index.manifest.dimension}
    say(format_facts(facts | {"bytes": out.stat().st_size}, style))
