"""Which kind of index is built for what a person requires."""

import numpy as np
import pytest

from data.errors import UsageError
from indexer.choose import Requirements, Trial, best_of, build_vectors, choose, sample_of
from indexer.kinds import KINDS
from indexer.vectors import VectorIndex
from tests.indexer.clusters import COUNT, DIMENSION, clustered, nearest, recall


def built(vectors: np.ndarray, required: Requirements) -> tuple[VectorIndex, dict[str, object]]:
    batches = np.split(vectors, [1000, 1500])
    sample = np.random.default_rng(3).permutation(COUNT)[: sample_of(COUNT, DIMENSION)]
    return build_vectors(batches, COUNT, vectors[sample], sample, required)


@pytest.mark.parametrize("name", ["flat", "hnsw", "ivf-flat", "ivf-fp16", "ivf-pq"])
def test_a_kind_is_built_to_a_recall(vectors: np.ndarray, queries: np.ndarray, name: str) -> None:
    index, options = built(vectors, Requirements(name, recall=0.95))
    assert (index.kind.name, len(index)) == (name, COUNT)
    assert 0.95 <= float(str(options["recall"])) <= 1
    assert recall(index.search(queries, 10)[0], nearest(vectors, queries, 10)) > 0.9
    differences = np.abs(index.vectors(np.arange(COUNT)) - vectors)
    assert differences.max() == pytest.approx(options["rounding"])


def test_few_vectors_are_searched_exactly(vectors: np.ndarray) -> None:
    index, options = built(vectors, Requirements())
    assert index.kind.name == "flat"
    assert options["recall"] == 1
    assert options["chosen"] == "exact, as there are only 3,000 vectors"


def test_what_measuring_chooses_for_many(vectors: np.ndarray) -> None:
    choice = choose(vectors, 1_000_000, Requirements(memory=60_000_000, recall=0.9))
    assert not choice.exact
    assert choice.kind.way == "lists"
    assert choice.kind.bytes_per_vector(DIMENSION) <= 60
    assert choice.kind.name + " " not in choice.why  # the others are named
    assert "us a query at recall" in choice.why
    assert choose(vectors, 1_000_000, Requirements(recall=1)).kind.name in {"flat", "ivf-flat"}


@pytest.mark.parametrize(("microseconds", "best"), [(105, "ivf-sq8"), (130, "ivf-flat")])
def test_of_kinds_as_fast_the_smallest(microseconds: float, best: str) -> None:
    trials = [
        Trial(KINDS["ivf-flat"], {}, 1, 100),
        Trial(KINDS["ivf-sq8"], {}, 1, microseconds),
        Trial(KINDS["ivf-pq"], {}, 1, 200),
    ]
    assert best_of(trials, DIMENSION).kind.name == best


def test_memory_that_is_too_little(vectors: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"closest kind is sq8, which takes 3 MB; .*--memory 4M"):
        choose(vectors, 200_000, Requirements(memory=1_000_000))
    with pytest.raises(UsageError, match=r"flat, which takes 13 MB; .* or choose --kind sq8"):
        choose(vectors, 200_000, Requirements("flat", memory=4_000_000))


def test_a_handful_that_does_not_fit_as_it_is() -> None:
    few = clustered(np.random.default_rng(4), 9)
    index, _ = build_vectors(
        [few], len(few), few, np.arange(len(few)), Requirements(memory=few.nbytes - 1)
    )
    assert len(index) == len(few)
    assert index.kind.bytes_per_vector(DIMENSION) < few[0].nbytes


def test_a_recall_that_is_too_much(vectors: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"recall 1 was not reached by kind sq8, which finds 0.9"):
        built(vectors, Requirements("sq8", recall=1))


def test_requirements_that_cannot_be_meant(vectors: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"expected a kind of index, flat, .*received 'tree'"):
        Requirements("tree")
    with pytest.raises(UsageError, match="recall above 0"):
        Requirements(recall=0)
    Requirements("ivf-pq").check_count(256)
    Requirements("flat").check_count(1)
    with pytest.raises(UsageError, match="at least 256 digits for an index of kind ivf-pq"):
        Requirements("ivf-pq").check_count(255)
    with pytest.raises(UsageError, match="at least 256 digits for an index of kind ivf-pq"):
        build_vectors([vectors[:100]], 100, vectors[:100], np.arange(100), Requirements("ivf-pq"))


def test_a_graph_is_held_to_queries_it_does_not_hold() -> None:
    rng = np.random.default_rng(4)
    stored, queries = (
        rng.normal(size=(count, DIMENSION)).astype(np.float32) for count in (5000, 500)
    )
    sample = rng.permutation(len(stored))
    index, options = build_vectors(
        [stored], len(stored), stored[sample], sample, Requirements("hnsw")
    )
    found = recall(index.search(queries, 10)[0], nearest(stored, queries, 10))
    assert found == pytest.approx(options["recall"], abs=0.01)
