"""What the rows try their faults on: a tiny embedder, small indexes, and what they answer."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.child import Outcome, digits, run

COUNT, QUERIES = 400, 6
EMBEDDERS = ("embedder", "other-embedder")
DATASETS = ("digits.npz", "others.npz")
MAKING = 120  # seconds


@dataclass(frozen=True)
class Ground:
    """A folder with everything a row needs; what lies in it is copied, never changed.

    Attributes:
        folder: where all of it is.
        answer: what a search in `index` prints.
        answer_of_other: what a search in `other` prints.
        answer_of_lists: what a search in `lists` prints.
    """

    folder: Path
    answer: str
    answer_of_other: str
    answer_of_lists: str

    @property
    def embedder(self) -> Path:
        """An embedder directory: one matrix product."""
        return self.folder / "embedder"

    @property
    def other_embedder(self) -> Path:
        """Another such."""
        return self.folder / "other-embedder"

    @property
    def dataset(self) -> Path:
        """400 digits as an `.npz`."""
        return self.folder / DATASETS[0]

    @property
    def other_dataset(self) -> Path:
        """400 other digits as an `.npz`."""
        return self.folder / DATASETS[1]

    @property
    def queries(self) -> Path:
        """A few other digits as an `.npy`."""
        return self.folder / "queries.npy"

    @property
    def picture(self) -> Path:
        """A digit on a picture, as a PNG."""
        return self.folder / "picture.png"

    @property
    def more(self) -> Path:
        """Digits to add as an `.npy`, all of them sevens."""
        return self.folder / "more.npy"

    @property
    def index(self) -> Path:
        """An index with two segments, a removed digit and a generation before."""
        return self.folder / "index"

    @property
    def other(self) -> Path:
        """An index of other digits by another embedder, grown the same way."""
        return self.folder / "other"

    @property
    def lists(self) -> Path:
        """An index of kind `ivf-flat`, whose vectors are verified list by list."""
        return self.folder / "lists"

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder for one try."""
        with tempfile.TemporaryDirectory(prefix="try-", dir=self.folder) as folder:
            yield Path(folder)

    @contextlib.contextmanager
    def copy(self, folder: Path) -> Iterator[Path]:
        """A copy of one of the folders above, of the same name, for one try."""
        with self.scratch() as scratch:
            yield Path(shutil.copytree(folder, scratch / folder.name, symlinks=True))

    def ask(self, index: Path) -> Outcome:
        """Search for the neighbours of the queries."""
        return ask(index, self.queries)


def ask(index: Path, queries: Path) -> Outcome:
    """Search for the neighbours of queries in a child."""
    return digits(*asking(index, queries))


def asking(index: Path, queries: Path) -> tuple[str, ...]:
    """The command line of a search."""
    return ("search", str(queries), "--index", str(index), "-k", "5", "--format", "json")


@contextlib.contextmanager
def prepared() -> Iterator[Ground]:
    """Make the ground in a folder that goes when the block is left."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        _expect(run(_make_inputs, folder, seconds=MAKING))
        for index, part in (("index", 0), ("other", 1)):
            _grow(folder, folder / index, part)
        _build(folder, folder / "lists", 0, "--kind", "ivf-flat")
        answers = [
            _expect(ask(folder / index, folder / "queries.npy"))
            for index in ("index", "other", "lists")
        ]
        yield Ground(folder, *answers)


def _make_inputs(folder: Path) -> None:
    import numpy as np

    from data.card import CARD_NAME, ONNX_NAME
    from data.datasets import load_dataset
    from tests.drawings import draw_digit
    from tests.embedders import linear_embedder

    for seed, name in enumerate(EMBEDDERS):
        embedder = linear_embedder(seed)
        (folder / name).mkdir()
        (folder / name / ONNX_NAME).write_bytes(embedder.onnx)
        (folder / name / CARD_NAME).write_bytes(embedder.card.to_bytes())
    digits = load_dataset("optdigits", "train")
    for number, name in enumerate(DATASETS):
        part = slice(number * COUNT, (number + 1) * COUNT)
        np.savez(folder / name, x_train=digits.images[part], y_train=digits.labels[part])
    images, labels = (array[len(DATASETS) * COUNT :] for array in (digits.images, digits.labels))
    np.save(folder / "queries.npy", images[:QUERIES])
    sevens = images[QUERIES:][labels[QUERIES:] == 7]
    np.save(folder / "more.npy", sevens[:5])
    np.save(folder / "grown.npy", sevens[5:8])
    draw_digit(3, 60, 6).save(folder / "picture.png")


def _build(folder: Path, index: Path, part: int, *options: str) -> None:
    arguments = (
        "index",
        "--dataset",
        folder / DATASETS[part],
        "--embedder",
        folder / EMBEDDERS[part],
    )
    _expect(digits(*arguments, "--index", index, *options, seconds=MAKING))


def _grow(folder: Path, index: Path, part: int) -> None:
    _build(folder, index, part)
    _expect(digits("add", "--label", "7", folder / "grown.npy", "--index", index))
    stored = f"{Path(DATASETS[part]).stem}/train/5"
    _expect(digits("remove", "added/1", stored, "--index", index))


def _expect(outcome: Outcome) -> str:
    if outcome.status:
        raise RuntimeError(f"the ground could not be prepared: {outcome.err}")
    return outcome.out
