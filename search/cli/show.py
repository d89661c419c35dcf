"""Print answers, draw them where nothing is lost, and end with the status they deserve."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from search.cli.console import ABSTAINED, FAILED, note, say

if TYPE_CHECKING:
    from search.answers import Answer, Answered, ClassifyAnswer, SearchAnswer
    from search.index import DigitIndex
    from search.queries import AnyQuery, Query, RefusedQuery

MAX_ROWS = 200  # of a picture of queries


def show(
    index: DigitIndex,
    answers: Iterable[Answered],
    kind: type[SearchAnswer | ClassifyAnswer],
    style: str,
    sheet_file: Path | None,
    input_file: Path | None,
    strict: bool,
    thumbnails: str,
) -> None:
    """Print answers as they come and draw what is wanted.

    Exit with 1 if a query failed, which is named on stderr; with 3 if `strict` and one was refused.
    """
    from search.report import format_answers

    wanted = style == "table" and _wants(thumbnails)
    watched = Watched(answers, keep=MAX_ROWS if sheet_file or input_file or wanted else 0)
    if wanted:
        say(format_answers(watched, kind, style, partial(_illustrate, index, watched)))
    else:
        say(format_answers(watched, kind, style))
    more = watched.seen > MAX_ROWS
    first = f" (the first {MAX_ROWS} of {watched.seen:,} queries)" if more else ""
    if sheet_file:
        from data.files import write_whole
        from search.sheet import draw_sheet

        write_whole(sheet_file, draw_sheet(index, watched.kept))
        note(f"Contact sheet: {sheet_file}{first}")
    if input_file:
        from data.files import write_whole
        from search.sheet import draw_inputs

        write_whole(input_file, draw_inputs([query for query, _ in watched.kept if query]))
        note(f"Input: {input_file}{first}")
    if watched.failed or (strict and watched.abstained):
        raise click.exceptions.Exit(FAILED if watched.failed else ABSTAINED)


def to_be_drawn(queries: Iterable[AnyQuery], *outputs: Path | None) -> Iterator[AnyQuery]:
    """The same queries, of which only those that :func:`show` draws keep their pictures."""
    from search.queries import without_picture

    drawn = MAX_ROWS if any(outputs) else 0
    for number, query in enumerate(queries):
        yield query if number < drawn else without_picture(query)


def keep_inputs(inputs: Iterable[str], *outputs: Path | None) -> None:
    """Refuse to draw over a picture that is asked about, or two drawings into one file."""
    taken = {Path(one).resolve() for one in inputs}
    for output in filter(None, outputs):
        place = output.resolve()
        if place in taken or (place.exists() and taken.intersection(place.parents)):
            raise click.UsageError(
                f"{output}: expected another file than one of those named before"
            )
        taken.add(place)


def _wants(thumbnails: str) -> bool:
    """Whether to show thumbnails: `"on"`, `"off"`, or `"auto"`, where the terminal can."""
    from shutil import get_terminal_size

    from search.thumbnails import can_show, has_blocks

    if thumbnails == "on" and not has_blocks(sys.stdout):
        raise click.UsageError(
            "expected a UTF-8 terminal to show thumbnails, received"
            f" {sys.stdout.encoding}; set PYTHONIOENCODING=utf-8, or leave them off"
        )
    if thumbnails == "auto":
        return can_show(sys.stdout, os.environ, get_terminal_size().columns)
    return thumbnails == "on"


def _illustrate(index: DigitIndex, watched: Watched, answers: Sequence[Answer]) -> Iterator[str]:
    """Lines that show the digits of one answer with its neighbours, or those of several."""
    from shutil import get_terminal_size

    from search.answers import FailedAnswer
    from search.queries import Query
    from search.text import printable
    from search.thumbnails import has_greys, side_by_side

    digits = []
    for answer in answers:
        query = watched.query_of(answer)
        if not isinstance(query, Query) or isinstance(answer, FailedAnswer):
            continue
        said = str(getattr(answer, "label", "query")) + ("?" if answer.reason else "")
        digits.append((query.image, printable(said)))
        if len(answers) == 1:
            digits += [
                (index.images[index.position(one.id)], f"{one.rank}: {printable(str(one.label))}")
                for one in answer.neighbours
            ]
    width = get_terminal_size().columns
    return side_by_side(digits, width, greys=has_greys(os.environ))


class Watched:
    """Answers on their way to be printed; what failed is named on stderr.

    Attributes:
        kept: the first queries with their answers, to be drawn.
        seen: how many answers have come so far.
        failed: whether any query could not be answered.
        abstained: whether any verdict abstained.
    """

    def __init__(self, answers: Iterable[Answered], keep: int) -> None:
        """Watch `answers`; the first `keep` are kept."""
        self._answers, self._keep = answers, keep
        self.kept: list[Answered] = []
        self.failed = self.abstained = False
        self.seen = 0

    def query_of(self, answer: Answer) -> Query | RefusedQuery | None:
        """What an answer was the answer to, if it is kept."""
        return next((query for query, kept in self.kept if kept is answer), None)

    def __iter__(self) -> Iterator[Any]:
        """The answers alone, in their order."""
        from search.answers import FailedAnswer

        for query, answer in self._answers:
            if isinstance(answer, FailedAnswer):
                self.failed = True
                note(f"Error: {answer.error}")
            else:
                self.abstained |= answer.reason is not None
            self.seen += 1
            if len(self.kept) < self._keep:
                self.kept.append((query, answer))
            yield answer
