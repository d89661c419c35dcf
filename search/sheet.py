"""The contact sheet: each query as it came and as the model saw it, beside its neighbours."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from search.answers import Answer, FailedAnswer
from search.index import DigitIndex
from search.queries import Query

TILE = 84
GAP = 8
CAPTION = 16
TITLE = 18
PAPER, TEXT, FAINT = (255, 255, 255), (20, 20, 20), (120, 120, 120)
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
        title = query.name if label is None else f"{query.name}: {label}"
        draw.text((GAP, top), _short(title, 90), TEXT, font)
        _paste(sheet, draw, (GAP, top + TITLE), query.original, "original", FAINT)
        _paste(sheet, draw, (2 * GAP + TILE, top + TITLE), query.image, "as seen", FAINT)
        for column, one in enumerate(answer.neighbours[:drawn]):
            left = 4 * GAP + (column + 2) * (TILE + GAP) - GAP
            colour = TEXT if label is None else AGREES if one.label == label else DIFFERS
            image = index.images[index.position(one.id)] / np.float32(255)
            _paste(
                sheet, draw, (left, top + TITLE), image, f"{one.label}  {one.distance:.3f}", colour
            )
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _paste(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    grey: np.ndarray,
    caption: str,
    colour: tuple[int, int, int],
) -> None:
    tile = Image.fromarray(np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8))
    larger = max(tile.size) < TILE
    zoom = TILE / max(tile.size)
    size = (max(1, round(tile.width * zoom)), max(1, round(tile.height * zoom)))
    tile = tile.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS)
    corner = (place[0] + (TILE - size[0]) // 2, place[1] + (TILE - size[1]) // 2)
    sheet.paste(tile, corner)
    draw.rectangle((*place, place[0] + TILE - 1, place[1] + TILE - 1), outline=(200, 200, 200))
    draw.text((place[0], place[1] + TILE + 1), caption, colour, ImageFont.load_default(11))


def _short(text: str, most: int) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shown if len(shown) <= most else f"…{shown[1 - most :]}"
