"""Cells that digits are written in or across: boxes, combs, tables and squared paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from data.document.cells import find_cells
from data.document.components import components
from data.document.reading import Strangeness
from data.errors import PictureBlank
from data.normalise import find_digits
from data.picture import read_picture
from tests.data.drawings import add, encode, pixels
from tests.data.looks import correlation, named, only_digit, thin_strangeness

LINES: list[list[int | None]] = [[3, 0, None, 8, 2, 7], [4, None, None, 1, 3, 8]]
WRITTEN = [label for line in LINES for label in line if label is not None]
WIDTH, HEIGHT = 150, 190


def form(kind: str, *, size: int = 110, wall: int = 4, grey: int = 120) -> Image.Image:
    """Twelve cells, nine of them filled in with digits of so many pixels."""
    page = Image.new("L", (1200, 620), 235)
    gap = 30 if kind == "boxes" else 0
    pen = ImageDraw.Draw(page)
    for row, line in enumerate(LINES):
        for column, label in enumerate(line):
            left, top = 60 + column * (WIDTH + gap), 90 + row * (HEIGHT + gap)
            if kind != "open":
                pen.rectangle((left, top, left + WIDTH, top + HEIGHT), outline=grey, width=wall)
            if label is not None:
                at = (left + (WIDTH - size) // 2, top + (HEIGHT - size) // 2)
                add(page, label, size=size, width=14, at=at, ink=50)
    if kind == "open":  # the outer cells have no outer walls
        for column in range(1, 6):
            pen.line((60 + column * WIDTH, 70, 60 + column * WIDTH, 490), fill=grey, width=wall)
        for row in range(3):
            pen.line((70, 90 + row * HEIGHT, 940, 90 + row * HEIGHT), fill=grey, width=wall)
    return page


def squared(apart: int, grey: int) -> Image.Image:
    """A bare sheet of squared paper."""
    page = Image.new("L", (1100, 620), 235)
    pen = ImageDraw.Draw(page)
    for column in range(apart // 2, page.width, apart):
        pen.line((column, 0, column, page.height), fill=grey, width=2)
    for row in range(apart // 3, page.height, apart):
        pen.line((0, row, page.width, row), fill=grey, width=2)
    return page


def read(
    page: Image.Image, rng: np.random.Generator, strangeness: Strangeness | None = None
) -> list[int]:
    """What a photo of a page reads."""
    taken = (pixels(page) + rng.normal(0, 2, (page.height, page.width))).clip(0, 255)
    photo = encode(Image.fromarray(taken.astype(np.uint8)), "JPEG")
    return named(find_digits(read_picture(photo), strangeness=strangeness))


@pytest.mark.parametrize("kind", ["boxes", "comb", "open"])
@pytest.mark.parametrize("turned", [0, 3])
@pytest.mark.parametrize(("wall", "grey"), [(2, 160), (4, 120), (9, 60)])
def test_walls_are_left_out_and_empty_cells_are_no_zeros(
    kind: str, turned: int, wall: int, grey: int, rng: np.random.Generator
) -> None:
    page = form(kind, wall=wall, grey=grey).rotate(turned, fillcolor=235)
    assert read(page, rng) == WRITTEN


def test_a_digit_may_touch_walls_or_reach_across(rng: np.random.Generator) -> None:
    page = form("comb", size=100)
    add(page, 1, size=190, width=14, at=(60 + 2 * WIDTH - 20, 100 + HEIGHT), ink=50)
    add(page, 4, size=150, width=14, at=(60 + 2 * WIDTH - 24, 110), ink=50)
    assert read(page, rng) == [3, 0, 4, 8, 2, 7, 4, 1, 1, 3, 8]


def test_digits_of_two_cells_are_never_joined(rng: np.random.Generator) -> None:
    assert read(form("comb", size=178), rng) == WRITTEN  # they nearly meet over the walls


def test_gaps_in_walls_are_closed(rng: np.random.Generator) -> None:
    page = pixels(form("comb", wall=2)).copy()
    page[::37, :][page[::37, :] == 120] = 235
    page[:, ::41][page[:, ::41] == 120] = 235
    assert read(Image.fromarray(page), rng) == WRITTEN


def test_captions_are_no_digits_but_what_else_is_large_beside_cells_is_one(
    rng: np.random.Generator,
) -> None:
    page = form("boxes")
    for place, label in enumerate([2, 0, 2, 4]):  # as small as print is
        add(page, label, size=34, width=4, at=(80 + 40 * place, 30), ink=60)
    assert read(page, rng) == WRITTEN
    add(page, 7, size=90, width=14, at=(500, 520), ink=50)
    assert read(page, rng) == [*WRITTEN, 7]


def test_small_marks_stay_where_few_of_many_digits_are_in_boxes() -> None:
    labels = [3, 0, 8, 2, 7, 4]
    page = Image.new("L", (1100, 320), 235)
    for place, label in enumerate(labels):
        add(page, label, size=120, width=14, at=(50 + 170 * place, 90), ink=50)
    pen = ImageDraw.Draw(page)
    for place in (1, 4):
        pen.rectangle((40 + 170 * place, 50, 180 + 170 * place, 260), outline=60, width=4)
    pen.line((100, 60, 170, 60), fill=50, width=14)  # a stroke of its own above the 3
    boxes = [one.box for one in find_digits(read_picture(encode(page)))]
    assert len(boxes) == len(labels)
    assert boxes[0][1] < 70


@pytest.mark.parametrize(("apart", "grey"), [(30, 140), (48, 120), (48, 180), (110, 120)])
def test_digits_are_read_across_the_lines_of_squared_paper(
    apart: int, grey: int, rng: np.random.Generator
) -> None:
    labels = [3, 0, 8, 2, 7, 4]
    page = squared(apart, grey)
    for place, label in enumerate(labels):
        at = (80 + 350 * (place % 3), 60 + 290 * (place // 3))
        add(page, label, size=200, width=18, at=at, ink=50)
    assert read(page, rng) == labels


@pytest.mark.parametrize(
    "page",
    [squared(48, 120), squared(110, 120).crop((20, 20, 1080, 600)).rotate(4, fillcolor=235)],
    ids=["upright", "turned"],
)
def test_bare_squared_paper_is_blank(page: Image.Image, rng: np.random.Generator) -> None:
    with pytest.raises(PictureBlank, match="fill some of them in"):
        read(page, rng)


@pytest.mark.parametrize(("apart", "size"), [(70, 62), (70, 80), (110, 70), (110, 100)])
@pytest.mark.parametrize("whole", [True, False])
def test_digits_about_as_large_as_squares_are_read(
    apart: int, size: int, whole: bool, rng: np.random.Generator
) -> None:
    page, labels = squared(apart, 150), [3, 0, 8, 2, 7, 4]
    left, top, step = apart // 2 + apart, apart // 3 + 2 * apart, apart * math.ceil(size / apart)
    for number, label in enumerate(labels):
        at = (left + number * step + (apart - size) // 2, top + (apart - size) // 2)
        add(page, label, size=size, width=7, at=at, ink=30)
    if not whole:
        page = page.crop((left - 30, top - 30, left + 6 * step + 20, top + apart + 30))
    assert read(page, rng, thin_strangeness) == labels


def test_a_form_that_nobody_filled_in_is_blank(rng: np.random.Generator) -> None:
    page = Image.new("L", (1100, 400), 235)
    pen = ImageDraw.Draw(page)
    for left in range(60, 1000, 160):
        pen.rectangle((left, 100, left + 120, 260), outline=80, width=4)
    with pytest.raises(PictureBlank, match="only printed cells"):
        read(page, rng)


def test_one_digit_in_a_box_is_read_as_one() -> None:
    boxed, bare = Image.new("L", (400, 400), 235), Image.new("L", (400, 400), 235)
    for page in (boxed, bare):
        add(page, 8, size=200, width=18, at=(100, 100), ink=50)
    ImageDraw.Draw(boxed).rectangle((90, 60, 330, 340), outline=80, width=5)  # the 8 nears it
    (digit,) = find_digits(read_picture(encode(boxed)), single=True)
    assert correlation(digit.image, only_digit(bare).image) > 0.99


def test_a_long_number_in_a_cell_or_a_frame_is_read_whole(rng: np.random.Generator) -> None:
    labels = [3, 0, 8, 2, 7, 4, 1]
    page = Image.new("L", (900, 460), 235)
    pen = ImageDraw.Draw(page)
    for row in range(3):
        pen.rectangle((40, 40 + 120 * row, 840, 160 + 120 * row), outline=120, width=4)
        for place, label in enumerate(labels if row != 1 else [8]):
            add(page, label, size=70, width=9, at=(60 + 110 * place, 65 + 120 * row), ink=50)
    assert read(page, rng) == [*labels, 8, *labels]


@pytest.mark.parametrize("shape", ["rectangle", "rectangles", "ellipses"])
def test_what_holds_nothing_and_is_not_many_alike_is_no_cell(shape: str) -> None:
    page = Image.new("L", (900, 300), 0)
    pen = ImageDraw.Draw(page)
    draw = pen.ellipse if shape == "ellipses" else pen.rectangle
    for place in range({"rectangle": 1, "rectangles": 3, "ellipses": 6}[shape]):
        draw((40 + 140 * place, 60, 140 + 140 * place, 240), outline=1, width=9)
    assert not find_cells(components(pixels(page)), pixels(page).astype(np.float32))[0]


def test_a_curve_that_fills_a_frame_is_a_chart() -> None:
    chart = Image.new("L", (640, 480), 0)
    pen = ImageDraw.Draw(chart)
    pen.rectangle((80, 60, 560, 420), outline=1, width=2)
    curve = [(84 + 4 * x, 400 - 300 * x // (x + 9)) for x in range(118)]
    pen.line(curve, fill=1, width=4)
    assert not find_cells(components(pixels(chart)), pixels(chart).astype(np.float32))[0]
