from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from data.dataset import Dataset
from data.document.components import components
from data.document.reading import Digit, Strangeness
from data.document.segment import Glyph, find_glyphs, merged
from data.document.strings import reread
from data.document.touching import cut_apart
from data.errors import PictureNotDigits
from data.mnist import load_mnist
from data.normalise import find_digits, scale_to_unit
from data.picture import picture_from_array, read_picture
from tests.data.drawings import STROKES, add, draw, pixels
from tests.data.looks import named, strangeness


def _written(labels: list[int], step: int, *, paper: int = 255, ink: int = 0) -> Image.Image:
    """Digits side by side; at a step of 100 the widest of them meet."""
    page = Image.new("L", (170 + step * len(labels), 260), paper)
    for i, label in enumerate(labels):
        add(page, label, size=170, width=18, at=(40 + step * i, 40), ink=ink)
    return page


def _read(page: Image.Image) -> list[Digit]:
    return find_digits(picture_from_array(pixels(page)), strangeness=strangeness)


@pytest.mark.parametrize("step", [100, 105, 130, 170])
@pytest.mark.parametrize("labels", [[3, 0], [2, 8, 0, 3], [7, 7], [8, 3, 8, 3, 8]])
def test_strings_are_read_whole_whether_or_not_digits_touch(labels: list[int], step: int) -> None:
    digits = _read(_written(labels, step))
    assert named(digits) == labels
    lefts = [digit.box[0] for digit in digits]
    assert lefts == sorted(lefts)


def test_a_row_of_a_hundred_and_twenty_digits_is_read_whole() -> None:
    labels = list(STROKES) * (120 // len(STROKES))
    page = _written(labels, 170)
    for size in (page.size, (page.width // 5, page.height // 5)):
        assert named(_read(page.resize(size, Image.Resampling.BOX))) == labels


def test_touching_ones_are_cut_however_many_stand_apart() -> None:
    labels = [7] * 50
    crowd = _written([*labels, 3, 0], 170)
    touching = _written([3, 0], 100)
    page = Image.new("L", (crowd.width, 600), 255)
    page.paste(crowd, (0, 0))
    page.paste(touching, (0, 300))
    assert named(_read(page)) == [*labels, 3, 0, 3, 0]


def test_pieces_are_all_the_ink_and_each_has_some(
    train_set: Dataset, rng: np.random.Generator
) -> None:
    cuts = 0
    for _ in range(300):
        one, other = (scale_to_unit(train_set.images[i]) for i in rng.integers(0, 1000, 2))
        page = np.zeros((28, 46), np.float32)
        page[:, :28] = one
        page[:, 18:] = np.maximum(page[:, 18:], other)
        inked = cv2.resize(page, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC) > 0.4
        glyph = merged(find_glyphs(components(inked.astype(np.uint8))))
        pieces, crossed = cut_apart(glyph)
        assert len(crossed) == len(pieces) - 1
        assert all(piece.mask.any() for piece in pieces)
        assert np.array_equal(merged(pieces).mask, glyph.mask)
        cuts += len(crossed)
    assert cuts > 300


def test_light_ink_is_cut_too() -> None:
    assert named(_read(_written([3, 0, 2], 100, paper=20, ink=240))) == [3, 0, 2]


def test_boxes_of_cut_digits_are_in_the_original_s_pixels() -> None:
    page = _written([3, 0], 100)
    large = page.resize((page.width * 5, page.height * 5))
    digits = find_digits(picture_from_array(pixels(large)), strangeness=strangeness)
    left, right = (digit.box for digit in digits)
    for box, x in ((left, 40 + 0.2 * 170 - 9), (right, 140 + 0.22 * 170 - 9)):
        np.testing.assert_allclose(box[0], 5 * x, atol=40)
        np.testing.assert_allclose(box[1:4:2], (5 * (40 + 0.05 * 170 - 9), 5 * 171), atol=40)


@pytest.mark.parametrize("gap", [4, 8, 12])
@pytest.mark.parametrize("label", [0, 8])
def test_halves_side_by_side_are_joined(label: int, gap: int) -> None:
    broken = draw(label, width=22)
    ImageDraw.Draw(broken).rectangle((160, 0, 160 + gap, 320), fill=255)
    assert named(_read(broken)) == [label]


@pytest.mark.parametrize("label", [0, 3, 8])
def test_halves_one_above_the_other_are_joined(label: int) -> None:
    broken = draw(label, width=22)
    ImageDraw.Draw(broken).rectangle((0, 168, 320, 176), fill=255)
    assert named(_read(broken)) == [label]


def test_a_comma_between_digits_is_left_out() -> None:
    page = _written([3, 0], 170)
    ImageDraw.Draw(page).line([(170, 195), (160, 240)], fill=0, width=14)
    assert named(_read(page)) == [3, 0]


def test_lines_keep_their_order() -> None:
    page = Image.new("L", (480, 520), 255)
    upper, lower = _written([3, 0, 8], 100), _written([2, 7], 100)
    page.paste(upper, (0, 0))
    page.paste(lower, (20, 255))
    assert named(_read(page)) == [3, 0, 8, 2, 7]


@pytest.mark.parametrize("raised", range(4))
def test_a_digit_that_stands_high_keeps_its_place(raised: int) -> None:
    page, labels = Image.new("L", (640, 300), 255), [3, 0, 8, 2]
    for place, label in enumerate(labels):
        at = (40 + 150 * place, 120 - 75 * (place == raised))
        add(page, label, size=110, width=11, at=at)
    assert named(_read(page)) == labels


@pytest.mark.parametrize("shift", [-300, -160, 90, 160, 300])
def test_level_rows_keep_their_order_however_they_are_shifted(shift: int) -> None:
    page, places = Image.new("L", (2400, 900), 255), []
    for row in range(3):
        for column in range(3):
            at = 700 + 400 * column + shift * row, 150 + 190 * row + 8 * column
            add(page, 3, size=110, width=11, at=at)
            places.append(at)
    corners = [digit.box[:2] for digit in find_digits(picture_from_array(pixels(page)))]
    assert np.abs(np.array(corners) - places).max() < 40


@pytest.mark.parametrize("angle", [-28, -15, -8, -3, 0, 3, 8, 15, 28])
@pytest.mark.parametrize("jitter", [0, 12])
def test_lines_that_slope_keep_their_order(
    angle: int, jitter: int, rng: np.random.Generator
) -> None:
    page, places = Image.new("L", (1200, 1200), 255), []
    for row in range(3):
        for column in range(5):
            x, y = 300 + 120 * column, 350 + 190 * row + int(rng.integers(-jitter, jitter + 1))
            add(page, int(rng.choice(list(STROKES))), size=110, width=11, at=(x, y))
            places.append(complex(x + 55, y + 55))
    turned = page.rotate(angle, Image.Resampling.BILINEAR, fillcolor=255)
    digits = find_digits(picture_from_array(pixels(turned)))
    turn, middle = np.exp(-1j * np.radians(angle)), 600 + 600j
    found = np.array([complex(x + w / 2, y + h / 2) for x, y, w, h in (d.box for d in digits)])
    for one, place in zip(found, places, strict=True):
        assert abs(one - (middle + turn * (place - middle))) < 30


@pytest.mark.parametrize("label", STROKES)
def test_an_ordinary_digit_is_judged_only_as_it_is(label: int) -> None:
    asked: list[int] = []

    def judge(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return np.zeros(len(images))

    picture = picture_from_array(pixels(draw(label)))
    assert len(find_digits(picture, strangeness=judge)) == 1
    touching = picture_from_array(pixels(_written([3, 0], 100)))
    assert len(find_digits(touching, single=True, strangeness=judge)) == 1
    assert set(asked) == {1}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(300, 100), (600, 100), (100, 90), (1200, 40)])
def test_a_solid_block_stays_whole(size: tuple[int, int]) -> None:
    """Or is refused, where it is a line or a blot."""
    page = np.full((size[1] + 160, size[0] + 160), 255, np.uint8)
    page[80:-80, 80:-80] = 0
    picture = picture_from_array(page)
    if size in ((100, 90), (1200, 40)):
        with pytest.raises(PictureNotDigits):
            find_digits(picture, strangeness=strangeness)
    else:
        assert len(find_digits(picture, strangeness=strangeness)) == 1


def test_scribbles_all_over_are_not_judged_for_long(rng: np.random.Generator) -> None:
    judged = []

    def strangeness(images: np.ndarray) -> np.ndarray:
        judged.append(len(images))
        return rng.random(len(images))

    page = np.kron(rng.random((50, 50)) > 0.12, np.ones((9, 9))).astype(np.float32)
    assert find_digits(picture_from_array(page), strangeness=strangeness)
    assert sum(judged) <= 1000


@pytest.mark.parametrize(("strange_whole", "count"), [(0.42, 1), (0.5, 2)])
def test_what_is_as_wide_as_two_digits_is_strange_for_two(strange_whole: float, count: int) -> None:
    ink = (pixels(_written([3, 0], 100)) < 128).astype(np.uint8)
    whole = merged(find_glyphs(components(ink)))

    def judged(glyphs: list[Glyph]) -> list[float]:
        widths = [glyph.box.width / whole.box.width for glyph in glyphs]
        return [strange_whole if w == 1 else 0.4 if 0.4 < w < 0.6 else 2.0 for w in widths]

    assert len(reread([[whole]], judged)[0]) == count


def test_nothing_comes_of_nothing() -> None:
    assert reread([], lambda glyphs: [0.0] * len(glyphs)) == []


@pytest.fixture(scope="module")
def unlike_mnist(mnist_place: Path) -> Strangeness:
    """How little an image correlates with its ten nearest of 5,000 digits of MNIST."""
    known, _ = load_mnist("train", mnist_place)
    vectors = _softened(scale_to_unit(known[:5000]))

    def strangeness(images: np.ndarray) -> np.ndarray:
        alike = _softened(images) @ vectors.T  # (n, 5000)
        return np.asarray(np.maximum(0, 0.9 - np.sort(alike, axis=1)[:, -10:].mean(axis=1)) * 5.5)

    return strangeness


def test_real_digits_stay_whole(real_pictures: Path, unlike_mnist: Strangeness) -> None:
    for file in sorted((real_pictures / "digits").iterdir()):
        assert len(find_digits(read_picture(file), strangeness=unlike_mnist)) == 1, file.name


def test_real_strings_have_their_length(real_pictures: Path, unlike_mnist: Strangeness) -> None:
    rows = (real_pictures / "multi.csv").read_text().split()[1:]
    for name, string, _ in (row.split(",") for row in rows):
        digits = find_digits(read_picture(real_pictures / "multi" / name), strangeness=unlike_mnist)
        assert len(digits) == len(string), name


def _softened(images: np.ndarray) -> np.ndarray:
    """Images as blurred vectors of unit length and mean 0, so that products are correlations."""
    soft = np.stack([cv2.GaussianBlur(image, (0, 0), 1) for image in images]).reshape(-1, 784)
    soft -= soft.mean(axis=1, keepdims=True)
    return np.asarray(soft / np.linalg.norm(soft, axis=1, keepdims=True))
