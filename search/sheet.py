"""Pictures of queries: as they came, as the model saw them, and beside their neighbours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from search.answers import Answer, FailedAnswer
from search.index import DigitIndex
from search.queries import Query

TILE = 84
GAP = 8
CAPTION = 16
TITLE = 18
ORIGINAL, SEEN = 320, 240  # of a picture with its boxes
PAPER, TEXT, FAINT, RIM = (255, 255, 255), (20, 20, 20), (120, 120, 120), (200, 200, 200)
AGREES, DIFFERS = (0, 114, 178), (213, 94, 0)  # blue and vermilion: told apart by every eye


def draw_sheet(
    index: DigitIndex, answers: Sequence[tuple[Query | None, Answer]], columns: int = 10
) -> bytes:
    """A PNG with a row for each answered query.

    Args:
        index: whose digits are drawn.
        answers: queries with their answers; those without a query are left out.
        columns: neighbours to draw at most.
    """
    rows = [
        (query, answer)
        for query, answer in answers
        if query is not None and not isinstance(answer, FailedAnswer)
    ]
    drawn = max((min(columns, len(answer.neighbours)) for _, answer in rows), default=0)
    height = TITLE + TILE + CAPTION + GAP
    sheet = Image.new(
        "RGB", ((drawn + 2) * (TILE + GAP) + 3 * GAP, max(1, len(rows)) * height + GAP), PAPER
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, (query, answer) in enumerate(rows):
        top = row * height + GAP
        label = getattr(answer, "label", None)
        said = f"abstains, {answer.reason}" if answer.reason else label
        title = query.name if said is None else f"{query.name}: {said}"
        draw.text((GAP, top), _short(title, 90), TEXT, font)
        _paste(sheet, draw, (GAP, top + TITLE), query.original, "original", FAINT)
        _paste(sheet, draw, (2 * GAP + TILE, top + TITLE), query.image, "as seen", FAINT)
        for column, one in enumerate(answer.neighbours[:drawn]):
            left = 4 * GAP + (column + 2) * (TILE + GAP) - GAP
            colour = AGREES if one.label == label else DIFFERS
            colour = FAINT if answer.reason else TEXT if label is None else colour
            image = index.images[index.position(one.id)] / np.float32(255)
            _paste(
                sheet, draw, (left, top + TITLE), image, f"{one.label}  {one.distance:.3f}", colour
            )
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def draw_inputs(queries: Sequence[Query]) -> bytes:
    """A PNG with a row for each picture: with its boxes, and each digit as the model saw it."""
    pictures = [list(group) for _, group in groupby(queries, key=lambda query: query.name)]
    most = max((len(digits) for digits in pictures), default=0)
    tall = TITLE + SEEN + CAPTION + GAP
    width = max(ORIGINAL + GAP * 3 + most * (TILE + GAP), 2 * ORIGINAL)
    sheet = Image.new("RGB", (width, max(1, len(pictures)) * tall + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, digits in enumerate(pictures):
        top = row * tall + GAP
        draw.text((GAP, top), _short(digits[0].name, 90), TEXT, font)
        _paste_boxed(sheet, draw, (GAP, top + TITLE), digits)
        for column, digit in enumerate(digits):
            left = ORIGINAL + 3 * GAP + column * (TILE + GAP)
            _paste(sheet, draw, (left, top + TITLE), digit.image, f"as seen {column + 1}", FAINT)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _paste_boxed(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int], digits: Sequence[Query]
) -> None:
    """The original, as large as fits ORIGINAL x SEEN, with numbered boxes around its digits."""
    grey = digits[0].original
    height, width = grey.shape
    zoom = min(ORIGINAL / width, SEEN / height)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    sheet.paste(_tile(grey, size), place)
    draw.rectangle((*place, place[0] + size[0] - 1, place[1] + size[1] - 1), outline=RIM)
    for number, digit in enumerate(digits, 1):
        if digit.box is None:
            continue
        scale = zoom / digit.scale
        x, y, w, h = (value * scale for value in digit.box)
        left, top = place[0] + x, place[1] + y
        draw.rectangle((left - 1, top - 1, left + w, top + h), outline=AGREES)
        if len(digits) > 1:
            draw.text((left, top - 12), str(number), AGREES, ImageFont.load_default(11))


def _paste(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    grey: np.ndarray,
    caption: str,
    colour: tuple[int, int, int],
) -> None:
    height, width = grey.shape
    zoom = TILE / max(grey.shape)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    corner = (place[0] + (TILE - size[0]) // 2, place[1] + (TILE - size[1]) // 2)
    sheet.paste(_tile(grey, size), corner)
    draw.rectangle((*place, place[0] + TILE - 1, place[1] + TILE - 1), outline=RIM)
    draw.text((place[0], place[1] + TILE + 1), caption, colour, ImageFont.load_default(11))


def _tile(grey: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Greys (h, w) at another size, in blocks where that is larger."""
    tile = Image.fromarray(np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8))
    larger = size[0] > tile.width
    return tile.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS)


def _short(text: str, most: int) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= most else f"…{shown[1 - most :]}"
