"""Every kind of index against plain numpy, on clustered vectors as an embedder gives."""

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import IndexCorrupt, StorageError, UsageError
from indexer.blocks import AT_OPENING, RECORD, VECTORS
from indexer.choose import Requirements, Trial, best_of, build_vectors, choose, sample_of
from indexer.kinds import KINDS, structure
from indexer.lists import FEW
from indexer.packing import pack, unpack, write
from indexer.recall import GroundTruth, tune
from indexer.vectors import MANY, VectorIndex

COUNT, DIMENSION, ASKED = 3000, 16, 40
LISTED = [name for name, kind in KINDS.items() if kind.way == "lists"]
EFFORT = {"lists": {"probes": 32}, "graph": {"effort": 64}, "all": {}}
# Share of the ten nearest that the stored precision and this effort find of these vectors.
LEAST = {"flat": 1, "hnsw": 0.99, "sq8": 0.9, "fp16": 0.99}
LEAST |= {"ivf-flat": 0.99, "ivf-fp16": 0.99, "ivf-sq8": 0.95, "ivf-pq": 0.98}


def clustered(rng: np.random.Generator, count: int) -> np.ndarray:
    centres = np.random.default_rng(7).normal(size=(10, DIMENSION))
    vectors = centres[rng.integers(0, 10, count)] + 0.3 * rng.normal(size=(count, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return clustered(np.random.default_rng(1), COUNT)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return clustered(np.random.default_rng(2), ASKED)


@pytest.fixture(scope="module")
def indexes(vectors: np.ndarray) -> dict[str, VectorIndex]:
    return {name: made(name, vectors) for name in KINDS}


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest, indexes: dict[str, VectorIndex]) -> VectorIndex:
    return indexes[request.param]


def made(name: str, vectors: np.ndarray) -> VectorIndex:
    kind = KINDS[name]
    index = VectorIndex.empty(kind, structure(kind, len(vectors), vectors.shape[1]), vectors)
    for start in range(0, len(vectors), 1000):
        index.add(vectors[start : start + 1000])
    return index.with_options(**EFFORT[kind.way])


def opened(packed: dict[str, bytes], index: VectorIndex) -> VectorIndex:
    return unpack(
        packed["vectors"],
        len(index),
        DIMENSION,
        "file",
        index.kind.name,
        index.options,
        packed.get("blocks"),
    )


def brute_force(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return np.linalg.norm(queries[:, None].astype(np.float64) - vectors[None], axis=2)


def nearest(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(brute_force(vectors, queries), axis=1, kind="stable")[:, :k]


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found[:, :, None] == truth[:, None, :]).any(axis=2).mean())


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


@pytest.mark.parametrize("name", LISTED)
def test_a_flipped_bit_is_refused_before_an_answer(
    indexes: dict[str, VectorIndex],
    vectors: np.ndarray,
    queries: np.ndarray,
    rng: np.random.Generator,
    name: str,
) -> None:
    index = indexes[name]
    packed = pack(index)
    everything = index.with_options(probes=index.options["lists"])
    assert index._lists is not None
    holding = index._lists.holding(np.arange(COUNT))
    for record in np.frombuffer(packed["blocks"], RECORD):
        owner = record["list"]
        if owner >= 0 and owner % 10:
            continue  # a tenth of the lists, and everything else
        at = int(record["start"] + rng.integers(record["size"]))
        content = bytearray(packed["vectors"])
        content[at] ^= 1 << int(rng.integers(8))
        damaged = packed | {"vectors": bytes(content)}
        if owner == AT_OPENING:
            with pytest.raises(IndexCorrupt, match="SHA-256"):
                opened(damaged, index)
            continue
        with pytest.raises(IndexCorrupt, match="SHA-256"):
            opened(damaged, index).verify()
        with pytest.raises(IndexCorrupt, match="SHA-256"):
            opened(damaged, everything).search(queries, COUNT)
        if owner == VECTORS:
            continue
        members = index.vectors(np.arange(COUNT))[holding == owner]
        with pytest.raises(IndexCorrupt, match="SHA-256"):
            opened(damaged, index).search(members[:1], 1)


def test_a_list_that_no_query_comes_near_is_not_read(
    indexes: dict[str, VectorIndex], vectors: np.ndarray
) -> None:
    index = opened(pack(indexes["ivf-flat"]), indexes["ivf-flat"])
    index.search(vectors[:1], 1)
    assert index.blocks is not None
    assert 0 < index.blocks.seen.mean() < 0.3


@pytest.mark.parametrize("cut", [0, 1, RECORD.itemsize])
def test_a_table_of_another_file(indexes: dict[str, VectorIndex], cut: int) -> None:
    packed = pack(indexes["ivf-sq8"])
    table = packed["blocks"][cut:] if cut else b""
    with pytest.raises(IndexCorrupt, match="table of hashes"):
        opened(packed | {"blocks": table}, indexes["ivf-sq8"])
    with pytest.raises(IndexCorrupt, match="table of hashes is missing"):
        opened({"vectors": packed["vectors"]}, indexes["ivf-sq8"])


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


def test_the_least_effort_that_is_enough(vectors: np.ndarray) -> None:
    truth = GroundTruth(vectors[:200], np.arange(200))
    truth.add(vectors)
    index = made("ivf-flat", vectors)
    cheap, low = tune(index, truth, 0.5)
    dear, high = tune(index, truth, 0.999)
    assert cheap.options["probes"] < dear.options["probes"]
    assert 0.5 <= low < high
    assert high >= 0.999


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
