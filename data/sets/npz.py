"""Read the arrays of an `.npz` archive, each checked before it is unpacked."""

from __future__ import annotations

import io
import lzma
import math
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.errors import DatasetCorrupt, DatasetNotFound
from data.npy import MAX_HEADER, BadArray, read_header, read_npy

MAX_BYTES = 8 << 30
# More than so many bytes that were shrunk to less than a hundredth are no digits but a bomb.
BOMB, MOST_SHRUNK = 32 << 20, 100

# What zipfile raises on damaged archives; OSError when it seeks to where they send it.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an `.npz` archive by name, read-only.

    Raises:
        DatasetNotFound: `path` cannot be opened.
        DatasetCorrupt: not a zip archive of arrays, damaged, or a header that lies.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise DatasetNotFound(f"{path}: cannot be read ({exc.strerror})") from exc
    with file:
        try:
            return _read_archive(file)
        except _DAMAGED as exc:
            raise DatasetCorrupt(f"{path}: expected an .npz archive of arrays, but {exc}") from exc


def _read_archive(file: BinaryIO) -> dict[str, np.ndarray]:
    packed = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        _check_total(sum(member.file_size for member in members), packed)
        return {
            member.filename.removesuffix(".npy"): _read_member(archive, member)
            for member in members
        }


def _check_total(unpacked: int, packed: int) -> None:
    """Refuse an archive whose members, even if they share bytes, unpack to far more than it has."""
    if unpacked > max(BOMB, MOST_SHRUNK * packed):
        raise BadArray(f"it unpacks {packed:,} bytes to {unpacked:,}, which no set of digits does")


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        header = io.BytesIO(file.read(MAX_HEADER))
        shape, _, dtype = read_header(header)
        promised = header.tell() + math.prod(shape) * dtype.itemsize
        if promised != member.file_size or promised > MAX_BYTES:
            raise BadArray(
                f"{member.filename!r} promises {promised:,} bytes and holds {member.file_size:,}"
                f" (at most {MAX_BYTES:,} are read)"
            )
    return read_npy(archive.read(member))
