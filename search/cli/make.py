"""`digits train`, `index` and `build`: from a dataset to an index that answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from search.cli.console import note, progress_bar, say
from search.cli.options import (
    address_option,
    budget_option,
    count_option,
    dataset_option,
    embedder_option,
    engine_option,
    epochs_option,
    format_option,
    kind_option,
    memory_option,
    plots_option,
    recall_option,
    recipe_option,
    report_option,
    resume_option,
    seed_option,
    tensorboard_option,
    threads_option,
    to_option,
    with_options,
)
from search.text import named

if TYPE_CHECKING:
    from data.card import EmbedderCard
    from data.dataset import Dataset, Parted
    from data.mnist8m import EndlessDigits
    from indexer.choose import Requirements
    from indexer.embedder import Embedder
    from indexer.manifest import Manifest
    from indexer.place import Place
    from indexer.ray_cluster import Cluster
    from training.recipes import Limits, Recipe


training = with_options(
    dataset_option,
    recipe_option,
    epochs_option,
    budget_option,
    resume_option,
    tensorboard_option,
    embedder_option,
)
indexing = with_options(to_option, kind_option, memory_option, recall_option)
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
    from training.recipes import Limits, find_recipe

    del threads
    recipe = find_recipe(recipe_name)  # before anything slow begins
    dataset = load_dataset(source, "train")
    limits = Limits(epochs, budget, resume=resume, tensorboard=tensorboard_folder)
    card = _train(dataset, recipe, limits, embedder_folder, seed, plots_folder)
    say(format_facts(_card_facts(card, embedder_folder), style))


@click.command(
    short_help="Encode a dataset into an index.",
    epilog="Example: digits index --dataset mnist --index mnist-index",
)
@with_options(dataset_option, count_option, embedder_option, engine_option, address_option)
@with_options(indexing, seed_option, threads_option)
@format_option
def index(
    source: str,
    count: int | None,
    embedder_folder: Path,
    engine: Literal["local", "ray"],
    address: str | None,
    index_place: Place,
    kind: str,
    memory: int | None,
    recall: float,
    seed: int,
    threads: int | None,
    style: str,
) -> None:
    """Encode a dataset's training split into an index, replacing the one that was there.

    Also takes mnist8m: MNIST followed by deformed copies of its digits, drawn as they are needed.
    """
    from data.convention import MNIST8M
    from data.datasets import open_dataset
    from data.errors import UsageError
    from data.mnist8m import open_mnist8m
    from indexer.choose import Requirements
    from indexer.embedder import Embedder
    from indexer.ray_cluster import Cluster
    from search.report import format_facts

    if count is not None and source != MNIST8M:
        raise UsageError(f"expected --count with --dataset {MNIST8M}, received it with {source}")
    if address is not None and engine != "ray":
        raise UsageError("expected --address with --engine ray, received it alone")
    required = Requirements(kind, memory, recall)
    embedder = Embedder.open(embedder_folder, threads)
    cluster = Cluster(address) if engine == "ray" else None
    digits = open_mnist8m(count) if source == MNIST8M else open_dataset(source, "train")
    manifest = _index(digits, embedder, index_place, required, seed, threads, cluster)
    say(format_facts(_index_facts(manifest, index_place), style))


@click.command(
    short_help="Train, index and evaluate.", epilog="Example: digits build --dataset mnist"
)
@training
@indexing
@running
@report_option
@format_option
def build(
    source: str,
    recipe_name: str,
    epochs: int | None,
    budget: float | None,
    resume: bool,
    tensorboard_folder: Path | None,
    embedder_folder: Path,
    index_place: Place,
    kind: str,
    memory: int | None,
    recall: float,
    seed: int,
    threads: int | None,
    plots_folder: Path | None,
    report_file: Path | None,
    style: str,
) -> None:
    """Train an embedder, index the training split, and evaluate on the test split.

    Needs the extra: pip install 'digit-search[train]'.
    """
    from data.datasets import load_dataset
    from data.figures import require_matplotlib
    from indexer.choose import Requirements
    from indexer.embedder import Embedder
    from indexer.place import store_at
    from search.cli.check import figures_of, measure, tell_plots
    from search.cli.look import write_report
    from search.index import DigitIndex
    from search.report import format_facts
    from training.recipes import Limits, find_recipe

    if report_file:
        require_matplotlib()
    required = Requirements(kind, memory, recall)
    recipe = find_recipe(recipe_name)  # before anything slow begins
    dataset = load_dataset(source, "train")
    required.check_count(len(dataset))
    with store_at(index_place).replacing():
        pass  # it can be; not only tried once hours are spent
    limits = Limits(epochs, budget, resume=resume, tensorboard=tensorboard_folder)
    card = _train(dataset, recipe, limits, embedder_folder, seed, plots_folder)
    embedder = Embedder.open(embedder_folder, threads)
    manifest = _index(dataset, embedder, index_place, required, seed, threads)
    facts = _card_facts(card, embedder_folder) | _index_facts(manifest, index_place)
    test, built = load_dataset(source, "test"), DigitIndex.open(index_place, threads)
    evaluation = measure(built, test, seed)
    if plots_folder:
        tell_plots(evaluation, test, plots_folder)
    if report_file:
        write_report(report_file, built, evaluation, test)
        note(f"Report: {report_file}")
    say(format_facts(facts | figures_of(evaluation, style), style))


def _train(
    dataset: Dataset,
    recipe: Recipe,
    limits: Limits,
    folder: Path,
    seed: int,
    plots_folder: Path | None,
) -> EmbedderCard:
    from data.errors import CheckpointUnusable, IndexLocked, MissingExtra
    from data.figures import require_plots
    from training.run import train_into

    if plots_folder:
        require_plots(plots_folder)
    before = _kept(folder)
    try:
        with progress_bar("Training") as progress:
            trained, card = train_into(folder, dataset, recipe, seed, limits, progress)
    except (CheckpointUnusable, IndexLocked, MissingExtra):
        raise  # before anything was trained
    except BaseException:
        if _kept(folder) and (limits.resume or _kept(folder) != before):
            note("Epochs done so far are kept: the same command with --resume goes on from there.")
        raise
    if plots_folder:
        from training.plots import draw_training

        note(f"Plots: {', '.join(map(str, draw_training(trained, dataset, seed, plots_folder)))}")
    return card


def _kept(folder: Path) -> int:
    """When the last epoch was kept in a folder, in ns; 0 if there is none that we may see."""
    from data.card import CHECKPOINT_NAME

    path = folder / CHECKPOINT_NAME
    try:
        return path.stat().st_mtime_ns if path.is_file() else 0
    except OSError:
        return 0


def _index(
    digits: Dataset | Parted | EndlessDigits,
    embedder: Embedder,
    place: Place,
    required: Requirements,
    seed: int,
    threads: int | None,
    cluster: Cluster | None = None,
) -> Manifest:
    from data.errors import StorageError, StoreUnreachable
    from data.mnist8m import EndlessDigits
    from indexer.build import build_index, build_on_cluster, build_streamed
    from indexer.place import store_at
    from indexer.stream import staged
    from indexer.vectors import set_threads

    if threads:
        set_threads(threads)
    try:
        with progress_bar("Indexing") as progress:
            asked = (embedder, place, seed)
            if isinstance(digits, EndlessDigits):
                manifest = build_streamed(digits, *asked, required, progress, cluster)
            elif cluster:
                manifest = build_on_cluster(digits, *asked, cluster, required, progress)
            else:
                manifest = build_index(digits.whole(), *asked, required, progress)
    except (KeyboardInterrupt, StorageError, StoreUnreachable):
        if staged(store_at(place).staging()):
            note("Digits encoded so far are kept: the same command goes on from there.")
        raise
    built = manifest.segments[0]
    note(f"Kind of index: {built.kind}, {built.kind_options['chosen']}.")
    return manifest


def _card_facts(card: EmbedderCard, folder: Path) -> dict[str, object]:
    return {
        "embedder": named(folder),
        "recipe": card.recipe["name"],
        "dimension": card.dimension,
        "training_seconds": card.seconds,
        "pair_threshold": card.same_different.threshold,
    }


def _index_facts(manifest: Manifest, place: Place) -> dict[str, object]:
    from indexer.votes import DEFAULT_WEIGHTS
    from search.facts import generation_facts

    return {
        **generation_facts(manifest, place),
        "kind": manifest.segments[0].kind,
        "recall": manifest.segments[0].kind_options["recall"],
        "k": manifest.k[DEFAULT_WEIGHTS],
    }
