"""From stored values to grey floats: depths, dtypes and transparency are resolved here."""

from __future__ import annotations

import numpy as np

from data.errors import PictureUnreadable

Plane = np.ndarray

# Rec. 601 luma: the weights of Pillow's mode "L" and of JPEG's Y.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

# White in 8, 10, 12 and 16 bits.
_TOPS = (255, 1023, 4095, 65535)

# Standard deviation below which an opaque area counts as one colour: ink or page, not both.
_FLAT = 0.05


def scaled_by_depth(values: np.ndarray) -> Plane:
    """Integers of 16 or 32 bits to [0, 1] by the bits that they use.

    Scanners and cameras store 8, 10 or 12 bits in 16 without saying so. Pillow's own conversion to
    8 bits would clip.

    Args:
        values: (h, w) or (h, w, c) of an integer dtype; those below 0 count as 0.

    Returns:
        The same shape, float32 in [0, 1].
    """
    highest = int(values.max())
    top = next((top for top in _TOPS if highest <= top), None)
    if top is None:
        return stretched(values.astype(np.float32))
    return np.asarray(np.clip(values.astype(np.float32) / np.float32(top), 0, 1))


def stretched(values: Plane) -> Plane:
    """Floats of a file to [0, 1]; a float TIFF does not say what its white is.

    Args:
        values: (h, w) float32; kept if in [0, 1] already.

    Raises:
        ValueError: some are NaN or infinite.
    """
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite")
    low, high = float(values.min()), float(values.max())
    if (low >= 0 and high <= 1) or low == high:
        return np.asarray(np.clip(values, 0, 1))
    # Halves, for from the lowest to the highest may be twice as far as a float32 reaches.
    return np.asarray((values / 2 - np.float32(low / 2)) / np.float32(high / 2 - low / 2))


def unit_floats(array: np.ndarray) -> Plane:
    """An array of an allowed dtype to float32 in [0, 1], of the same shape.

    Raises:
        PictureUnreadable: another dtype, or values not finite or out of range.
    """
    if array.dtype == np.uint16:
        return scaled_by_depth(array)
    if array.dtype in (np.bool_, np.uint8):
        top = 1 if array.dtype == np.bool_ else 255
        return array.astype(np.float32) / np.float32(top)
    if not np.issubdtype(array.dtype, np.floating):
        raise PictureUnreadable(
            f"expected an array of bool, uint8, uint16 or float, received {array.dtype}; "
            "convert it with astype"
        )
    if not np.isfinite(array).all():
        raise PictureUnreadable(
            "expected finite values, received NaN or infinity; look where the array comes from"
        )
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise PictureUnreadable(
            f"expected floats in [0, 1], received {low:g} to {high:g}; scale them, or pass uint8"
        )
    return array.astype(np.float32)


def composite(luma: Plane, alpha: Plane) -> Plane:
    """Lay a transparent picture on the ground that shows its ink.

    Two kinds occur: a drawing whose ink alone is opaque, and a page of which parts (round corners,
    a margin) are transparent. The first is laid on white or black, whichever is further from the
    ink; the second gets the page's own shade where it is transparent.

    Args:
        luma: (h, w) float32 in [0, 1], colours not multiplied by alpha.
        alpha: (h, w) float32 in [0, 1], 1 opaque.

    Returns:
        (h, w) float32 in [0, 1].
    """
    total = float(alpha.sum())
    if total == 0:
        return np.ones_like(luma)
    mean = float((luma * alpha).sum()) / total
    spread = float(((luma - mean) ** 2 * alpha).sum() / total) ** 0.5
    is_page = total > 0.5 * alpha.size and spread > _FLAT
    ground = float(np.median(luma[alpha > 0.5])) if is_page else float(mean < 0.5)
    return np.asarray(luma * alpha + np.float32(ground) * (1 - alpha))
