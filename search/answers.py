"""One answer per query, as small dataclasses whose fields are the JSON people get.

They are neither frozen nor compared: what Python generates for that is paid by every cold query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TypeVar

import numpy as np

from indexer.verdicts import ABSTAIN, BLANK, MATCH, TOO_FAR, percentile
from indexer.votes import Weights, vote_weights
from search.classify import Classification, Neighbours
from search.index import DigitIndex
from search.queries import UNDRAWN, AnyQuery, Query, RefusedQuery

BATCH = 256
T = TypeVar("T")
Box = tuple[int, int, int, int]


@dataclass(eq=False)
class Neighbour:
    """A stored digit near a query.

    Attributes:
        rank: 1 is the nearest.
        id: what it is called.
        label: what it is.
        distance: from the query, Euclidean.
        file: what it came from, if it came from a file.
    """

    rank: int
    id: str
    label: int | str
    distance: float
    file: str | None


@dataclass(eq=False)
class ExplainedNeighbour(Neighbour):
    """A neighbour with its share of the vote, and its distance among normal ones, 0 to 100."""

    vote: float
    percentile: float


@dataclass(eq=False)
class Rival:
    """The nearest digit of another class; `margin` is how much further than the nearest of ours."""

    id: str
    label: int | str
    distance: float
    file: str | None
    margin: float


@dataclass(eq=False)
class IndexFacts:
    """Which index answered: its generation and its embedder's identity."""

    generation: int
    embedder: str


@dataclass(eq=False)
class Judged:
    """What every answer begins with.

    Attributes:
        query: what was asked about.
        box: where it lies in its picture: x, y, width, height; None where it is all there is.
        verdict: `"match"` or `"abstain"`.
        reason: why it abstains: `"blank"`, `"not-a-digit"`, `"too-far"` or `"split-vote"`.
        detail: the same in words.
    """

    query: str
    box: Box | None
    verdict: str
    reason: str | None
    detail: str | None


@dataclass(eq=False)
class SearchAnswer(Judged):
    """The neighbours of one query; none where there is no digit to ask about."""

    neighbours: tuple[Neighbour, ...]
    index: IndexFacts


@dataclass(eq=False)
class ClassifyAnswer(Judged):
    """The name of one query.

    Attributes:
        label: the winner of the vote, a mere guess where the verdict abstains; None where there is
            no digit to name.
        confidence: how likely `label` is right, by calibration.
        votes: share of each class, largest first.
        neighbours: those who voted.
    """

    label: int | str | None
    confidence: float | None
    votes: dict[str, float]
    neighbours: tuple[Neighbour, ...]


@dataclass(eq=False)
class ExplainedAnswer(ClassifyAnswer):
    """A name with its nearest rival; the neighbours are explained too."""

    neighbours: tuple[ExplainedNeighbour, ...]
    rival: Rival | None


@dataclass(eq=False)
class FailedAnswer:
    """A query that could not be answered, and why."""

    query: str
    error: str


@dataclass(eq=False)
class Addition:
    """One digit that a person gave and that is stored now.

    Attributes:
        query: the picture it came from.
        box: where it lies on that.
        label: what it is.
        id: what it is called from now on.
        new: false where the same digit was stored before.
    """

    query: str
    box: Box | None
    label: int | str
    id: str
    new: bool


def by_picture(items: Iterable[T], name: str) -> Iterator[list[T]]:
    """Digits in a row that are of the same picture; one that is given again is another picture.

    Args:
        items: which have a `box`, if they are digits.
        name: the attribute that tells the picture.
    """
    digits: list[T] = []
    boxes: set[Box | None] = set()
    for one in items:
        box = getattr(one, "box", None)
        if digits and (getattr(one, name) != getattr(digits[0], name) or box in boxes):
            yield digits
            digits, boxes = [], set()
        digits.append(one)
        boxes.add(box)
    if digits:
        yield digits


Answer = SearchAnswer | ClassifyAnswer | FailedAnswer
Answered = tuple[Query | RefusedQuery | None, Answer]


def search_answers(index: DigitIndex, queries: Iterable[AnyQuery], k: int) -> Iterator[Answered]:
    """Answer queries in their order, each with the query it belongs to (None where it failed)."""
    facts = IndexFacts(index.manifest.generation, index.manifest.embedder)

    def answer(asked: list[Query]) -> Iterator[Answer]:
        named = index.classify(_images(asked), k, exclude=_excluded(asked))
        for row, query in enumerate(asked):
            judged = _judged(index, query, named, row)
            yield searched(judged, _neighbours(index, named.neighbours, row))

    def searched(judged: Judged, neighbours: tuple[Neighbour, ...] = ()) -> SearchAnswer:
        return SearchAnswer(**vars(judged), neighbours=neighbours, index=facts)

    return _in_order(queries, answer, searched)


def classify_answers(
    index: DigitIndex,
    queries: Iterable[AnyQuery],
    k: int | None,
    weights: Weights,
    *,
    explain: bool = False,
) -> Iterator[Answered]:
    """As :func:`search_answers`, with a name for each query, explained if wanted."""

    def answer(asked: list[Query]) -> Iterator[Answer]:
        images, excluded = _images(asked), _excluded(asked)
        named = index.classify(images, k, weights, excluded)
        rivals = index.rivals(images, named.labels, excluded) if explain else None
        for row, query in enumerate(asked):
            plain = ClassifyAnswer(
                **vars(_judged(index, query, named, row)),
                label=index.called(int(named.labels[row])),
                confidence=float(named.confidences[row]),
                votes=_shares(index, named.votes[row]),
                neighbours=_neighbours(index, named.neighbours, row),
            )
            if rivals is None:
                yield plain
            else:
                votes = vote_weights(named.neighbours.distances[[row]], weights)[0]
                rival = _rival(index, named, rivals, row)
                yield _explained(index, plain, votes / votes.sum(), rival)

    def refuse(judged: Judged) -> Answer:
        plain = ClassifyAnswer(**vars(judged), label=None, confidence=None, votes={}, neighbours=())
        return ExplainedAnswer(**vars(plain), rival=None) if explain else plain

    return _in_order(queries, answer, refuse)


def _in_order(
    queries: Iterable[AnyQuery],
    answer: Callable[[list[Query]], Iterator[Answer]],
    refuse: Callable[[Judged], Answer],
) -> Iterator[Answered]:
    """Ask about digits in batches; what is no digit keeps its place among the answers."""
    for batch in _batches(queries):
        asked = [query for query in batch if isinstance(query, Query)]
        answers = answer(asked) if asked else iter(())
        for query in batch:
            if isinstance(query, Query):
                yield query, next(answers)
            elif isinstance(query, RefusedQuery):
                yield query, refuse(Judged(query.name, None, ABSTAIN, query.reason, query.detail))
            else:
                yield None, FailedAnswer(query.name, query.error)


def _judged(index: DigitIndex, query: Query, named: Classification, row: int) -> Judged:
    reason = str(named.reasons[row])
    if not reason:
        return Judged(query.name, query.box, MATCH, None, None)
    far, limits = named.mean_distances[row], index.calibration
    if reason == BLANK:
        detail = UNDRAWN
    elif reason == TOO_FAR and far > limits.too_far:
        detail = (
            f"its nearest digits lie {far:.3f} away on average, by what tells the class; those of"
            f" a digit at most {limits.too_far:.3f}"
        )
    else:
        name, chance = index.called(int(named.labels[row])), named.confidences[row]
        detail = f"{name} is right with a chance of {chance:.0%} only"
    return Judged(query.name, query.box, ABSTAIN, reason, detail)


def _explained(
    index: DigitIndex, plain: ClassifyAnswer, shares: np.ndarray, rival: Rival | None
) -> ExplainedAnswer:
    """`plain` with its rival, each neighbour's share of the vote, and how far is far."""
    distances = np.array([one.distance for one in plain.neighbours])
    ranks = percentile(distances, index.calibration)
    neighbours = tuple(
        ExplainedNeighbour(**asdict(one), vote=float(share), percentile=round(float(rank), 1))
        for one, share, rank in zip(plain.neighbours, shares, ranks, strict=True)
    )
    return ExplainedAnswer(**vars(plain) | {"neighbours": neighbours}, rival=rival)


def _rival(index: DigitIndex, named: Classification, rivals: Neighbours, row: int) -> Rival | None:
    position, label, distance = (
        values[row, 0] for values in (rivals.ids, rivals.labels, rivals.distances)
    )
    if position < 0:
        return None
    ours = named.neighbours.distances[row][named.neighbours.labels[row] == named.labels[row]]
    margin = float(distance) - float(ours.min())
    name, file = index.name(int(position)), index.file(int(position))
    return Rival(name, index.called(int(label)), float(distance), file, margin)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _images(queries: list[Query]) -> np.ndarray:
    return np.stack([query.image for query in queries]).astype(np.float32, copy=False)


def _excluded(queries: list[Query]) -> np.ndarray | None:
    positions = np.array([query.position for query in queries], np.int64)
    return positions if (positions >= 0).any() else None


def _neighbours(index: DigitIndex, found: Neighbours, row: int) -> tuple[Neighbour, ...]:
    columns = (values[row].tolist() for values in (found.ids, found.labels, found.distances))
    return tuple(
        Neighbour(rank, index.name(position), index.called(label), distance, index.file(position))
        for rank, (position, label, distance) in enumerate(zip(*columns, strict=True), 1)
    )


def _shares(index: DigitIndex, votes: np.ndarray) -> dict[str, float]:
    """Shares of the vote by label, largest first, without the zeros."""
    order = np.argsort(-votes, kind="stable")
    return {str(index.called(label)): float(votes[label]) for label in order if votes[label] > 0}
