"""`digits train`, `index` and `build`: from a dataset to an index that answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.console import note, progress_bar, say
from search.cli.options import (
    budget_option,
    count_option,
    dataset_option,
    embedder_option,
    epochs_option,
    format_option,
    index_option,
    plots_option,
    recipe_option,
    resume_option,
    seed_option,
    tensorboard_option,
    threads_option,
    with_options,
)

if TYPE_CHECKING:
    from data.card import EmbedderCard
    from data.datasets import Dataset
    from data.mnist8m import EndlessDigits
    from indexer.embedder import Embedder
    from indexer.store import Manifest

training = with_options(
    dataset_option,
    recipe_option,
    epochs_option,
    budget_option,
    resume_option,
    tensorboard_option,
    embedder_option,
)
running = with_options(seed_option, threads_option, plots_option)


@click.command(
    short_help="Train and export an embedder.",
    epilog="Example: digits train --recipe notebook --embedder notebook-embedder",
)
@training
@running
@format_option
def train(
    source: str,
    recipe_name: str,
    epochs: int | None,
    budget: float | None,
    resume: bool,
    tensorboard_folder: Path | None,
    embedder_folder: Path,
    seed: int,
    threads: int | None,
    plots_folder: Path | None,
    style: str,
) -> None:
    """Train an embedder and export it as ONNX, Keras file and card.

    Needs the extra: pip install 'digit-search[train]'.
    """
    from data.datasets import load_dataset
    from search.report import format_facts

    del threads
    _check_recipe(recipe_name)
    dataset = load_dataset(source, "train")
    asked = (epochs, budget, resume, tensorboard_folder)
    card = _train(dataset, recipe_name, asked, embedder_folder, seed, plots_folder)
    say(format_facts(_card_facts(card, embedder_folder), style))


@click.command(
    short_help="Encode a dataset into an index.",
    epilog="Example: digits index --dataset mnist --index mnist-index",
)
@with_options(
    dataset_option, count_option, embedder_option, index_option, seed_option, threads_option
)
@format_option
def index(
    source: str,
    count: int | None,
    embedder_folder: Path,
    index_folder: Path,
    seed: int,
    threads: int | None,
    style: str,
) -> None:
    """Encode a dataset's training split into an index, replacing the one that was there.

    Also takes mnist8m: MNIST followed by deformed copies of its digits, drawn as they are needed.
    """
    from data.convention import MNIST8M
    from data.datasets import load_dataset
    from data.errors import UsageError
    from data.mnist8m import open_mnist8m
    from indexer.embedder import Embedder
    from search.report import format_facts

    if count is not None and source != MNIST8M:
        raise UsageError(f"expected --count with --dataset {MNIST8M}, received it with {source}")
    embedder = Embedder.open(embedder_folder, threads)
    digits = open_mnist8m(count) if source == MNIST8M else load_dataset(source, "train")
    manifest = _index(digits, embedder, index_folder, seed, threads)
    say(format_facts(_index_facts(manifest, index_folder), style))


@click.command(
    short_help="Train, index and evaluate.", epilog="Example: digits build --dataset mnist"
)
@training
@index_option
@running
@format_option
def build(
    source: str,
    recipe_name: str,
    epochs: int | None,
    budget: float | None,
    resume: bool,
    tensorboard_folder: Path | None,
    embedder_folder: Path,
    index_folder: Path,
    seed: int,
    threads: int | None,
    plots_folder: Path | None,
    style: str,
) -> None:
    """Train an embedder, index the training split, and evaluate on the test split.

    Needs the extra: pip install 'digit-search[train]'.
    """
    from data.datasets import load_dataset
    from indexer.embedder import Embedder
    from search.cli.check import evaluate_index
    from search.report import format_facts

    _check_recipe(recipe_name)
    dataset = load_dataset(source, "train")
    asked = (epochs, budget, resume, tensorboard_folder)
    card = _train(dataset, recipe_name, asked, embedder_folder, seed, plots_folder)
    embedder = Embedder.open(embedder_folder, threads)
    manifest = _index(dataset, embedder, index_folder, seed, threads)
    facts = _card_facts(card, embedder_folder) | _index_facts(manifest, index_folder)
    figures = evaluate_index(index_folder, load_dataset(source, "test"), seed, plots_folder)
    say(format_facts(facts | figures, style))


def _check_recipe(name: str) -> None:
    """Refuse an unknown recipe before anything slow begins."""
    from training.recipes import find_recipe

    find_recipe(name)


def _train(
    dataset: Dataset,
    recipe_name: str,
    asked: tuple[int | None, float | None, bool, Path | None],
    folder: Path,
    seed: int,
    plots_folder: Path | None,
) -> EmbedderCard:
    from training import require_backend, require_tensorboard
    from training.recipes import find_recipe

    require_backend()
    from training.checkpoint import CHECKPOINT_NAME, remove_checkpoint
    from training.export import export
    from training.fit import Limits, fit

    recipe = find_recipe(recipe_name)
    epochs, budget, resume, tensorboard = asked
    limits = Limits(epochs, budget, folder, resume, tensorboard)
    if tensorboard:
        require_tensorboard()
    try:
        with progress_bar("Training") as progress:
            trained = fit(recipe, dataset, seed, limits, progress)
    except BaseException:
        if (folder / CHECKPOINT_NAME).exists():
            note("Epochs done so far are kept: the same command with --resume goes on from there.")
        raise
    card = export(trained, recipe, dataset, seed, folder)
    remove_checkpoint(folder)
    if plots_folder:
        from training.plots import draw_training

        note(f"Plots: {', '.join(map(str, draw_training(trained, dataset, seed, plots_folder)))}")
    return card


def _index(
    digits: Dataset | EndlessDigits,
    embedder: Embedder,
    folder: Path,
    seed: int,
    threads: int | None,
) -> Manifest:
    from data.datasets import Dataset
    from data.errors import StorageError
    from indexer.build import build_index, build_streamed
    from indexer.stream import FOLDER
    from indexer.vectors import set_threads

    if threads:
        set_threads(threads)
    try:
        with progress_bar("Indexing") as progress:
            if isinstance(digits, Dataset):
                return build_index(digits, embedder, folder, seed, progress)
            return build_streamed(digits, embedder, folder, seed, progress)
    except (KeyboardInterrupt, StorageError):
        if (folder / FOLDER).exists():
            note("Digits encoded so far are kept: the same command goes on from there.")
        raise


def _card_facts(card: EmbedderCard, folder: Path) -> dict[str, object]:
    return {
        "embedder": str(folder),
        "recipe": card.recipe["name"],
        "dimension": card.dimension,
        "training_seconds": card.seconds,
        "pair_threshold": card.same_different.threshold,
    }


def _index_facts(manifest: Manifest, folder: Path) -> dict[str, object]:
    return {
        "index": str(folder),
        "generation": manifest.generation,
        "count": manifest.count,
        "k": manifest.k["uniform"],
    }
