"""Ruled paper with a margin line, held not quite straight before a camera."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from data.normalise import find_digits
from data.picture import read_picture
from tests.data.drawings import encode
from tests.drawings import draw_digit

WIDTH, HEIGHT = 900, 1160
MARGIN = 150  # where it crosses the middle of the page
PAPER, RULES, RED, INK = (240, 238, 230), (150, 170, 210), (205, 95, 100), (40, 40, 60)


def page(label: int, *, slant: float, width: int, at: int, broken: bool = False) -> Image.Image:
    """A photo of a digit on ruled paper that is turned by `slant` degrees."""
    large = Image.new("RGB", (WIDTH + 200, HEIGHT + 200), PAPER)
    pen = ImageDraw.Draw(large)
    for y in range(40, large.height, 65):
        pen.line((0, y, large.width, y), fill=RULES, width=2)
    for top in range(0, large.height, 90):
        end = top + (84 if broken else 90)
        pen.line((MARGIN + 100, top, MARGIN + 100, end), fill=RED, width=width)
    digit = draw_digit(label, 200, 12)
    mask = digit.convert("L").point(lambda value: 255 - value)
    large.paste(INK, (100 + at, 600), mask)
    turned = large.rotate(slant, Image.Resampling.BICUBIC, fillcolor=PAPER)
    photo = turned.crop((100, 100, 100 + WIDTH, 100 + HEIGHT)).filter(ImageFilter.GaussianBlur(1.2))
    light = np.linspace(0.65, 1, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 1))
    noise = np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 3))
    return Image.fromarray(np.clip(np.asarray(photo) * light + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("slant", [-3.0, -1.0, 0.0, 0.5, 2.0])
@pytest.mark.parametrize("width", [2, 5])
@pytest.mark.parametrize("broken", [False, True])
def test_a_margin_line_is_no_digit(slant: float, width: int, *, broken: bool) -> None:
    photo = page(5, slant=slant, width=width, at=400, broken=broken)
    (digit,) = find_digits(read_picture(encode(photo, "JPEG")))
    left, top, across, down = digit.box
    assert 390 < left < left + across < 620
    assert 460 < top < top + down < 740


def test_a_digit_on_the_margin_stays_whole() -> None:
    alone, crossing = (
        find_digits(read_picture(encode(page(0, slant=1, width=4, at=at), "JPEG")))
        for at in (400, MARGIN - 100)
    )
    assert len(alone) == len(crossing) == 1
    assert np.abs(alone[0].image - crossing[0].image).mean() < 0.06


def test_a_tall_thin_1_alone_is_one() -> None:
    paper = Image.new("L", (600, 800), "white")
    ImageDraw.Draw(paper).line((290, 0, 320, 800), fill="black", width=12)
    (digit,) = find_digits(read_picture(encode(paper)))
    assert digit.box[3] == 800


def test_where_there_is_no_paler_ink_nothing_more_is_read() -> None:
    photo = page(7, slant=-2, width=3, at=400)
    (digit,) = find_digits(
        read_picture(encode(photo, "JPEG")), strangeness=lambda images: np.full(len(images), 0.1)
    )
    assert digit.image.shape == (28, 28)
