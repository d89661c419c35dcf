import numpy as np
import pytest

from data.errors import IndexCorrupt, UsageError
from indexer.kinds import KINDS
from indexer.packing import pack, unpack
from indexer.vectors import VectorIndex

COUNT, DIMENSION = 500, 8


@pytest.fixture
def vectors(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(COUNT, DIMENSION)).astype(np.float32)


@pytest.fixture
def queries(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(60, DIMENSION)).astype(np.float32)


def brute_force(vectors: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distances = np.sqrt(((queries[:, None].astype(np.float64) - vectors[None]) ** 2).sum(axis=2))
    order = np.argsort(distances, axis=1, kind="stable")
    return order, np.take_along_axis(distances, order, axis=1)


@pytest.mark.parametrize("k", [1, 10, COUNT])
def test_the_answers_are_brute_force_s(vectors: np.ndarray, queries: np.ndarray, k: int) -> None:
    ids, distances = VectorIndex.build(vectors).search(queries, k)
    expected_ids, expected = brute_force(vectors, queries)
    assert np.array_equal(ids, expected_ids[:, :k])
    assert np.allclose(distances, expected[:, :k], atol=1e-5)
    assert ids.dtype == np.int64
    assert distances.dtype == np.float32


def test_one_query_and_many_get_the_same_answer(vectors: np.ndarray, queries: np.ndarray) -> None:
    index = VectorIndex.build(vectors)
    ids, distances = index.search(queries, 10)
    for row in range(len(queries)):
        one_ids, one_distances = index.search(queries[row : row + 1], 10)
        assert np.array_equal(one_ids[0], ids[row])
        assert np.array_equal(one_distances[0], distances[row])


def test_a_stored_vector_is_at_distance_zero_and_twins_by_position(vectors: np.ndarray) -> None:
    twice = np.concatenate([vectors, vectors])
    ids, distances = VectorIndex.build(twice).search(vectors[:50], 2)
    assert (distances == 0).all()
    assert np.array_equal(ids, np.stack([np.arange(50), np.arange(50) + COUNT], axis=1))


def test_the_excluded_never_answers(vectors: np.ndarray) -> None:
    everything = np.arange(COUNT)
    ids, distances = VectorIndex.build(vectors).search(vectors, COUNT - 1, exclude=everything)
    assert not (ids == everything[:, None]).any()
    assert np.isfinite(distances).all()


def test_no_queries_give_no_answers(vectors: np.ndarray) -> None:
    ids, distances = VectorIndex.build(vectors).search(np.empty((0, DIMENSION), np.float32), 3)
    assert ids.shape == distances.shape == (0, 3)


@pytest.mark.parametrize("k", [0, -1, COUNT + 1])
def test_k_out_of_range(vectors: np.ndarray, k: int) -> None:
    with pytest.raises(UsageError, match=f"from 1 to {COUNT} .*received {k}"):
        VectorIndex.build(vectors).search(vectors[:1], k)


@pytest.mark.parametrize(
    "queries",
    [
        np.full((1, DIMENSION), np.nan, np.float32),
        np.full((1, DIMENSION), np.inf, np.float32),
        np.zeros((1, DIMENSION + 1), np.float32),
        np.zeros(DIMENSION, np.float32),
        np.zeros((1, DIMENSION), np.float64),
        np.zeros((1, DIMENSION), ">f4"),
    ],
)
def test_queries_that_faiss_must_not_see(vectors: np.ndarray, queries: np.ndarray) -> None:
    with pytest.raises(UsageError):
        VectorIndex.build(vectors).search(queries, 1)


def test_bytes_bring_it_back(vectors: np.ndarray, queries: np.ndarray) -> None:
    index = VectorIndex.build(vectors)
    again = unpack(pack(index)["vectors"], COUNT, DIMENSION, "file")
    assert len(again) == COUNT
    assert np.array_equal(again.search(queries, 5)[0], index.search(queries, 5)[0])
    assert np.array_equal(again.vectors(np.array([3, 1])), vectors[[3, 1]])


def test_bytes_of_something_else(vectors: np.ndarray) -> None:
    content = pack(VectorIndex.build(vectors))["vectors"]
    with pytest.raises(IndexCorrupt, match="name: expected 501 vectors"):
        unpack(content, COUNT + 1, DIMENSION, "name")
    with pytest.raises(IndexCorrupt, match="name: not a FAISS index"):
        unpack(b"nothing of the kind", COUNT, DIMENSION, "name")


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e20])
def test_vectors_that_faiss_must_not_see(vectors: np.ndarray, number: float) -> None:
    bad = vectors[:300].copy()
    bad[7, 1] = number
    with pytest.raises(UsageError, match="finite float32 vectors"):
        VectorIndex.empty(KINDS["ivf-flat"], {"lists": 4}, bad)
    with pytest.raises(UsageError, match="finite float32 vectors"):
        VectorIndex.build(vectors[:5]).add(bad)


def test_more_twins_than_candidates_answer_in_the_order_of_their_ids(
    vectors: np.ndarray, queries: np.ndarray
) -> None:
    twins = np.concatenate([vectors[:100], np.repeat(vectors[:1], 400, axis=0)])
    flat = VectorIndex.build(twins)
    for k in (5, 50):
        ids, _ = flat.search(np.concatenate([vectors[:1], queries[:30]]), k)
        assert ids[0].tolist() == [0, *range(100, 99 + k)]
