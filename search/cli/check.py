"""`digits evaluate`, `info`, `verify` and `doctor`: how good, what, whole, and what to mend."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from search.cli.console import FAILED, note, progress_bar, say
from search.cli.options import (
    embedder_option,
    format_option,
    index_option,
    k_option,
    plots_option,
    seed_option,
    test_option,
    threads_option,
    weights_option,
    with_options,
)
from search.cli.types import FOLDER
from search.text import named

if TYPE_CHECKING:
    from data.dataset import Dataset
    from indexer.place import Place
    from indexer.votes import Weights
    from search.evaluate import Evaluation
    from search.index import DigitIndex

WIDEST = 20  # classes of a matrix for people, or lines of what stands for it
TESTED_WITH = {"mnist": "mnist", "mnist8m": "mnist", "optdigits": "optdigits"}


def _check_finite(
    _context: click.Context, _parameter: click.Parameter, value: float | None
) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"expected a finite number, received {value}")
    return value


@click.command(
    short_help="Measure an index on a test split.",
    epilog="Example: digits evaluate --dataset mnist --plots plots",
)
@with_options(
    test_option,
    index_option,
    click.option(
        "--embedder", "embedder_folder", type=FOLDER, help="Expect this embedder's index."
    ),
    k_option,
    weights_option,
    click.option(
        "--threshold",
        type=click.FloatRange(min=0),
        callback=_check_finite,
        help="Distance up to which a pair is the same.  [default: the embedder's calibrated one]",
    ),
    seed_option,
    threads_option,
    plots_option,
    format_option,
)
def evaluate(
    source: str | None,
    index_place: Place,
    embedder_folder: Path | None,
    k: int | None,
    weights: Weights,
    threshold: float | None,
    seed: int,
    threads: int | None,
    plots_folder: Path | None,
    style: str,
) -> None:
    """Measure the index on a dataset's test split: accuracy, precision, MAP@R, pairs."""
    from data.figures import require_plots
    from search.index import DigitIndex
    from search.report import format_facts
    from search.soundness import require_embedder

    if plots_folder:
        require_plots(plots_folder)
    index = DigitIndex.open(index_place, threads)
    test = test_digits(index, source)
    if embedder_folder:
        require_embedder(index, embedder_folder, index_place)
    evaluation = measure(index, test, seed, k=k, weights=weights, threshold=threshold)
    if plots_folder:
        tell_plots(evaluation, test, plots_folder)
    say(format_facts(figures_of(evaluation, style), style))


def figures_of(evaluation: Evaluation, style: str) -> dict[str, Any]:
    """The figures; for people, the confusion matrix with names, or the largest where it is wide."""
    figures = evaluation.figures()
    if style != "table":
        return figures
    names = [str(one.label) for one in evaluation.classes]
    rows = list(zip(names, evaluation.confusion.tolist(), strict=True))
    if len(names) <= WIDEST:
        return figures | {"confusion": [["is", *names], *([name, *row] for name, row in rows)]}
    mistakes = [
        {"is": name, "named": other, "digits": count}
        for name, row in rows
        for other, count in zip(names, row, strict=True)
        if count and other != name
    ]
    return figures | {"confusion": sorted(mistakes, key=lambda one: -one["digits"])[:WIDEST]}


def test_digits(index: DigitIndex, source: str | None) -> Dataset:
    """The test split of `source`; where nobody says, of what the index was made of."""
    from data.datasets import load_dataset

    made_of = index.manifest.dataset["name"]
    if source is None:
        source = TESTED_WITH.get(made_of)
    if source is None:
        raise click.UsageError(f"expected --dataset: the index was made of {made_of!r}; say where")
    return load_dataset(source, "test")


def measure(
    index: DigitIndex,
    test: Dataset,
    seed: int,
    *,
    k: int | None = None,
    weights: Weights | None = None,
    threshold: float | None = None,
) -> Evaluation:
    """An evaluation with a progress bar; what is None is as where nobody says."""
    from indexer.votes import DEFAULT_WEIGHTS
    from search.evaluate import evaluate

    weights = weights or DEFAULT_WEIGHTS
    if threshold is None:
        threshold = index.embedder.card.same_different.threshold
    with progress_bar("Evaluating") as progress:
        return evaluate(
            index,
            test,
            k=index.chosen_k(weights) if k is None else k,
            weights=weights,
            threshold=threshold,
            seed=seed,
            progress=progress,
        )


def tell_plots(evaluation: Evaluation, test: Dataset, folder: Path) -> None:
    """Draw an evaluation, and say where."""
    from search.plots import draw_evaluation

    note(f"Plots: {', '.join(map(str, draw_evaluation(evaluation, test, folder)))}")


@click.command(short_help="Tell what an index is.", epilog="Example: digits info --format json")
@with_options(index_option, format_option)
def info(index_place: Place, style: str) -> None:
    """Tell what the index holds, how it was made, and what was chosen when it was built."""
    from search.facts import index_facts
    from search.index import DigitIndex
    from search.report import format_facts

    say(format_facts(index_facts(DigitIndex.open(index_place), index_place), style))


@click.command(
    short_help="Check every byte of an index.", epilog="Example: digits verify --index mnist-index"
)
@with_options(index_option, format_option)
def verify(index_place: Place, style: str) -> None:
    """Check every byte of the index, also of what undo goes back to, and encode digits again."""
    import time

    from indexer.place import store_at
    from search.index import DigitIndex
    from search.report import format_facts
    from search.soundness import require_vectors

    started = time.perf_counter()
    index = DigitIndex.open(index_place)
    require_vectors(index, index_place)
    entries = store_at(index_place).verified(index.manifest)
    facts = {
        "index": named(str(index_place)),
        "generation": index.manifest.generation,
        "files": len(entries) + 1,
        "bytes": sum(entry.size for entry in entries.values()),
        "verdict": "intact",
        "seconds": round(time.perf_counter() - started, 3),
    }
    say(format_facts(facts, style))


@click.command(
    short_help="Tell what is wrong here, and what mends it.",
    epilog="Example: digits doctor --index mnist-index",
)
@with_options(index_option, embedder_option, format_option)
@click.pass_context
def doctor(context: click.Context, index_place: Place, embedder_folder: Path, style: str) -> None:
    """Look at the installation, MNIST, the embedder and the index; change nothing.

    Exit status 1 if something must be mended; the command that mends it stands beside it.
    """
    from search.doctor.examine import examine
    from search.doctor.findings import Collection, Folder
    from search.report import format_findings

    def why(parameter: str) -> str:
        option = parameter.partition("_")[0]
        source = context.get_parameter_source(parameter)
        named_by: dict[ParameterSource | None, str] = {
            ParameterSource.COMMANDLINE: f"named by --{option}",
            ParameterSource.ENVIRONMENT: f"named by $DIGITS_{option.upper()}",
        }
        return named_by.get(source, "the default")

    index = (
        Folder(index_place, why("index_place"))
        if isinstance(index_place, Path)
        else Collection(index_place, why("index_place"))
    )
    findings = list(examine(index, Folder(embedder_folder, why("embedder_folder"))))
    say(format_findings(findings, style))
    if any(one.status == "problem" for one in findings):
        raise click.exceptions.Exit(FAILED)
