"""One answer per query, as small dataclasses whose `asdict` is the JSON people get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from indexer.votes import Weights
from search.classify import Neighbours
from search.index import DigitIndex
from search.queries import FailedQuery, Query

BATCH = 256
T = TypeVar("T")


@dataclass(frozen=True)
class Neighbour:
    """A stored digit near a query; `rank` 1 is the nearest, `distance` is Euclidean."""

    rank: int
    id: str
    label: int
    distance: float


Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class IndexFacts:
    """Which index answered: its generation and its embedder's identity."""

    generation: int
    embedder: str


@dataclass(frozen=True)
class SearchAnswer:
    """The neighbours of one query; `box` is where it lies in its picture: x, y, width, height."""

    query: str
    box: Box | None
    neighbours: tuple[Neighbour, ...]
    index: IndexFacts


@dataclass(frozen=True)
class ClassifyAnswer:
    """The name of one query: `confidence` is the share of the vote that `label` got."""

    query: str
    box: Box | None
    label: int
    confidence: float
    votes: dict[str, float]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class FailedAnswer:
    """A query that could not be answered, and why."""

    query: str
    error: str


Answer = SearchAnswer | ClassifyAnswer | FailedAnswer


def search_answers(
    index: DigitIndex, queries: Iterable[Query | FailedQuery], k: int
) -> Iterator[tuple[Query | None, Answer]]:
    """Answer queries in their order, each with the query it belongs to (None for a failed one)."""
    facts = _facts(index)
    for batch in _batches(queries):
        asked = [query for query in batch if isinstance(query, Query)]
        found = _neighbours(index, index.search(_images(asked), k, _excluded(asked)))
        for query in batch:
            if isinstance(query, Query):
                yield query, SearchAnswer(query.name, query.box, next(found), facts)
            else:
                yield None, FailedAnswer(query.name, query.error)


def classify_answers(
    index: DigitIndex, queries: Iterable[Query | FailedQuery], k: int | None, weights: Weights
) -> Iterator[tuple[Query | None, Answer]]:
    """As :func:`search_answers`, with a name for each query."""
    for batch in _batches(queries):
        asked = [query for query in batch if isinstance(query, Query)]
        named = index.classify(_images(asked), k, weights, _excluded(asked))
        found = _neighbours(index, named.neighbours)
        rows = zip(named.labels, named.confidences, named.votes, found, strict=True)
        for query in batch:
            if isinstance(query, FailedQuery):
                yield None, FailedAnswer(query.name, query.error)
                continue
            label, confidence, votes, neighbours = next(rows)
            yield (
                query,
                ClassifyAnswer(
                    query.name, query.box, int(label), float(confidence), _shares(votes), neighbours
                ),
            )


def _facts(index: DigitIndex) -> IndexFacts:
    return IndexFacts(index.manifest.generation, index.manifest.embedder)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _images(queries: list[Query]) -> np.ndarray:
    return np.array([query.image for query in queries], np.float32).reshape(-1, 28, 28)


def _excluded(queries: list[Query]) -> np.ndarray | None:
    positions = np.array([query.position for query in queries], np.int64)
    return positions if (positions >= 0).any() else None


def _neighbours(index: DigitIndex, found: Neighbours) -> Iterator[tuple[Neighbour, ...]]:
    for ids, labels, distances in zip(found.ids, found.labels, found.distances, strict=True):
        yield tuple(
            Neighbour(rank, index.name(int(position)), int(label), float(distance))
            for rank, (position, label, distance) in enumerate(
                zip(ids, labels, distances, strict=True), 1
            )
        )


def _shares(votes: np.ndarray) -> dict[str, float]:
    """Shares of the vote by label, largest first, without the zeros."""
    order = np.argsort(-votes, kind="stable")
    return {str(label): float(votes[label]) for label in order if votes[label] > 0}
