"""How far a training run is: what a checkpoint tells of itself, read without Keras."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import CheckpointUnusable, DatasetCorrupt
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
    """
    try:
        arrays = read_npz(path)
        reached = Reached(**json.loads(arrays.pop(_RECORD).tobytes()))
        if not 0 < reached.epoch <= reached.run["epochs"] or len(reached.history) != reached.epoch:
            raise ValueError(f"it tells of epoch {reached.epoch} of {reached.run['epochs']}")
    except (DatasetCorrupt, KeyError, TypeError, ValueError, AttributeError) as exc:
        raise damaged(path, exc) from exc
    return reached, arrays


def damaged(path: Path, why: Exception) -> CheckpointUnusable:
    """What to say of a checkpoint that cannot be gone on from."""
    return CheckpointUnusable(
        f"{path}: expected the checkpoint of a run, but it is damaged ({why}); train without"
        " --resume"
    )
