"""Read the arrays of an `.npz` archive, each checked before it is unpacked."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from data.errors import DatasetCorrupt, DatasetNotFound
from data.npy import MAX_HEADER, BadArray, read_header, read_npy

MAX_BYTES = 8 << 30


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
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        BadArray,
    ) as exc:
        raise DatasetCorrupt(f"{path}: expected an .npz archive of arrays, but {exc}") from exc
    except OSError as exc:
        raise DatasetNotFound(f"{path}: cannot be read ({exc.strerror or exc})") from exc


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
