"""A folder of `LABEL/name.png`: what is in it is listed at once, and read when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import DatasetInvalid, PictureError
from data.listing import list_classes, shown, tell_unread
from data.names import named
from data.normalise import find_digits, scale_to_bytes
from data.picture import read_picture
from data.sets.pictures import stamp_of


@dataclass(frozen=True)
class FolderPictures:
    """The pictures in the folders of a folder; meets `data.sets.pictures.Pictures`.

    Attributes:
        root: the folder.
        paths: (n,) bytes, of the files in it: an array, so that processes can share its memory.
    """

    root: Path
    paths: np.ndarray

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Those at `rows` (m,) as digits (m, 28, 28) uint8.

        Raises:
            DatasetInvalid: some are no pictures of a digit; the message names them.
        """
        paths = [self._path(row) for row in rows]
        return labelled_pictures((path, str(path)) for path in paths)

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

    Raises:
        DatasetNotFound, DatasetInvalid: as for :func:`list_classes`, or there is no picture, none
            in one of the folders, or one in a format that is not read.
    """
    classes = list_classes(folder)
    if unread := [path for found in classes.values() for path in found.unread]:
        raise DatasetInvalid(f"{named(folder)}: {tell_unread(unread)}, or remove them")
    empty = [label for label, found in classes.items() if not found.pictures]
    if len(empty) == len(classes):
        raise DatasetInvalid(
            f"{named(folder)}: expected folders named by what is in them, such as 0 to 9, with"
            " images, found no image"
        )
    if empty:
        raise DatasetInvalid(
            f"{named(folder / empty[0])}: expected images in it, found none; add some or remove it"
        )
    paths = [
        os.fsencode(f"{label}/{Path(path).name}")
        for label, found in classes.items()
        for path in found.pictures
    ]
    counts = [len(found.pictures) for found in classes.values()]
    return FolderPictures(folder.absolute(), np.array(paths)), np.repeat(list(classes), counts)


def labelled_pictures(pictures: Iterable[tuple[Path | bytes, str]]) -> np.ndarray:
    """Picture files, or the contents of some, and their names, as digits (n, 28, 28) uint8.

    Raises:
        DatasetInvalid: some are no pictures of a digit; the first is told of, others are named.
    """
    digits: list[np.ndarray] = []
    reasons: dict[str, PictureError] = {}
    for source, name in pictures:
        try:
            image = find_digits(read_picture(source), single=True)[0].image
            digits.append(scale_to_bytes(image))
        except PictureError as exc:
            reasons[name] = exc
    if reasons:
        first, *others = reasons
        more = f"; these cannot be used either: {shown(others)}" if others else ""
        raise DatasetInvalid(f"{first}: {reasons[first]}, or remove it from the dataset{more}")
    return np.stack(digits)
