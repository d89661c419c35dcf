"""`digits search`, `classify` and `compare`: answer questions about pictures."""

from __future__ import annotations

from os.path import isdir
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.console import hush_libraries, say
from search.cli.options import (
    check_stdin,
    format_option,
    id_option,
    index_option,
    k_option,
    limit_threads,
    max_pixels_option,
    sheet_option,
    show_input_option,
    single_option,
    strict_option,
    threads_option,
    thumbnails_option,
    weights_option,
    with_options,
)
from search.cli.show import keep_inputs, show, to_be_drawn
from search.start import importing

if TYPE_CHECKING:
    from indexer.place import Place
    from indexer.votes import Weights
    from search.index import DigitIndex
    from search.queries import Reader

asking = with_options(
    click.argument("images", nargs=-1, metavar="[IMAGE]..."),
    id_option,
    index_option,
    k_option,
    max_pixels_option,
    single_option,
)
showing = with_options(
    format_option,
    thumbnails_option,
    sheet_option,
    show_input_option,
    strict_option,
    threads_option,
)


@click.command(
    short_help="Show the stored digits most like a picture.",
    epilog="Example: digits search photo.jpg -k 5 --sheet neighbours.png",
)
@asking
@showing
def search(
    images: tuple[str, ...],
    ids: tuple[str, ...],
    index_place: Place,
    k: int | None,
    max_pixels: int,
    single: bool,
    style: str,
    sheet_file: Path | None,
    input_file: Path | None,
    strict: bool,
    thumbnails: str,
    threads: int | None,
) -> None:
    """Show the stored digits most like each IMAGE, nearest first.

    IMAGE is a picture, a folder of pictures, an .npy array, or - for stdin.
    """
    keep_inputs(images, sheet_file, input_file)
    reader = _open(index_place, images, ids, max_pixels, single, threads)
    from search.answers import SearchAnswer, search_answers
    from search.index import DEFAULT_K

    shown = min(DEFAULT_K, len(reader.index) - bool(ids)) if k is None else k
    queries = to_be_drawn(reader.read(images, ids), sheet_file, input_file)
    answers = search_answers(reader.index, queries, shown)
    show(reader.index, answers, SearchAnswer, style, sheet_file, input_file, strict, thumbnails)


@click.command(
    short_help="Name the digits on pictures.",
    epilog="Example: digits classify *.png --format csv > names.csv",
)
@asking
@weights_option
@click.option(
    "--explain", is_flag=True, help="Also show each neighbour's vote, and the nearest rival."
)
@showing
def classify(
    images: tuple[str, ...],
    ids: tuple[str, ...],
    index_place: Place,
    k: int | None,
    max_pixels: int,
    single: bool,
    weights: Weights,
    explain: bool,
    style: str,
    sheet_file: Path | None,
    input_file: Path | None,
    strict: bool,
    thumbnails: str,
    threads: int | None,
) -> None:
    """Name the digit on each IMAGE by the vote of its nearest stored digits.

    IMAGE is a picture, a folder of pictures, an .npy array, or - for stdin.
    """
    if explain and style == "csv":
        raise click.UsageError("expected a format other than csv, which has no place for --explain")
    keep_inputs(images, sheet_file, input_file)
    reader = _open(index_place, images, ids, max_pixels, single, threads)
    from search.answers import ClassifyAnswer, classify_answers

    queries = to_be_drawn(reader.read(images, ids), sheet_file, input_file)
    answers = classify_answers(reader.index, queries, k, weights, explain=explain)
    show(reader.index, answers, ClassifyAnswer, style, sheet_file, input_file, strict, thumbnails)


@click.command(
    short_help="Tell whether two digits are the same.",
    epilog="Example: digits compare mine.png yours.png",
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@with_options(index_option, max_pixels_option, single_option, format_option, threads_option)
def compare(
    a: str,
    b: str,
    index_place: Place,
    max_pixels: int,
    single: bool,
    style: str,
    threads: int | None,
) -> None:
    """Tell how far apart the digits on pictures A and B are, and whether they are the same."""
    reader = _open(index_place, (a, b), (), max_pixels, single, threads)
    from dataclasses import asdict

    from search.compare import compare as judge
    from search.compare import the_digit
    from search.report import format_facts
    from search.text import named

    names = named(a), named(b)
    left, right = (
        the_digit(name, list(reader.read((image,), ())))
        for name, image in zip(names, (a, b), strict=True)
    )
    say(format_facts(asdict(judge(reader.index, names, (left, right))), style))


def _open(
    place: Place,
    images: tuple[str, ...],
    ids: tuple[str, ...],
    max_pixels: int,
    single: bool,
    threads: int | None,
) -> Reader:
    if not images and not ids:
        raise click.UsageError("expected an IMAGE (a file, a folder or -) or --id, received none")
    check_stdin(images)
    hush_libraries()
    with importing():
        if isinstance(place, Path):
            if threads is None and len(images) + len(ids) == 1 and not any(map(isdir, images)):
                threads = limit_threads(1)  # starting a second one takes longer than one digit
            index = _open_folder(place, threads)
        else:
            from search.index import DigitIndex

            index = DigitIndex.open(place, threads)
        from search.queries import Reader
    return Reader(index, max_pixels, single)


def _open_folder(folder: Path, threads: int | None) -> DigitIndex:
    """A cold query is mostly imports, so files are verified and the network is loaded beside them.

    Whatever else a command imports, it imports after this.
    """
    from concurrent.futures import ThreadPoolExecutor

    from indexer.store import read_generation

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_generation, folder)
        from indexer.embedder import Embedder

        opening = pool.submit(
            lambda: Embedder.of_generation(str(folder), *reading.result(), threads)
        )
        from indexer.folder import open_generation
        from search.index import DigitIndex

        generation = open_generation(folder, *reading.result())
        return DigitIndex.of(generation, str(folder), threads, opening.result())
