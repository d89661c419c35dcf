"""The pictures of a labelled set where they lie: a few are read when a few are asked for.

What is read from can be sent to another machine that sees the same paths.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from data.errors import DatasetNotFound


class Pictures(Protocol):
    """Pictures in files; rows count through all of them."""

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Those at `rows` (m,), ascending, as digits (m, 28, 28) uint8.

        Raises:
            DatasetError: one cannot be read; the message names its file.
        """

    def files_of(self, rows: np.ndarray) -> Sequence[str]:
        """The files of those at `rows` (m,), where each has one of its own; else none."""

    def stamp(self) -> str:
        """A hash that is another one once a file was changed; contents are not read."""


def stamp_of(files: Iterable[Path]) -> str:
    """A hash of the paths, sizes and times of files.

    Raises:
        DatasetNotFound: one is gone.
    """
    digest = hashlib.sha256()
    try:
        for file in files:
            status = file.stat()
            digest.update(os.fsencode(file))
            digest.update(f"\0{status.st_size} {status.st_mtime_ns}\0".encode())
    except OSError as exc:
        raise DatasetNotFound(f"{exc.filename}: cannot be read ({exc.strerror})") from exc
    return digest.hexdigest()
