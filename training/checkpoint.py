"""What a training run needs to go on where it was stopped: weights, optimiser, and how far it was.

One `.npz`, written whole after each epoch beside the embedder, and gone when the embedder is there.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from data.card import CHECKPOINT_NAME
from data.errors import CheckpointUnusable, DatasetCorrupt
from data.files import make_folder, write_whole
from data.sets.npz import read_npz
from training.history import History

RECORD = "record"


@dataclass(frozen=True)
class Reached:
    """How far a run is.

    Attributes:
        run: what makes it this run and no other: recipe, dataset, seed, epochs.
        epoch: epochs done.
        history: one record for each.
        seconds: spent so far.
    """

    run: dict[str, Any]
    epoch: int
    history: list[dict[str, float]]
    seconds: float


def save_checkpoint(folder: Path, model: keras.Model, reached: Reached) -> None:
    """Write the state of `model` and its optimiser into `folder`.

    Raises:
        StorageError: the folder cannot be written; an earlier checkpoint still stands.
    """
    arrays = {f"{i:04}": np.asarray(variable) for i, variable in enumerate(_variables(model))}
    record = np.frombuffer(json.dumps(vars(reached)).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{RECORD: record, **arrays})
    make_folder(folder)
    write_whole(folder / CHECKPOINT_NAME, file.getvalue())


def load_checkpoint(folder: Path, model: keras.Model, run: dict[str, Any]) -> Reached:
    """Put the state in `folder` into `model`, whose optimiser is built, and say how far it was.

    Raises:
        CheckpointUnusable: there is no checkpoint, it is damaged, or it is of another run.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        raise CheckpointUnusable(f"no checkpoint in {folder} to go on from; train without --resume")
    try:
        arrays = read_npz(path)
        reached = Reached(**json.loads(arrays.pop(RECORD).tobytes()))
        return _put(model, arrays, reached, run, path)
    except (DatasetCorrupt, KeyError, TypeError, ValueError, AttributeError) as exc:
        raise CheckpointUnusable(
            f"{path}: expected the checkpoint of a run, but it is damaged ({exc}); train without"
            " --resume"
        ) from exc


def _put(
    model: keras.Model,
    arrays: dict[str, np.ndarray],
    reached: Reached,
    run: dict[str, Any],
    path: Path,
) -> Reached:
    other = [name for name in run if reached.run.get(name) != json.loads(json.dumps(run[name]))]
    if other:
        raise CheckpointUnusable(
            f"{path}: expected the same {', '.join(other)} as before; give the same arguments, or"
            " train without --resume"
        )
    if not 0 < reached.epoch <= run["epochs"] or len(reached.history) != reached.epoch:
        raise ValueError(f"it tells of epoch {reached.epoch} of {run['epochs']}")
    for variable, (_, value) in zip(_variables(model), sorted(arrays.items()), strict=True):
        variable.assign(value)
    return reached


class Keeping(keras.callbacks.Callback):
    """Writes a checkpoint after each epoch that ended with a finite loss."""

    def __init__(self, folder: Path, start: Reached, history: History) -> None:
        super().__init__()
        self._folder, self._start, self._history = folder, start, history
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = self._start.seconds + time.perf_counter() - self._began
        reached = Reached(self._start.run, epoch + 1, self._history.records, seconds)
        save_checkpoint(self._folder, self.model, reached)


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint, if there is one: the run is done."""
    (folder / CHECKPOINT_NAME).unlink(missing_ok=True)


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]
