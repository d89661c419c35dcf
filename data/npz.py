"""Read arrays from an `.npz` or `.npy` a person hands in, without trusting what its headers claim.

numpy allocates what a header asks for before it reads on, and a 128-byte file can ask for 32 GiB;
so the header is held against the size of what follows first. Pickled objects are never loaded.
"""

from __future__ import annotations

import io
import math
import mmap
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from data.errors import DatasetCorrupt, DatasetNotFound

MAX_BYTES = 8 << 30
MAX_HEADER = 1 << 16


class BadArray(ValueError):
    """The bytes are not an array of numbers; the text says why."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an `.npz` archive by name, read-only.

    Raises:
        DatasetNotFound: `path` cannot be opened.
        DatasetCorrupt: not a zip archive of arrays, damaged, or a header that lies.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            return {
                member.filename.removesuffix(".npy"): _read_member(archive, member)
                for member in members
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, BadArray) as exc:
        raise DatasetCorrupt(f"{path}: expected an .npz archive of arrays, but {exc}") from exc
    except OSError as exc:
        raise DatasetNotFound(f"{path}: cannot be read ({exc.strerror or exc})") from exc


def read_npy(content: bytes | mmap.mmap) -> np.ndarray:
    """The array of an `.npy` file, read-only and without copying `content`.

    Raises:
        BadArray: anything but the `.npy` file of an array of numbers.
    """
    header = io.BytesIO(content[:MAX_HEADER])
    shape, fortran, dtype = _read_header(header)
    start = header.tell()
    promised, present = math.prod(shape) * dtype.itemsize, len(content) - start
    if promised != present:
        raise BadArray(
            f"its header promises {promised:,} bytes of {dtype} {shape}, {present:,} follow"
        )
    flat = np.frombuffer(content, dtype, offset=start)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        header = io.BytesIO(file.read(MAX_HEADER))
        shape, _, dtype = _read_header(header)
        promised = header.tell() + math.prod(shape) * dtype.itemsize
        if promised != member.file_size or promised > MAX_BYTES:
            raise BadArray(
                f"{member.filename!r} promises {promised:,} bytes and holds {member.file_size:,}"
                f" (at most {MAX_BYTES:,} are read)"
            )
    return read_npy(archive.read(member))


def _read_header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
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
