"""Labelled sets of digits by name or path: MNIST, optdigits, a folder, `.npz`, Parquet, IDX.

Sets that come without a test split give up every fifth item of each class, so that what is
measured was never indexed or trained on.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from data.convention import MNIST8M, SIDE
from data.dataset import Dataset, Parted
from data.document.render import render
from data.errors import DatasetInvalid, DatasetNotFound, MissingExtra
from data.mnist import is_mnist_place, load_mnist
from data.normalise import scale_to_bytes
from data.sets.folders import list_folder
from data.sets.idx_set import is_idx, open_idx
from data.sets.labels import check_classes, joined, numbered
from data.sets.npz import read_npz
from data.sets.parquet import SUFFIX as PARQUET
from data.sets.parquet import has_parquet, open_parquet
from data.sets.pictures import Pictures

BUILT_IN = ("mnist", "optdigits", MNIST8M)
HELD_OUT = 5
BRIGHT = 191  # of 255; edges that mostly are brighter show a bright ground


def load_dataset(source: str, split: str) -> Dataset:
    """Load one split into memory; arguments and errors as for :func:`open_dataset`."""
    return open_dataset(source, split).whole()


def open_dataset(source: str, split: str) -> Dataset | Parted:
    """Open one split; the pictures of a folder, Parquet or IDX stay where they are.

    Args:
        source: `mnist`, `optdigits`, a folder of `LABEL/name.png` (or of MNIST's four files), an
            `.npz` with `x_train`, `y_train` (and `x_test`, `y_test`), a `.parquet` file or a folder
            of them, or an IDX file of pictures with one of labels beside it.
        split: `"train"` or `"test"`.

    Raises:
        DatasetNotFound: no such name or path, or MNIST cannot be had.
        DatasetCorrupt: a damaged file; the message names it.
        DatasetInvalid: readable, but not a labelled set of digits.
        MissingExtra: it needs a package that is not installed.
    """
    if source == "mnist":
        return Dataset("mnist", split, *load_mnist(split))
    if source == "optdigits":
        return _held_out("optdigits", split, *_optdigits(), "optdigits")
    if source == MNIST8M:
        raise DatasetInvalid(
            f"{MNIST8M} is drawn from MNIST while it is indexed: train and evaluate with mnist"
        )
    path = Path(os.path.expanduser(source))  # noqa: PTH111, Path's own raises for unknown users
    if source and path.is_dir() and is_mnist_place(path):
        return Dataset("mnist", split, *load_mnist(split, path))
    if source and path.is_dir() and not has_parquet(path):
        return _held_out(_name(path), split, *list_folder(path), str(path))
    if (source and path.is_dir()) or (path.suffix == PARQUET and path.is_file()):
        return _parquet(path, split)
    if is_idx(path):
        return _held_out(_name(path), split, *open_idx(path), str(path))
    if path.suffix == ".npz" and path.is_file():
        return _npz(path, split)
    raise DatasetNotFound(
        f"no dataset {source!r}: expected mnist, optdigits, a folder of LABEL/name.png, an existing"
        f" .npz, .parquet or images-idx3 file, or {MNIST8M} to index"
    )


def _optdigits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 digits of 8x8 that scikit-learn carries, upscaled to the MNIST convention.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as exc:
        raise MissingExtra(
            "optdigits come with scikit-learn: pip install 'digit-search[train]'"
        ) from exc
    digits = load_digits()
    inks = (digits.images / 16).astype(np.float32)  # (1797, 8, 8)
    images = np.stack([render(_crop(ink)) for ink in inks])  # (1797, 28, 28)
    return scale_to_bytes(images), digits.target.astype(np.uint8)


def _crop(ink: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _parquet(path: Path, split: str) -> Dataset | Parted:
    parts = open_parquet(path)
    name, where = _name(path), str(path)
    if len(parts) == 1:
        return _held_out(name, split, *parts[0], where)
    positions, names = numbered(joined([labels for _, labels in parts]), where)
    n = len(parts[0][1])
    check_classes(positions[:n], names, where)
    labels = positions[:n] if split == "train" else positions[n:]
    return Parted(name, split, labels, names, np.arange(len(labels)), parts[split == "test"][0])


def _npz(path: Path, split: str) -> Dataset | Parted:
    arrays = read_npz(path)
    if not {"x_train", "y_train"} <= arrays.keys():
        raise DatasetInvalid(
            f"{path}: expected arrays x_train and y_train, received {sorted(arrays)}"
        )
    given = {"x_test", "y_test"} & arrays.keys()
    if len(given) == 1:
        raise DatasetInvalid(
            f"{path}: expected arrays x_test and y_test, or neither, received only {given.pop()}"
        )
    if not given:
        images, labels = _checked(arrays["x_train"], arrays["y_train"], path)
        return _held_out(_name(path), split, images, labels, str(path))
    parts = [_checked(arrays[f"x_{one}"], arrays[f"y_{one}"], path) for one in ("train", "test")]
    positions, names = numbered(joined([labels for _, labels in parts]), str(path))
    n = len(parts[0][1])
    check_classes(positions[:n], names, str(path))
    chosen = slice(n) if split == "train" else slice(n, None)
    images, _ = parts[split == "test"]
    return Dataset(_name(path), split, images, positions[chosen], names)


def _checked(images: np.ndarray, labels: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    n = len(labels) if labels.ndim == 1 else -1
    if images.dtype != np.uint8 or images.shape != (n, SIDE, SIDE) or n == 0:
        raise DatasetInvalid(
            f"{path}: expected images (n, 28, 28) uint8 and labels (n,), received"
            f" {images.shape} {images.dtype} and {labels.shape}"
        )
    if labels.dtype.kind not in "iuU":
        raise DatasetInvalid(
            f"{path}: expected labels that are integers or text, received {labels.dtype}"
        )
    if not images.any():
        raise DatasetInvalid(f"{path}: expected digits, bright on black, but every image is black")
    edges = np.concatenate([images[:, [0, -1]], images[:, :, [0, -1]].transpose(0, 2, 1)])
    if np.median(edges) > BRIGHT:
        raise DatasetInvalid(
            f"{path}: expected digits, bright on black, but most images have bright edges; if they"
            " are dark on bright, store 255 - images"
        )
    return images, labels


def _held_out(
    name: str, split: str, images: np.ndarray | Pictures, labels: np.ndarray, source: str
) -> Dataset | Parted:
    """One split of what has none: of labels (n,) of any kind, for which `source` is to blame."""
    labels, names = numbered(labels, source)
    check_classes(labels, names, source)
    rank = np.empty(len(labels), np.intp)  # position of each item within its class
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    in_test = rank % HELD_OUT == HELD_OUT - 1
    if not in_test.any():
        raise DatasetInvalid(
            f"{source}: expected a class of at least {HELD_OUT} digits, so that one can be held out"
            f" to test on, received {len(labels)} digits in all; add some"
        )
    rows = np.flatnonzero(in_test if split == "test" else ~in_test)
    if isinstance(images, np.ndarray):
        return Dataset(name, split, images[rows], labels[rows], names)
    return Parted(name, split, labels[rows], names, rows, images)


def _name(path: Path) -> str:
    """A name that is safe inside an id and on a terminal, and that no set has which is built in."""
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in path.resolve().stem)
    return f"own-{kept}" if kept in BUILT_IN else kept or "dataset"
