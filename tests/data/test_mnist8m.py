import hashlib
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from data.datasets import load_dataset
from data.errors import DatasetInvalid, UsageError
from data.mnist import load_mnist
from data.mnist8m import FIELDS, LIMIT, MARGIN, MOST, THICK, THIN, TILE, EndlessDigits, open_mnist8m

EACH = 6  # items of each digit of the base


@pytest.fixture(scope="module")
def endless(train_set: Dataset) -> EndlessDigits:
    return EndlessDigits(train_set, EACH * len(train_set))


def chances(number: int) -> list[int]:
    """SplitMix64 in Python's own integers."""
    found = []
    for lane in range(1, 5):
        mixed = (4 * number + lane) * 0x9E3779B97F4A7C15 % 2**64
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        found += [2 * byte - MOST for byte in (mixed ^ mixed >> 31).to_bytes(8, "little")]
    return found


def deformed_plainly(image: np.ndarray, number: int) -> np.ndarray:
    """One picture, pixel by pixel, in Python's own integers."""
    *moves, stroke = chances(number)
    moves = [1, *moves[: len(FIELDS) - 1]]
    tile = np.pad(image, MARGIN).astype(int)
    share = (THIN + THICK) * (stroke + MOST) // (2 * MOST) - THIN
    inked = tile.copy()
    for row, column in np.ndindex(TILE, TILE):
        near = tile[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        added = share * (near.max() - near.min()) >> 8
        inked[row, column] = min(max(tile[row, column] + added, 0), 255)
    places = np.einsum("f,fp->p", moves, (FIELDS * 2**11).astype(np.int64))  # whole numbers
    steps = np.clip(places >> 11, 0, 991).reshape(2, 28, 28)
    picture = np.empty((28, 28), np.uint8)
    for row, column in np.ndindex(28, 28):
        (c, right), (r, below) = (divmod(int(steps[axis, row, column]), 32) for axis in (0, 1))
        upper = inked[r, c] * (32 - right) + inked[r, c + 1] * right
        lower = inked[r + 1, c] * (32 - right) + inked[r + 1, c + 1] * right
        picture[row, column] = (upper * (32 - below) + lower * below + 512) >> 10
    return picture


def test_it_begins_with_the_base_itself(endless: EndlessDigits, train_set: Dataset) -> None:
    images, labels = endless.part(0, len(train_set))
    assert np.array_equal(images, train_set.images)
    assert np.array_equal(labels, train_set.labels)


def test_mnist8m_begins_with_mnist(mnist_place: Path) -> None:
    images, labels = load_mnist("train", mnist_place)
    digits = open_mnist8m()
    assert len(digits) == LIMIT
    assert np.array_equal(digits.part(0, 60_000)[0], images)
    assert np.array_equal(digits.part(LIMIT - 60_000, LIMIT)[1], labels)


def test_a_number_has_one_picture_in_any_company(
    endless: EndlessDigits, rng: np.random.Generator
) -> None:
    images, labels = endless.part(0, len(endless))
    shuffled = rng.permutation(len(endless))
    assert np.array_equal(endless.pictures(shuffled), images[shuffled])
    assert np.array_equal(endless.labels(shuffled), labels[shuffled])
    for number in shuffled[:20]:
        assert np.array_equal(endless.pictures(np.array([number]))[0], images[number])
    for start, stop in ((0, 1), (1000, 2777), (len(endless) - 5, len(endless) + 5)):
        assert np.array_equal(endless.part(start, stop)[0], images[start:stop])


def test_a_picture_is_what_plain_integers_give(endless: EndlessDigits) -> None:
    base = len(endless.base)
    for number in (base, 2 * base - 1, 3 * base + 77, EACH * base - 1):
        expected = deformed_plainly(endless.base.images[number % base], number)
        assert np.array_equal(endless.pictures(np.array([number]))[0], expected)


def test_sums_of_fields_are_exact_in_float32() -> None:
    whole = FIELDS.astype(np.float64) * 2**11
    assert np.array_equal(whole, np.rint(whole))
    assert (np.abs(whole[0]) + MOST * np.abs(whole[1:]).sum(axis=0)).max() < 2**24


def test_pictures_are_the_same_on_every_machine() -> None:
    pixels = (np.arange(20 * 784) * 7919 % 65_537 % 256).astype(np.uint8).reshape(20, 28, 28)
    base = Dataset("pattern", "train", pixels, np.arange(20, dtype=np.uint8) % 10)
    content = EndlessDigits(base, 200).pictures(np.arange(200)).tobytes()
    assert (
        hashlib.sha256(content).hexdigest()
        == "b34409cd5c172263f53ad094d822be30ebeb88a7d3a6308018e89a2f5d2ad741"
    )


def test_no_two_items_look_the_same(endless: EndlessDigits) -> None:
    images, _ = endless.part(0, len(endless))
    assert len({image.tobytes() for image in images}) == len(images)


def test_deformed_digits_keep_their_labels(endless: EndlessDigits, train_set: Dataset) -> None:
    """The digit that a copy looks most like, pixel by pixel, is of the copy's class."""
    stored = train_set.images.reshape(-1, 784) / 255
    numbers = np.arange(len(train_set), len(endless))
    queries = endless.pictures(numbers).reshape(-1, 784) / 255
    nearest = ((stored**2).sum(axis=1) - 2 * queries @ stored.T).argmin(axis=1)
    assert (train_set.labels[nearest] == endless.labels(numbers)).mean() > 0.95


def test_amounts_are_spread_evenly(endless: EndlessDigits) -> None:
    drawn = np.array([chances(number) for number in range(1500, 4500)])  # (3000, 32)
    assert np.abs(drawn.mean(axis=0)).max() < 15
    assert np.abs(np.corrcoef(drawn.T) - np.eye(32)).max() < 0.1


@pytest.mark.parametrize("count", [1436, LIMIT + 1])
def test_a_count_that_cannot_be_is_refused(train_set: Dataset, count: int) -> None:
    assert len(train_set) == 1437 + 5
    with pytest.raises(UsageError, match=f"8,100,000 items of mnist8m.* received {count:,}"):
        EndlessDigits(train_set, count)


def test_a_number_outside_is_refused(endless: EndlessDigits) -> None:
    for number in (-1, len(endless)):
        with pytest.raises(UsageError, match="expected numbers of mnist8m from 0 to"):
            endless.pictures(np.array([number]))


def test_its_hash_is_of_all_that_decides_the_pictures(
    endless: EndlessDigits, train_set: Dataset, test_set: Dataset
) -> None:
    same = EndlessDigits(train_set, len(endless))
    assert same.facts() == endless.facts()
    for other in (
        EndlessDigits(train_set, len(endless) - 1),
        EndlessDigits(test_set, len(endless)),
    ):
        assert other.facts()["sha256"] != endless.facts()["sha256"]


def test_it_is_no_set_to_train_on() -> None:
    with pytest.raises(DatasetInvalid, match="train and evaluate with mnist"):
        load_dataset("mnist8m", "train")
