"""How far a training run is: what a checkpoint tells of itself, read without Keras."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import CheckpointUnusable, DatasetCorrupt, DatasetNotFound, StorageError
from data.sets.npz import read_npz

_RECORD = "record"


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

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As an array, to stand in an `.npz` beside those of the weights."""
        return {_RECORD: np.frombuffer(json.dumps(vars(self)).encode(), np.uint8)}


def read_checkpoint(path: Path) -> tuple[Reached, dict[str, np.ndarray]]:
    """How far the run in a checkpoint is, and its weights by name.

    Raises:
        CheckpointUnusable: it is damaged.
        StorageError: it may not be read.
    """
    try:
        arrays = read_npz(path)
        record = json.loads(arrays.pop(_RECORD).tobytes())
        reached = Reached(**record)
        _check(reached)
    except DatasetNotFound as exc:
        raise StorageError(f"{exc}; check with ls -l who may read it") from exc
    except (DatasetCorrupt, KeyError, TypeError, ValueError, RecursionError) as exc:
        raise damaged(path, exc) from exc
    return reached, arrays


def _check(reached: Reached) -> None:
    """Refuse what no run ever was.

    Raises:
        KeyError, TypeError, ValueError: it is that.
    """
    run, epoch, history = reached.run, reached.epoch, reached.history
    expected = ((run["epochs"], int), (run["seed"], int), (run["recipe"]["name"], str),
                (epoch, int), (history, list), (reached.seconds, float),
                *((record, dict) for record in history))  # fmt: skip
    if not all(type(value) is kind for value, kind in expected):
        raise TypeError("its record is of other types")
    if not 0 < epoch <= run["epochs"] or len(history) != epoch:
        raise ValueError(f"it tells of epoch {epoch} of {run['epochs']}")


def damaged(path: Path, why: Exception) -> CheckpointUnusable:
    """What to say of a checkpoint that cannot be gone on from."""
    told = f"it lacks {why}" if isinstance(why, KeyError) else str(why).removeprefix(f"{path}: ")
    return CheckpointUnusable(
        f"{path}: expected the checkpoint of a run, but it is damaged ({told}); train without"
        " --resume"
    )
