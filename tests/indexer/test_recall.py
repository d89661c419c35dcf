"""How many of the nearest an index finds, and the least effort that finds enough."""

import numpy as np
import pytest

from indexer.recall import GroundTruth, tune
from indexer.vectors import VectorIndex
from tests.indexer.clusters import COUNT, brute_force, made, recall


def test_truth_is_exact_search_over_all_batches(vectors: np.ndarray) -> None:
    own = np.arange(30)
    truth = GroundTruth(vectors[own], own)
    for start in range(0, COUNT, 700):
        truth.add(vectors[start : start + 700])
    assert truth.recall(VectorIndex.build(vectors)) == 1
    index = made("ivf-sq8", vectors).with_options(probes=1)
    apart = brute_force(vectors, vectors[own])
    apart[own, own] = np.inf
    expected = np.argsort(apart, axis=1)[:, :10]
    found, _ = index.search(vectors[own], 10, exclude=own)
    assert truth.recall(index) == pytest.approx(recall(found, expected))


def test_the_least_effort_that_is_enough(vectors: np.ndarray) -> None:
    truth = GroundTruth(vectors[:200], np.arange(200))
    truth.add(vectors)
    index = made("ivf-flat", vectors)
    cheap, low = tune(index, truth, 0.5)
    dear, high = tune(index, truth, 0.999)
    assert cheap.options["probes"] < dear.options["probes"]
    assert 0.5 <= low < high
    assert high >= 0.999
