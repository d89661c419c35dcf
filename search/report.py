"""Answers as text: tables for people, JSON, JSON lines and CSV for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from search.answers import Answer, ClassifyAnswer, FailedAnswer, SearchAnswer
from search.text import printable


def strict_json(value: Any, indent: int | None = None) -> str:
    """JSON in ASCII, without NaN."""
    return json.dumps(value, allow_nan=False, indent=indent)


CSV_FIELDS = {
    SearchAnswer: ("query", "rank", "id", "label", "distance", "error"),
    ClassifyAnswer: ("query", "label", "confidence", "votes", "error"),
}


def format_answers(
    answers: Iterable[Answer], kind: type[SearchAnswer | ClassifyAnswer], style: str
) -> Iterator[str]:
    """Lines to print.

    Args:
        answers: of one command.
        kind: what the command answers with where it can.
        style: `"table"`; `"json"` (one query gives an object, several give an array); `"jsonl"`
            (one object a line) or `"csv"` (one neighbour, or one named query, a line).
    """
    if style == "jsonl":
        for answer in answers:
            yield strict_json(asdict(answer))
    elif style == "json":
        records = [asdict(answer) for answer in answers]
        yield strict_json(records[0] if len(records) == 1 else records, indent=2)
    elif style == "csv":
        yield from _csv(answers, CSV_FIELDS[kind])
    else:
        yield from _tables(answers)


def format_facts(facts: dict[str, Any], style: str) -> Iterator[str]:
    """Lines to print for one record of facts, in the same styles."""
    if style in ("json", "jsonl"):
        yield strict_json(facts, indent=2 if style == "json" else None)
    elif style == "csv":
        yield _csv_line(["fact", "value"])
        for name, value in facts.items():
            yield _csv_line([name, strict_json(value) if isinstance(value, dict | list) else value])
    else:
        width = max(map(len, facts))
        for name, value in facts.items():
            first, *others = _shown(value).split("\n")
            yield f"{name.replace('_', ' '):<{width}}  {first}"
            for line in others:
                yield f"{'':<{width}}  {line}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a plain table, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in [header, *rows]:
        cells = [
            cell.rjust(width) if _is_number(rows, column) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _tables(answers: Iterable[Answer]) -> Iterator[str]:
    named = []
    for answer in answers:
        if isinstance(answer, SearchAnswer):
            yield from _neighbour_table(answer)
        else:
            named.append(_named_row(answer))
    if named:
        yield from table(["query", "label", "confidence", "votes", "nearest", "distance"], named)


def _neighbour_table(answer: SearchAnswer) -> Iterator[str]:
    yield printable(answer.query)
    rows = [
        [str(one.rank), str(one.label), f"{one.distance:.4f}", printable(one.id)]
        for one in answer.neighbours
    ]
    for line in table(["rank", "label", "distance", "id"], rows):
        yield f"  {line}"


def _named_row(answer: ClassifyAnswer | FailedAnswer) -> list[str]:
    if isinstance(answer, FailedAnswer):
        return [printable(answer.query), "-", "-", "not answered", "", ""]
    votes = " ".join(f"{label}:{share:.0%}" for label, share in answer.votes.items())
    nearest = answer.neighbours[0]
    return [
        printable(answer.query),
        str(answer.label),
        f"{answer.confidence:.1%}",
        votes,
        printable(nearest.id),
        f"{nearest.distance:.4f}",
    ]


def _csv(answers: Iterable[Answer], fields: Sequence[str]) -> Iterator[str]:
    yield _csv_line(fields)
    for answer in answers:
        for row in _csv_rows(answer):
            yield _csv_line([row.get(field, "") for field in fields])


def _csv_rows(answer: Answer) -> Iterator[dict[str, Any]]:
    if isinstance(answer, SearchAnswer):
        for one in answer.neighbours:
            yield {"query": answer.query, **asdict(one)}
    elif isinstance(answer, ClassifyAnswer):
        yield {**asdict(answer), "votes": strict_json(answer.votes)}
    else:
        yield asdict(answer)


def _csv_line(values: Sequence[Any]) -> str:
    import csv
    import io

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(
        [printable(value) if isinstance(value, str) else value for value in values]
    )
    return line.getvalue()


def _shown(value: Any) -> str:
    """One value as text; a matrix as a line for each row."""
    if isinstance(value, list):
        return "\n".join(table([str(cell) for cell in value[0]], _cells(value[1:])))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(str(value))


def _cells(matrix: Sequence[Sequence[Any]]) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in matrix]


def _is_number(rows: Sequence[Sequence[str]], column: int) -> bool:
    cells = [row[column].rstrip("%") for row in rows]
    return all(cell.replace(".", "", 1).isdecimal() or cell in ("-", "") for cell in cells)
