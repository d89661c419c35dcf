"""What is done for a request: read, ask the index, make JSON rows of the answers."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
from PIL import Image

from data.errors import UsageError
from indexer.place import Place
from indexer.votes import DEFAULT_WEIGHTS, Weights
from search.answers import (
    Addition,
    Answer,
    Answered,
    FailedAnswer,
    classify_answers,
    search_answers,
)
from search.compare import compare as judge
from search.compare import the_digit
from search.facts import generation_facts, index_facts
from search.index import DEFAULT_K, DigitIndex
from search.queries import AnyQuery, Query, Reader
from search.web.access import Refusal
from search.web.body import Sent, as_rows, read_all
from search.web.limits import MOST_DIGITS
from search.web.live import LiveIndex
from search.web.map import map_points, place
from search.web.words import by_http

Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What a request asks about, and how.

    Attributes:
        sent: its body.
        ids: stored digits to ask about.
        k: how many neighbours; None is the command line's default.
        single: take all ink on a picture as one digit.
        shows_input: add to each answer the digit as the model sees it.
        shows_place: add to each answer its place on the map.
    """

    sent: Sent
    ids: tuple[str, ...] = ()
    k: int | None = None
    single: bool = False
    shows_input: bool = False
    shows_place: bool = False

    @property
    def is_quick(self) -> bool:
        """Whether it is of a single digit that need not be found: answered in milliseconds."""
        return self.sent.digit is not None and not self.ids

    def queries(self, index: DigitIndex) -> list[AnyQuery]:
        """The digits it asks about.

        Raises:
            Refusal: none or too many, or the only one is not there.
        """
        if len(self.ids) == 1 and not self.sent.content:
            _position(index, self.ids[0])
        return read_all(Reader(index, single=self.single), self.sent, self.ids)


def search(index: DigitIndex, question: Question) -> list[Row]:
    """As `digits search`."""
    queries = question.queries(index)
    most = len(index) - bool(question.ids)
    k = min(DEFAULT_K, most) if question.k is None else question.k
    return _rows(index, question, search_answers(index, queries, k))


def classify(
    index: DigitIndex,
    question: Question,
    weights: Weights,
    *,
    explain: bool,
) -> list[Row]:
    """As `digits classify`."""
    queries = question.queries(index)
    answers = classify_answers(index, queries, question.k, weights, explain=explain)
    return _rows(index, question, answers)


def compare(index: DigitIndex, sent: Sequence[Sent], *, single: bool, show_input: bool) -> Row:
    """As `digits compare`, of two pictures, or of one that shows both digits."""
    reader = Reader(index, single=single)
    read = [read_all(reader, one) for one in sent]
    if len(sent) == 1:
        if len(read[0]) != 2:
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "expected two digits, or a form with the pictures a and b,"
                f" received {len(read[0])}",
            )
        read = [[query] for query in read[0]]
    left, right = (the_digit(queries[0].name, queries) for queries in read)
    row = asdict(judge(index, (left.name, right.name), (left, right)))
    return row | {"input": [as_rows(one.image) for one in (left, right)]} if show_input else row


def item_png(index: DigitIndex, name: str) -> bytes:
    """A stored digit as a PNG file.

    Raises:
        Refusal: there is none of this name.
    """
    file = io.BytesIO()
    Image.fromarray(index.images[_position(index, name)]).save(file, "PNG")
    return file.getvalue()


def points(index: DigitIndex) -> Row:
    """The map."""
    return asdict(map_points(index))


def info(index: DigitIndex, origin: Place, *, writable: bool) -> Row:
    """As `digits info`, and what this server allows."""
    server = {
        "writable": writable,
        "most_digits": MOST_DIGITS,
        "weights": DEFAULT_WEIGHTS,
    }
    return index_facts(index, origin) | {"server": server}


def to_add(index: DigitIndex, sent: Sent, *, single: bool) -> list[AnyQuery]:
    """The digits that were sent to be added."""
    return read_all(Reader(index, single=single), sent)


def add(live: LiveIndex, queries: Sequence[AnyQuery], label: str) -> list[Row]:
    """As `digits add`; and to each digit, the generation that holds it."""
    rows, manifest = live.add(queries, label)
    held = {"generation": manifest.generation}
    return [_row(row) | (held if isinstance(row, Addition) else {}) for row in rows]


def undo(live: LiveIndex, generation: int | None) -> Row:
    """As `digits undo`, but only of that `generation` if there is one."""
    return generation_facts(live.undo(generation), live.place)


def _rows(index: DigitIndex, question: Question, answers: Iterable[Answered]) -> list[Row]:
    """Answers as JSON takes them, with what else was asked for."""
    rows = []
    for query, answer in answers:
        row = _row(answer)
        image = query.image if isinstance(query, Query) else None
        if question.shows_input:
            row["input"] = None if image is None else as_rows(image)
        if question.shows_place:
            row["place"] = None if image is None else place(index, image[None].astype(np.float32))
        rows.append(row)
    return rows


def _row(answer: Answer | Addition) -> Row:
    row = dict(vars(answer))
    return row | {"error": by_http(answer.error)} if isinstance(answer, FailedAnswer) else row


def _position(index: DigitIndex, name: str) -> int:
    try:
        return index.position(name)
    except UsageError as exc:
        raise Refusal(HTTPStatus.NOT_FOUND, str(exc)) from exc
