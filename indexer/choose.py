"""Which kind of index, and how much effort a query: chosen by measuring on the data itself.

Kinds are tried on a sample: recall is measured as in :mod:`indexer.recall`, microseconds are
processor time of one query, so that other work does not decide. In a finished graph every query is
a node with links to its own neighbours, so a graph owes the recall on its sample, which was built
without the queries, as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from data.errors import UsageError
from indexer.kinds import FLAT, KINDS, Kind, find_kind, sample_size, structure
from indexer.recall import NEAREST, GroundTruth, tune
from indexer.vectors import VectorIndex

AUTO = "auto"
ASKED = 500  # held-out queries
TIMED, TURN = 100, 10
TIE = 1.1  # times as long as the fastest is as fast: two runs differ by that
MOST_EXACT = 200_000  # vectors up to which search is exact unless another kind is asked for
FEWEST_LISTED = 20_000  # vectors below which nothing is gained by lists
TRIED = 100_000  # vectors of the sample that kinds are tried on


@dataclass(frozen=True)
class Requirements:
    """What an index must be.

    Attributes:
        kind: a name of `KINDS`, or `"auto"`.
        memory: bytes its vectors may take; None for half of what the machine has.
        recall: share of the ten nearest that a search must find.
    """

    kind: str = AUTO
    memory: int | None = None
    recall: float = 0.99

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.kind != AUTO:
            find_kind(self.kind)
        if not 0 < self.recall <= 1:
            raise UsageError(f"expected a recall above 0 and at most 1, received {self.recall}")

    def check_count(self, count: int) -> None:
        """Refuse what so many vectors cannot be, before anything slow begins.

        Raises:
            UsageError: the kind that is asked for learns from more.
        """
        if self.kind != AUTO:
            find_kind(self.kind).check_count(count)

    def bytes_allowed(self) -> int:
        """How much the vectors may take."""
        if self.memory is not None:
            return self.memory
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


@dataclass(frozen=True)
class Trial:
    """One kind on a sample: with which options, how well and how fast."""

    kind: Kind
    options: dict[str, Any]
    recall: float
    microseconds: float


@dataclass(frozen=True)
class Choice:
    """A kind of index, whether it searches exactly, why, and how it did on the sample if tried."""

    kind: Kind
    exact: bool
    why: str
    trial: Trial | None = None


def build_vectors(
    batches: Iterable[np.ndarray],
    count: int,
    sample: np.ndarray,
    ids: np.ndarray,
    required: Requirements,
) -> tuple[VectorIndex, dict[str, Any]]:
    """An index of vectors that come batch by batch; it never takes more memory than itself.

    Args:
        batches: (n, d) float32 each, `count` vectors in all.
        count: how many there will be.
        sample: (s, d) float32, drawn from all of them by chance; `sample_of` says how many. The
            first few are the queries that recall is measured with.
        ids: (s,) their positions.
        required: what kind, and how good.

    Returns:
        The index and its `kind_options`: those of its kind, `recall` as measured, `rounding` (the
        largest difference of a stored number from the one that was given), `chosen` (why).

    Raises:
        UsageError: the memory or the recall cannot be reached; the message says what can.
    """
    choice = choose(sample, count, required)
    kind = choice.kind
    options = structure(kind, count, sample.shape[1], exact=choice.exact)
    index = VectorIndex.empty(kind, options, sample[: sample_size(options, count)])
    truth = GroundTruth(sample[:ASKED], ids[:ASKED])
    rounding = 0.0
    for batch in batches:
        first = len(index)
        index.add(batch)
        truth.add(batch)
        if kind.number_bytes < 4:
            stored = index.vectors(np.arange(first, len(index)))
            rounding = max(rounding, float(np.abs(stored - batch).max()))
    index, recall = _tuned(index, truth, required, choice)
    facts = {"recall": round(recall, 6), "rounding": rounding, "chosen": choice.why}
    return index, {**index.options, **facts}


def _tuned(
    index: VectorIndex, truth: GroundTruth, required: Requirements, choice: Choice
) -> tuple[VectorIndex, float]:
    if choice.exact:
        return index, truth.recall(index)
    if choice.trial and index.kind.way == "graph":
        index, recall = tune(index, truth, required.recall, choice.trial.options["effort"])
        recall = min(recall, choice.trial.recall)
    else:
        index, recall = tune(index, truth, required.recall)
    if recall < required.recall:
        raise _recall_unreachable(index.kind, recall, required)
    return index, recall


def sample_of(count: int, dimension: int) -> int:
    """How many of `count` vectors to draw for `build_vectors`."""
    most = max(sample_size(structure(one, count, dimension), count) for one in KINDS.values())
    return min(count, max(most, TRIED))


def choose(sample: np.ndarray, count: int, required: Requirements) -> Choice:
    """The kind for `count` vectors like the sample (s, d).

    Raises:
        UsageError: the memory or the recall cannot be reached; the message says what can.
    """
    dimension = sample.shape[1]
    if required.kind != AUTO:
        kind = find_kind(required.kind)
        _fitting([kind], count, dimension, required)
        exact = kind == FLAT or (kind.can_be_exact and required.recall == 1)
        trial = None
        if kind.way == "graph" and len(sample) > ASKED:
            (trial,) = _tried([kind], sample, required, exact)
        return Choice(kind, exact, "asked for", trial)
    small = count <= MOST_EXACT
    if count < FEWEST_LISTED and _fits(FLAT, count, dimension, required):
        return Choice(FLAT, True, f"exact, as there are only {count:,} vectors")
    exact_kinds = [one for one in KINDS.values() if one.can_be_exact]
    exact = required.recall == 1 or (
        small and any(_fits(one, count, dimension, required) for one in exact_kinds)
    )
    candidates = [
        one
        for one in (exact_kinds if exact else KINDS.values())
        if one.smallest <= max(1, count // 2)  # a trial learns without those that it asks
        and count <= one.largest
        and (exact or small or one.way != "all")
    ]
    trials = _tried(_fitting(candidates, count, dimension, required), sample, required, exact)
    good = [one for one in trials if one.recall >= required.recall]
    if not good:
        best = max(trials, key=lambda one: one.recall)
        raise _recall_unreachable(best.kind, best.recall, required)
    best = best_of(good, dimension)
    return Choice(best.kind, exact, _reason(best, trials, exact), best)


def best_of(trials: list[Trial], dimension: int) -> Trial:
    """The fastest; of those that are as fast but for chance, the one that takes least memory."""
    fastest = min(one.microseconds for one in trials)
    tied = [one for one in trials if one.microseconds <= TIE * fastest]
    return min(tied, key=lambda one: one.kind.bytes_per_vector(dimension))


def _reason(best: Trial, trials: list[Trial], exact: bool) -> str:
    others = [one for one in trials if one is not best]
    joined = ", ".join(f"{one.kind.name} {one.microseconds:.0f} us" for one in others)
    is_fastest = all(best.microseconds <= one.microseconds for one in others)
    return (
        f"{'exact, and ' if exact else ''}{'' if is_fastest else 'the smallest among '}the fastest"
        f" of a sample: {best.microseconds:.0f} us a query at recall"
        f" {best.recall:.3f}{f' ({joined})' if joined else ''}"
    )


def _tried(
    kinds: list[Kind], sample: np.ndarray, required: Requirements, exact: bool
) -> list[Trial]:
    """Each kind on the sample, without the queries it is asked."""
    asked = min(ASKED, max(1, len(sample) // 10))
    queries, stored = sample[:asked], sample[asked : TRIED + asked]
    truth = GroundTruth(queries, np.full(asked, -1))
    if not exact:
        truth.add(stored)
    indexes, recalls = [], []
    for kind in kinds:
        options = structure(kind, len(stored), stored.shape[1], exact=exact)
        learned = stored[: sample_size(options, len(stored))]
        index, recall = VectorIndex.empty(kind, options, learned), 1.0
        index.add(stored)
        if not exact:
            index, recall = tune(index, truth, required.recall)
        indexes.append(index)
        recalls.append(recall)
    return [
        Trial(index.kind, dict(index.options), recall, taken)
        for index, recall, taken in zip(
            indexes, recalls, _microseconds(indexes, queries[:TIMED]), strict=True
        )
    ]


def _microseconds(indexes: list[VectorIndex], queries: np.ndarray) -> list[float]:
    """Median microseconds of processor time of one query of each index, on one thread.

    They are asked in turn, for a machine may be half as fast as before for seconds.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    taken: list[list[float]] = [[] for _ in indexes]
    try:
        for first in range(0, len(queries), TURN):
            for index, times in zip(indexes, taken, strict=True):
                for query in queries[first : first + TURN]:
                    started = time.thread_time()
                    index.search(query[None], min(NEAREST, len(index)))
                    times.append(time.thread_time() - started)
    finally:
        faiss.omp_set_num_threads(threads)
    return [float(np.median(times)) * 1e6 for times in taken]


def _fits(kind: Kind, count: int, dimension: int, required: Requirements) -> bool:
    return kind.bytes_per_vector(dimension) * count <= required.bytes_allowed()


def _fitting(kinds: list[Kind], count: int, dimension: int, required: Requirements) -> list[Kind]:
    """Those of `kinds` that fit the memory.

    Raises:
        UsageError: none does; the message says which of all kinds comes nearest, and what it takes.
    """
    fitting = [one for one in kinds if _fits(one, count, dimension, required)]
    if fitting:
        return fitting
    least = min(kinds, key=lambda one: one.bytes_per_vector(dimension))
    needed = least.bytes_per_vector(dimension) * count
    smallest = min(KINDS.values(), key=lambda one: one.bytes_per_vector(dimension))
    other = (
        f", or choose --kind {smallest.name}"
        if _fits(smallest, count, dimension, required) and smallest is not least
        else ""
    )
    raise UsageError(
        f"{count:,} vectors of length {dimension} do not fit"
        f" {required.bytes_allowed() / 1e6:,.0f} MB: the closest kind is"
        f" {least.name}, which takes {needed / 1e6:,.0f} MB; give it --memory"
        f" {int(needed / 1e6) + 1}M{other}"
    )


def _recall_unreachable(kind: Kind, recall: float, required: Requirements) -> UsageError:
    nearest = (
        f": the closest kind is {kind.name} with"
        if required.kind == AUTO
        else f" by kind {kind.name}, which finds"
    )
    return UsageError(
        f"recall {required.recall:g} was not reached{nearest} {recall:.4f}; ask for --recall"
        f" {int(recall * 1000) / 1000:g}, or for --kind flat, which finds all"
    )
