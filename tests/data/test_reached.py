"""What a checkpoint tells of its run, and what is none."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import CheckpointUnusable, StorageError
from data.reached import Reached, read_checkpoint

RUN = {"recipe": {"name": "fast"}, "seed": 7, "epochs": 3, "dataset": "0"}
REACHED = Reached(RUN, 1, [{"loss": 0.5}], 2.0)


def written(path: Path, record: bytes) -> Path:
    np.savez(path, record=np.frombuffer(record, np.uint8), weights=np.arange(3))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    np.savez(path, allow_pickle=False, **REACHED.to_arrays(), weights=np.arange(3))
    reached, arrays = read_checkpoint(path)
    assert reached == REACHED
    assert list(arrays) == ["weights"]


@pytest.mark.parametrize(
    "changed",
    [
        {"epoch": 0},
        {"epoch": 4},
        {"epoch": 1.0},
        {"history": [1]},
        {"history": []},
        {"seconds": "x"},
        {"run": [1]},
        {"run": RUN | {"seed": "0; ls"}},
        {"run": RUN | {"recipe": "fast"}},
        {"run": RUN | {"epochs": None}},
    ],
)
def test_a_record_of_no_run_is_damage(changed: dict[str, Any], tmp_path: Path) -> None:
    record = json.dumps(vars(replace(REACHED, **changed))).encode()
    with pytest.raises(CheckpointUnusable, match="damaged"):
        read_checkpoint(written(tmp_path / "checkpoint.npz", record))


@pytest.mark.parametrize("record", [b"", b"\xff", b"null", b"{}", b"[" * 100_000])
def test_what_is_no_record_is_damage(record: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointUnusable, match="damaged"):
        read_checkpoint(written(tmp_path / "checkpoint.npz", record))


def test_what_cannot_be_opened_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    path.symlink_to(path.name)
    with pytest.raises(StorageError, match="ls -l"):
        read_checkpoint(path)
