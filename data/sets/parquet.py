"""Labelled pictures in Parquet: a file, or a folder of files that are read in order of their names.

Column `label` has integers or text. Column `image` has picture files (binary, or a struct with
`bytes` of them, as Hugging Face's datasets have), which are read as those in a folder are; or lists
of 784 numbers from 0 to 255, which are digits already, ink bright. Labels are read at once, the
pictures when they are asked for: the row groups that hold them, in batches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.convention import SIDE
from data.errors import DatasetCorrupt, DatasetInvalid, DatasetNotFound, MissingExtra
from data.names import is_hidden
from data.sets.folders import labelled_pictures
from data.sets.labels import joined
from data.sets.pictures import stamp_of

SUFFIX = ".parquet"
IMAGE, LABEL = "image", "label"
AT_A_TIME = 1_024  # pictures in memory before they are decoded


@dataclass(frozen=True)
class ParquetPictures:
    """The pictures in Parquet files; meets `data.sets.pictures.Pictures`.

    Attributes:
        tables: the files, in order.
        groups: (g, 3) int64: file, row group in it, and the first row of all that is in it.
    """

    tables: tuple[Path, ...]
    groups: np.ndarray

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Those at `rows` (m,), ascending, as digits (m, 28, 28) uint8.

        Raises:
            DatasetCorrupt, DatasetInvalid: a file is damaged, or no digit is in one; named.
        """
        found = np.empty((len(rows), SIDE, SIDE), np.uint8)
        places = np.searchsorted(self.groups[:, 2], rows, side="right") - 1
        for place in np.unique(places):
            file, group, first = self.groups[place]
            wanted = np.flatnonzero(places == place)
            self._read_group(self.tables[file], int(group), int(first), rows[wanted], found, wanted)
        return found

    def _read_group(
        self,
        file: Path,
        group: int,
        first: int,
        rows: np.ndarray,
        found: np.ndarray,
        places: np.ndarray,
    ) -> None:
        with _opened(file) as parquet:
            done = 0
            for batch in parquet.iter_batches(AT_A_TIME, row_groups=[group], columns=[IMAGE]):
                some = slice(done, int(np.searchsorted(rows, first + len(batch))))
                if some.stop > done:
                    inside = rows[some] - first
                    column = _plain(batch.column(0)).take(inside)
                    found[places[some]] = _digits(column, file, rows[some])
                first, done = first + len(batch), some.stop
                if done == len(rows):
                    return

    def files_of(self, rows: np.ndarray) -> tuple[str, ...]:
        """None: all of them share a file."""
        del rows
        return ()

    def stamp(self) -> str:
        """A hash of the files' paths, sizes and times."""
        return stamp_of(self.tables)


def open_parquet(place: Path) -> list[tuple[ParquetPictures, np.ndarray]]:
    """The pictures of a file or a folder of files, and their labels (n,).

    Where the files' names begin with `train` and `test`, the pictures and labels of each of these.

    Raises:
        MissingExtra: pyarrow is not installed.
        DatasetCorrupt, DatasetInvalid: a file is damaged or holds something else.
    """
    files = [place] if place.is_file() else _tables(place)
    splits = [[file for file in files if file.name.startswith(s)] for s in ("train", "test")]
    return [_open_files(some) for some in (splits if all(splits) else [files])]


def _open_files(files: list[Path]) -> tuple[ParquetPictures, np.ndarray]:
    groups, labels, count = [], [], 0
    for number, file in enumerate(files):
        with _opened(file) as parquet:
            _check_columns(parquet.schema_arrow, file)
            for group in range(parquet.num_row_groups):
                groups.append((number, group, count))
                count += parquet.metadata.row_group(group).num_rows
            labels.append(_labels(parquet.read(columns=[LABEL]).column(0), file))
    if not count:
        raise DatasetInvalid(f"{files[0]}: expected pictures and labels, found no row")
    where = tuple(file.absolute() for file in files)
    return ParquetPictures(where, np.array(groups, np.int64)), joined(labels)


def has_parquet(folder: Path) -> bool:
    """Whether a folder holds Parquet files."""
    return bool(_tables(folder))


def _tables(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob(f"*{SUFFIX}") if not is_hidden(file.name))


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """An open Parquet file, whose failures are ours."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as exc:
        raise MissingExtra("Parquet needs pyarrow: pip install 'digit-search[parquet]'") from exc
    try:
        with parquet.ParquetFile(file) as opened:
            yield opened
    except FileNotFoundError as exc:
        raise DatasetNotFound(f"{file}: cannot be read ({exc.strerror})") from exc
    except pyarrow.ArrowNotImplementedError as exc:
        raise DatasetInvalid(f"{file}: expected pictures and labels, but {_said(exc)}") from exc
    except (pyarrow.ArrowException, OSError) as exc:
        raise DatasetCorrupt(f"{file}: expected a whole Parquet file, but {_said(exc)}") from exc


def _said(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200]


def _check_columns(schema: Any, file: Path) -> None:
    if any(schema.names.count(name) != 1 for name in (IMAGE, LABEL)):
        raise DatasetInvalid(
            f"{file}: expected one column {IMAGE} and one {LABEL}, received"
            f" {', '.join(schema.names)}"
        )


def _labels(column: Any, file: Path) -> np.ndarray:
    labels = column.to_numpy()
    if column.null_count or labels.dtype.kind not in "iuO":
        raise DatasetInvalid(
            f"{file}: expected a {LABEL} that is an integer or text in every row, received"
            f" {column.type}{' with gaps' * bool(column.null_count)}"
        )
    if labels.dtype.kind == "O" and not all(isinstance(one, str) for one in labels):
        raise DatasetInvalid(f"{file}: expected {LABEL} to be integers or text, received others")
    return np.asarray(labels, str if labels.dtype.kind == "O" else None)


def _plain(column: Any) -> Any:
    """A column of pictures as one of bytes or lists, of which rows can be taken."""
    from pyarrow import compute, large_binary, types

    if types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = compute.struct_field(column, "bytes")
    return column.cast(large_binary()) if types.is_binary_view(column.type) else column


def _digits(column: Any, file: Path, rows: np.ndarray) -> np.ndarray:
    """A column of pictures as digits (m, 28, 28) uint8; `rows` (m,) are to blame."""
    from pyarrow import types

    if column.null_count:
        raise DatasetInvalid(f"{file}: expected an {IMAGE} in every row, received none in some")
    kind = column.type
    binary = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    if any(is_one(kind) for is_one in binary):
        return labelled_pictures(
            (content.as_py(), f"{file}, row {row:,}")
            for row, content in zip(rows, column, strict=True)
        )
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    views = (types.is_list_view, types.is_large_list_view)
    if any(is_one(kind) for is_one in (*lists, *views)):
        return _pixels(column, file)
    raise DatasetInvalid(
        f"{file}: expected {IMAGE} to hold picture files, or lists of {SIDE * SIDE} numbers from 0"
        f" to 255, received {kind}"
    )


def _pixels(column: Any, file: Path) -> np.ndarray:
    """A column of lists as digits (m, 28, 28) uint8."""
    from pyarrow import compute, types

    numbers, lengths = column.flatten(), compute.list_value_length(column).to_numpy()
    wrong = lengths[lengths != SIDE * SIDE]
    if not types.is_integer(numbers.type):
        received = f"{numbers.type} numbers"
    elif len(wrong):
        received = f"one of {wrong[0]:,}"
    elif numbers.null_count:
        received = "one with gaps"
    else:
        pixels = numbers.to_numpy()
        low, high = pixels.min(), pixels.max()
        if low >= 0 and high <= 255:
            return np.asarray(pixels, np.uint8).reshape(-1, SIDE, SIDE)
        received = f"numbers from {low} to {high}"
    raise DatasetInvalid(
        f"{file}: expected lists of {SIDE * SIDE} whole numbers from 0 to 255 as {IMAGE}, received"
        f" {received}"
    )
