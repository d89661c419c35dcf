import csv
import io
import json

import pytest

from search.answers import Answer, ClassifyAnswer, FailedAnswer, IndexFacts, Neighbour, SearchAnswer
from search.report import format_answers, format_facts
from search.text import printable

NEAR = (Neighbour(1, "mnist/train/5", 7, 0.25), Neighbour(2, "mnist/train/9", 1, 0.5))
FOUND = SearchAnswer("a.png", (1, 2, 3, 4), NEAR, IndexFacts(3, "ab12"))
NAMED = ClassifyAnswer("b.png", None, 7, 0.75, {"7": 0.75, "1": 0.25}, NEAR)
FAILED = FailedAnswer("c.png", "c.png: expected an image")


def lines(answers: list[Answer], style: str) -> list[str]:
    kind = SearchAnswer if FOUND in answers else ClassifyAnswer
    return list(format_answers(iter(answers), kind, style))


def test_json_of_one_query_is_the_documented_object() -> None:
    (text,) = lines([FOUND], "json")
    assert json.loads(text) == {
        "query": "a.png",
        "box": [1, 2, 3, 4],
        "neighbours": [
            {"rank": 1, "id": "mnist/train/5", "label": 7, "distance": 0.25},
            {"rank": 2, "id": "mnist/train/9", "label": 1, "distance": 0.5},
        ],
        "index": {"generation": 3, "embedder": "ab12"},
    }
    (text,) = lines([NAMED], "json")
    assert json.loads(text).keys() == {"query", "box", "label", "confidence", "votes", "neighbours"}


def test_json_of_several_is_an_array_and_jsonl_a_line_each() -> None:
    (text,) = lines([FOUND, FAILED], "json")
    assert [record["query"] for record in json.loads(text)] == ["a.png", "c.png"]
    assert [json.loads(line)["query"] for line in lines([FOUND, FAILED], "jsonl")] == [
        "a.png",
        "c.png",
    ]
    assert json.loads(lines([FAILED], "jsonl")[0]) == {
        "query": "c.png",
        "error": "c.png: expected an image",
    }


@pytest.mark.parametrize("first", [FOUND, NAMED])
def test_csv_is_read_back(first: Answer) -> None:
    for answers in ([first, FAILED], [FAILED, first]):
        rows = list(csv.DictReader(io.StringIO("\n".join(lines(answers, "csv")))))
        by_query = {row["query"]: row for row in rows}
        assert by_query[first.query]["label"] in ("1", "7")
        assert by_query[first.query]["error"] == ""
        assert by_query["c.png"]["error"] == "c.png: expected an image"


def test_tables_line_up() -> None:
    shown = lines([FOUND, NAMED, FAILED], "table")
    assert shown[0] == "a.png"
    assert shown[2].split() == ["1", "7", "0.2500", "mnist/train/5"]
    header, named, failed = shown[-3:]
    assert header.index("confidence") + len("confidence") == named.index("75.0%") + len("75.0%")
    assert failed.split()[0] == "c.png"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo é.png", "photo é.png"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines", "two\\nlines"),
        ("\udcff", "\\udcff"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_names_are_harmless(name: str, shown: str) -> None:
    assert printable(name) == shown
    answer = FailedAnswer(name, f"{name}: no")
    for style in ("table", "csv", "json", "jsonl"):
        text = "\n".join(lines([answer], style))
        assert not {"\x1b", "\udcff", "\u202e"} & set(text)
        text.encode()


def test_facts_in_every_style() -> None:
    facts = {"n": 3, "knn_accuracy": 0.5, "confusion": [[1, 2], [3, 4]], "k": {"uniform": 5}}
    assert json.loads("\n".join(format_facts(facts, "json"))) == facts
    assert json.loads("\n".join(format_facts(facts, "jsonl"))) == facts
    rows = list(csv.reader(io.StringIO("\n".join(format_facts(facts, "csv")))))
    assert rows[2] == ["knn_accuracy", "0.5"]
    assert "knn accuracy  0.5" in list(format_facts(facts, "table"))
