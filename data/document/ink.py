"""Separate ink from paper: from grey values to how much ink each pixel holds.

Light falls unevenly, paper has a grain, and nobody says whether the ink is the dark part. Three
steps settle this. The side that departs from the rim's shade is the ink. The paper under the ink is
what a morphological closing leaves when it fills everything narrower than a broad brush. What is
darker than that paper, by more than the paper's own noise, is ink; Otsu's method (IEEE Trans. SMC
9(1), 1979) parts strong ink from weak shadow among it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from data.document.components import Components, Mask, components
from data.document.paper import (
    THUMB,
    light_by_rim,
    median,
    paper_under,
    rim_of,
    window,
)
from data.errors import PictureBlank, PictureNotDigits
from data.grey import Plane
from data.reduce import reduced

# Shadows on paper are not darker than this.
DARKEST = 0.25
# The faintest contrast taken for ink; printed greys on white differ by twice as much.
_FAINTEST = 0.025
# Ink must exceed the paper's noise by this many standard deviations.
_STANDS_OUT = 5.0
# Paper, even coarse, has less contrast than this; what has more is a texture.
_TEXTURE = 0.3
# Strokes, and all the more light, end at fewer than this share of all pixels.
_ENDS = 0.1
# This share of a texture's pixels may still stand out by chance.
_OUTLIERS = 0.001
# What holds more than this share of full ink departs by as much from the light that the rim lets
# expect.
_BEYOND_LIGHT = 0.6
# A pixel belongs to a stroke from this share of full ink upwards.
EDGE = 0.4

# Medians over more values than this are taken from every n-th.
_SAMPLE = 5_000
# What lies beside strokes is looked at in this many pixels.
_SAMPLE_BESIDE = 50_000

AS_DARK = "expected strokes darker than any shadow, but they are as dark as it"
_TEXTURED = (
    "expected digits on a plain background, but the picture is noise or texture all over; crop to"
    " the digits, or photograph them on plain paper"
)


class Ink(NamedTuple):
    """Where the ink is.

    Attributes:
        density: (h, w) float32 in [0, 1], 0 bare paper, 1 full ink.
        strokes: the connected components of a mask (h, w).
        is_dark: whether the ink is darker than the paper.
        faintest: the density from which on it is no noise.
    """

    density: Plane
    strokes: Components
    is_dark: bool
    faintest: float


def find_ink(
    grey: Plane, *, shaded: bool = False, is_dark: bool | None = None, is_drawn: bool = False
) -> Ink:
    """Find what is drawn, whatever the light, the paper and the polarity.

    Args:
        grey: (h, w) float32 in [0, 1].
        shaded: do not take the paper for one of a single shade, even if much of the rim is: light
            may be even along some sides and fall towards the others. Neither faint ink
            nor that of wide areas counts then, for shadows look like it.
        is_dark: whether the ink is darker than the paper; None to find out.
        is_drawn: there is ink for sure; else what is no darker than the light on the rim lets
            expect is none.

    Returns:
        Ink density (h, w), and the strokes in it.

    Raises:
        PictureBlank: nothing stands out from the paper.
        PictureNotDigits: nothing could, the picture is all noise or texture.
    """
    small = reduced(grey, THUMB)
    light = light_by_rim(small)
    if is_dark is None:
        is_dark = _is_skewed_down(small, light)
    dark = grey if is_dark else 1 - grey
    paper = paper_under(
        small if is_dark else reduced(dark, THUMB),
        grey.shape,
        shaded=shaded,
        narrow_shadows=is_dark,  # light ink is dim in a shadow, and none is told from the other
    )
    ink, contrast = inked(dark, paper, is_dark=is_dark)
    if not is_drawn and _is_light(
        dark,
        ink.density > _BEYOND_LIGHT,
        light if is_dark else 1 - light,
        contrast,
        is_share=is_dark,
    ):
        if _is_texture(ink.strokes.mask):
            raise PictureNotDigits(_TEXTURED)
        raise PictureBlank(
            "expected a drawing, but what is darker here is uneven light on bare paper; draw"
            " darker, light it evenly or crop closer"
        )
    if shaded and (contrast < DARKEST or _is_hollow(dark, ink.strokes.mask)):
        raise PictureBlank(AS_DARK)
    return ink


def inked(dark: Plane, paper: Plane, *, is_dark: bool) -> tuple[Ink, float]:
    """What is darker than paper, by more than its noise; and the contrast of full ink.

    Args:
        dark: (h, w) greys, ink the darker side.
        paper: (h, w), its shade under and around ink; it is overwritten.
        is_dark: whether ink takes a share of the light, rather than giving some.
    """
    relief = _cut_below(paper - dark, 0)
    if is_dark:
        # Ink takes a share of the light, so what it takes in a shadow counts for more.
        relief /= np.maximum(paper, DARKEST, out=paper)
    pedestal, noise = min((_spread(relief), _spread(rim_of(relief))), key=lambda pair: pair[1])
    relief = _cut_below(relief, pedestal)
    floor = max(_FAINTEST, _STANDS_OUT * noise)
    contrast = _full_ink(relief, floor, roughness=max(floor, pedestal))
    density = np.minimum(np.divide(relief, contrast, out=relief), 1, out=relief)
    faintest = floor / contrast
    mask = (density > max(EDGE, faintest)).astype(np.uint8)
    return Ink(density, components(mask), is_dark, faintest), contrast


def _cut_below(plane: Plane, level: float) -> Plane:
    """By how much a plane exceeds a level, at least 0; in its place, for new arrays take time."""
    plane -= np.float32(level)
    np.maximum(plane, 0, out=plane)
    return plane


def _is_hollow(dark: Plane, mask: Mask) -> bool:
    """Whether as much beside the strokes is as dark as they are: these are a solid shape's rim."""
    some = slice(None, None, 1 + mask.size // _SAMPLE_BESIDE)
    inked, shades = mask.ravel()[some] > 0, dark.ravel()[some]
    if not inked.any():
        return True
    beside = shades[~inked] <= median(shades[inked])
    return bool(beside.sum() > inked.sum() / 2)


def _is_light(
    dark: Plane, full: np.ndarray, light: Plane, contrast: float, *, is_share: bool
) -> bool:
    """Whether "ink" is no darker than the light alone would make it.

    Args:
        dark: (h, w) greys, ink the darker side.
        full: (h, w) bool, where most of full ink is; at least one pixel is.
        light: the shade of bare paper as the rim promises it, on a thumbnail.
        contrast: of full ink.
        is_share: whether contrast is a share of the paper's shade.
    """
    inked = np.flatnonzero(full)
    y, x = np.divmod(inked[:: 1 + inked.size // _SAMPLE], full.shape[1])
    (h, w), (rows, columns) = full.shape, light.shape
    paper = light[y * rows // h, x * columns // w]
    darker = np.abs(paper - dark[y, x])
    if is_share:
        darker /= np.maximum(paper, DARKEST)
    return median(darker) < _BEYOND_LIGHT * contrast


def _is_texture(mask: Mask) -> bool:
    """Whether a mask changes from one row to the next at so many places as no strokes do."""
    return bool(np.mean(mask[1:] != mask[:-1]) > _ENDS)


def is_dark_on_light(grey: Plane) -> bool:
    """Whether the ink on a picture (h, w) is darker than the paper."""
    small = reduced(grey, THUMB)
    return _is_skewed_down(small, light_by_rim(small))


def _is_skewed_down(small: Plane, light: Plane) -> bool:
    """Whether the ink is darker than the paper: the sign of the picture's skewness.

    The third power lets few strong strokes outvote a wide faint shadow. It is taken of deviations
    from the local mean, where the two sides of a shadow's edge cancel, in two widths of window, and
    from the shade that the rim promises, which alone sees brushes wider than the windows.
    """
    means = [cv2.blur(small, (side, side)) for side in (window(small, 0.12), window(small, 0.24))]
    skewness = 0.0
    for reference in (*means, light):
        deviation = small - reference
        cubes = deviation * deviation * deviation  # ten times as fast as ** 3
        skewness += float(cubes.sum() / max(np.abs(cubes).sum(), 1e-12))
    return skewness <= 0


def _spread(values: np.ndarray) -> tuple[float, float]:
    """Median and standard deviation, the latter from the median absolute deviation."""
    sample = values.reshape(-1)
    sample = sample[:: 1 + sample.size // _SAMPLE]
    middle = median(sample)
    return middle, 1.4826 * median(np.abs(sample - middle))


def _full_ink(relief: Plane, floor: float, roughness: float) -> float:
    """The contrast of full ink: the median of what lies above Otsu's threshold.

    Args:
        relief: (h, w) contrast against the paper in [0, 1].
        floor: contrast below which a pixel is paper.
        roughness: contrast of the paper itself.

    Raises:
        PictureBlank: no pixel exceeds the floor.
        PictureNotDigits: hardly any does, and paper is never that rough.
    """
    lowest = int(floor * 255)
    above = relief[relief > lowest / 255]  # few; the rest would only be counted to be forgotten
    counts = np.bincount(np.rint(above * 255).astype(np.uint8), minlength=256)
    counts[: lowest + 1] = 0
    threshold = max(_otsu(counts) / 255, floor)
    strong = above[above > threshold]
    if roughness > _TEXTURE and strong.size <= _OUTLIERS * relief.size:
        raise PictureNotDigits(_TEXTURED)
    if strong.size == 0:
        raise PictureBlank(
            "expected a drawing, but nothing stands out from the background by the contrast that "
            f"ink needs here, {floor:.1%}; draw darker, light it evenly or crop closer"
        )
    return median(strong[:: 1 + strong.size // _SAMPLE])


def _otsu(counts: np.ndarray) -> float:
    """The level that parts a histogram best: the largest variance between the two classes."""
    below = np.cumsum(counts, dtype=np.float64)
    above = below[-1] - below
    moment = np.cumsum(counts * np.arange(counts.size), dtype=np.float64)
    split = (below > 0) & (above > 0)
    if not split.any():
        return 0.0
    gap = moment[split] / below[split] - (moment[-1] - moment[split]) / above[split]
    between = below[split] * above[split] * gap**2
    # Empty levels between the classes tie; their middle is the safest.
    return float(np.flatnonzero(split)[between >= between.max() * (1 - 1e-9)].mean())
