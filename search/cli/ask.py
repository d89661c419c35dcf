"""`digits search`, `classify` and `compare`: answer questions about pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from search.cli.console import note, say
from search.cli.options import (
    format_option,
    id_option,
    index_option,
    k_option,
    limit_threads,
    max_pixels_option,
    sheet_option,
    threads_option,
    weights_option,
    with_options,
)

if TYPE_CHECKING:
    from search.answers import Answer, ClassifyAnswer, SearchAnswer
    from search.index import DigitIndex
    from search.queries import FailedQuery, Query

FAILED = 1
MAX_ROWS = 200  # of a contact sheet
asking = with_options(
    click.argument("images", nargs=-1, metavar="[IMAGE]..."),
    id_option,
    index_option,
    k_option,
    max_pixels_option,
)
showing = with_options(format_option, sheet_option, threads_option)


@click.command(
    short_help="Show the stored digits most like a picture.",
    epilog="Example: digits search photo.jpg -k 5 --sheet neighbours.png",
)
@asking
@showing
def search(
    images: tuple[str, ...],
    ids: tuple[str, ...],
    index_folder: Path,
    k: int | None,
    max_pixels: int,
    style: str,
    sheet_file: Path | None,
    threads: int | None,
) -> None:
    """Show the stored digits most like each IMAGE, nearest first.

    IMAGE is a picture, a folder of pictures, an .npy array, or - for stdin.
    """
    index, queries = _open(index_folder, images, ids, max_pixels, threads)
    from search.answers import SearchAnswer, search_answers
    from search.index import DEFAULT_K

    shown = min(DEFAULT_K, len(index) - bool(ids)) if k is None else k
    answers = search_answers(index, queries, shown)
    _show(index, answers, SearchAnswer, style, sheet_file)


@click.command(
    short_help="Name the digits on pictures.",
    epilog="Example: digits classify *.png --format csv > names.csv",
)
@asking
@weights_option
@showing
def classify(
    images: tuple[str, ...],
    ids: tuple[str, ...],
    index_folder: Path,
    k: int | None,
    max_pixels: int,
    weights: Literal["uniform", "distance"],
    style: str,
    sheet_file: Path | None,
    threads: int | None,
) -> None:
    """Name the digit on each IMAGE by the vote of its nearest stored digits.

    IMAGE is a picture, a folder of pictures, an .npy array, or - for stdin.
    """
    index, queries = _open(index_folder, images, ids, max_pixels, threads)
    from search.answers import ClassifyAnswer, classify_answers

    answers = classify_answers(index, queries, k, weights)
    _show(index, answers, ClassifyAnswer, style, sheet_file)


@click.command(
    short_help="Tell whether two digits are the same.",
    epilog="Example: digits compare mine.png yours.png",
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@with_options(index_option, max_pixels_option, format_option, threads_option)
def compare(
    a: str, b: str, index_folder: Path, max_pixels: int, style: str, threads: int | None
) -> None:
    """Tell how far apart the digits on pictures A and B are, and whether they are the same."""
    import numpy as np

    from data.errors import PictureUnreadable
    from search.queries import FailedQuery
    from search.report import format_facts
    from search.text import named

    index, queries = _open(index_folder, (a, b), (), max_pixels, threads)
    pair = []
    for query in queries:
        if isinstance(query, FailedQuery):
            raise PictureUnreadable(query.error)
        pair.append(query)
    if [query.name.partition("[")[0] for query in pair] != [named(a), named(b)]:
        raise PictureUnreadable(
            f"expected one digit on {named(a)} and one on {named(b)}, received {len(pair)} in all"
        )
    left, right = index.embed(np.stack([query.image for query in pair]))
    distance = float(np.linalg.norm(left - right))
    threshold = index.embedder.card.same_different.threshold
    facts = {
        "a": a,
        "b": b,
        "distance": distance,
        "threshold": threshold,
        "verdict": "same" if distance <= threshold else "different",
    }
    say(format_facts(facts, style))


def _open(
    folder: Path,
    images: tuple[str, ...],
    ids: tuple[str, ...],
    max_pixels: int,
    threads: int | None,
) -> tuple[DigitIndex, Iterator[Query | FailedQuery]]:
    if not images and not ids:
        raise click.UsageError("expected an IMAGE (a file, a folder or -) or --id, received none")
    import gc
    import os
    from concurrent.futures import ThreadPoolExecutor

    from indexer.store import read_generation

    if threads is None and len(images) + len(ids) == 1 and not any(map(os.path.isdir, images)):
        threads = limit_threads(1)  # starting a second thread takes longer than one digit
    # A cold query is mostly imports: files are verified beside them, and there is no garbage yet.
    # So whatever else a command imports, it imports after this.
    gc.disable()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_generation, folder)
        from search.index import DigitIndex
        from search.queries import read_queries

        index = DigitIndex.from_generation(folder, *reading.result(), threads)
    gc.enable()
    return index, read_queries(images, ids, index, max_pixels)


def _show(
    index: DigitIndex,
    answers: Iterable[tuple[Query | None, Answer]],
    kind: type[SearchAnswer | ClassifyAnswer],
    style: str,
    sheet_file: Path | None,
) -> None:
    """Print answers as they come; name what failed on stderr and exit 1 for it."""
    from search.answers import FailedAnswer
    from search.report import format_answers

    drawn: list[tuple[Query | None, Answer]] = []
    failed = False

    def watched() -> Iterator[Any]:
        nonlocal failed
        for query, answer in answers:
            if isinstance(answer, FailedAnswer):
                failed = True
                note(f"Error: {answer.error}")
            if sheet_file and len(drawn) < MAX_ROWS:
                drawn.append((query, answer))
            yield answer

    say(format_answers(watched(), kind, style))
    if sheet_file:
        from data.files import write_whole
        from search.sheet import draw_sheet

        write_whole(sheet_file, draw_sheet(index, drawn))
        first = f" (the first {MAX_ROWS} queries)" if len(drawn) == MAX_ROWS else ""
        note(f"Contact sheet: {sheet_file}{first}")
    if failed:
        raise click.exceptions.Exit(FAILED)
