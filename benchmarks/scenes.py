"""Photos drawn by code, and where the digits are on them: sheets, forms and desks in many lights.

Real photos with a box around each digit are few; these are as many as one wants, of every kind that
the normaliser has to tell apart. Each kind is a function from chance to a scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

HEIGHT, WIDTH = 900, 1200  # of a sheet
PAPER, INK, PRINT = 0.92, 0.2, 0.35
BEYOND = 0.25  # of a sheet's sides lies around it on a desk
CLEAR = 0.3, 0.6  # a stored digit's greys from bare paper to full ink, so that strokes are sharp
EMPTY = 0.3  # of a form's cells


class Placed(NamedTuple):
    """A digit and the box around it: x, y, width, height in pixels."""

    label: int
    box: tuple[float, float, float, float]


class Scene(NamedTuple):
    """A photo (h, w) uint8, and what is written on it."""

    photo: np.ndarray
    digits: list[Placed]


class Writer:
    """Writes stored digits (n, 28, 28) uint8 and their labels (n,) on sheets, by chance."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int) -> None:
        """All that is drawn follows from `seed`."""
        self._images, self._labels = images, labels
        self.rng = np.random.default_rng(seed)

    def write(
        self, sheet: np.ndarray, cells: Sequence[tuple[float, float, float, float]], ink: float,
        fill: tuple[float, float] = (0.5, 0.7), thin: bool = False,
    ) -> list[Placed]:  # fmt: skip
        """Write one digit into each cell (x, y, width, height) of a sheet, in its place.

        Args:
            sheet: (h, w) float32 in [0, 1].
            cells: where.
            ink: the grey of full ink.
            fill: how much of a cell's shorter side a digit is long: from, to.
            thin: whether strokes are those of a hard pencil.
        """
        placed = []
        for x, y, width, height in cells:
            chosen = int(self.rng.integers(len(self._images)))
            digit = self._drawn(chosen, min(width, height) * self.rng.uniform(*fill), thin)
            rows, columns = digit.shape
            left = int(x + (width - columns) * self.rng.uniform(0.3, 0.7))
            top = int(y + (height - rows) * self.rng.uniform(0.3, 0.7))
            placed.append(self._put(sheet, chosen, digit, (left, top), ink))
        return placed

    def write_line(
        self, sheet: np.ndarray, at: tuple[int, int], count: int, length: float, ink: float
    ) -> list[Placed]:
        """Write digits side by side from a place (x, y), each by a little over the one before."""
        placed, (x, y) = [], at
        for _ in range(count):
            chosen = int(self.rng.integers(len(self._images)))
            digit = self._drawn(chosen, length * self.rng.uniform(0.9, 1.1))
            placed.append(self._put(sheet, chosen, digit, (x, y), ink))
            x += digit.shape[1] - round(length * self.rng.uniform(0.02, 0.1))
        return placed

    def _drawn(self, chosen: int, length: float, thin: bool = False) -> np.ndarray:
        """A stored digit so long, in sharp strokes, without what is bare around it."""
        side = round(length * 28 / 20)
        stored = self._images[chosen].astype(np.float32) / 255
        digit = cv2.resize(stored, (side, side), interpolation=cv2.INTER_CUBIC)
        digit = np.clip((digit - CLEAR[0]) / (CLEAR[1] - CLEAR[0]), 0, 1)
        if thin:
            digit = cv2.erode(digit, np.ones((1 + side // 60, 1 + side // 60), np.uint8))
        x, y, width, height = cv2.boundingRect((digit > 0.5).astype(np.uint8))
        return np.asarray(digit[y : y + height, x : x + width])

    def _put(
        self, sheet: np.ndarray, chosen: int, digit: np.ndarray, at: tuple[int, int], ink: float
    ) -> Placed:
        (left, top), (rows, columns) = at, digit.shape
        under = sheet[top : top + rows, left : left + columns]
        under += (ink - under) * digit
        return Placed(int(self._labels[chosen]), (left, top, columns, rows))


def grid(rows: int, columns: int) -> list[tuple[float, float, float, float]]:
    """Cells that share a sheet evenly."""
    width, height = WIDTH / columns, HEIGHT / rows
    return [(x * width, y * height, width, height) for y in range(rows) for x in range(columns)]


def blank() -> np.ndarray:
    """A bare sheet."""
    return np.full((HEIGHT, WIDTH), PAPER, np.float32)


def lit(sheet: np.ndarray, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sheet (h, w) in [0, 1] in a light, with a camera's noise: (h, w) uint8."""
    photo = cv2.GaussianBlur(sheet, (0, 0), 0.8) * light + rng.normal(0, 0.008, sheet.shape)
    return np.asarray(np.clip(photo * 255, 0, 255), np.uint8)


def falling(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Light that falls off by up to a third towards one side."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    along = columns / shape[1] * np.cos(turn) + rows / shape[0] * np.sin(turn)
    return np.asarray(1 - rng.uniform(0, 0.33) * (along - along.min()) / np.ptp(along))


def shadow(rng: np.random.Generator, shaded: np.ndarray, softest: float = 20) -> np.ndarray:
    """Light where something (h, w) bool is in a shadow of any depth and softness."""
    depth, softness = rng.uniform(0.25, 0.6), rng.uniform(1, softest)
    return np.asarray(1 - depth * cv2.GaussianBlur(shaded.astype(np.float32), (0, 0), softness))


def sheet(writer: Writer) -> Scene:
    """Eight digits on paper in falling light."""
    page = blank()
    return _in_falling_light(writer, page, writer.write(page, grid(2, 4), INK))


def small(writer: Writer) -> Scene:
    """Fifty-four small ones."""
    page = blank()
    return _in_falling_light(writer, page, writer.write(page, grid(6, 9), INK))


def touching(writer: Writer) -> Scene:
    """Four lines of five, whose boxes overlap and whose strokes mostly touch."""
    page = blank()
    digits = [
        digit
        for row in range(4)
        for digit in writer.write_line(page, (150, 80 + 210 * row), 5, length=110, ink=INK)
    ]
    return _in_falling_light(writer, page, digits)


def pencil(writer: Writer) -> Scene:
    """Grey and thin."""
    page = blank()
    return _in_falling_light(writer, page, writer.write(page, grid(2, 4), 0.55, thin=True))


def chalk(writer: Writer) -> Scene:
    """Light on a board."""
    page = np.full((HEIGHT, WIDTH), 0.22, np.float32)
    return _in_falling_light(writer, page, writer.write(page, grid(2, 4), 0.85))


def ruled(writer: Writer) -> Scene:
    """On ruled paper, across the lines."""
    page = blank()
    for row in range(int(writer.rng.integers(30, 60)), HEIGHT, 64):
        page[row : row + 3] = 0.7
    return _in_falling_light(writer, page, writer.write(page, grid(2, 4), INK))


def squared(writer: Writer) -> Scene:
    """On squared paper."""
    page = blank()
    page[int(writer.rng.integers(40)) :: 40] = 0.75
    page[:, int(writer.rng.integers(40)) :: 40] = 0.75
    return _in_falling_light(writer, page, writer.write(page, grid(2, 4), INK))


def half_in_shadow(writer: Writer) -> Scene:
    """A shadow's straight edge runs across the sheet."""
    page, rng = blank(), writer.rng
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    turn, beyond = rng.uniform(0, 2 * np.pi), rng.uniform(-0.2, 0.2) * WIDTH
    shaded = (columns - WIDTH / 2) * np.cos(turn) + (rows - HEIGHT / 2) * np.sin(turn) > beyond
    digits = writer.write(page, grid(2, 4), INK)
    return Scene(lit(page, shadow(rng, shaded), rng), digits)


def hand_in_light(writer: Writer) -> Scene:
    """The shadow of a hand lies on the sheet."""
    page, rng = blank(), writer.rng
    shaded = np.zeros(page.shape, np.uint8)
    wrist = np.array([rng.uniform(0.3, 0.7) * WIDTH, HEIGHT])
    palm = wrist - (0, 0.35 * HEIGHT)
    cv2.line(shaded, wrist.astype(int).tolist(), palm.astype(int).tolist(), 1, 220)
    for turn in np.linspace(-1, 0.6, 5):
        tip = palm + 330 * np.array([np.sin(turn), -np.cos(turn)])
        cv2.line(shaded, palm.astype(int).tolist(), tip.astype(int).tolist(), 1, 60)
    digits = writer.write(page, grid(2, 4), INK)
    return Scene(lit(page, shadow(rng, shaded > 0), rng), digits)


def blind_in_light(writer: Writer) -> Scene:
    """The shadow of a blind lies on the sheet."""
    page, rng = blank(), writer.rng
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    apart = rng.uniform(90, 200)
    shaded = (rows + rng.uniform(-0.2, 0.2) * columns) % apart < apart / 2
    digits = writer.write(page, grid(2, 4), INK)
    return Scene(lit(page, shadow(rng, shaded, softest=10), rng), digits)


def desk(writer: Writer) -> Scene:
    """A sheet on a grained desk, seen at a slant."""
    page, rng = blank(), writer.rng
    digits = writer.write(page, grid(2, 4), INK)
    return _on_desk(rng, page, digits)


def cut_off(writer: Writer) -> Scene:
    """A sheet on a desk, which goes on beyond the picture on one side."""
    page, rng = blank(), writer.rng
    digits = writer.write(page, grid(2, 4), INK)
    scene = _on_desk(rng, page, digits, slant=0.02)
    height = round(scene.photo.shape[0] * (1 - BEYOND / 2) - 0.09 * HEIGHT)
    seen = [one for one in scene.digits if one.box[1] + one.box[3] < height - 8]
    return Scene(np.ascontiguousarray(scene.photo[:height]), seen)


def boxes(writer: Writer) -> Scene:
    """A form whose boxes stand apart; some are empty."""
    return _form(writer, apart=0.25)


def comb(writer: Writer) -> Scene:
    """A form whose boxes share their walls."""
    return _form(writer, apart=0)


def form_on_desk(writer: Writer) -> Scene:
    """A form on a desk, seen at a slant."""
    page, digits = _filled_form(writer, apart=float(writer.rng.choice([0, 0.25])))
    return _on_desk(writer.rng, page, digits)


def table(writer: Writer) -> Scene:
    """A ruled table with a digit in each cell."""
    page, rng = blank(), writer.rng
    rows, columns = int(rng.integers(3, 6)), int(rng.integers(3, 7))
    cells = [
        (0.06 * WIDTH + 0.88 * x, 0.06 * HEIGHT + 0.88 * y, 0.88 * width, 0.88 * height)
        for x, y, width, height in grid(rows, columns)
    ]
    _rule(page, cells, rng)
    digits = writer.write(page, [one for one in cells if rng.random() > EMPTY], INK)
    return _in_falling_light(writer, page, digits)


def _in_falling_light(writer: Writer, page: np.ndarray, digits: list[Placed]) -> Scene:
    return Scene(lit(page, falling(writer.rng, page.shape), writer.rng), digits)


def _form(writer: Writer, apart: float) -> Scene:
    page, digits = _filled_form(writer, apart)
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), float(writer.rng.uniform(-3, 3)), 1)
    flatten = np.vstack([turn, (0, 0, 1)])
    page = cv2.warpAffine(page, turn, (WIDTH, HEIGHT), None, cv2.INTER_AREA, cv2.BORDER_REPLICATE)
    moved = [_moved(one, flatten) for one in digits]
    return _in_falling_light(writer, page, moved)


def _filled_form(writer: Writer, apart: float) -> tuple[np.ndarray, list[Placed]]:
    """A form with three questions, some of whose boxes are filled in."""
    page, rng, digits = blank(), writer.rng, []
    for row, title in enumerate(("Account", "Date", "Amount")):
        top, side = 130 + 260 * row, float(rng.uniform(90, 120))
        cells = [
            (80 + n * side * (1 + apart), top, side, side * 1.2)
            for n in range(int(rng.integers(4, int(1040 / side / (1 + apart)))))
        ]
        _title(page, title, (80, top - 25))
        _rule(page, cells, rng)
        filled = [one for one in cells if rng.random() > EMPTY]
        digits += writer.write(page, filled, INK, fill=(0.6, 0.8))
    return page, digits


def _rule(
    page: np.ndarray, cells: Sequence[tuple[float, float, float, float]], rng: np.random.Generator
) -> None:
    """Print the outline of each cell (x, y, width, height)."""
    grey, width = float(rng.uniform(0.2, 0.6)), int(rng.integers(2, 5))
    for x, y, across, down in cells:
        corners = (round(x), round(y)), (round(x + across), round(y + down))
        cv2.rectangle(page, *corners, grey, width)


def _title(page: np.ndarray, title: str, at: tuple[int, int]) -> None:
    letters = np.zeros(page.shape, np.uint8)  # OpenCV writes on bytes alone
    cv2.putText(letters, title, at, cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 3, cv2.LINE_AA)
    page += (PRINT - page) * (letters / np.float32(255))


def _on_desk(
    rng: np.random.Generator, page: np.ndarray, digits: list[Placed], slant: float = 0.08
) -> Scene:
    """A sheet on a grained desk, its corners moved by up to `slant` of its width."""
    size = np.array([WIDTH, HEIGHT])
    whole = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size
    corners = whole + size * BEYOND / 2 + rng.uniform(-slant, slant, (4, 2)) * WIDTH
    to_photo = cv2.getPerspectiveTransform(whole.astype(np.float32), corners.astype(np.float32))
    columns, rows = (size * (1 + BEYOND)).astype(int).tolist()
    grain = rng.normal(0, 0.3, (rows, columns // 8)).astype(np.float32)
    wood = rng.uniform(0.15, 0.6) * (
        1 + cv2.GaussianBlur(cv2.resize(grain, (columns, rows)), (0, 0), 1.5)
    )
    laid = cv2.warpPerspective(page, to_photo, (columns, rows), flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.ones_like(page), to_photo, (columns, rows))
    photo = lit(wood * (1 - cover) + laid, falling(rng, laid.shape), rng)
    return Scene(photo, [_moved(one, to_photo) for one in digits])


def _moved(digit: Placed, to_photo: np.ndarray) -> Placed:
    x, y, width, height = digit.box
    corners = np.array(
        [[(x, y), (x + width, y), (x + width, y + height), (x, y + height)]], np.float64
    )
    places = cv2.perspectiveTransform(corners, to_photo)[0]
    (left, top), (right, bottom) = places.min(axis=0).tolist(), places.max(axis=0).tolist()
    return Placed(digit.label, (left, top, right - left, bottom - top))


KINDS: dict[str, Callable[[Writer], Scene]] = {
    kind.__name__: kind
    for kind in (
        sheet, small, touching, pencil, chalk, ruled, squared, half_in_shadow, hand_in_light,
        blind_in_light, desk, cut_off, boxes, comb, form_on_desk, table,
    )
}  # fmt: skip
