"""A folder of `LABEL/name.png`: what is in it is listed at once, and read when it is asked for.

Pictures lie in the folders that say what they show, and neither beside these nor further down.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.errors import DatasetInvalid, DatasetNotFound, PictureError
from data.names import is_hidden, is_text, named
from data.normalise import find_digits, scale_to_bytes
from data.picture import OTHER_SUFFIXES, SUFFIXES, read_picture
from data.pictures import stamp_of

SHOWN = 5  # files in a message


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


class Found(NamedTuple):
    """The pictures in a folder, at any depth, but for what is hidden.

    Attributes:
        pictures: their paths, in order.
        unread: paths of those in formats that are not read.
        refusals: why folders cannot be listed.
    """

    pictures: list[str]
    unread: list[str]
    refusals: list[OSError]


def find_pictures(folder: str, suffixes: Set[str] = SUFFIXES) -> Found:
    """Find the files whose names end in one of `suffixes`, and what else are pictures."""
    files: list[str] = []
    refusals: list[OSError] = []
    for place, inner, names in os.walk(folder, onerror=refusals.append):
        inner[:] = [name for name in inner if not is_hidden(name)]
        files += [os.path.join(place, name) for name in names if not is_hidden(name)]  # noqa: PTH118
    files.sort()
    return Found(_ending_in(suffixes, files), _ending_in(OTHER_SUFFIXES, files), refusals)


def _ending_in(suffixes: Set[str], paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path.lower().endswith(tuple(suffixes))]


def tell_unread(paths: Sequence[str]) -> str:
    """What is wrong with pictures in formats that are not read, and what to do."""
    kinds = ", ".join(sorted({Path(path).suffix.lower() for path in paths}))
    return (
        f"expected pictures in formats such as PNG or JPEG, received {len(paths):,} in others"
        f" ({kinds}); save them as PNG"
    )


def list_classes(folder: Path, suffixes: Set[str] = SUFFIXES) -> dict[str, Found]:
    """What is in each folder of a folder, in order of their names: pictures of what it is called.

    Raises:
        DatasetNotFound: a folder cannot be read.
        DatasetInvalid: the name of one is not UTF-8, or pictures lie beside these folders or
            further down.
    """
    try:
        shown = sorted(path for path in folder.iterdir() if not is_hidden(path.name))
        inner = [path for path in shown if path.is_dir()]
    except OSError as exc:
        raise DatasetNotFound(f"{named(folder)}: cannot be read ({exc.strerror})") from exc
    classes = {path.name: find_pictures(str(path), suffixes) for path in inner}
    beside = map(str, set(shown) - set(inner))
    elsewhere = sorted(_ending_in(suffixes | OTHER_SUFFIXES, beside))
    for path, found in zip(inner, classes.values(), strict=True):
        for refusal in found.refusals:
            raise DatasetNotFound(f"{named(refusal.filename)}: cannot be read ({refusal.strerror})")
        if not is_text(path.name):
            raise DatasetInvalid(
                f"{named(path)}: expected a folder named by what is in it, in UTF-8; rename it"
            )
        files = found.pictures + found.unread
        elsewhere += [file for file in files if os.path.dirname(file) != str(path)]  # noqa: PTH120
    if elsewhere:
        raise DatasetInvalid(
            f"{named(folder)}: expected pictures in folders named by what is in them, as in"
            f" {named(folder / '7' / 'a.png')}, and neither beside these nor further down,"
            f" received {_some(elsewhere)}; move or remove them"
        )
    return classes


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
        more = f"; these cannot be used either: {_some(others)}" if others else ""
        raise DatasetInvalid(f"{first}: {reasons[first]}, or remove it from the dataset{more}")
    return np.stack(digits)


def _some(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(named, names[:SHOWN])) + more
