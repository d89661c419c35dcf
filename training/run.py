"""Train into a folder: it holds an embedder in the end; until then, the last epoch done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.card import FILES, LOCK_NAME, EmbedderCard
from data.dataset import Dataset
from data.files import check_regular, check_writable, clear_debris, locked, make_folder
from data.progress import Progress, silent
from training import require_backend, require_tensorboard, run_abreast
from training.recipes import UNLIMITED, Limits, Recipe

if TYPE_CHECKING:
    from training.fit import Trained


def train_into(
    folder: Path,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    limits: Limits = UNLIMITED,
    progress: Progress = silent,
) -> tuple[Trained, EmbedderCard]:
    """Train an embedder into a folder that no other training writes to meanwhile.

    Args:
        folder: for the embedder; each finished epoch is kept there until it is done.
        dataset: to learn from.
        recipe: what to train.
        seed: of all chance.
        limits: when it ends; `folder` takes the place of their `checkpoint`.
        progress: told after each step.

    Raises:
        IndexLocked: another process is training into the folder.
        MissingExtra: Keras, TensorFlow or an asked-for TensorBoard is not installed.
        TrainingError: the loss stopped being a number, or the network cannot be exported.
        CheckpointUnusable: there is nothing to resume, or it is damaged or of another run.
        StorageError: the folder cannot be read or written.
    """
    make_folder(folder)
    for name in FILES:
        check_regular(folder / name)  # not only once hours are spent
    check_writable(folder)
    busy = f"{folder}: another process is training into this folder; choose another folder"
    with locked(folder / LOCK_NAME, busy):
        clear_debris(folder)
        run_abreast()
        require_backend()
        if limits.tensorboard:
            require_tensorboard()
            make_folder(limits.tensorboard)
            check_writable(limits.tensorboard)
        from training.checkpoint import remove_checkpoint
        from training.export import export
        from training.fit import fit

        trained = fit(recipe, dataset, seed, replace(limits, checkpoint=folder), progress)
        card = export(trained, dataset, seed, folder)
        remove_checkpoint(folder)
    return trained, card
