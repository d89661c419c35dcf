"""A folder of `LABEL/name.png`: what is in it is listed at once, and read when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import DatasetInvalid, DatasetNotFound, PictureError
from data.names import is_hidden, named
from data.normalise import find_digits, scale_to_bytes
from data.picture import SUFFIXES, read_picture
from data.pictures import stamp_of


@dataclass(frozen=True)
class FolderPictures:
    """The pictures in the folders of a folder; meets `data.pictures.Pictures`.

    Attributes:
        root: the folder.
        paths: (n,) bytes, of the files in it: an array, so that processes can share its memory.
    """

    root: Path
    paths: np.ndarray

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Those at `rows` (m,) as digits (m, 28, 28) uint8.

        Raises:
            DatasetInvalid: one is no picture of a digit; the message names it.
        """
        return np.stack([labelled_picture(self._path(row), str(self._path(row))) for row in rows])

    def files_of(self, rows: np.ndarray) -> list[str]:
        """Those at `rows` (m,) as a person finds them again, for example `mine/7/a.png`."""
        name = self.root.resolve().name
        return [named(f"{name}/{os.fsdecode(self.paths[row])}") for row in rows]

    def stamp(self) -> str:
        """A hash of all paths, sizes and times."""
        return stamp_of(self._path(row) for row in range(len(self.paths)))

    def _path(self, row: int) -> Path:
        return self.root / os.fsdecode(self.paths[row])


def list_folder(folder: Path) -> tuple[FolderPictures, np.ndarray]:
    """The pictures in a folder's folders, and what those are called (n,), both in order of names.

    What is hidden, as programs leave it there, is none of them.

    Raises:
        DatasetNotFound: a folder cannot be read.
        DatasetInvalid: there is no picture, or none in one of the folders.
    """
    paths, labels, empty = [], [], []
    try:
        for label in sorted(one.name for one in _shown(folder) if one.is_dir()):
            found = sorted(
                one.name
                for one in _shown(folder / label)
                if Path(one.name).suffix.lower() in SUFFIXES
            )
            paths += [os.fsencode(f"{label}/{name}") for name in found]
            labels += [named(label)] * len(found)
            empty += [] if found else [label]
    except OSError as exc:
        raise DatasetNotFound(f"{exc.filename}: cannot be read ({exc.strerror})") from exc
    if paths and empty:
        raise DatasetInvalid(
            f"{named(folder / empty[0])}: expected images in it, found none (those in folders"
            " further down do not count); add some or remove it"
        )
    if not paths:
        raise DatasetInvalid(
            f"{folder}: expected folders named by what is in them, such as 0 to 9, with images,"
            " found no image"
        )
    return FolderPictures(folder.absolute(), np.array(paths)), np.array(labels)


def _shown(folder: Path) -> Iterator[os.DirEntry[str]]:
    return (one for one in os.scandir(folder) if not is_hidden(one.name))


def labelled_picture(source: Path | bytes, name: str) -> np.ndarray:
    """A picture file, or the content of one, as a digit (28, 28) uint8.

    Raises:
        DatasetInvalid: it is no picture of a digit; `name` is to blame.
    """
    try:
        return scale_to_bytes(find_digits(read_picture(source), single=True)[0].image)
    except PictureError as exc:
        raise DatasetInvalid(f"{name}: {exc}; remove it from the dataset") from exc
