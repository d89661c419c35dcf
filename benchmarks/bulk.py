"""Searching 60,000 stored digits: many at once and one at a time, against what else there is.

All are asked for the ten nearest of the same 10,000 vectors on all processors. Recall is against
scikit-learn's brute force, which is exact; those that are not exact make the least effort that
finds 99 % of the nearest: ours by held-out digits, as an index is built, and a little more to be
sure; the peers by the very queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import medians_of, seconds_of, table
from data.datasets import load_dataset
from indexer.build import index_vectors
from indexer.choose import Requirements
from indexer.kinds import BUILD_EFFORT, LINKS
from indexer.leave_one_out import calibration_sample
from indexer.recall import EFFORTS
from search.index import DigitIndex

K, RECALL, ROUNDS, ONE_BY_ONE, SEED = 10, 0.99, 7, 1000, 2
MARGIN = 0.002  # of recall, so that digits of another kind than those at hand find enough as well
NOT_EXACT = ("hnsw", "ivf-flat", "ivf-fp16", "ivf-pq")
Search = Callable[[np.ndarray], np.ndarray]  # (n, d) float32 -> (n, K) ids


def bench_bulk(folder: Path) -> None:
    """Bulk search, exact and not, and warm single queries, of the index in `folder`."""
    index = DigitIndex.open(folder)
    images = load_dataset("mnist", "test").images
    queries = index.embed(images)  # (10000, d)
    whole = one_by_one(lambda at: index.search(images[at], K))
    vector = one_by_one(lambda at: index.vectors.search(queries[at], K))
    stored = index.vectors.vectors(np.arange(len(index)))  # (60000, d)
    asked, _ = calibration_sample(load_dataset("mnist", "train"), index.embedder.card, SEED)
    brute = sklearn_brute(stored)
    truth = brute(queries)
    searches: dict[str, Search] = {"scikit-learn brute": brute}
    ours = [
        (f"the index ({index.manifest.segments[0].kind})", index.vectors.search),
        *kinds(stored, asked),
    ]
    searches |= {name: lambda q, s=search: s(q, K)[0] for name, search in ours}
    searches |= dict(peers(stored, queries, truth))
    rows = in_turn(searches, queries, truth)
    print(f"## Searching {len(stored):,} vectors of length {stored.shape[1]}\n")
    print(f"{table(['', 'queries/s', 'recall@10'], rows)}\n")
    rows = [["a digit, encoded and searched", *whole], ["a vector, searched", *vector]]
    print(f"{table(['warm, one by one', 'median', '99 %'], rows)}\n", flush=True)


def sklearn_brute(stored: np.ndarray) -> Search:
    """scikit-learn's exact search on all processors."""
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=K, algorithm="brute", n_jobs=-1).fit(stored)
    return lambda queries: np.asarray(model.kneighbors(queries, return_distance=False))


def kinds(stored: np.ndarray, asked: np.ndarray) -> Iterator[tuple[str, Any]]:
    """Exact kinds, then the others with the effort that digits at `asked` called for."""
    requirements = {f"{name}, exact": Requirements(name, recall=1) for name in ("flat", "ivf-flat")}
    requirements |= {name: Requirements(name, recall=RECALL + MARGIN) for name in NOT_EXACT}
    for name, required in requirements.items():
        yield name, index_vectors(stored, asked, SEED, required)[0].search


def peers(stored: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> Iterator[tuple[str, Any]]:
    """hnswlib and usearch where installed, with our links and the effort that finds enough."""
    for name, make in (("hnswlib", hnswlib_graph), ("usearch", usearch_graph)):
        if not find_spec(name):
            print(f"{name} is left out: pip install 'digit-search[bench]'\n")
            continue
        search, set_effort = make(stored)
        for effort in (one for one in EFFORTS if one >= K):
            set_effort(effort)
            if recall(search(queries), truth) >= RECALL:
                break
        yield name, search


def hnswlib_graph(stored: np.ndarray) -> tuple[Search, Callable[[int], None]]:
    """Its search, and how to set its effort."""
    import hnswlib

    graph = hnswlib.Index("l2", stored.shape[1])
    graph.init_index(len(stored), M=LINKS, ef_construction=BUILD_EFFORT)
    graph.add_items(stored)
    return lambda asked: graph.knn_query(asked, K)[0].astype(np.int64), graph.set_ef


def usearch_graph(stored: np.ndarray) -> tuple[Search, Callable[[int], None]]:
    """Its search, and how to set its effort."""
    from usearch.index import Index

    graph = Index(
        ndim=stored.shape[1], metric="l2sq", connectivity=LINKS, expansion_add=BUILD_EFFORT
    )
    graph.add(np.arange(len(stored)), stored)

    def set_effort(effort: int) -> None:
        graph.expansion_search = effort

    return lambda asked: graph.search(asked, K).keys.astype(np.int64), set_effort


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """The share of the true ids (n, K) among those found (n, K)."""
    return float((found[:, :, None] == truth[:, None]).any(axis=2).mean())


def in_turn(
    searches: Mapping[str, Search], queries: np.ndarray, truth: np.ndarray
) -> list[list[str]]:
    """A line each: queries a second, the median of a few rounds, and recall."""
    calls = {name: partial(search, queries) for name, search in searches.items()}
    taken = medians_of(calls, ROUNDS)
    return [
        [name, f"{len(queries) / taken[name]:,.0f}", f"{recall(search(queries), truth):.4f}"]
        for name, search in searches.items()
    ]


def one_by_one(ask: Callable[[slice], object]) -> list[str]:
    """Median and 99th percentile of single queries."""
    alone = [slice(number, number + 1) for number in range(ONE_BY_ONE)]
    taken = [seconds_of(partial(ask, one)) for one in alone]
    return [f"{np.percentile(taken, share) * 1e3:.2f} ms" for share in (50, 99)]
