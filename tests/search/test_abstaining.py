"""What is no digit gets no name: blank pages, noise, shapes; and how an answer is explained."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.dataset import Dataset
from indexer.build import build_index
from indexer.embedder import Embedder
from indexer.votes import DEFAULT_WEIGHTS
from search import DigitIndex
from search.audit import audit
from search.evaluate import evaluate
from search.metrics import expected_calibration_error
from tests.drawings import draw_digit

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Three digits side by side."""
    image = Image.new("RGB", (660, 260), "white")
    for place, label in enumerate((3, 0, 4)):
        image.paste(draw_digit(label), (20 + 210 * place, 30))
    image.save(tmp_path / "page.png")
    return tmp_path / "page.png"


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    return tmp_path / "blank.png"


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("command", ["search", "classify"])
def test_a_blank_page_has_no_neighbours(command: str, digits: Run, blank: Path) -> None:
    done = digits(command, blank)
    assert done.returncode == 0, done.stderr
    (answer,) = records(done)
    assert (answer["verdict"], answer["reason"]) == ("abstain", "blank")
    assert answer["neighbours"] == []
    assert answer.get("label") is None
    assert "nothing stands out" in str(answer["detail"])
    assert digits(command, blank, "--strict").returncode == 3


def test_failures_outrank_abstentions(digits: Run, blank: Path, tmp_path: Path) -> None:
    done = digits("classify", blank, tmp_path / "absent.png", "--strict")
    assert done.returncode == 1


def test_strict_is_content_with_matches(
    digits: Run, index: DigitIndex, test_set: Dataset, tmp_path: Path
) -> None:
    matched = test_set.images[index.classify(test_set.images).reasons == ""]
    np.save(tmp_path / "matched.npy", matched[:20])
    assert digits("classify", tmp_path / "matched.npy", "--strict").returncode == 0


def test_blank_arrays_are_named_too(digits: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.zeros((2, 28, 28), np.uint8))
    assert [answer["reason"] for answer in records(digits("search", tmp_path / "two.npy"))] == [
        "blank",
        "blank",
    ]


@pytest.mark.parametrize("kind", ["noise", "texture"])
def test_noise_is_no_digit(
    kind: str, digits: Run, tmp_path: Path, rng: np.random.Generator
) -> None:
    grey = rng.integers(0, 256, (200, 200)).astype(np.uint8)
    if kind == "texture":
        grey = np.asarray(Image.fromarray(grey[:50, :50]).resize((200, 200)))
    Image.fromarray(grey).save(tmp_path / "noise.png")
    (answer,) = records(digits("classify", tmp_path / "noise.png"))
    assert (answer["verdict"], answer["reason"]) == ("abstain", "not-a-digit")
    assert answer["neighbours"] == []


def test_most_outliers_are_refused_and_most_digits_are_not(
    index: DigitIndex, test_set: Dataset
) -> None:
    from training.outliers import draw_outliers

    outliers = draw_outliers(200, test_set.images, np.random.default_rng(5))
    refused = (index.classify(outliers).verdicts == "abstain").mean()
    assert refused > 0.3
    assert (index.classify(test_set.images).verdicts == "abstain").mean() < min(0.1, refused / 3)


def test_a_page_of_digits_is_read_as_a_string(digits: Run, page: Path) -> None:
    answers = records(digits("classify", page))
    assert [answer["label"] for answer in answers] == [3, 0, 4]
    shown = digits("classify", page, "--format", "table").stdout.splitlines()
    assert any(line.startswith(f"{page} reads ") for line in shown)
    lefts = [answer["box"][0] for answer in answers]  # type: ignore[index]
    assert lefts == sorted(lefts)
    for x, y, width, height in [answer["box"] for answer in answers]:  # type: ignore[misc]
        assert 0 <= x < x + width <= 660
        assert 0 <= y < y + height <= 260


def test_single_takes_all_ink_as_one(digits: Run, page: Path) -> None:
    (answer,) = records(digits("classify", page, "--single"))
    left, _, width, _ = answer["box"]  # type: ignore[misc]
    assert left < 100
    assert width > 450


@pytest.mark.parametrize("command", ["search", "classify"])
def test_the_input_is_shown_beside_what_was_seen(
    command: str, digits: Run, page: Path, blank: Path, tmp_path: Path
) -> None:
    done = digits(command, page, blank, "--show-input", tmp_path / "input.png")
    assert done.returncode == 0, done.stderr
    image = np.asarray(Image.open(tmp_path / "input.png").convert("RGB")).astype(int)
    blue = (np.abs(image - (0, 114, 178)).sum(axis=2) < 20).sum()
    assert blue > 300  # the boxes' outlines
    assert (image.sum(axis=2) < 60).sum() > 3 * 60 * 60  # three tiles, black but for the ink


def test_an_explanation_adds_votes_percentiles_and_the_rival(
    digits: Run, index: DigitIndex, test_set: Dataset, tmp_path: Path
) -> None:
    np.save(tmp_path / "digit.npy", test_set.images[:3])
    plain = records(digits("classify", tmp_path / "digit.npy"))
    explained = records(digits("classify", tmp_path / "digit.npy", "--explain"))
    embeddings = index.embed(test_set.images[:3])
    stored = index.vectors.vectors(np.arange(len(index)))
    for number, (answer, full) in enumerate(zip(plain, explained, strict=True)):
        assert full["label"] == answer["label"]
        votes = [one["vote"] for one in full["neighbours"]]  # type: ignore[attr-defined]
        assert sum(votes) == pytest.approx(1)
        percentiles = [one["percentile"] for one in full["neighbours"]]  # type: ignore[attr-defined]
        assert percentiles == sorted(percentiles)
        apart = np.linalg.norm(stored - embeddings[number], axis=1)
        apart[index.labels == answer["label"]] = np.inf
        rival = full["rival"]
        assert rival["label"] == index.labels[apart.argmin()]  # type: ignore[index]
        assert rival["distance"] == pytest.approx(apart.min(), abs=1e-4)  # type: ignore[index]


def test_a_stored_digit_is_not_its_own_rival(index: DigitIndex) -> None:
    """Asked as if it were of another class, it would be, at distance 0."""
    wrong = (index.labels[:5] + 1) % 10
    rivals = index.rivals(index.images[:5], wrong, exclude=np.arange(5))
    assert not (rivals.ids[:, 0] == np.arange(5)).any()
    assert (rivals.distances > 0).all()


def test_csv_has_the_verdict(digits: Run, blank: Path, page: Path) -> None:
    done = digits("classify", blank, page, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["reason"] for row in rows[:1]] == ["blank"]
    assert len(rows) == 4


def test_info_shows_the_thresholds(digits: Run, index: DigitIndex) -> None:
    facts = json.loads(digits("info", "--format", "json").stdout)["verdicts"]
    assert facts["too_far"] == index.calibration.too_far
    assert facts["least_confidence"] == index.calibration.least_confidence
    assert facts["source"] == "held out of training"


def test_evaluation_reports_what_the_verdicts_do(index: DigitIndex, test_set: Dataset) -> None:
    k = index.manifest.k[DEFAULT_WEIGHTS]
    figures = evaluate(index, test_set, k=k, weights=DEFAULT_WEIGHTS, threshold=1.0, seed=0)
    named = index.classify(test_set.images)
    right, answered = named.labels == test_set.labels, named.verdicts == "match"
    assert figures.refused == pytest.approx((~answered).mean())
    assert figures.accuracy_answered == pytest.approx(right[answered].mean())
    plain = 0.0
    for low in np.arange(15) / 15:
        chosen = (named.confidences >= low) & (named.confidences < low + 1 / 15)
        if chosen.any():
            gap = abs(named.confidences[chosen].mean() - right[chosen].mean())
            plain += gap * chosen.mean()
    assert figures.calibration_error == pytest.approx(plain, abs=1e-6)


def test_calibration_error_of_known_cases() -> None:
    half = np.arange(100) % 2 == 0
    assert expected_calibration_error(np.full(100, 0.5), half) == pytest.approx(0)
    assert expected_calibration_error(np.full(100, 0.9), half) == pytest.approx(0.4)
    assert expected_calibration_error(np.ones(100), np.ones(100, bool)) == 0


def test_letters_train_and_answer_like_digits(digits: Run, tmp_path: Path) -> None:
    """Two digits under the names of letters, from a folder to an answer."""
    rng = np.random.default_rng(1)
    for name, label in (("eta", 3), ("nu", 7)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(12):
            angle = float(rng.uniform(-12, 12))
            picture = draw_digit(label, width=float(rng.uniform(8, 22)))
            picture.rotate(angle, fillcolor="white").save(
                tmp_path / "mine" / name / f"{number}.png"
            )
    where = ["--embedder", tmp_path / "embedder", "--index", tmp_path / "index"]
    done = digits("build", "--recipe", "fast", "--dataset", tmp_path / "mine", *where)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["confusion"] == [[2, 0], [0, 2]]
    draw_digit(7).save(tmp_path / "seven.png")
    asked = ["--index", tmp_path / "index", "--format", "json", tmp_path / "seven.png"]
    assert json.loads(digits("classify", *asked).stdout)["label"] == "nu"
    other = digits("evaluate", "--dataset", "optdigits", "--index", tmp_path / "index")
    assert other.returncode == 2
    assert "expected a dataset with the index's classes eta, nu" in other.stderr


def test_tables_tell_the_digits_of_a_picture_apart(digits: Run, page: Path) -> None:
    titles = [
        line.split("  ")[0]
        for line in digits("classify", page, "--format", "table").stdout.splitlines()
    ]
    assert titles[1:4] == [str(page), f"{page} #2", f"{page} #3"]
    found = digits("search", page, "-k", 1, "--format", "table").stdout.splitlines()
    assert [line.split(" — ")[0] for line in found if line.startswith("/")] == [
        f"{page}{number}" for number in ("", " #2", " #3")
    ]


def test_a_small_class_is_known_beside_large_ones(
    embedder: Embedder, train_set: Dataset, test_set: Dataset, tmp_path: Path
) -> None:
    few, rest = (np.flatnonzero(same) for same in (train_set.labels == 6, train_set.labels != 6))
    kept = np.sort(np.concatenate([few[:4], rest]))
    small = replace(train_set, images=train_set.images[kept], labels=train_set.labels[kept])
    build_index(small, embedder, tmp_path, 0)
    index = DigitIndex.open(tmp_path)
    named = index.classify(test_set.images[test_set.labels == 6])
    known = (named.labels == 6) & (named.reasons == "")
    assert known.mean() > 0.8
    suspects = audit(index, most=len(kept)).suspects
    assert 6 not in {one.label for one in suspects}
