"""Read an array from the bytes of an `.npy` file, without trusting what its header claims.

numpy allocates what a header asks for before it reads on, and a 128-byte file can ask for 32 GiB;
so the header is held against the size of what follows first. Pickled objects are never loaded.
"""

from __future__ import annotations

import io
import math
import mmap
import tokenize

import numpy as np

MAX_HEADER = 1 << 16


class BadArray(ValueError):
    """The bytes are not an array of numbers; the text says why."""


def read_npy(content: bytes | mmap.mmap) -> np.ndarray:
    """The array of an `.npy` file, read-only and without copying `content`.

    Raises:
        BadArray: anything but the `.npy` file of an array of numbers.
    """
    header = io.BytesIO(content[:MAX_HEADER])
    shape, fortran, dtype = read_header(header)
    start = header.tell()
    promised, present = math.prod(shape) * dtype.itemsize, len(content) - start
    if promised != present:
        raise BadArray(
            f"its header promises {promised:,} bytes of {dtype} {shape}, {present:,} follow"
        )
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
    except (ValueError, SyntaxError, TypeError, tokenize.TokenError) as exc:
        raise BadArray(f"it has no .npy header ({str(exc).splitlines()[0]})") from exc
    if dtype.hasobject:
        raise BadArray("it holds Python objects, not numbers")
    return shape, fortran, dtype
