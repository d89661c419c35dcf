"""Labelled sets of digits by name or path: MNIST, optdigits, a folder, an `.npz` file.

Sets that come without a test split give up every fifth item of each class, so that what is
measured was never indexed or trained on.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.convention import CLASSES, SIDE
from data.errors import DatasetInvalid, DatasetNotFound, MissingExtra, PictureError
from data.mnist import is_mnist_place, load_mnist
from data.normalise import find_digits
from data.npz import read_npz
from data.picture import SUFFIXES, read_picture
from data.render import render

HELD_OUT = 5


@dataclass(frozen=True)
class Dataset:
    """One split of a labelled set.

    Attributes:
        name: for example `mnist`; with split and position it makes the id `mnist/train/123`.
        split: `"train"` or `"test"`.
        images: (n, 28, 28) uint8, ink bright on black.
        labels: (n,) uint8 in 0..9.
    """

    name: str
    split: str
    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        """Number of items."""
        return len(self.labels)

    def facts(self) -> dict[str, str | int]:
        """What an embedder or index remembers of it: name, split, count and content hash."""
        return {
            "name": self.name,
            "split": self.split,
            "count": len(self),
            "sha256": self.sha256(),
        }

    def sha256(self) -> str:
        """Hash of the content, whatever file it came from."""
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()


def load_dataset(source: str, split: str) -> Dataset:
    """Load one split.

    Args:
        source: `mnist`, `optdigits`, a folder of `LABEL/name.png` (or of MNIST's four files),
            or an `.npz` with `x_train`, `y_train` (and `x_test`, `y_test`).
        split: `"train"` or `"test"`.

    Raises:
        DatasetNotFound: no such name or path, or MNIST cannot be had.
        DatasetCorrupt: a damaged file; the message names it.
        DatasetInvalid: readable, but not a labelled set of digits.
    """
    if source == "mnist":
        return Dataset("mnist", split, *load_mnist(split))
    if source == "optdigits":
        return _held_out("optdigits", split, *_optdigits())
    path = Path(os.path.expanduser(source))  # noqa: PTH111, Path's own raises for unknown users
    if path.is_dir():
        if is_mnist_place(path):
            return Dataset("mnist", split, *load_mnist(split, path))
        return _held_out(_name(path), split, *_labelled_folder(path))
    if path.suffix == ".npz" and path.is_file():
        return _npz(path, split)
    raise DatasetNotFound(
        f"no dataset {source!r}: expected mnist, optdigits, a folder of LABEL/name.png,"
        " or an existing .npz file"
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
    return _to_bytes(images), digits.target.astype(np.uint8)


def _crop(ink: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _labelled_folder(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    try:
        for label_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
            label = _digit_label(label_folder)
            for path in sorted(label_folder.iterdir()):
                if path.suffix.lower() in SUFFIXES:
                    images.append(_labelled_picture(path))
                    labels.append(label)
    except OSError as exc:
        raise DatasetNotFound(f"{exc.filename}: cannot be read ({exc.strerror})") from exc
    if not images:
        raise DatasetInvalid(
            f"{folder}: expected folders named 0 to 9 with images in them, found no image"
        )
    return _to_bytes(np.stack(images)), np.array(labels, np.uint8)


def _digit_label(folder: Path) -> int:
    if folder.name not in {str(digit) for digit in range(CLASSES)}:
        raise DatasetInvalid(f"{folder}: expected a folder named 0 to 9, received {folder.name!r}")
    return int(folder.name)


def _labelled_picture(path: Path) -> np.ndarray:
    try:
        return find_digits(read_picture(path), single=True)[0].image
    except PictureError as exc:
        raise DatasetInvalid(f"{path}: {exc}; remove it from the dataset") from exc


def _npz(path: Path, split: str) -> Dataset:
    arrays = read_npz(path)
    if not {"x_train", "y_train"} <= arrays.keys():
        raise DatasetInvalid(
            f"{path}: expected arrays x_train and y_train, received {sorted(arrays)}"
        )
    if {"x_test", "y_test"} <= arrays.keys():
        images, labels = _checked(arrays[f"x_{split}"], arrays[f"y_{split}"], path)
        return Dataset(_name(path), split, images, labels)
    return _held_out(_name(path), split, *_checked(arrays["x_train"], arrays["y_train"], path))


def _checked(images: np.ndarray, labels: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    n = len(labels) if labels.ndim == 1 else -1
    if images.dtype != np.uint8 or images.shape != (n, SIDE, SIDE) or n == 0:
        raise DatasetInvalid(
            f"{path}: expected images (n, 28, 28) uint8 and labels (n,), received"
            f" {images.shape} {images.dtype} and {labels.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= CLASSES:
        raise DatasetInvalid(f"{path}: expected integer labels 0 to 9")
    _check_classes(labels, str(path))
    return images, labels.astype(np.uint8)


def _held_out(name: str, split: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    _check_classes(labels, name)
    rank = np.empty(len(labels), np.intp)  # position of each item within its class
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    in_test = rank % HELD_OUT == HELD_OUT - 1
    if not in_test.any():
        raise DatasetInvalid(
            f"{name}: expected a class of at least {HELD_OUT} digits, so that one can be held out"
            f" to test on, received {len(labels)} digits in all; add some"
        )
    chosen = in_test if split == "test" else ~in_test
    return Dataset(name, split, images[chosen], labels[chosen])


def _check_classes(labels: np.ndarray, name: str) -> None:
    if len(np.unique(labels)) < 2:
        raise DatasetInvalid(
            f"{name}: expected at least two classes, received only {np.unique(labels).tolist()}"
        )


def _name(path: Path) -> str:
    """A name that is safe inside an id and on a terminal."""
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in path.resolve().stem)
    return kept or "dataset"


def _to_bytes(images: np.ndarray) -> np.ndarray:
    return np.round(images * 255).astype(np.uint8)
