"""Training into a folder leaves an embedder there, or what goes on from the last epoch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.card import CHECKPOINT_NAME, LOCK_NAME
from data.dataset import Dataset
from data.errors import IndexLocked, StorageError
from data.files import TEMPORARY_PREFIX, locked
from data.reached import read_checkpoint
from indexer.embedder import Embedder
from training.recipes import Limits, find_recipe
from training.run import train_into

RECIPE = replace(find_recipe("fast"), epochs=2)


@pytest.fixture
def few(train_set: Dataset) -> Dataset:
    return Dataset("few", "train", train_set.images[:300], train_set.labels[:300])


def test_it_goes_on_where_it_was_stopped(few: Dataset, tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY_PREFIX}left").touch()

    def stop(done: int, total: int, note: str = "") -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    limits = Limits(checkpoint=tmp_path / "elsewhere")
    with pytest.raises(KeyboardInterrupt):
        train_into(tmp_path, few, RECIPE, 0, limits, stop)
    reached, _ = read_checkpoint(tmp_path / CHECKPOINT_NAME)
    assert (reached.epoch, reached.run["epochs"]) == (1, 2)
    assert reached.seconds > 0
    trained, card = train_into(tmp_path, few, RECIPE, 0, replace(limits, resume=True))
    assert trained.seconds > reached.seconds
    embedder = Embedder.open(tmp_path)
    assert embedder.card.onnx_sha256 == card.onnx_sha256
    assert np.isfinite(embedder.embed(few.images)).all()
    assert {path.suffix for path in tmp_path.iterdir() if path.name != LOCK_NAME} == {
        ".json",
        ".keras",
        ".onnx",
    }


def test_what_is_in_the_way_is_told_before_hours_are_spent(few: Dataset, tmp_path: Path) -> None:
    with (
        locked(tmp_path / LOCK_NAME, "busy"),
        pytest.raises(IndexLocked, match="another process is training"),
    ):
        train_into(tmp_path, few, RECIPE, 0)
    (tmp_path / "embedder.onnx").mkdir()
    with pytest.raises(StorageError, match="no regular file"):
        train_into(tmp_path, few, RECIPE, 0)
    with pytest.raises(StorageError, match="a link to nothing"):
        train_into(linked(tmp_path / "gone"), few, RECIPE, 0)
    logs = Limits(tensorboard=linked(tmp_path / "logs"))
    with pytest.raises(StorageError, match="a link to nothing"):
        train_into(tmp_path / "whole", few, RECIPE, 0, logs)
    assert not (tmp_path / CHECKPOINT_NAME).exists()


def linked(path: Path) -> Path:
    path.symlink_to("nowhere")
    return path
