"""What a training run needs to go on where it was stopped: its weights and its optimiser's state.

One `.npz`, written whole after each epoch beside the embedder, and gone when the embedder is there.
"""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from data.card import CHECKPOINT_NAME
from data.errors import CheckpointUnusable
from data.files import make_folder, storage_errors, write_whole
from data.reached import Reached, damaged, read_checkpoint
from training.history import History


def save_checkpoint(folder: Path, model: keras.Model, reached: Reached) -> None:
    """Write the state of `model` and its optimiser into `folder`.

    Raises:
        StorageError: the folder cannot be written; an earlier checkpoint still stands.
    """
    arrays = {f"{i:04}": np.asarray(variable) for i, variable in enumerate(_variables(model))}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **reached.to_arrays(), **arrays)
    make_folder(folder)
    write_whole(folder / CHECKPOINT_NAME, file.getvalue())


def load_checkpoint(folder: Path, model: keras.Model, run: dict[str, Any]) -> Reached:
    """Put the state in `folder` into `model`, whose optimiser is built, and say how far it was.

    Raises:
        CheckpointUnusable: there is no checkpoint, it is damaged, or it is of another run.
        StorageError: it may not be read.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        raise CheckpointUnusable(f"no checkpoint in {folder} to go on from; train without --resume")
    reached, arrays = read_checkpoint(path)
    other = [name for name in run if reached.run.get(name) != json.loads(json.dumps(run[name]))]
    if other:
        raise CheckpointUnusable(
            f"{path}: expected the same {', '.join(other)} as before; give the same arguments, or"
            " train without --resume"
        )
    try:
        for variable, (_, value) in zip(_variables(model), sorted(arrays.items()), strict=True):
            variable.assign(value)
    except ValueError as exc:
        raise damaged(path, exc) from exc
    return reached


class Keeping(keras.callbacks.Callback):
    """Writes a checkpoint after each epoch that ended with a finite loss."""

    def __init__(self, folder: Path, run: dict[str, Any], history: History, began: float) -> None:
        super().__init__()
        self._folder, self._run, self._history, self._began = folder, run, history, began

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = time.perf_counter() - self._began
        reached = Reached(self._run, epoch + 1, self._history.records, seconds)
        save_checkpoint(self._folder, self.model, reached)


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint, if there is one: the run is done.

    Raises:
        StorageError: the folder cannot be written.
    """
    path = folder / CHECKPOINT_NAME
    with storage_errors(path):
        path.unlink(missing_ok=True)


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]
