"""Labelled pictures in a pair of IDX files: read from the disk when they are asked for.

They are called as MNIST's own are: `train-images-idx3-ubyte` has the pictures, and
`train-labels-idx1-ubyte` beside it what they are.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import mmap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.convention import SIDE
from data.errors import DatasetCorrupt, DatasetInvalid, DatasetNotFound
from data.sets import idx
from data.sets.pictures import stamp_of


@dataclass(frozen=True)
class IdxPictures:
    """The pictures in an IDX file that is not packed; meets `data.sets.pictures.Pictures`."""

    path: Path

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Those at `rows` (m,) as digits (m, 28, 28) uint8.

        Raises:
            DatasetNotFound, DatasetCorrupt: the file is gone or was changed.
        """
        return np.asarray(_mapped(self.path)[rows])

    def files_of(self, rows: np.ndarray) -> tuple[str, ...]:
        """None: all of them share a file."""
        del rows
        return ()

    def stamp(self) -> str:
        """A hash of the file's path, size and time."""
        return stamp_of([self.path])


def is_idx(path: Path) -> bool:
    """Whether a file is called as one of pictures in IDX."""
    return "images" in path.name and "idx3" in path.name and path.is_file()


def open_idx(path: Path) -> tuple[IdxPictures | np.ndarray, np.ndarray]:
    """The pictures in an IDX file, and the labels (n,) uint8 of the file beside it.

    A file in gzip cannot be read from its middle: it gives the pictures (n, 28, 28) themselves.

    Raises:
        DatasetNotFound: there is no file of labels.
        DatasetCorrupt, DatasetInvalid: damaged, or of other things than digits.
    """
    labels = _read(_labels_beside(path), idx.LABELS_MAGIC)
    packed = _is_packed(path)
    images = _read(path, idx.IMAGES_MAGIC) if packed else _mapped(path)
    if images.shape != (len(labels), SIDE, SIDE) or not len(labels):
        raise DatasetInvalid(
            f"{path}: expected pictures of {SIDE} x {SIDE}, as many as the {len(labels):,} labels"
            f" beside it, received {images.shape}"
        )
    return images if packed else IdxPictures(path.absolute()), labels


def _labels_beside(path: Path) -> Path:
    name = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    for candidate in (path.with_name(name), path.with_name(f"{name}.gz")):
        if candidate.is_file():
            return candidate
    raise DatasetNotFound(f"{path}: expected {name} or {name}.gz beside it")


def _is_packed(path: Path) -> bool:
    with _opened(path) as file:
        return file.read(len(idx.GZIP)) == idx.GZIP


def _mapped(path: Path) -> np.ndarray:
    """The pictures (n, h, w), read from the disk where they are touched."""
    with _opened(path) as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as exc:
            raise DatasetCorrupt(f"{path}: expected an IDX file, received an empty one") from exc
        return idx.parse(content, idx.IMAGES_MAGIC, path)


def _read(path: Path, magic: int) -> np.ndarray:
    """All of an IDX file, unpacked where it is packed."""
    with _opened(path) as file:
        try:
            opened = gzip.GzipFile(fileobj=file) if _is_packed(path) else file
            header = opened.read(idx.header_size(magic))
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise DatasetCorrupt(f"{path}: damaged gzip ({exc}); fetch it again") from exc
        file.seek(0)
        expected = len(header) + math.prod(idx.parse_header(header, magic, path))
        return idx.parse(idx.unpack(file, expected, path), magic, path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as exc:
        raise DatasetNotFound(f"{path}: cannot be read ({exc.strerror})") from exc
    with file:
        yield file
