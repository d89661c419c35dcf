"""An array as the bytes of an `.npy` file; and back, without trusting what its header claims.

numpy allocates what a header asks for before it reads on, and a 128-byte file can ask for 32 GiB;
so the header is held against the size of what follows first. Pickled objects are never loaded.
"""

from __future__ import annotations

import io
import math
import tokenize

import numpy as np

from data.files import Content

MAX_HEADER = 1 << 16
LONGEST_SIDE = 1 << 40
MOST_SIDES = 32


class BadArray(ValueError):
    """The bytes are not an array of numbers; the text says why."""


def read_npy(content: Content) -> np.ndarray:
    """The array of an `.npy` file, read-only and without copying `content`.

    Raises:
        BadArray: anything but the `.npy` file of an array of numbers.
    """
    header = io.BytesIO(content[:MAX_HEADER])
    shape, fortran, dtype = read_header(header)
    start = header.tell()
    present = len(content) - start
    if math.prod(shape) * dtype.itemsize != present:
        raise BadArray(f"its header promises another length than the {present:,} bytes that follow")
    flat = np.frombuffer(content, dtype, offset=start)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def read_header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and dtype; leaves `file` at the first element.

    Raises:
        BadArray: there is no header, or it is of Python objects.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    except (ValueError, SyntaxError, TypeError, MemoryError, tokenize.TokenError) as exc:
        raise BadArray("it has no .npy header that makes sense") from exc
    if dtype.hasobject:
        raise BadArray("it holds Python objects, not numbers")
    if dtype.subdtype or dtype.names:
        raise BadArray("its elements are arrays or records, not numbers")
    if len(shape) > MOST_SIDES or any(isinstance(side, bool) for side in shape):
        raise BadArray("its header tells of no shape that an array can have")
    if not dtype.itemsize or any(not 0 <= side <= LONGEST_SIDE for side in shape):
        raise BadArray("its header tells of no shape that an array can have")
    return shape, fortran, dtype


def npy_of(array: np.ndarray) -> bytes:
    """The content of an `.npy` file that holds `array`."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
