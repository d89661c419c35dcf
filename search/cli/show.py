"""Print answers, draw them, and end with the status they deserve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from search.cli.console import note, say

if TYPE_CHECKING:
    from search.answers import Answer, ClassifyAnswer, SearchAnswer
    from search.index import DigitIndex
    from search.queries import Query

FAILED, ABSTAINED = 1, 3
MAX_ROWS = 200  # of a picture of queries


def show(
    index: DigitIndex,
    answers: Iterable[tuple[Query | None, Answer]],
    kind: type[SearchAnswer | ClassifyAnswer],
    style: str,
    sheet_file: Path | None,
    input_file: Path | None,
    strict: bool,
) -> None:
    """Print answers as they come and draw what is wanted.

    Exit with 1 if a query failed, which is named on stderr; with 3 if `strict` and one was refused.
    """
    from search.report import format_answers

    watched = Watched(answers, keep=MAX_ROWS if sheet_file or input_file else 0)
    say(format_answers(watched, kind, style))
    first = f" (the first {MAX_ROWS} queries)" if len(watched.kept) == MAX_ROWS else ""
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


class Watched:
    """Answers on their way to be printed; what failed is named on stderr.

    Attributes:
        kept: the first queries with their answers, to be drawn.
        failed: whether any query could not be answered.
        abstained: whether any verdict abstained.
    """

    def __init__(self, answers: Iterable[tuple[Query | None, Answer]], keep: int) -> None:
        """Watch `answers`; the first `keep` are kept."""
        self._answers, self._keep = answers, keep
        self.kept: list[tuple[Query | None, Answer]] = []
        self.failed = self.abstained = False

    def __iter__(self) -> Iterator[Any]:
        """The answers alone, in their order."""
        from search.answers import FailedAnswer

        for query, answer in self._answers:
            if isinstance(answer, FailedAnswer):
                self.failed = True
                note(f"Error: {answer.error}")
            else:
                self.abstained |= answer.reason is not None
            if len(self.kept) < self._keep:
                self.kept.append((query, answer))
            yield answer
