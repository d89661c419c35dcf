"""Answers as text: tables for people, JSON, JSON lines and CSV for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from search.answers import (
    Addition,
    Answer,
    ClassifyAnswer,
    ExplainedAnswer,
    ExplainedNeighbour,
    FailedAnswer,
    Neighbour,
    SearchAnswer,
    by_picture,
)
from search.text import columns, fitted, printable

if TYPE_CHECKING:
    from search.doctor.findings import Finding


def strict_json(value: Any, indent: int | None = None) -> str:
    """JSON in ASCII, without NaN; a dataclass becomes an object of its fields."""
    return json.dumps(value, allow_nan=False, indent=indent, default=vars)


JUDGED_FIELDS = ("query", "box", "verdict", "reason", "detail")
CSV_FIELDS = {
    SearchAnswer: (*JUDGED_FIELDS, "rank", "id", "label", "distance", "file", "error"),
    ClassifyAnswer: (*JUDGED_FIELDS, "label", "confidence", "votes", "error"),
}
ADDED_FIELDS = ("query", "box", "label", "id", "new", "error")
ADDED_HEADER = ("query", "label", "id", "outcome")
NAMED_HEADER = ("query", "label", "confidence", "verdict", "votes", "nearest", "distance")
FINDING_FIELDS = ("check", "status", "detail", "remedy")
UNREADABLE = "?"
Illustrate = Callable[[Sequence[Answer]], Iterable[str]]


def format_answers(
    answers: Iterable[Answer],
    kind: type[SearchAnswer | ClassifyAnswer],
    style: str,
    illustrate: Illustrate = lambda _answers: (),
) -> Iterator[str]:
    """Lines to print.

    Args:
        answers: of one command.
        kind: what the command answers with where it can.
        style: `"table"`; `"json"` (one query gives an object, several give an array); `"jsonl"`
            (one object a line) or `"csv"` (one neighbour, or one named query, a line).
        illustrate: gives lines that show the digits of answers, for tables.
    """
    if style in ("json", "jsonl"):
        yield from _json(answers, style)
    elif style == "csv":
        yield from _csv(answers, CSV_FIELDS[kind])
    else:
        yield from _tables(answers, illustrate)


def format_additions(rows: Iterable[Addition | FailedAnswer], style: str) -> Iterator[str]:
    """Lines to print for digits that were given to be stored, in the same styles."""
    if style in ("json", "jsonl"):
        yield from _json(rows, style)
    elif style == "csv":
        yield _csv_line(ADDED_FIELDS)
        for row in rows:
            record = asdict(row)
            if isinstance(row, Addition):
                record["box"] = _boxed(row)
            yield _csv_line([record.get(field, "") for field in ADDED_FIELDS])
    else:
        shown = [
            [row.query, str(row.label), row.id, "added" if row.new else "stored before"]
            if isinstance(row, Addition)
            else [row.query, "-", "-", "not added"]
            for row in rows
        ]
        yield from table(ADDED_HEADER, [[printable(cell) for cell in row] for row in shown])


def format_findings(findings: Sequence[Finding], style: str) -> Iterator[str]:
    """Lines to print for what checks found, one each, in the same styles."""
    if style in ("json", "jsonl"):
        yield from _json(findings, style)
    elif style == "csv":
        yield _csv_line(FINDING_FIELDS)
        for one in findings:
            yield _csv_line([getattr(one, field) for field in FINDING_FIELDS])
    else:
        width = max(len(one.check) for one in findings)
        for one in findings:
            mend = f"; mend it: {one.remedy}" if one.remedy else ""
            yield printable(f"{one.status:<7}  {one.check:<{width}}  {one.detail}{mend}")


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
    widths = [max(map(columns, column)) for column in zip(header, *rows, strict=True)]
    for row in [header, *rows]:
        cells = [
            " " * (width - columns(cell)) + cell
            if _is_number(rows, column)
            else fitted(cell, width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _json(records: Iterable[Answer | Addition | Finding], style: str) -> Iterator[str]:
    if style == "jsonl":
        for record in records:
            yield strict_json(record)
    else:
        objects = list(records)
        yield strict_json(objects[0] if len(objects) == 1 else objects, indent=2)


def _tables(answers: Iterable[Answer], illustrate: Illustrate) -> Iterator[str]:
    named: list[tuple[str, ClassifyAnswer | FailedAnswer]] = []
    for title, answer in _titled(answers):
        if isinstance(answer, SearchAnswer):
            yield f"{title}{_remark(answer)}"
            yield from illustrate([answer])
            if answer.neighbours:
                yield from _indented(table(*_neighbour_rows(answer)))
        elif isinstance(answer, ExplainedAnswer):
            yield f"{title}: {_called(answer)}{_remark(answer)}"
            yield from illustrate([answer])
            if answer.neighbours:
                yield from _explanation(answer)
        else:
            named.append((title, answer))
    if named:
        one_each = [answer for _, answer in named]
        yield from illustrate(one_each)
        yield from table(NAMED_HEADER, [[title, *_named_row(answer)] for title, answer in named])
        yield from _strings(one_each)
        for title, answer in named:
            if isinstance(answer, ClassifyAnswer) and answer.reason:
                yield f"{title}{_remark(answer)}"


def _titled(answers: Iterable[Answer]) -> Iterator[tuple[str, Answer]]:
    """Each answer with what it is called: the second digit of a picture is #2, and so on."""
    for digits in by_picture(answers, "query"):
        for number, answer in enumerate(digits, 1):
            yield printable(answer.query) + (f" #{number}" if number > 1 else ""), answer


def _remark(answer: SearchAnswer | ClassifyAnswer) -> str:
    """Why an answer abstains, if it does."""
    return printable(f" — {answer.reason}: {answer.detail}") if answer.reason else ""


def _called(answer: ClassifyAnswer) -> str:
    if answer.label is None:
        return "no digit"
    guess = "a guess, " if answer.reason else ""
    return f"{printable(str(answer.label))} ({guess}confidence {answer.confidence:.1%})"


def _neighbour_rows(answer: SearchAnswer) -> tuple[Sequence[str], list[list[str]]]:
    rows = [
        [str(one.rank), printable(str(one.label)), f"{one.distance:.4f}", printable(one.id)]
        for one in answer.neighbours
    ]
    return _with_files(("rank", "label", "distance", "id"), rows, answer.neighbours)


def _explanation(answer: ExplainedAnswer) -> Iterator[str]:
    header = ("rank", "label", "vote", "distance", "percentile", "id")
    rows = [
        [
            str(one.rank),
            printable(str(one.label)),
            f"{one.vote:.1%}",
            f"{one.distance:.4f}",
            f"{one.percentile:.1f}",
            printable(one.id),
        ]
        for one in answer.neighbours
        if isinstance(one, ExplainedNeighbour)
    ]
    yield from _indented(table(*_with_files(header, rows, answer.neighbours)))
    if answer.rival:
        rival = answer.rival
        way = "further" if rival.margin >= 0 else "nearer"
        yield (
            f"  nearest rival: {printable(str(rival.label))} at {rival.distance:.4f},"
            f" {abs(rival.margin):.4f} {way} than the nearest {printable(str(answer.label))}"
            f"  {'  '.join(printable(name) for name in (rival.id, rival.file) if name)}"
        )


def _with_files(
    header: Sequence[str], rows: list[list[str]], neighbours: Sequence[Neighbour]
) -> tuple[Sequence[str], list[list[str]]]:
    """A table of neighbours with the files that they came from, where any did."""
    if not any(one.file for one in neighbours):
        return header, rows
    files = [printable(one.file or "-") for one in neighbours]
    return (*header, "file"), [[*row, file] for row, file in zip(rows, files, strict=True)]


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _named_row(answer: ClassifyAnswer | FailedAnswer) -> list[str]:
    """All cells but the first."""
    if isinstance(answer, FailedAnswer):
        return ["-", "-", "not answered", "", "", ""]
    verdict = answer.reason or answer.verdict
    if answer.label is None:
        return ["-", "-", verdict, "", "", ""]
    shares = ((name, f"{share:.0%}") for name, share in answer.votes.items())
    votes = " ".join(f"{printable(name)}:{share}" for name, share in shares if share != "0%")
    nearest = answer.neighbours[0]
    return [
        f"{printable(str(answer.label))}{UNREADABLE if answer.reason else ''}",
        f"{answer.confidence:.1%}",
        verdict,
        votes,
        printable(nearest.id),
        f"{nearest.distance:.4f}",
    ]


def _strings(named: Sequence[ClassifyAnswer | FailedAnswer]) -> Iterator[str]:
    """What each picture with several digits reads, doubtful ones as question marks."""
    digits = [one for one in named if isinstance(one, ClassifyAnswer) and one.box is not None]
    for together in by_picture(digits, "query"):
        signs = [f"{UNREADABLE if one.reason else one.label}" for one in together]
        if len(signs) > 1:
            yield printable(f"{together[0].query} reads {''.join(signs)}")


def _csv(answers: Iterable[Answer], fields: Sequence[str]) -> Iterator[str]:
    yield _csv_line(fields)
    for answer in answers:
        for row in _csv_rows(answer):
            yield _csv_line([row.get(field, "") for field in fields])


def _csv_rows(answer: Answer) -> Iterator[dict[str, Any]]:
    if isinstance(answer, SearchAnswer):
        judged = asdict(answer)
        nothing: dict[str, Any] = {}
        for one in judged["neighbours"] or (nothing,):
            yield {**judged, **one, "box": _boxed(answer)}
    elif isinstance(answer, ClassifyAnswer):
        yield {**asdict(answer), "votes": strict_json(answer.votes), "box": _boxed(answer)}
    else:
        yield asdict(answer)


def _boxed(answer: SearchAnswer | ClassifyAnswer | Addition) -> str | None:
    return answer.box and strict_json(answer.box)


def _csv_line(values: Sequence[Any]) -> str:
    import csv
    import io

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_cell(value) for value in values])
    return line.getvalue()


def _cell(value: Any) -> Any:
    """A value as CSV takes it; what is true or false as JSON says it."""
    if isinstance(value, bool):
        return strict_json(value)
    return printable(value) if isinstance(value, str) else value


def _shown(value: Any) -> str:
    """One value as text: a list in one line, a matrix or records of the same fields in many.

    A field that no record knows is left out.
    """
    if value is None:
        return "-"
    if value == []:
        return "none"
    if isinstance(value, list) and not isinstance(value[0], dict | list):
        return ", ".join(map(_shown, value))
    if isinstance(value, list):
        rows = _rows(value) if isinstance(value[0], dict) else value
        header, *others = _cells(rows)
        return "\n".join(table(header, others))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(str(value))


def _rows(records: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """What the fields of records are called, and their values, where any is known."""
    known = [name for name in records[0] if any(one[name] is not None for one in records)]
    return [known, *([one[name] for name in known] for one in records)]


def _cells(matrix: Iterable[Iterable[Any]]) -> list[list[str]]:
    return [[_shown(cell) for cell in row] for row in matrix]


def _is_number(rows: Sequence[Sequence[str]], column: int) -> bool:
    cells = [row[column].rstrip("%?").removeprefix("-") for row in rows]
    return all(cell.replace(".", "", 1).isdecimal() or cell in ("-", "") for cell in cells)
