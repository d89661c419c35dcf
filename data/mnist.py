"""Find MNIST on this machine, prove that it is MNIST, or download it.

Looked for, in this order: the path a person names, `$DIGITS_MNIST`, Keras's cache, our own cache,
two public mirrors. Whatever the packaging (IDX, gzipped IDX, `mnist.npz`), the decompressed
content must have the published SHA-256.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.convention import SIDE
from data.errors import DatasetCorrupt, DatasetInvalid, DatasetNotFound
from data.fetch import PATIENCE, FetchFailed, fetch
from data.files import make_folder, write_whole
from data.home import cache_folder
from data.sets import idx
from data.sets.npz import read_npz

VARIABLE = "DIGITS_MNIST"
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
SPLITS = ("train", "test")


@dataclass(frozen=True)
class IdxFile:
    """One of the four original files: its name, and magic, length and SHA-256 once decompressed."""

    name: str
    magic: int
    size: int
    sha256: str


IMAGES = {
    "train": IdxFile(
        "train-images-idx3-ubyte",
        idx.IMAGES_MAGIC,
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "test": IdxFile(
        "t10k-images-idx3-ubyte",
        idx.IMAGES_MAGIC,
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
}
LABELS = {
    "train": IdxFile(
        "train-labels-idx1-ubyte",
        idx.LABELS_MAGIC,
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "test": IdxFile(
        "t10k-labels-idx1-ubyte",
        idx.LABELS_MAGIC,
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
FILES = (*IMAGES.values(), *LABELS.values())
GZIP_EXTRA = 1 << 16  # bytes that gzip adds at most to what it cannot shrink


def load_mnist(split: str, path: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """One split of MNIST, verified.

    Args:
        split: `"train"` (60,000) or `"test"` (10,000).
        path: a folder with the IDX files or a `mnist.npz`; found or downloaded when None.

    Returns:
        images (n, 28, 28) uint8, ink bright on black, and labels (n,) uint8.

    Raises:
        DatasetNotFound: it is nowhere and cannot be downloaded.
        DatasetCorrupt: what was found is not MNIST; the message names the file.
    """
    place = path or find_mnist() or download_mnist()
    return _load_npz(place, split) if place.suffix == ".npz" else _load_idx(place, split)


def find_mnist() -> Path | None:
    """Where MNIST lies on this machine: a folder of IDX files, an `.npz`, or None.

    Raises:
        DatasetNotFound: `$DIGITS_MNIST` is set, but MNIST is not there.
    """
    named = os.environ.get(VARIABLE)
    if named:
        place = Path(os.path.expanduser(named))  # noqa: PTH111, Path's raises for unknown users
        if not is_mnist_place(place):
            raise DatasetNotFound(
                f"${VARIABLE} is {place}: expected a folder with {IMAGES['train'].name}[.gz] and"
                " its three companions, or a mnist.npz; correct it or unset it"
            )
        return place
    caches = filter(None, (keras_cache(), own_cache()))
    return next((place for place in caches if is_mnist_place(place)), None)


def is_mnist_place(place: Path) -> bool:
    """Whether `place` is an `.npz` file or a folder with all four IDX files."""
    if place.suffix == ".npz":
        return place.is_file()
    return all(_idx_path(place, file) for table in (IMAGES, LABELS) for file in table.values())


def keras_cache() -> Path:
    """Where Keras keeps MNIST, whether or not it is there."""
    home = os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras"))  # noqa: PTH111
    return Path(home) / "datasets" / "mnist.npz"


def own_cache() -> Path | None:
    """Where our own download goes, whether or not it is there; None where no home is known."""
    folder = cache_folder()
    return folder / "mnist" if folder else None


def download_mnist(
    folder: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    files: Sequence[IdxFile] = FILES,
    patience: float = PATIENCE,
) -> Path:
    """Fetch MNIST into `folder` (our cache), each file from the first mirror that has it.

    A file enters the folder only after its content was verified.

    Args:
        folder: made if need be; files that are there already are kept.
        mirrors: addresses that `NAME.gz` is appended to, asked in this order.
        files: which to fetch.
        patience: seconds that a mirror may be silent or very slow.

    Raises:
        DatasetNotFound: no mirror gave a file; the message says how else to provide MNIST.
        StorageError: the folder cannot be written.
    """
    folder = folder or own_cache()
    if folder is None:
        raise DatasetNotFound(
            "MNIST is not on this machine, and no home folder is known to download it to; set HOME,"
            f" or ${VARIABLE} to a folder that holds it"
        )
    make_folder(folder)
    for file in files:
        if not _idx_path(folder, file):
            write_whole(folder / f"{file.name}.gz", _fetched(file, mirrors, patience))
    return folder


def _fetched(file: IdxFile, mirrors: Sequence[str], patience: float) -> bytes:
    packed = f"{file.name}.gz"
    problems = []
    for mirror in mirrors:
        try:
            content = fetch(mirror + packed, file.size + GZIP_EXTRA, patience)
            _verified(file, io.BytesIO(content), packed)
        except (FetchFailed, DatasetCorrupt) as exc:
            problems.append(f"{mirror}: {exc}")
        else:
            return content
    raise DatasetNotFound(
        f"MNIST is not on this machine and {packed} could not be downloaded"
        f" ({'; '.join(problems)}). Give it in one of three ways: set ${VARIABLE} to a folder with"
        f" the four IDX files or to a mnist.npz; put mnist.npz at {keras_cache()}; or connect to"
        " the internet. Or use the embedded digits: --dataset optdigits"
    )


def _idx_path(folder: Path, file: IdxFile) -> Path | None:
    candidates = (folder / f"{file.name}.gz", folder / file.name)
    return next((path for path in candidates if path.is_file()), None)


def _load_idx(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    files = [(table[split], _require(folder, table[split])) for table in (IMAGES, LABELS)]
    images, labels = (_read_verified(file, path) for file, path in files)
    return images, labels


def _require(folder: Path, file: IdxFile) -> Path:
    path = _idx_path(folder, file)
    if path is None:
        raise DatasetNotFound(f"{folder}: expected {file.name} or {file.name}.gz in it")
    return path


def _read_verified(file: IdxFile, path: Path) -> np.ndarray:
    try:
        with path.open("rb") as raw:
            return _verified(file, raw, path)
    except OSError as exc:
        raise DatasetNotFound(f"{path}: cannot be read ({exc.strerror})") from exc


def _verified(file: IdxFile, raw: BinaryIO, name: Path | str) -> np.ndarray:
    content = idx.unpack(raw, file.size, name)
    array = idx.parse(content, file.magic, name)
    _check_hash(content, file, name)
    return array


def _load_npz(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    arrays = read_npz(path)
    missing = {f"x_{split}", f"y_{split}"} - arrays.keys()
    if missing:
        raise DatasetInvalid(
            f"{path}: expected arrays x_{split} and y_{split}, received {sorted(arrays)}"
        )
    images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
    are_images = images.dtype == np.uint8 and images.shape[1:] == (SIDE, SIDE)
    if not are_images or labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DatasetInvalid(
            f"{path}: expected MNIST, images (n, 28, 28) uint8 and labels (n,) that are integers,"
            f" received {images.shape} {images.dtype} and {labels.shape} {labels.dtype}"
        )
    labels = labels.astype(np.uint8)
    for table, array in ((IMAGES, images), (LABELS, labels)):
        _check_hash(idx.pack(array), table[split], path)
    return images, labels


def _check_hash(content: bytes, file: IdxFile, name: Path | str) -> None:
    received = hashlib.sha256(content).hexdigest()
    if received != file.sha256:
        raise DatasetCorrupt(
            f"{name}: expected {file.name} with SHA-256 {file.sha256}, received {received};"
            " fetch it again"
        )
