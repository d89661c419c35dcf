"""Pictures of queries: as they came, as the model saw them, and beside their neighbours."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.normalise import scale_to_unit
from search.answers import Answered, FailedAnswer, by_picture
from search.index import DigitIndex
from search.queries import Query, RefusedQuery
from search.text import shortened

if TYPE_CHECKING:
    from data.dataset import Dataset
    from search.audit import Audit

NEIGHBOURS = 10  # of a query, at most
TILE = 84
GAP = 8
HUBS = 10  # in a row
CAPTION = 16
TITLE = 18
LETTER, MOST_LETTERS = 7, 120  # pixels of one in a title, and how many are given room
ORIGINAL, SEEN = 320, 240  # of a picture with its boxes
PAPER, TEXT, FAINT, RIM = (255, 255, 255), (20, 20, 20), (120, 120, 120), (200, 200, 200)
AGREES, DIFFERS = (0, 114, 178), (213, 94, 0)  # blue and vermilion: told apart by every eye


class Tile(NamedTuple):
    """A picture (h, w) of floats in [0, 1], with a caption below it in a colour."""

    grey: np.ndarray
    caption: str
    colour: tuple[int, int, int]


Row = tuple[str, Sequence[Tile | None]]  # under its title


def draw_sheet(index: DigitIndex, answers: Sequence[Answered]) -> bytes:
    """A PNG with a row for each answered query; of one without a digit, with its picture.

    Args:
        index: whose digits are drawn.
        answers: queries with their answers; those that failed are left out.
    """
    rows = []
    for query, answer in answers:
        if query is None or isinstance(answer, FailedAnswer):
            continue
        label = getattr(answer, "label", None)
        said = f"abstains, {answer.reason}" if answer.reason else label
        tiles: list[Tile | None] = [Tile(_close_up(query), "original", FAINT)]
        if isinstance(query, Query):
            tiles += [Tile(query.image, "as seen", FAINT), None]
        for one in answer.neighbours[:NEIGHBOURS]:
            colour = AGREES if one.label == label else DIFFERS
            colour = FAINT if answer.reason else TEXT if label is None else colour
            image = scale_to_unit(index.images[index.position(one.id)])
            tiles.append(Tile(image, f"{one.label}  {one.distance:.3f}", colour))
        rows.append((query.name if said is None else f"{query.name}: {said}", tiles))
    return draw_rows(rows)


def _close_up(query: Query | RefusedQuery) -> np.ndarray:
    """The original, or of a larger picture what lies around the digit, twice as long as that."""
    if isinstance(query, RefusedQuery) or query.box is None:
        return query.original
    x, y, width, height = (value / query.scale for value in query.box)
    reach = max(width, height)
    left, top = (max(0, int(middle - reach)) for middle in (x + width / 2, y + height / 2))
    right, bottom = (int(middle + reach) + 1 for middle in (x + width / 2, y + height / 2))
    return query.original[top:bottom, left:right]


def draw_rows(rows: Sequence[Row]) -> bytes:
    """A PNG with titled rows of tiles; a tile that is None leaves a small gap."""
    step, height = TILE + GAP, TITLE + TILE + CAPTION + GAP
    widths = [sum(step if tile else GAP for tile in tiles) for _, tiles in rows]
    titles = [LETTER * min(len(title), MOST_LETTERS) for title, _ in rows]
    size = (max([4 * step, *widths, *titles]) + GAP, max(1, len(rows)) * height + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, (title, tiles) in enumerate(rows):
        left, top = GAP, row * height + GAP
        draw.text((left, top), _drawable(title, size[0] // LETTER), TEXT, font)
        for tile in tiles:
            if tile:
                _paste(sheet, draw, (left, top + TITLE), *tile)
            left += step if tile else GAP
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def draw_findings(index: DigitIndex, found: Audit, test: Dataset | None) -> bytes:
    """A PNG with a row for each finding of an audit; hubs are together in rows of ten.

    Args:
        index: that was audited.
        found: the findings.
        test: whose leaks are among them.
    """
    rows = [*_suspects(index, found), *_duplicates(index, found), *_hubs(index, found)]
    if test:
        rows += _leaks(index, found, test)
    return draw_rows(rows or [("nothing doubtful was found", [])])


def _stored(
    index: DigitIndex, name: str, caption: str, colour: tuple[int, int, int] = TEXT
) -> Tile:
    return Tile(scale_to_unit(index.images[index.position(name)]), caption, colour)


def _suspects(index: DigitIndex, found: Audit) -> Iterator[Row]:
    """Each suspect beside the neighbours that were heard."""
    for one in found.suspects:
        position = np.array([index.position(one.id)])
        others = index.search(index.images[position], one.heard, position)
        tiles: list[Tile | None] = [_stored(index, one.id, f"{one.label}?"), None]
        for other, label, apart in zip(*(column[0] for column in others), strict=True):
            called = index.called(int(label))
            colour = AGREES if called == one.label else DIFFERS
            tiles.append(_stored(index, index.name(int(other)), f"{called}  {apart:.3f}", colour))
        say = f"{round(one.share * one.heard)} of the {one.heard} nearest say {one.suggested}"
        yield f"suspect label: {one.id} is {one.label}, {say}", tiles


def _duplicates(index: DigitIndex, found: Audit) -> Iterator[Row]:
    for pair in found.duplicates:
        differs = DIFFERS if pair.label_a != pair.label_b else TEXT
        first = _stored(index, pair.a, str(pair.label_a))
        tiles = [first, _stored(index, pair.b, str(pair.label_b), differs)]
        yield f"near-duplicates: {pair.a} and {pair.b}, {pair.distance:.3f} apart", tiles


def _hubs(index: DigitIndex, found: Audit) -> Iterator[Row]:
    for start in range(0, len(found.hubs), HUBS):
        some = found.hubs[start : start + HUBS]
        tiles = [_stored(index, one.id, f"{one.label}  {one.occurrences} times") for one in some]
        yield "hubs: how often each is a neighbour", tiles


def _leaks(index: DigitIndex, found: Audit, test: Dataset) -> Iterator[Row]:
    for leak in found.leaks:
        image = scale_to_unit(test.images[int(leak.test.rpartition("/")[2])])
        same = "identical" if leak.identical else f"{leak.distance:.3f} apart"
        tiles = [Tile(image, "test", TEXT), _stored(index, leak.id, "stored")]
        yield f"leak: {leak.test} is stored as {leak.id}, {same}", tiles


def draw_inputs(queries: Sequence[Query | RefusedQuery]) -> bytes:
    """A PNG with a row for each picture: with its boxes, and each digit as the model saw it.

    Or why it saw none.
    """
    pictures = list(by_picture(queries, "name"))
    most = max((len(digits) for digits in pictures), default=0)
    tall = TITLE + SEEN + CAPTION + GAP
    width = max(ORIGINAL + GAP * 3 + most * (TILE + GAP), 2 * ORIGINAL)
    sheet = Image.new("RGB", (width, max(1, len(pictures)) * tall + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, digits in enumerate(pictures):
        top = row * tall + GAP
        draw.text((GAP, top), _drawable(digits[0].name, 90), TEXT, font)
        _paste_boxed(sheet, draw, (GAP, top + TITLE), digits)
        for column, digit in enumerate(digits):
            left = ORIGINAL + 3 * GAP + column * (TILE + GAP)
            if isinstance(digit, Query):
                seen = f"as seen {column + 1}"
                _paste(sheet, draw, (left, top + TITLE), digit.image, seen, FAINT)
            else:
                draw.text((left, top + TITLE), digit.reason, DIFFERS, font)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _paste_boxed(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    digits: Sequence[Query | RefusedQuery],
) -> None:
    """The original, as large as fits ORIGINAL x SEEN, with numbered boxes around its digits."""
    grey = digits[0].original
    height, width = grey.shape
    zoom = min(ORIGINAL / width, SEEN / height)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    sheet.paste(_tile(grey, size), place)
    draw.rectangle((*place, place[0] + size[0] - 1, place[1] + size[1] - 1), outline=RIM)
    for number, digit in enumerate(digits, 1):
        if isinstance(digit, RefusedQuery) or digit.box is None:
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
    caption = _drawable(caption, TILE // LETTER + 2)
    draw.text((place[0], place[1] + TILE + 1), caption, colour, ImageFont.load_default(11))


def _tile(grey: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Greys (h, w) at another size, in blocks where that is larger."""
    tile = Image.fromarray(np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8))
    larger = size[0] > tile.width
    return tile.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS)


def _drawable(text: str, most: int) -> str:
    """The end of a text, with each sign that the font lacks written as its code point."""
    font = ImageFont.load_default(12)
    absent = bytes(font.getmask("\uffff"))

    def is_drawn(sign: str) -> bool:
        return sign.isprintable() and bytes(font.getmask(sign)) != absent

    shown = "".join(
        sign if is_drawn(sign) else sign.encode("unicode_escape").decode() for sign in text
    )
    return shortened(shown, most)
