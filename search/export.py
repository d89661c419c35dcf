"""What an index holds, for other tools: vectors, labels, ids and files, as `.npz` or Parquet.

Both are written part by part beside their place and renamed into it, so memory does not grow with
the index and there is never a half-written file.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from data.errors import MissingExtra, UsageError
from data.files import replacing
from search.index import DigitIndex

PART = 65_536  # digits


def export(index: DigitIndex, path: Path) -> int:
    """Write every digit that can answer, in the order of positions; gives how many.

    An `.npz` has the arrays `vectors` (n, d) float32, `labels` (n,) uint8, `ids` (n,) text, `names`
    (classes,) text, what the labels stand for, and where any digit came from a file, `files` (n,)
    text. A Parquet file has the columns `id` (text), `label` (uint8), `name` (text), `file` (text
    or null) and `vector` (d float32).

    Raises:
        UsageError: `path` ends in neither `.npz` nor `.parquet`.
        MissingExtra: Parquet was asked for and pyarrow is not installed.
        StorageError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    ways: dict[str, Callable[[DigitIndex, IO[bytes]], None]] = {
        ".npz": _npz,
        ".parquet": _parquet,
    }
    ending = path.suffix.lower()
    if ending not in ways:
        raise UsageError(f"expected a name that ends in .npz or .parquet, received {path.name!r}")
    if ending == ".parquet":
        _require_pyarrow()
    with replacing(path) as file:
        ways[ending](index, file)
    return len(index)


def _parts(index: DigitIndex) -> Iterator[np.ndarray]:
    """All live positions, so many at a time."""
    return (index.live[start : start + PART] for start in range(0, len(index), PART))


def _npz(index: DigitIndex, file: IO[bytes]) -> None:
    count, names = len(index), np.array(index.manifest.names)
    runs = index.sources.runs
    longest = max(len(f"{run.prefix}/{run.first + run.count - 1}") for run in runs)
    longest_file = max(
        (len(run.folder) + max(map(len, run.names)) for run in runs if run.files), default=0
    )
    arrays: dict[str, tuple[tuple[int, ...], np.dtype, Callable[[np.ndarray], np.ndarray]]] = {
        "vectors": (
            (count, index.manifest.dimension),
            np.dtype("<f4"),
            lambda part: index.vectors.vectors(part).astype("<f4"),
        ),
        "labels": ((count,), np.dtype(np.uint8), lambda part: index.labels[part]),
        "ids": ((count,), np.dtype(f"<U{longest}"), lambda part: _text(index.name, part, longest)),
    }
    if longest_file:
        arrays["files"] = (
            (count,),
            np.dtype(f"<U{longest_file}"),
            lambda part: _text(lambda one: index.file(one) or "", part, longest_file),
        )
    with zipfile.ZipFile(file, "w") as archive:
        for name, (shape, dtype, rows) in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                _npy_header(member, shape, dtype)
                for part in _parts(index):
                    member.write(rows(part).tobytes())
        with archive.open("names.npy", "w") as member:
            np.lib.format.write_array(member, names, allow_pickle=False)


def _npy_header(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"shape": shape, "fortran_order": False, "descr": descr}
    np.lib.format.write_array_header_1_0(file, header)


def _text(of: Callable[[int], str], positions: np.ndarray, longest: int) -> np.ndarray:
    return np.array([of(int(position)) for position in positions], f"<U{longest}")


def _parquet(index: DigitIndex, file: IO[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    names, dimension = np.array(index.manifest.names), index.manifest.dimension
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("label", pa.uint8()),
            ("name", pa.string()),
            ("file", pa.string()),
            ("vector", pa.list_(pa.float32(), dimension)),
        ]
    )
    with parquet.ParquetWriter(file, schema) as writer:
        for part in _parts(index):
            labels = index.labels[part]
            flat = pa.array(index.vectors.vectors(part).ravel())
            columns: list[Any] = [
                pa.array([index.name(int(position)) for position in part]),
                pa.array(labels),
                pa.array(names[labels]),
                pa.array([index.file(int(position)) for position in part], pa.string()),
                pa.FixedSizeListArray.from_arrays(flat, dimension),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as exc:
        raise MissingExtra("Parquet needs pyarrow: pip install 'digit-search[parquet]'") from exc
