import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.card import CARD_NAME, KERAS_NAME, ONNX_NAME, EmbedderCard
from data.dataset import Dataset
from data.errors import EmbedderCorrupt, EmbedderMismatch, EmbedderNotFound, UsageError
from data.normalise import scale_to_unit
from indexer.embedder import Embedder
from tests.embedders import linear_embedder


@pytest.fixture
def copied(embedder_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedder_folder, tmp_path / "embedder"))


def test_keras_computes_the_same(
    embedder: Embedder, embedder_folder: Path, test_set: Dataset
) -> None:
    from training import require_backend

    require_backend()
    import keras

    tower = keras.saving.load_model(embedder_folder / KERAS_NAME)
    expected = np.asarray(tower.predict_on_batch(scale_to_unit(test_set.images)))
    received = embedder.embed(test_set.images)
    assert received.shape == (len(test_set), embedder.card.dimension)
    assert received.dtype == np.float32
    assert np.abs(received - expected).max() < 1e-4


def test_bytes_and_floats_and_batches_of_any_size_agree(
    embedder: Embedder, test_set: Dataset
) -> None:
    images = test_set.images[:300]  # more than one batch
    together = embedder.embed(images)
    assert np.allclose(embedder.embed(scale_to_unit(images)), together, atol=1e-6)
    apart = np.concatenate([embedder.embed(images[i : i + 1]) for i in range(20)])
    assert np.allclose(apart, together[:20], atol=1e-5)
    assert embedder.embed(images[:0]).shape == (0, embedder.card.dimension)


def test_threads_do_not_change_an_embedding(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (1000, 28, 28), dtype=np.uint8)
    told: list[int] = []

    def progress(done: int, total: int, note: str = "") -> None:
        told.append(done)

    alone, together = (linear_embedder(threads=threads) for threads in (1, 2))
    embeddings = together.embed(images, progress)
    assert np.array_equal(embeddings, alone.embed(images))
    assert np.allclose(embeddings[500:503], alone.embed(images[500:503]), atol=1e-5)
    assert told == sorted(told)
    assert told[-1] == len(images)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((28, 28), np.uint8),
        np.zeros((1, 28, 27), np.uint8),
        np.zeros((1, 28, 28), np.int32),
        np.zeros((1, 28, 28), np.float64),
        np.full((1, 28, 28), np.nan, np.float32),
        np.full((1, 28, 28), 2, np.float32),
        np.full((1, 28, 28), -0.5, np.float32),
    ],
)
def test_what_is_no_digit_is_refused(embedder: Embedder, images: np.ndarray) -> None:
    with pytest.raises(UsageError):
        embedder.embed(images)


def test_what_is_no_file_is_refused_and_not_waited_for(copied: Path) -> None:
    path = copied / ONNX_NAME
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(EmbedderCorrupt, match=f"{ONNX_NAME}.*no regular file.*remove it"):
        Embedder.open(copied)


@pytest.mark.parametrize("name", [CARD_NAME, ONNX_NAME])
def test_what_is_far_too_large_is_not_read(copied: Path, name: str) -> None:
    os.truncate(copied / name, 1 << 40)
    with pytest.raises(EmbedderCorrupt, match=f"{name}.*expected at most"):
        Embedder.open(copied)


def test_half_an_embedder_is_damaged_not_absent(copied: Path) -> None:
    (copied / ONNX_NAME).unlink()
    with pytest.raises(EmbedderCorrupt, match=f"{ONNX_NAME}.*No such file"):
        Embedder.open(copied)


def test_an_absent_embedder_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(EmbedderNotFound, match=f"digits train --embedder {tmp_path}"):
        Embedder.open(tmp_path)


@pytest.mark.parametrize("name", [CARD_NAME, ONNX_NAME])
def test_one_flipped_bit_is_refused(copied: Path, name: str, rng: np.random.Generator) -> None:
    path = copied / name
    good = path.read_bytes()
    for place in rng.integers(0, len(good), 20):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        with pytest.raises(EmbedderCorrupt, match=name):
            Embedder.open(copied)


def test_another_normaliser_s_embedder_is_refused(copied: Path) -> None:
    path = copied / CARD_NAME
    card = EmbedderCard.from_bytes(path.read_bytes(), CARD_NAME)
    path.write_bytes(card._replace(normaliser=card.normaliser + 1).to_bytes())
    with pytest.raises(EmbedderMismatch, match="normaliser"):
        Embedder.open(copied)


def test_moved_canaries_are_noticed(copied: Path) -> None:
    path = copied / CARD_NAME
    card = EmbedderCard.from_bytes(path.read_bytes(), CARD_NAME)
    path.write_bytes(card._replace(canary_embeddings=card.canary_embeddings + 0.01).to_bytes())
    with pytest.raises(EmbedderCorrupt, match=r"test digits moved by 0\.01"):
        Embedder.open(copied)


def test_a_network_of_another_dimension_than_its_card_is_refused() -> None:
    given, other = linear_embedder(), linear_embedder(dimension=5)
    card = other.card._replace(onnx_sha256=given.identity)
    with pytest.raises(EmbedderCorrupt, match=r"network: expected .*\(8, 5\), received \(8, 6\)"):
        Embedder.from_bytes(given.onnx, card, "network")


def test_onnx_runtime_tells_nobody_of_its_use() -> None:
    seen = "import indexer.embedder, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    told = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert told.stdout == "1\n"
