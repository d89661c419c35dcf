"""A union of segments answers as one index of all its live digits does."""

from itertools import pairwise

import numpy as np
import pytest

from data.errors import UsageError
from indexer.segment import Segment
from indexer.sources import Run, Sources
from indexer.union import UnionImages, UnionVectors, union_labels
from indexer.vectors import VectorIndex

SIZES, DIMENSION = (300, 90, 1, 30), 8
COUNT = sum(SIZES)


@pytest.fixture
def vectors(rng: np.random.Generator) -> np.ndarray:
    """Some of them twice, so that equal distances lie in several segments."""
    vectors = rng.normal(size=(COUNT, DIMENSION)).astype(np.float32)
    vectors[300:340] = vectors[:40]
    return vectors


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (COUNT, 28, 28), np.uint8)


@pytest.fixture
def segments(vectors: np.ndarray, images: np.ndarray) -> list[Segment]:
    bounds = np.cumsum((0, *SIZES))
    return [
        Segment.of(
            vectors[start:end],
            np.arange(start, end).astype(np.uint8),
            images[start:end],
            Sources((Run("mine", int(start), int(end - start)),)),
        )
        for start, end in pairwise(bounds)
    ]


def punched(segments: list[Segment], removed: np.ndarray) -> list[Segment]:
    starts = np.cumsum((0, *SIZES))
    return [
        one.without(removed[(removed >= start) & (removed < start + len(one))] - start)
        for one, start in zip(segments, starts, strict=False)
    ]


@pytest.fixture(params=["none", "few", "most of one", "all but twelve"])
def removed(request: pytest.FixtureRequest, rng: np.random.Generator) -> np.ndarray:
    return {
        "none": np.empty(0, np.int64),
        "few": np.sort(rng.permutation(COUNT)[:40]),
        "most of one": np.arange(5, 300),
        "all but twelve": np.setdiff1d(np.arange(COUNT), np.arange(12) * 30),
    }[request.param]


def test_it_finds_what_one_index_of_the_live_finds(
    segments: list[Segment], vectors: np.ndarray, removed: np.ndarray, rng: np.random.Generator
) -> None:
    union = UnionVectors(punched(segments, removed))
    live = np.setdiff1d(np.arange(COUNT), removed)
    whole = VectorIndex.build(vectors[live])
    assert len(union) == len(live)
    queries = np.concatenate([vectors[:60], rng.normal(size=(40, DIMENSION)).astype(np.float32)])
    for k in (1, 5, len(live)):
        ids, distances = union.search(queries, k)
        expected, apart = whole.search(queries, k)
        assert np.array_equal(ids, live[expected])
        assert np.array_equal(distances, apart)


def test_the_excluded_is_silent_too(
    segments: list[Segment], vectors: np.ndarray, removed: np.ndarray
) -> None:
    union = UnionVectors(punched(segments, removed))
    live = np.setdiff1d(np.arange(COUNT), removed)
    whole = VectorIndex.build(vectors[live])
    rows = np.arange(len(live))
    rows[::3] = -1  # queries that nothing is excluded from
    excluded = np.where(rows < 0, -1, live[rows])
    for k in (1, 4, len(live) - 1):
        ids, distances = union.search(vectors[live], k, exclude=excluded)
        expected, apart = whole.search(vectors[live], k, exclude=rows)
        assert np.array_equal(ids, live[expected])
        assert np.array_equal(distances, apart)


def test_the_nearest_allowed(
    segments: list[Segment], vectors: np.ndarray, removed: np.ndarray, rng: np.random.Generator
) -> None:
    union = UnionVectors(punched(segments, removed))
    queries = rng.normal(size=(30, DIMENSION)).astype(np.float32)
    allowed = rng.random((30, COUNT)) < 0.05
    allowed[0] = False
    found = [union.nearest_allowed(*one) for one in zip(queries, allowed, strict=True)]
    ids, distances = zip(*found, strict=True)
    allowed[:, removed] = False
    apart = np.linalg.norm(queries[:, None] - vectors[None], axis=2)
    apart[~allowed] = np.inf
    assert np.array_equal(ids, np.where(allowed.any(axis=1), apart.argmin(axis=1), -1))
    assert np.allclose(distances, apart.min(axis=1), atol=1e-5)


def test_vectors_labels_pictures_and_distances_by_position(
    segments: list[Segment], vectors: np.ndarray, images: np.ndarray, rng: np.random.Generator
) -> None:
    union, pictures = UnionVectors(segments), UnionImages(segments)
    some = rng.integers(0, COUNT, 50)
    assert np.array_equal(union.vectors(some), vectors[some])
    assert np.array_equal(union_labels(segments), np.arange(COUNT).astype(np.uint8))
    assert len(pictures) == len(images)
    for chosen in (some, 7, np.int64(391), slice(290, 400), slice(None), np.empty(0, np.int64)):
        assert np.array_equal(pictures[chosen], images[chosen])
    for outside in (-COUNT - 1, COUNT, np.array([0, COUNT])):
        with pytest.raises(IndexError):
            pictures[outside]
    ids = rng.integers(0, COUNT, (6, 4))
    expected = np.linalg.norm(vectors[ids] - vectors[:6, None], axis=2)
    assert np.allclose(union.distances(vectors[:6], ids, DIMENSION), expected, atol=1e-6)
    part = np.linalg.norm((vectors[ids] - vectors[:6, None])[:, :, :3], axis=2)
    assert np.allclose(union.distances(vectors[:6], ids, 3), part, atol=1e-6)


def test_k_counts_the_live(segments: list[Segment], vectors: np.ndarray) -> None:
    union = UnionVectors(punched(segments, np.arange(COUNT - 3)))
    assert union.search(vectors[:1], 3)[0].tolist()[0] != []
    for k in (0, 4):
        with pytest.raises(UsageError, match=f"from 1 to 3 .*received {k}"):
            union.search(vectors[:1], k)
    with pytest.raises(UsageError, match="from 1 to 2 "):
        union.search(vectors[:1], 3, exclude=np.array([COUNT - 1]))
