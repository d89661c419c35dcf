"""Pages on tables: which ones are found, laid flat and read."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from data.document.ink import find_ink
from data.document.page import find_page, without_table
from data.normalise import find_digits
from data.picture import picture_from_array, read_picture
from tests.data.drawings import add, camera, draw, encode, photo, pixels, texture
from tests.data.looks import correlation, named, only_digit


def test_a_page_on_a_dark_table() -> None:
    table = Image.new("L", (640, 560), 60)
    table.paste(draw(3, paper=240), (150, 120))
    found = only_digit(table)
    assert correlation(found.image, only_digit(draw(3)).image) > 0.95
    assert 150 < found.box[0] < 150 + 320


ON_ANOTHER_SHADE = [(30, 225, 20), (70, 225, 20), (90, 225, 20), (235, 40, 240)]
ON_NEARLY_ITS_SHADE = [(160, 225, 20)]


@pytest.mark.parametrize(
    ("angle", "table", "paper", "ink"),
    [
        (angle, *shades)
        for angles, tables in [
            ((-32, -14, 21), ON_ANOTHER_SHADE),
            ((-7, -2, 4, 8), ON_ANOTHER_SHADE + ON_NEARLY_ITS_SHADE),
        ]
        for angle in angles
        for shades in tables
    ],
)
def test_a_page_that_lies_askew(angle: int, table: int, paper: int, ink: int) -> None:
    labels = [3, 0, 8, 2, 7, 4]
    page = Image.new("L", (900, 640), paper)
    corners = [(110 + 270 * (place % 3), 90 + 260 * (place // 3)) for place in range(6)]
    for at, label in zip(corners, labels, strict=True):
        add(page, label, size=180, width=14, at=at, ink=ink)
    turned, where = (
        one.rotate(angle, Image.Resampling.BILINEAR, expand=True)
        for one in (page, Image.new("L", page.size, 255))
    )
    desk = Image.new("L", (1400, 1250), table)
    desk.paste(turned, (150, 130), where)
    digits = find_digits(read_picture(encode(desk, "JPEG")))
    assert named(digits) == labels
    for at, label, digit in zip(corners, labels, digits, strict=True):
        alone = Image.new("L", page.size, 0)
        add(alone, label, size=180, width=14, at=at, ink=255)
        ink = np.argwhere(pixels(alone.rotate(angle, Image.Resampling.BILINEAR, expand=True)) > 127)
        (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0)
        expected = (150 + left, 130 + top, right - left, bottom - top)
        np.testing.assert_allclose(digit.box, expected, atol=6)


@pytest.mark.parametrize("shades", ON_ANOTHER_SHADE)
@pytest.mark.parametrize(
    "turned", [(25, 0, 0), (45, 10, 0), (30, -20, 12), (0, 35, -20), (40, 5, 30)]
)
def test_a_page_that_is_seen_at_a_slant(
    turned: tuple[int, int, int], shades: tuple[int, int, int]
) -> None:
    table, paper, ink = shades
    labels = [3, 0, 8, 2, 7, 4]
    page = Image.new("L", (1000, 720), paper)
    corners = [(130 + 290 * (place % 3), 110 + 290 * (place // 3)) for place in range(6)]
    for at, label in zip(corners, labels, strict=True):
        add(page, label, size=200, width=16, at=at, ink=ink)
    view = camera(page.size, turned)
    digits = find_digits(read_picture(encode(photo(page, view, table), "JPEG")))
    assert named(digits) == labels
    for at, label, digit in zip(corners, labels, digits, strict=True):
        alone = Image.new("L", page.size, 0)
        add(alone, label, size=200, width=16, at=at, ink=255)
        where = np.argwhere(pixels(photo(alone, view, 0)) > 127)
        (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0)
        np.testing.assert_allclose(digit.box, (left, top, right - left, bottom - top), atol=8)


def test_a_page_that_goes_on_beyond_the_picture() -> None:
    page = Image.new("L", (900, 1000), 225)
    for label, at in [(3, (160, 140)), (7, (520, 140)), (2, (160, 480)), (8, (520, 480))]:
        add(page, label, size=200, width=16, at=at, ink=20)
    view = camera((900, 700), (0, 0, 10))
    digits = find_digits(picture_from_array(pixels(photo(page, view, 60).crop((0, 0, 1600, 960)))))
    assert named(digits) == [3, 7, 2, 8]


def test_a_square_on_its_corner_may_be_upright() -> None:
    sign = Image.new("L", (700, 700), 225)
    ImageDraw.Draw(sign).polygon([(350, 20), (680, 350), (350, 680), (20, 350)], fill=40)
    add(sign, 7, size=260, width=26, at=(220, 220), ink=240)
    assert correlation(only_digit(sign).image, only_digit(draw(7)).image) > 0.9


@pytest.mark.parametrize("angle", [0, 2])
def test_a_page_that_is_nearly_upright_is_not_turned(angle: int) -> None:
    page = Image.new("L", (700, 500), 230)
    add(page, 3, size=220, width=20, at=(240, 140))
    where = Image.new("L", page.size, 255).rotate(angle, expand=True)
    desk = Image.new("L", (1000, 800), 60)
    desk.paste(page.rotate(angle, Image.Resampling.BILINEAR, expand=True), (120, 120), where)
    grey = pixels(desk).astype(np.float32) / 255
    table = find_page(find_ink(grey).strokes)
    assert table is not None
    x, y, width, height = table.box
    assert np.array_equal(
        without_table(grey, table, is_light=True)[table.surface > 0],
        grey[y : y + height, x : x + width][table.surface > 0],
    )


@pytest.mark.parametrize("turned", [(0, 0, 2), (12, 0, -8), (25, 10, 5)])
@pytest.mark.parametrize(
    ("kind", "shade"), [("wood", 70), ("wood", 115), ("wood", 160), ("stone", 90), ("cloth", 80)]
)
def test_a_card_on_a_table_of_many_shades(
    kind: str, shade: int, turned: tuple[int, int, int], rng: np.random.Generator
) -> None:
    card = draw(3, canvas=(420, 320), at=(120, 60), size=200, width=20, paper=235, ink=40)
    alone = draw(3, canvas=(420, 320), at=(120, 60), size=200, width=20, paper=0, ink=255)
    view = camera(card.size, turned)
    taken = photo(card, view, texture(kind, shade, rng))
    (digit,) = find_digits(read_picture(encode(taken, "JPEG")))
    assert named([digit]) == [3]
    where = np.argwhere(pixels(photo(alone, view, 0)) > 127)
    (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0)
    np.testing.assert_allclose(digit.box, (left, top, right - left, bottom - top), atol=6)


@pytest.mark.parametrize("turned", [(0, 0, 2), (25, 10, 5)])
def test_a_shadow_across_a_page_and_its_table(turned: tuple[int, int, int]) -> None:
    labels = [3, 0, 8, 2, 7, 4]
    page = Image.new("L", (1000, 720), 235)
    for place, label in enumerate(labels):
        at = (130 + 290 * (place % 3), 110 + 290 * (place // 3))
        add(page, label, size=200, width=16, at=at, ink=40)
    rows, columns = np.mgrid[:1200, :1600]
    shadow = 1 - 0.4 / (1 + np.exp((columns - 700 + 0.4 * rows) / 40))
    taken = pixels(photo(page, camera(page.size, turned), 150)) * shadow
    digits = find_digits(picture_from_array(taken.astype(np.uint8)))
    assert named(digits) == labels


def test_cards_are_read_one_by_one_line_by_line(rng: np.random.Generator) -> None:
    desk = Image.fromarray(texture("wood", 110, rng))
    cards = [([3, 0], (90, 120)), ([8, 2], (880, 90)), ([7, 4], (110, 690)), ([1, 8], (850, 730))]
    for labels, at in cards:
        card = Image.new("L", (560, 320), 235)
        for place, label in enumerate(labels):
            add(card, label, size=190, width=16, at=(60 + 240 * place, 60), ink=30)
        desk.paste(card, at)
    digits = find_digits(read_picture(encode(desk, "JPEG")))
    assert named(digits) == [3, 0, 8, 2, 7, 4, 1, 8]
    assert len(find_digits(read_picture(encode(desk, "JPEG")), single=True)) == 1


@pytest.mark.parametrize("place", [(210, 330), (20, 100), (390, 160)])
def test_a_finger_that_holds_a_card_is_no_digit(
    place: tuple[int, int], rng: np.random.Generator
) -> None:
    card = draw(3, canvas=(420, 340), at=(130, 60), size=190, width=18, paper=235, ink=40)
    taken = photo(card, camera(card.size, (12, 0, -8)), texture("wood", 90, rng))
    x, y = cv2.perspectiveTransform(
        np.array([[place]], np.float64), camera(card.size, (12, 0, -8))
    )[0, 0]
    ImageDraw.Draw(taken).ellipse((x - 40, y - 55, x + 40, y + 55), fill=150)
    digits = find_digits(read_picture(encode(taken, "JPEG")))
    assert named(digits) == [3]


@pytest.mark.parametrize("table", [100, 190])
@pytest.mark.parametrize("size", [(800, 140), (140, 800), (500, 340)])
def test_digits_near_the_edge_of_a_page_stay(size: tuple[int, int], table: int) -> None:
    labels = [3, 0, 7, 2]
    page = Image.new("L", size, 240)
    across, down = size[0] - 120, size[1] - 120
    corners = (
        [(20, 20), (20 + across, 20), (20, 20 + down), (20 + across, 20 + down)]
        if min(across, down) > 100
        else [(22 + across * place // 3, 22 + down * place // 3) for place in range(4)]
    )
    for at, label in zip(corners, labels, strict=True):
        add(page, label, size=90, width=9, at=at, ink=30)
    desk = Image.new("L", (1100, 1000), table)
    desk.paste(page, (130, 100))
    assert named(find_digits(read_picture(encode(desk, "JPEG")))) == labels


# Corner and size of a page beside a picture of 900 x 700 pixels, and by how much it is turned.
CUT_OFF = {
    "left": ((-60, 120), (700, 500), 0),
    "below": ((120, 160), (700, 800), 0),
    "corner": ((-60, -60), (700, 600), 0),
    "three sides": ((-50, 120), (1000, 800), 0),
    "slanted": ((-60, 140), (700, 500), 4),
}


@pytest.mark.parametrize("kind", ["wood", "stone", "cloth", "plain"])
@pytest.mark.parametrize(("at", "size", "angle"), CUT_OFF.values(), ids=CUT_OFF)
def test_a_page_of_which_the_picture_shows_a_part(
    at: tuple[int, int], size: tuple[int, int], angle: int, kind: str, rng: np.random.Generator
) -> None:
    page = Image.new("L", size, 235)
    left, top = (max(0, -start) for start in at)
    for label, x, y in [(3, 90, 70), (0, 360, 70), (8, 90, 300), (7, 360, 300)]:
        add(page, label, size=150, width=14, at=(left + x, top + y), ink=40)
    turned, where = (
        one.rotate(angle, Image.Resampling.BILINEAR, expand=True)
        for one in (page, Image.new("L", page.size, 255))
    )
    plain = np.full((1200, 1600), 120, np.uint8)
    table = Image.fromarray(plain if kind == "plain" else texture(kind, 110, rng))
    table.paste(turned, at, where)
    taken = table.crop((0, 0, 900, 700))
    assert named(find_digits(read_picture(encode(taken, "JPEG")))) == [3, 0, 8, 7]


@pytest.mark.parametrize("angle", [0, 20, 90])
@pytest.mark.parametrize("labels", [(3, 0, 8, 2, 7, 4), (1, 1, 1, 1, 1, 1)])
@pytest.mark.parametrize("dots", [0, 40])
def test_what_lies_in_a_shadow_is_read_too(
    dots: int, labels: tuple[int, ...], angle: int, rng: np.random.Generator
) -> None:
    page = Image.new("L", (1000, 800), 235)
    for x, y in rng.integers((10, 10), (990, 790), (dots, 2)).tolist():
        ImageDraw.Draw(page).rectangle((x, y, x + 4, y + 4), fill=90)
    for number, label in enumerate(labels):
        at = (110 + 290 * (number % 3), 90 + 360 * (number // 3))
        add(page, label, size=180, width=16, at=at, ink=40)
    rows, columns = np.mgrid[-400:400, -500:500]
    turn = np.radians(angle)
    beyond = rows * np.cos(turn) + (columns + 60 * np.sin(turn)) * np.sin(turn) > 0
    light = cv2.GaussianBlur(np.where(beyond, 0.65, 1).astype(np.float32), (0, 0), 3)
    taken = Image.fromarray((pixels(page) * light).astype(np.uint8))
    assert named(find_digits(read_picture(encode(taken, "JPEG")))) == list(labels)


def sheet(labels: Sequence[int]) -> Image.Image:
    """Six digits that fill a sheet."""
    page = Image.new("L", (1200, 900), 235)
    for number, label in enumerate(labels):
        at = (110 + 370 * (number % 3), 90 + 420 * (number // 3))
        add(page, label, size=260, width=22, at=at, ink=50)
    return page


ROWS, COLUMNS = np.mgrid[:900, :1200]
SHADOWS = {
    "side": COLUMNS + 0.2 * ROWS > 700,  # through two digits
    "corner": (COLUMNS > 260) & (ROWS > 620),  # through all of the second line
    "patch": ~((abs(COLUMNS - 560) < 380) & (abs(ROWS - 430) < 290)),  # through all six
    "blind": (ROWS + 0.1 * COLUMNS) % 150 < 70,
    "fingers": (COLUMNS > 480) & (COLUMNS % 120 < 60) & (ROWS > 420),
}
WIDE = [(kind, shade) for kind in ("side", "corner", "patch") for shade in (0.7, 0.5, 0.4)]
HARDLY_WIDER_THAN_STROKES = [("blind", 0.75), ("fingers", 0.75), ("fingers", 0.6)]


@pytest.mark.parametrize(
    ("kind", "shade", "soft"),
    [(*one, soft) for one in WIDE for soft in (1, 4, 15)]
    + [(*one, soft) for one in HARDLY_WIDER_THAN_STROKES for soft in (1, 4, 10)],
)
def test_a_shadow_may_end_anywhere_on_a_sheet(
    kind: str, shade: float, soft: float, rng: np.random.Generator
) -> None:
    labels = (3, 0, 8, 2, 7, 4)
    light = cv2.GaussianBlur(np.where(SHADOWS[kind], shade, 1).astype(np.float32), (0, 0), soft)
    grain = rng.normal(0, 2, light.shape)
    taken = Image.fromarray((pixels(sheet(labels)) * light + grain).clip(0, 255).astype(np.uint8))
    assert named(find_digits(read_picture(encode(taken, "JPEG")))) == list(labels)


def test_a_page_that_two_pens_lie_on_is_read_without_them(rng: np.random.Generator) -> None:
    labels = (3, 0, 8, 2, 7, 4)
    desk = Image.new("L", (1600, 1200), 120)
    desk.paste(sheet(labels), (200, 150))
    for column in (540, 900):
        ImageDraw.Draw(desk).line((column, 40, column + 10, 230), fill=60, width=18)
    taken = Image.fromarray((pixels(desk) + rng.normal(0, 2, (1200, 1600))).astype(np.uint8))
    digits = find_digits(read_picture(encode(taken, "JPEG")))
    assert named(digits) == list(labels)  # what is left of the pens touches the page's edge


def test_a_bold_light_digit_is_no_page() -> None:
    drawn = Image.new("L", (900, 380), 20)
    for place, label in enumerate([8, 3, 2]):
        add(drawn, label, size=230, width=64, at=(60 + 280 * place, 70), ink=240)
    dark = Image.fromarray(255 - pixels(drawn))
    light, expected = (find_digits(picture_from_array(pixels(one))) for one in (drawn, dark))
    assert [one.box for one in light] == [one.box for one in expected]


def test_a_light_frame_or_block_beside_a_light_digit_is_no_page() -> None:
    chalk = draw(3, canvas=(600, 500), at=(80, 140), paper=20, ink=230)
    expected = only_digit(chalk).image
    framed, beside = chalk.copy(), chalk.copy()
    ImageDraw.Draw(framed).rectangle((30, 40, 570, 460), outline=230, width=14)
    ImageDraw.Draw(beside).rectangle((380, 150, 540, 330), fill=230)
    for picture in (framed, beside):
        assert correlation(only_digit(picture).image, expected) > 0.99
