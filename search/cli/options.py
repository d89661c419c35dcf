"""Options that several commands share, so that each is worded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from search.cli.types import FILE, FOLDER, Bytes, Duration, PlaceType

Command = TypeVar("Command", bound=Callable[..., Any])


def _folder_default(name: str) -> Callable[[], Path]:
    def default() -> Path:
        from search import places

        folder: Path = getattr(places, f"default_{name}")()
        return folder

    return default


def _default_style(_context: click.Context, _parameter: click.Parameter, style: str | None) -> str:
    import sys

    return style or ("table" if sys.stdout and sys.stdout.isatty() else "jsonl")


def _check_file(*suffixes: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Refuse a file that cannot be written before anything is answered."""

    def check(
        _context: click.Context, _parameter: click.Parameter, path: Path | None
    ) -> Path | None:
        if path and path.suffix.lower() not in suffixes:
            expected = " or ".join(suffixes)
            raise click.BadParameter(
                f"expected a name that ends in {expected}, received {path.name!r}"
            )
        if path and not path.parent.is_dir():
            raise click.BadParameter(f"expected an existing folder, received {str(path.parent)!r}")
        return path

    return check


def _use_threads(
    _context: click.Context, _parameter: click.Parameter, threads: int | None
) -> int | None:
    return limit_threads(threads) if threads else None


def check_stdin(images: Iterable[str]) -> None:
    """Refuse to read stdin twice, of which nothing would be left."""
    if list(images).count("-") > 1:
        raise click.UsageError(
            "expected - once, for stdin can be read only once, received it again"
        )


def limit_threads(threads: int) -> int:
    """Set the bound for the libraries that read it when imported, if the machine has as many."""
    import os

    from data.processors import abreast, processors

    threads = min(threads, processors())
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ[variable] = str(threads)
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(abreast(threads))
    return threads


index_option = click.option(
    "--index",
    "index_place",
    type=PlaceType(),
    envvar="DIGITS_INDEX",
    default=_folder_default("index"),
    metavar="FOLDER|ADDRESS",
    help="The index: a folder, or milvus://HOST:PORT/COLLECTION.  [default: $DIGITS_INDEX, else"
    " the user's data folder]",
)
to_option = click.option(
    "--index",
    "--to",
    "index_place",
    type=PlaceType(),
    envvar="DIGITS_INDEX",
    default=_folder_default("index"),
    metavar="FOLDER|ADDRESS",
    help="Where to: a folder, or milvus://HOST:PORT/COLLECTION.  [default: $DIGITS_INDEX, else the"
    " user's data folder]",
)
embedder_option = click.option(
    "--embedder",
    "embedder_folder",
    type=FOLDER,
    envvar="DIGITS_EMBEDDER",
    default=_folder_default("embedder"),
    help="Folder of the embedder.  [default: $DIGITS_EMBEDDER, else the user's data folder]",
)
DATASETS = (
    "mnist, optdigits, a folder of LABEL/name.png, an .npz with x_train and y_train, Parquet with"
    " image and label, or an images-idx3 file."
)
dataset_option = click.option(
    "--dataset",
    "source",
    default="mnist",
    show_default=True,
    metavar="NAME|FOLDER|FILE",
    help=DATASETS,
)
test_option = click.option(
    "--dataset",
    "source",
    metavar="NAME|FOLDER|FILE",
    help=f"{DATASETS}  [default: what the index was made of, if that is one of the names]",
)
count_option = click.option(
    "--count",
    type=click.IntRange(min=1),
    help="How many digits of mnist8m, which are drawn from MNIST.  [default: 8,100,000]",
)
recipe_option = click.option(
    "--recipe",
    "recipe_name",
    default="default",
    show_default=True,
    help="default, fast, best or notebook.",
)
epochs_option = click.option(
    "--epochs", type=click.IntRange(min=1), help="Passes over the data, instead of the recipe's."
)
budget_option = click.option(
    "--time-budget",
    "budget",
    type=Duration(),
    help="Be done within this time, as 90s, 5m or 1h, with what can be learned in it.",
)
resume_option = click.option(
    "--resume", is_flag=True, help="Go on from the last epoch of a run that was stopped."
)
tensorboard_option = click.option(
    "--tensorboard", "tensorboard_folder", type=FOLDER, help="Also write TensorBoard's logs there."
)
kind_option = click.option(
    "--kind",
    default="auto",
    show_default=True,
    help="Of index: flat, fp16, sq8, hnsw, ivf-flat, ivf-fp16, ivf-sq8 or ivf-pq; auto measures.",
)
memory_option = click.option(
    "--memory",
    type=Bytes(),
    help="What the index's vectors may take, as 500M or 2G.  [default: half of the machine's]",
)
recall_option = click.option(
    "--recall",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=0.99,
    show_default=True,
    help="Share of the ten nearest to find, where search is not exact.",
)
engine_option = click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Encode on this machine, or on a Ray cluster.",
)
address_option = click.option(
    "--address",
    metavar="HOST:PORT|ray://HOST:PORT",
    help="Of the Ray cluster.  [default: one that is started here for the while]",
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=2, show_default=True, help="Of all chance."
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    callback=_use_threads,
    help="Processors to use at most.  [default: all]",
)
k_option = click.option(
    "-k", "k", type=int, help="How many neighbours.  [default: 10 to show, the index's to vote]"
)
max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=25_000_000,
    show_default=True,
    help="Refuse pictures with more pixels, before decoding them.",
)
weights_option = click.option(
    "--weights",
    type=click.Choice(["uniform", "distance"]),
    default="distance",
    show_default=True,
    help="One vote for each neighbour, or 1/distance^2.",
)
format_option = click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    callback=_default_style,
    help="How to print.  [default: table on a terminal, else jsonl]",
)
plots_option = click.option(
    "--plots", "plots_folder", type=FOLDER, help="Also draw plots into this folder."
)
sheet_option = click.option(
    "--sheet",
    "sheet_file",
    type=FILE,
    callback=_check_file(".png"),
    help="Also draw a contact sheet: each digit beside its neighbours.",
)
report_option = click.option(
    "--report",
    "report_file",
    type=FILE,
    callback=_check_file(".html"),
    help="Also put all there is to see on this page.",
)
show_input_option = click.option(
    "--show-input",
    "input_file",
    type=FILE,
    callback=_check_file(".png"),
    help="Also draw each picture beside its digits as the model saw them.",
)
thumbnails_option = click.option(
    "--thumbnails",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Show digits in tables as small pictures of half blocks; auto where the terminal can.",
)
single_option = click.option(
    "--single", is_flag=True, help="Take all ink on a picture as one digit."
)
strict_option = click.option(
    "--strict", is_flag=True, help="Exit with status 3 if any verdict abstains."
)
id_option = click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="ID",
    help="Ask about a stored digit, such as mnist/train/123; it does not answer for itself.",
)


def out_option(*suffixes: str) -> Callable[[Command], Command]:
    """`--out FILE`, which must end in one of `suffixes`."""
    return click.option(
        "--out",
        type=FILE,
        required=True,
        callback=_check_file(*suffixes),
        help=f"File to write, {' or '.join(suffixes)}.",
    )


def sample_option(most: int) -> Callable[[Command], Command]:
    """`--sample N`, by default `most`."""
    return click.option(
        "--sample",
        type=click.IntRange(min=1),
        default=most,
        show_default=True,
        help="Digits to take at most, drawn by chance.",
    )


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator; they are shown in the order given."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
