import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.dataset import Dataset
from data.errors import UsageError
from indexer.build import build_index
from indexer.folder import open_segments
from indexer.store import read_generation
from indexer.union import UnionVectors
from search import DigitIndex
from search.audit import (
    NEIGHBOURS,
    audit,
    near_pairs,
    neighbour_table,
    occurrences,
    skewness,
    suspect_labels,
)
from tests.conftest import Run
from tests.embedders import linear_embedder
from tests.search.test_grow import take


@pytest.fixture(scope="module")
def spoilt_folder(train_set: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 digits, of which 5 has a wrong label and 299 is the same picture as 17."""
    images, labels = train_set.images[:300].copy(), train_set.labels[:300].copy()
    rows = np.flatnonzero(labels == labels[5])
    images[rows] = images[5]  # so that the neighbours of 5 are surely of its class
    images[rows[1:], 0, 0] = np.arange(1, len(rows))
    labels[5] = (labels[5] + 1) % 10
    images[299], labels[299] = images[17], labels[17]
    folder = tmp_path_factory.mktemp("spoilt")
    files = [f"spoilt/{row}.png" for row in range(300)]
    digits = Dataset("spoilt", "train", images, labels, files=files)
    build_index(digits, linear_embedder(), folder, 0)
    return folder


@pytest.fixture(scope="module")
def spoilt(spoilt_folder: Path) -> DigitIndex:
    return DigitIndex.open(spoilt_folder)


def test_the_table_of_neighbours_is_that_of_brute_force(spoilt: DigitIndex) -> None:
    asked = np.array([5, 17, 200])
    ids, distances = neighbour_table(spoilt, asked, 4)
    vectors = spoilt.vectors.vectors(np.arange(300))
    for row, position in enumerate(asked):
        apart = np.linalg.norm(vectors - vectors[position], axis=1)
        apart[position] = np.inf
        nearest = np.argsort(apart, kind="stable")[:4]
        assert np.allclose(distances[row], apart[nearest], atol=1e-5)
        assert position not in ids[row]


def test_suspects_are_those_whom_most_neighbours_contradict(rng: np.random.Generator) -> None:
    own, neighbours = rng.integers(0, 4, 200), rng.integers(0, 4, (200, 5))
    nearest, mates = rng.random(200), rng.integers(0, 9, 200)
    expected = []
    for row in range(200):
        asked = neighbours[row, : mates[row]].tolist()
        for label in set(asked) - {own[row]}:
            share = asked.count(label) / len(asked)
            if share > 0.5:
                order = -asked.count(label), nearest[row]
                expected.append((*order, row, label, len(asked), share))
    rows, *found = suspect_labels(own, neighbours, nearest, mates)
    assert len(rows) > 10
    wanted = [one[2:] for one in sorted(expected)]
    assert list(zip(rows, *found, strict=True)) == wanted


def test_near_pairs_are_found_once_each(rng: np.random.Generator) -> None:
    asked = np.array([3, 8, 11, 20])
    ids = np.array([[8, 11], [3, 20], [20, 3], [11, 8]])
    distances = np.array([[0.1, 0.9], [0.1, 0.4], [0.3, 0.9], [0.3, 0.4]], np.float32)
    pairs, apart = near_pairs(asked, ids, distances, 0.4)
    assert pairs.tolist() == [[3, 8], [11, 20], [8, 20]]
    assert apart.tolist() == pytest.approx([0.1, 0.3, 0.4])
    assert near_pairs(asked, ids, distances, 0.05)[0].shape == (0, 2)


def test_occurrences_and_their_skewness(rng: np.random.Generator) -> None:
    ids = rng.integers(0, 30, (50, 4))
    counts = occurrences(ids, 40)
    assert counts.tolist() == [sum(int(x) == one for x in ids.ravel()) for one in range(40)]
    mean = sum(counts) / 40
    second = sum((x - mean) ** 2 for x in counts) / 40
    third = sum((x - mean) ** 3 for x in counts) / 40
    assert skewness(counts) == pytest.approx(third / second**1.5)
    assert skewness(np.full(5, 3)) == 0


def test_what_is_wrong_is_found(spoilt: DigitIndex, train_set: Dataset) -> None:
    files = ["new/0.png", "new/1.png"]
    test = Dataset("new", "test", spoilt.images[40:42], train_set.labels[40:42], files=files)
    found = audit(spoilt, test, most=400)
    assert found.asked == found.digits == 300
    worst = next(one for one in found.suspects if one.id == "spoilt/train/5")
    assert (worst.heard, worst.file) == (NEIGHBOURS, "spoilt/5.png")
    assert (worst.label, worst.suggested) == (int(spoilt.labels[5]), int(train_set.labels[5]))
    twins = {(one.a, one.b): one for one in found.duplicates}
    twin = twins["spoilt/train/17", "spoilt/train/299"]
    assert (twin.distance, twin.file_a, twin.file_b) == (0, "spoilt/17.png", "spoilt/299.png")
    assert len(found.duplicates) == found.near_duplicates
    assert found.more_duplicates  # the twins of 5 are more than its neighbours
    every = audit(spoilt, k=299)
    assert every.near_duplicates > found.near_duplicates
    assert not every.more_duplicates
    assert [one.occurrences for one in found.hubs] == sorted(
        (one.occurrences for one in found.hubs), reverse=True
    )
    assert sum(one.occurrences for one in found.hubs) == 300 * NEIGHBOURS
    assert found.leaked == 2
    assert {(one.test, one.identical, one.file_test) for one in found.leaks} == {
        ("new/test/0", True, "new/0.png"), ("new/test/1", True, "new/1.png"),
    }  # fmt: skip
    for one in (*found.hubs, *found.leaks):
        assert one.file == f"spoilt/{one.id.removeprefix('spoilt/train/')}.png"


def test_a_sample_is_asked_of_all(spoilt: DigitIndex) -> None:
    found = audit(spoilt, sample=50, most=3)
    assert (found.asked, found.digits, found.leaked, found.leaks) == (50, 300, None, ())
    assert found.hubness is None  # which is no finding
    assert len(found.hubs) == 3
    with pytest.raises(UsageError):
        audit(spoilt, k=300)


def test_few_are_asked_for_all_others(train_set: Dataset, tmp_path: Path) -> None:
    few = replace(train_set, images=train_set.images[:4], labels=train_set.labels[:4])
    build_index(few, linear_embedder(), tmp_path, 0)
    assert audit(DigitIndex.open(tmp_path)).k == 3
    take(tmp_path, [f"{few.name}/train/{number}" for number in range(3)])
    with pytest.raises(UsageError, match="expected another digit in the index"):
        audit(DigitIndex.open(tmp_path))


def test_from_the_command_line(digits: Run, plain_folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "doubtful.png"
    chosen = (
        "--index",
        plain_folder,
        "--dataset",
        "optdigits",
        "--most",
        4,
        "--sample",
        900,
        "--sheet",
        sheet,
    )
    done = digits("audit", *chosen, "--format", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["suspect_labels"] > 4
    assert len(record["suspects"]) == 4
    assert len(record["leaks"]) == min(4, record["leaked"])
    with Image.open(sheet) as drawn:
        assert drawn.height > 4 * 100


def test_a_sheet_is_not_drawn_over_a_picture_of_the_set(
    digits: Run, plain_folder: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "set" / "3" / "first.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"what somebody collected")
    done = digits(
        "audit", "--index", plain_folder, "--dataset", tmp_path / "set", "--sheet", picture
    )
    assert done.returncode == 2
    assert "expected another file than a picture of" in done.stderr
    assert picture.read_bytes() == b"what somebody collected"


def test_a_removed_digit_is_not_asked_and_does_not_answer(
    spoilt: DigitIndex, spoilt_folder: Path
) -> None:
    (whole,) = open_segments(spoilt_folder, *read_generation(spoilt_folder))
    segment = whole.without(np.array([299]))
    manifest = replace(spoilt.manifest, segments=(replace(spoilt.manifest.segments[0], removed=1),))
    fewer = replace(spoilt, manifest=manifest, vectors=UnionVectors((segment,)))
    found = audit(fewer, most=400)
    assert found.asked == 299
    assert not [one for one in found.duplicates if "spoilt/train/299" in (one.a, one.b)]
