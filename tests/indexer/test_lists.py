"""The lists that a query reads hold all that exact search finds."""

from dataclasses import replace

import numpy as np
import pytest

from indexer.kinds import KINDS, structure
from indexer.lists import FEW
from indexer.packing import pack
from indexer.vectors import VectorIndex
from tests.indexer.clusters import COUNT, DIMENSION, opened


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
def test_lists_that_can_matter_hold_all_that_exact_search_finds(
    rng: np.random.Generator, spread: float
) -> None:
    centres = rng.normal(size=(5, DIMENSION))
    chosen = centres[rng.integers(0, 5, COUNT)]
    vectors = (chosen + spread * rng.normal(size=chosen.shape)).astype(np.float32)
    kind = KINDS["ivf-flat"]
    index = VectorIndex.empty(kind, structure(kind, COUNT, DIMENSION), vectors)
    index.add(vectors)
    queries = np.concatenate([vectors[:30], 2 * vectors[:30]])
    for found in (index, opened(pack(index), index)):
        assert_as_exact_search(found, vectors, queries)


def assert_as_exact_search(
    index: VectorIndex,
    vectors: np.ndarray,
    queries: np.ndarray,
    k: int = 10,
    exclude: np.ndarray | None = None,
) -> None:
    ids, distances = index.search(queries, k, exclude)
    expected_ids, expected = VectorIndex.build(vectors).search(queries, k, exclude)
    assert np.array_equal(ids, expected_ids)
    assert np.array_equal(distances, expected)


@pytest.mark.parametrize("k", [1, 2, 10])
def test_neighbours_across_the_border_of_a_list_are_found(rng: np.random.Generator, k: int) -> None:
    plane = rng.uniform(size=(COUNT, 2)).astype(np.float32)
    index = VectorIndex.empty(KINDS["ivf-flat"], {"lists": FEW}, plane)  # one is read at first
    index.add(plane)
    queries = rng.uniform(-0.2, 1.2, size=(1000, 2)).astype(np.float32)
    assert_as_exact_search(index, plane, queries, k)
    assert_as_exact_search(index, plane, plane, k, exclude=np.arange(COUNT))


def test_lists_that_faiss_chose_by_inexact_distances_are_searched_exactly(
    rng: np.random.Generator,
) -> None:
    far = (rng.normal(size=(4000, 32)) + 1e4).astype(np.float32)  # a batch that it expands
    index = VectorIndex.empty(KINDS["ivf-flat"], {"lists": 64}, far)
    index.add(far)
    queries = (1.5 * rng.normal(size=(300, 32)) + 1e4).astype(np.float32)
    assert_as_exact_search(index, far, queries)


@pytest.mark.parametrize("name", ["ivf-fp16", "ivf-sq8", "ivf-pq"])
def test_rounded_kinds_that_are_not_told_how_many_read_all_lists(
    indexes: dict[str, VectorIndex], queries: np.ndarray, name: str
) -> None:
    told = indexes[name].with_options(probes=indexes[name].options["lists"])
    options = {key: value for key, value in told.options.items() if key != "probes"}
    for one, other in zip(
        told.search(queries, 5), replace(told, options=options).search(queries, 5), strict=True
    ):
        assert np.array_equal(one, other)
