"""The pictures in folders: which there are, and which of them cannot be read.

What programs hide there is left out. In a folder of labelled pictures these lie in the folders that
say what they show, and neither beside these nor further down.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from data.errors import DatasetInvalid, DatasetNotFound
from data.names import first_of, is_hidden, is_text, named
from data.picture import OTHER_SUFFIXES, SUFFIXES

SHOWN = 5  # names in a message


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
    """Find the files whose names end in one of `suffixes`, and what else are pictures.

    Links to folders are followed, each folder once.
    """
    files: list[str] = []
    refusals: list[OSError] = []
    seen: set[str] = set()
    for place, inner, names in os.walk(folder, onerror=refusals.append, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(name for name in inner if not is_hidden(name))
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
    folders, files = _entries(folder)
    classes = {path.name: find_pictures(str(path), suffixes) for path in folders}
    elsewhere = _ending_in(suffixes | OTHER_SUFFIXES, map(str, files))
    for path, found in zip(folders, classes.values(), strict=True):
        for refusal in found.refusals:
            raise DatasetNotFound(f"{named(refusal.filename)}: cannot be read ({refusal.strerror})")
        if not is_text(path.name):
            raise DatasetInvalid(
                f"{named(path)}: expected a folder named by what is in it, in UTF-8; rename it"
            )
        below = found.pictures + found.unread
        elsewhere += [file for file in below if os.path.dirname(file) != str(path)]  # noqa: PTH120
    if elsewhere:
        raise DatasetInvalid(
            f"{named(folder)}: expected pictures in folders named by what is in them, as in"
            f" {named(folder / '7' / 'a.png')}, and neither beside these nor further down,"
            f" received {shown(elsewhere)}; move or remove them"
        )
    return classes


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders in a folder, and the files, in order."""
    try:
        inside = sorted(path for path in folder.iterdir() if not is_hidden(path.name))
        folders = [path for path in inside if path.is_dir()]
    except OSError as exc:
        raise DatasetNotFound(f"{named(folder)}: cannot be read ({exc.strerror})") from exc
    return folders, sorted(set(inside) - set(folders))


def shown(names: Sequence[str]) -> str:
    """The first of some names of files, and how many more there are."""
    return first_of([named(name) for name in names], SHOWN)
