"""Draw one digit's ink as MNIST drew its own: 28x28, 20 px long, centred by mass, MNIST's stroke.

The MNIST convention (LeCun et al., Proc. IEEE 86(11), 1998): aspect kept, longest side 20 px, grey
from antialiasing, centre of mass in the middle of the field. MNIST's pens are alike, people's are
not, so stroke width is brought into MNIST's range too. That is done on the signed distance to the
stroke's edge, eight times finer than the result, where thickening or thinning is one addition; ink
already as wide as MNIST's keeps its own greys.
"""

from __future__ import annotations

import cv2
import numpy as np

from data.convention import SIDE
from data.document.components import Mask
from data.grey import Plane

LONGEST = 20

# Working pixels per pixel of the result.
_FINE = 8
# Ink density that lies on the edge of a stroke.
_EDGE = 0.45
# 98 % of MNIST's training images have a mean stroke width in this range, in px of the result; ...
_USUAL_STROKE = (1.9, 4.5)
# ... thinner strokes are drawn this wide, MNIST's mean, ...
_THIN_STROKE = 2.7
# ... and thicker ones this wide.
_THICK_STROKE = 4.0
# Coarser than this many result pixels per source pixel, holes and width cannot be told apart.
_COARSE = 1.25
# The centre of mass of MNIST's images, in px from the left and top edge, is 14.5 on average.
_CENTRE = 14.5


def render(density: Plane) -> Plane:
    """Bring a digit to the MNIST convention.

    Args:
        density: (h, w) float32 ink in [0, 1], cropped to the digit.

    Returns:
        (28, 28) float32 in [0, 1], ink bright.
    """
    zoom = _FINE * LONGEST / max(density.shape)
    ink = _enlarged(density, zoom)
    edge = (ink > _EDGE).astype(np.uint8)
    inside = _depth(edge)
    # Across a stroke the mean distance to its edge is a quarter of its width.
    stroke = 4 * float(inside[edge > 0].mean()) - 2
    wanted = _wanted_stroke(stroke / _FINE, is_coarse=zoom > _COARSE * _FINE) * _FINE
    if wanted != stroke:
        ink = _with_stroke(edge, inside, stroke, wanted)
    return _placed(ink)


def _enlarged(density: Plane, zoom: float) -> Plane:
    """Resample to working pixels with a margin, keeping hairlines that a reduction would fade."""
    h, w = density.shape
    size = (max(1, round(w * zoom)), max(1, round(h * zoom)))
    if zoom < 1:
        reach = 1 + int(np.ceil(1 / zoom))  # fills a working pixel wherever its edges fall
        ink = cv2.dilate(density, np.ones((reach, reach), np.uint8))
        ink = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
    else:
        border = 2  # soft edges reach beyond the digit's own pixels
        size = (size[0] + round(2 * border * zoom), size[1] + round(2 * border * zoom))
        bordered = _with_margin(density, border)
        ink = cv2.resize(bordered, size, interpolation=cv2.INTER_LANCZOS4)
    margin = _FINE * LONGEST // 4  # room for strokes to grow
    ink = np.asarray(np.clip(ink, 0, 1), np.float32)
    return _with_margin(ink / ink.max(), margin)


def _with_margin(plane: Plane, margin: int) -> Plane:
    """A plane (h, w) with so many zeros on every side: np.pad, which takes longer than the rest."""
    sides = (margin, margin, margin, margin)
    return np.asarray(cv2.copyMakeBorder(plane, *sides, cv2.BORDER_CONSTANT, value=0))


def _distance(mask: Mask) -> Plane:
    """Euclidean distance of each pixel of the mask to the nearest one outside, (h, w) float32."""
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _depth(mask: Mask) -> Plane:
    """As `_distance`, of a mask that is bare at its rim, where it need not be looked at."""
    x, y, width, height = cv2.boundingRect(mask)
    inked = np.s_[y - 1 : y + height + 1, x - 1 : x + width + 1]
    depth = np.zeros(mask.shape, np.float32)
    depth[inked] = _distance(mask[inked])
    return depth


def _wanted_stroke(stroke: float, *, is_coarse: bool) -> float:
    thinnest, thickest = _USUAL_STROKE
    if stroke < thinnest:
        return _THIN_STROKE
    if stroke > thickest and not is_coarse:
        return _THICK_STROKE
    return stroke


def _with_stroke(edge: Mask, inside: Plane, stroke: float, wanted: float) -> Plane:
    """Move the edge of the ink outwards or inwards until strokes are as wide as wanted.

    The digit is scaled to LONGEST afterwards and grows or shrinks with its strokes, which the shift
    allows for: with longest side L, (stroke + 2 shift) / (L + 2 shift) = wanted / longest.

    Args:
        edge: (h, w) uint8, 1 on ink.
        inside: (h, w) float32, distance of each ink pixel to paper.
        stroke: mean stroke width in working pixels.
        wanted: the same, after scaling.

    Returns:
        (h, w) float32 in [0, 1].
    """
    outside = _distance(1 - edge)
    distance = inside - outside + np.where(edge > 0, np.float32(-0.5), np.float32(0.5))
    side = max(cv2.boundingRect(edge)[2:])
    longest = _FINE * LONGEST
    shift = (wanted * side - stroke * longest) / (2 * (longest - wanted))
    shift = max(shift, 1 - float(inside.max()))  # never thin a stroke away
    return np.asarray(np.clip(distance + (shift + 0.5), 0, 1), np.float32)


def _placed(ink: Plane) -> Plane:
    """Scale to LONGEST, move the centre of mass to the centre, average down to (28, 28)."""
    side = max(cv2.boundingRect((ink > _EDGE).astype(np.uint8))[2:])
    scale = _FINE * LONGEST / side
    moments = cv2.moments(ink)
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    centre = _CENTRE * _FINE - 0.5
    shift = np.array([[scale, 0, centre - scale * x], [0, scale, centre - scale * y]])
    field = cv2.warpAffine(ink, shift, (SIDE * _FINE, SIDE * _FINE), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
