import csv
import io
import json
import re
from dataclasses import replace

import pytest

from search.answers import (
    Answer,
    ClassifyAnswer,
    ExplainedAnswer,
    ExplainedNeighbour,
    FailedAnswer,
    IndexFacts,
    Neighbour,
    Rival,
    SearchAnswer,
)
from search.report import format_answers, format_facts
from search.text import columns, fitted, printable

NEAR = (
    Neighbour(1, "mnist/train/5", 7, 0.25, None),
    Neighbour(2, "mnist/train/9", 1, 0.5, None),
)
MATCH = ("match", None, None)
FOUND = SearchAnswer("a.png", (1, 2, 3, 4), *MATCH, NEAR, IndexFacts(3, "ab12"))
NAMED = ClassifyAnswer("b.png", None, *MATCH, 7, 0.75, {"7": 0.75, "1": 0.25}, NEAR)
BLANK = ClassifyAnswer("d.png", None, "abstain", "blank", "nothing is drawn", None, None, {}, ())
FAILED = FailedAnswer("c.png", "c.png: expected an image")


def lines(answers: list[Answer], style: str) -> list[str]:
    searched = any(isinstance(answer, SearchAnswer) for answer in answers)
    kind = SearchAnswer if searched else ClassifyAnswer
    return list(format_answers(iter(answers), kind, style))


def test_json_of_one_query_is_the_documented_object() -> None:
    (text,) = lines([FOUND], "json")
    assert json.loads(text) == {
        "query": "a.png",
        "box": [1, 2, 3, 4],
        "verdict": "match",
        "reason": None,
        "detail": None,
        "neighbours": [
            {"rank": 1, "id": "mnist/train/5", "label": 7, "distance": 0.25, "file": None},
            {"rank": 2, "id": "mnist/train/9", "label": 1, "distance": 0.5, "file": None},
        ],
        "index": {"generation": 3, "embedder": "ab12"},
    }
    (text,) = lines([NAMED], "json")
    assert json.loads(text).keys() == {
        "query", "box", "verdict", "reason", "detail", "label", "confidence", "votes", "neighbours",
    }  # fmt: skip


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


def test_wide_signs_take_two_columns_and_marks_none() -> None:
    names = ("数字.png", "e\u0301.png", "😀", "plain.png")
    assert [columns(name) for name in names] == [8, 5, 2, 9]
    assert [fitted(name, 3) for name in names] == ["数 ", "e\u0301.p", "😀 ", "pla"]
    named = [replace(NAMED, query=name, label=name) for name in names]
    rows = lines(list(named), "table")[1:]
    assert len({columns(row[: row.index("75.0%")]) for row in rows}) == 1


def test_files_are_shown_where_any_neighbour_has_one() -> None:
    first, second = NEAR
    found = replace(FOUND, neighbours=(replace(first, file="mine/7/a b.png"), second))
    cells = [re.split(" {2,}", line)[-1] for line in lines([found], "table")[1:]]
    assert cells == ["file", "mine/7/a b.png", "-"]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines([found], "csv")))))
    assert [row["file"] for row in rows] == ["mine/7/a b.png", ""]


def test_an_abstention_is_said_in_every_style() -> None:
    doubtful = replace(NAMED, verdict="abstain", reason="split-vote", detail="they disagree")
    _header, first, second, *remarks = lines([doubtful, BLANK], "table")
    assert first.split()[1:4] == ["7?", "75.0%", "split-vote"]
    assert second.split()[1:4] == ["-", "-", "blank"]
    assert remarks == ["b.png — split-vote: they disagree", "d.png — blank: nothing is drawn"]
    record = json.loads(lines([BLANK], "jsonl")[0])
    assert (record["label"], record["reason"], record["neighbours"]) == (None, "blank", [])
    (row,) = csv.DictReader(io.StringIO("\n".join(lines([BLANK], "csv"))))
    assert (row["verdict"], row["reason"], row["label"]) == ("abstain", "blank", "")
    lost = replace(FOUND, verdict="abstain", reason="blank", detail="nothing", neighbours=())
    assert lines([lost], "table") == ["a.png — blank: nothing"]
    (row,) = csv.DictReader(io.StringIO("\n".join(lines([lost], "csv"))))
    assert (row["query"], row["reason"], row["id"]) == ("a.png", "blank", "")


def test_several_digits_are_read_as_a_string() -> None:
    boxed = [
        replace(NAMED, query="photo.jpg", box=(20 * i, 0, 10, 10), label=label)
        for i, label in enumerate((3, 6, 4))
    ]
    boxed[1] = replace(boxed[1], verdict="abstain", reason="too-far", detail="far")
    shown = lines([*boxed, NAMED], "table")
    assert "photo.jpg reads 3?4" in shown
    assert not [line for line in shown if line.startswith("b.png reads")]


def test_a_picture_that_is_given_twice_is_two_pictures() -> None:
    boxed = [replace(NAMED, query="photo.jpg", box=(20 * i, 0, 9, 9), label=i) for i in (3, 6)]
    one = replace(NAMED, query="a.png", box=(1, 2, 3, 4))
    shown = lines([*boxed, *boxed, one, one, BLANK, BLANK], "table")
    titles = [re.split(" {2,}", line)[0] for line in shown[1:9]]
    assert titles == [*(["photo.jpg", "photo.jpg #2"] * 2), "a.png", "a.png", "d.png", "d.png"]
    assert shown[9:11] == ["photo.jpg reads 36"] * 2
    assert not [line for line in shown if line.startswith("a.png reads")]


def test_an_explanation_shows_votes_percentiles_and_the_rival() -> None:
    near = tuple(
        ExplainedNeighbour(**vars(one), vote=vote, percentile=rank)
        for one, vote, rank in zip(NEAR, (0.75, 0.25), (40.0, 99.5), strict=True)
    )
    rival = Rival("mnist/train/9", 1, 0.5, None, 0.25)
    explained = ExplainedAnswer(**vars(replace(NAMED, neighbours=near)), rival=rival)
    shown = lines([explained], "table")
    assert shown[0] == "b.png: 7 (confidence 75.0%)"
    assert shown[2].split() == ["1", "7", "75.0%", "0.2500", "40.0", "mnist/train/5"]
    assert "nearest rival: 1 at 0.5000, 0.2500 further" in shown[-1]
    record = json.loads(lines([explained], "jsonl")[0])
    assert record["neighbours"][1]["percentile"] == 99.5
    assert record["rival"] == {
            "id": "mnist/train/9", "label": 1, "distance": 0.5, "file": None, "margin": 0.25,
        }  # fmt: skip
    nearer = replace(explained, rival=replace(rival, distance=0.2, margin=-0.05))
    assert "nearest rival: 1 at 0.2000, 0.0500 nearer" in lines([nearer], "table")[-1]


def test_votes_too_small_to_see_are_left_out_of_tables() -> None:
    tiny = replace(NAMED, votes={"7": 0.751, "1": 0.246, "9": 0.003})
    assert "7:75% 1:25%  " in lines([tiny], "table")[1]
    assert json.loads(lines([tiny], "jsonl")[0])["votes"]["9"] == 0.003


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


def test_names_of_classes_are_harmless_too() -> None:
    evil = "\x1b[31mred\n"
    near = tuple(
        ExplainedNeighbour(one.rank, one.id, evil, one.distance, evil, vote=0.5, percentile=9.0)
        for one in NEAR
    )
    named = replace(
        NAMED, box=(0, 0, 1, 1), label=evil, votes={evil: 1.0}, neighbours=near, reason="too-far",
        detail=f"{evil} is far",
    )  # fmt: skip
    explained = ExplainedAnswer(**vars(named), rival=Rival("a/b/1", evil, 0.5, evil, 0.1))
    for answers in ([named, named], [explained]):
        for style in ("table", "csv", "json", "jsonl"):
            assert "\x1b" not in "\n".join(lines(list(answers), style))


def test_csv_tells_the_digits_of_one_picture_apart() -> None:
    boxed = [replace(NAMED, query="p.png", box=(9 * i, 0, 5, 5)) for i in range(2)]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines(list(boxed), "csv")))))
    assert [row["box"] for row in rows] == ["[0, 0, 5, 5]", "[9, 0, 5, 5]"]


def test_facts_in_every_style() -> None:
    facts = {"n": 3, "knn_accuracy": 0.5, "confusion": [[1, 2], [3, 4]], "k": {"uniform": 5}}
    assert json.loads("\n".join(format_facts(facts, "json"))) == facts
    found = {"found": [{"id": 1, "file": None, "of": None}, {"id": 2, "file": None, "of": "a"}]}
    shown = [line.split() for line in format_facts(found, "table")]
    assert shown == [["found", "id", "of"], ["1", "-"], ["2", "a"]]
    assert json.loads("\n".join(format_facts(facts, "jsonl"))) == facts
    rows = list(csv.reader(io.StringIO("\n".join(format_facts(facts, "csv")))))
    assert rows[2] == ["knn_accuracy", "0.5"]
    assert "knn accuracy  0.5" in list(format_facts(facts, "table"))
    found = {"hubs": [{"id": "a/1", "apart": -0.25}, {"id": "a/22", "apart": 1.0}], "leaks": []}
    assert list(format_facts(found, "table")) == [
        "hubs   id    apart", "       a/1   -0.25", "       a/22      1", "leaks  none",
    ]  # fmt: skip
