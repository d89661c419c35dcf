"""Every kind of index against plain numpy, on clustered vectors as an embedder gives."""

import gc
from pathlib import Path

import numpy as np
import pytest

from data.errors import StorageError
from indexer.kinds import KINDS, structure
from indexer.packing import pack, write
from indexer.vectors import MANY, VectorIndex
from tests.indexer.clusters import (
    ASKED,
    COUNT,
    DIMENSION,
    EFFORT,
    brute_force,
    nearest,
    opened,
    recall,
)

# Share of the ten nearest that the stored precision and this effort find of these vectors.
LEAST = {"flat": 1, "hnsw": 0.99, "sq8": 0.9, "fp16": 0.99}
LEAST |= {"ivf-flat": 0.99, "ivf-fp16": 0.99, "ivf-sq8": 0.95, "ivf-pq": 0.98}


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest, indexes: dict[str, VectorIndex]) -> VectorIndex:
    return indexes[request.param]


def test_it_finds_what_its_precision_and_effort_allow(
    index: VectorIndex, vectors: np.ndarray, queries: np.ndarray
) -> None:
    ids, distances = index.search(queries, 10)
    assert recall(ids, nearest(vectors, queries, 10)) >= LEAST[index.kind.name]
    stored = index.vectors(np.arange(COUNT))
    apart = np.take_along_axis(brute_force(stored, queries), ids, axis=1)
    assert np.allclose(distances, apart, atol=1e-5)
    assert (np.diff(distances, axis=1) >= 0).all()


def test_one_query_and_many_get_the_same(index: VectorIndex, queries: np.ndarray) -> None:
    ids, distances = index.search(queries, 10)
    for row in range(ASKED):
        one_ids, one_distances = index.search(queries[row : row + 1], 10)
        assert np.array_equal(one_ids[0], ids[row])
        assert np.array_equal(one_distances[0], distances[row])


def test_very_many_get_the_same_as_few(index: VectorIndex, vectors: np.ndarray) -> None:
    own = np.arange(MANY)[::-1]
    for exclude in (None, own):
        few = [None if exclude is None else exclude[at : at + 100] for at in range(0, MANY, 100)]
        parts = [
            index.search(vectors[own[at : at + 100]], 10, exclude=some)
            for at, some in zip(range(0, MANY, 100), few, strict=True)
        ]
        found = index.search(vectors[own], 10, exclude=exclude)
        for array, pieces in zip(found, zip(*parts, strict=True), strict=True):
            assert np.array_equal(array, np.concatenate(pieces))


@pytest.mark.parametrize("k", [200, COUNT - 1, COUNT])
def test_never_fewer_than_k(index: VectorIndex, queries: np.ndarray, k: int) -> None:
    least = index.with_options(**dict.fromkeys(EFFORT[index.kind.way], 1))
    ids, distances = least.search(queries, k)
    assert ids.min() >= 0
    assert all(len(np.unique(row)) == k for row in ids)
    assert np.isfinite(distances).all()


def test_the_excluded_never_answers(index: VectorIndex, vectors: np.ndarray) -> None:
    own = np.arange(50)
    ids, _ = index.search(vectors[:50], 10, exclude=own)
    assert not (ids == own[:, None]).any()
    assert ids.min() >= 0


def test_only_the_allowed_answer(
    index: VectorIndex, vectors: np.ndarray, queries: np.ndarray, rng: np.random.Generator
) -> None:
    allowed = np.zeros((ASKED, COUNT), bool)
    for row in range(1, ASKED):
        allowed[row, rng.choice(COUNT, row)] = True
    found = [index.nearest_allowed(*one) for one in zip(queries, allowed, strict=True)]
    ids, distances = map(np.array, zip(*found, strict=True))
    assert (ids[0], distances[0]) == (-1, np.inf)
    assert allowed[np.arange(1, ASKED), ids[1:]].all()
    expected = np.where(allowed, brute_force(index.vectors(np.arange(COUNT)), queries), np.inf)
    right = ids[1:] == expected[1:].argmin(axis=1)
    assert right.mean() >= (0.8 if index.kind.way == "lists" else 1)


def test_writing_brings_it_back(index: VectorIndex, queries: np.ndarray, tmp_path: Path) -> None:
    packed = pack(index)
    again = opened(packed, index)
    for one, other in zip(again.search(queries, 7), index.search(queries, 7), strict=True):
        assert np.array_equal(one, other)
    again.verify()
    beside = write(index, tmp_path / "vectors")
    assert beside == {role: content for role, content in packed.items() if role == "blocks"}
    assert (tmp_path / "vectors").read_bytes() == packed["vectors"]


def test_a_folder_that_is_not_there(index: VectorIndex, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        write(index, tmp_path / "nowhere" / "vectors")


def test_a_stored_query_that_a_graph_misses_is_found_past_it() -> None:
    stored = np.random.default_rng(5).normal(size=(5000, DIMENSION)).astype(np.float32)
    kind = KINDS["hnsw"]
    index = VectorIndex.empty(kind, structure(kind, len(stored), DIMENSION), stored)
    index.add(stored)
    index = index.with_options(effort=1)
    own = np.arange(len(stored))
    assert (index.search(stored, 1)[0][:, 0] != own).any()
    past = index.past_graphs()
    del index  # what it gave outlives it
    gc.collect()
    assert np.array_equal(past.search(stored, 1)[0][:, 0], own)
