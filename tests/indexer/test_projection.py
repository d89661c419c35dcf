from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from data.errors import IndexCorrupt
from indexer.build import build_index
from indexer.projection import Projection
from indexer.store import read_manifest
from search import DigitIndex
from tests.embedders import linear_embedder


@pytest.fixture
def embeddings(rng: np.random.Generator) -> np.ndarray:
    """Spread widest along two axes that are none of the seven numbers."""
    turned = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    drawn = rng.normal(size=(500, 7)) * [9, 1, 1, 5, 1, 1, 1]
    return (drawn @ turned + 3).astype(np.float32)


def test_no_other_plane_shows_more_of_the_spread(
    embeddings: np.ndarray, rng: np.random.Generator
) -> None:
    plane = Projection.of(embeddings)
    shown = plane.place(embeddings).var(axis=0)
    assert shown[0] > shown[1]
    assert np.allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-6)
    for _ in range(200):
        other = np.linalg.qr(rng.normal(size=(7, 2)))[0]
        assert (embeddings @ other).var(axis=0).sum() < shown.sum()
    variances = np.linalg.svd(embeddings - embeddings.mean(0), compute_uv=False) ** 2 / 500
    assert np.allclose(shown, variances[:2], rtol=1e-4)


def test_nothing_lies_farther_apart_on_the_map(embeddings: np.ndarray) -> None:
    points = Projection.of(embeddings).place(embeddings)
    assert points.dtype == np.float32
    on_map = np.linalg.norm(points[:, None] - points[None], axis=2)
    apart = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    assert (on_map <= apart + 1e-4).all()


@pytest.mark.parametrize(("count", "dimension"), [(1, 5), (2, 2), (9, 1)])
def test_few_digits_and_short_embeddings(
    count: int, dimension: int, rng: np.random.Generator
) -> None:
    embeddings = rng.normal(size=(count, dimension)).astype(np.float32)
    points = Projection.of(embeddings).place(embeddings)
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


def test_a_projection_is_read_as_written_and_nothing_else_is(embeddings: np.ndarray) -> None:
    plane = Projection.of(embeddings)
    content = plane.to_bytes()
    read = Projection.from_bytes(content, 7, "plane")
    assert np.array_equal(read.place(embeddings), plane.place(embeddings))
    for bad, dimension in ((content, 6), (content[:-1], 7), (b"", 7)):
        with pytest.raises(IndexCorrupt, match="plane"):
            Projection.from_bytes(bad, dimension, "plane")


def test_an_index_keeps_its_map_and_can_do_without(train_set: Dataset, tmp_path: Path) -> None:
    embedder = linear_embedder()
    few = Dataset("few", "train", train_set.images[:300], train_set.labels[:300])
    build_index(few, embedder, tmp_path, 0)
    index = DigitIndex.open(tmp_path)
    assert "projection" in read_manifest(tmp_path).files
    embeddings = embedder.embed(few.images)
    points = index.map_points(np.array([7, 3]))
    assert np.allclose(points, index.projection.place(embeddings[[7, 3]]), atol=1e-5)
    older = replace(index, plane=None)
    everyone = np.arange(300)
    assert np.allclose(older.map_points(everyone), index.map_points(everyone), atol=1e-4)
