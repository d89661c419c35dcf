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
asking = with_options(
    click.argument("images", nargs=-1, metavar="[IMAGE]..."),
    id_option,
    index_option,
    k_option,
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
    style: str,
    sheet_file: Path | None,
    threads: int | None,
) -> None:
    """Show the stored digits most like each IMAGE, nearest first.

    IMAGE is a picture, a folder of pictures, an .npy array, or - for stdin.
    """
    from search.answers import SearchAnswer, search_answers
    from search.index import DEFAULT_K

    index, queries = _open(index_folder, images, ids, threads)
    answers = search_answers(index, queries, DEFAULT_K if k is None else k)
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
    weights: Literal["uniform", "distance"],
    style: str,
    sheet_file: Path | None,
    threads: int | None,
) -> None:
    """Name the digit on each IMAGE by the vote of its nearest stored digits.

    IMAGE is a picture, a folder of pictures, an .npy array, or - for stdin.
    """
    from search.answers import ClassifyAnswer, classify_answers

    index, queries = _open(index_folder, images, ids, threads)
    answers = classify_answers(index, queries, k, weights)
    _show(index, answers, ClassifyAnswer, style, sheet_file)


@click.command(
    short_help="Tell whether two digits are the same.",
    epilog="Example: digits compare mine.png yours.png",
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@with_options(index_option, format_option, threads_option)
def compare(a: str, b: str, index_folder: Path, style: str, threads: int | None) -> None:
    """Tell how far apart the digits on pictures A and B are, and whether they are the same."""
    import numpy as np

    from data.errors import PictureUnreadable
    from search.queries import FailedQuery
    from search.report import format_facts

    index, queries = _open(index_folder, (a, b), (), threads)
    pair = []
    for query in queries:
        if isinstance(query, FailedQuery):
            raise PictureUnreadable(query.error)
        pair.append(query)
    if len(pair) != 2:
        raise PictureUnreadable(
            f"expected one digit on {a} and on {b}, received {len(pair)} in all"
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
    folder: Path, images: tuple[str, ...], ids: tuple[str, ...], threads: int | None
) -> tuple[DigitIndex, Iterator[Query | FailedQuery]]:
    if not images and not ids:
        raise click.UsageError("expected an IMAGE (a file, a folder or -) or --id, received none")
    import gc
    from concurrent.futures import ThreadPoolExecutor

    from indexer.store import read_generation

    # A cold query is mostly imports: the files are verified beside them, and there is no garbage.
    gc.disable()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_generation, folder)
        from search.index import DigitIndex
        from search.queries import read_queries

        index = DigitIndex.from_generation(folder, *reading.result(), threads)
    gc.enable()
    return index, read_queries(images, ids, index)


def _show(
    index: DigitIndex,
    answers: Iterable[tuple[Query | None, Answer]],
    kind: type[SearchAnswer | ClassifyAnswer],
    style: str,
    sheet_file: Path | None,
) -> None:
    """Print answers as they come; name what failed on stderr and exit 1 for it."""
    from search.answers import FailedAnswer
    from search.report import format_answers, printable

    drawn: list[tuple[Query | None, Answer]] = []
    failed = False

    def watched() -> Iterator[Any]:
        nonlocal failed
        for query, answer in answers:
            if isinstance(answer, FailedAnswer):
                failed = True
                note(f"Error: {printable(answer.error)}")
            if sheet_file:
                drawn.append((query, answer))
            yield answer

    say(format_answers(watched(), kind, style))
    if sheet_file:
        from data.files import write_whole
        from search.sheet import draw_sheet

        write_whole(sheet_file, draw_sheet(index, drawn))
        note(f"Contact sheet: {sheet_file}")
    if failed:
        raise click.exceptions.Exit(FAILED)
