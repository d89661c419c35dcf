"""Fixtures: real digits, and one embedder and index made once for the whole session.

Everything runs on the embedded optdigits. `$DIGITS_MNIST` and `$DIGITS_REAL` add tests on the real
MNIST and on real people's pictures; without them those tests are skipped and say so.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.card import CARD_NAME, ONNX_NAME
from data.dataset import Dataset
from data.datasets import load_dataset
from data.errors import DigitsError
from data.mnist import find_mnist
from indexer.build import build_index
from indexer.embedder import Embedder
from search import DigitIndex
from tests.embedders import linear_embedder
from tests.home import move_to

SEED = 0
Run = Callable[..., subprocess.CompletedProcess[str]]
Make = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    move_to(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def train_set() -> Dataset:
    return load_dataset("optdigits", "train")


@pytest.fixture(scope="session")
def test_set() -> Dataset:
    return load_dataset("optdigits", "test")


@pytest.fixture(scope="session")
def optdigits_file(train_set: Dataset, test_set: Dataset, make_once: Make) -> Path:
    """Both halves of optdigits in a file, which commands read in no time."""

    def write(folder: Path) -> None:
        halves = {"train": train_set, "test": test_set}
        arrays = {f"x_{name}": half.images for name, half in halves.items()}
        labels = {f"y_{name}": half.labels for name, half in halves.items()}
        np.savez(folder / "digits.npz", **arrays, **labels)

    return make_once("optdigits", write) / "digits.npz"


@pytest.fixture(scope="session")
def mnist_place() -> Path:
    try:
        place = find_mnist()
    except DigitsError as exc:
        pytest.skip(str(exc))
    if place is None:
        pytest.skip("set $DIGITS_MNIST to run this on the real MNIST")
    return place


@pytest.fixture(scope="session")
def real_pictures() -> Path:
    if "DIGITS_REAL" not in os.environ:
        pytest.skip("set $DIGITS_REAL to run this on real people's pictures")
    return Path(os.environ["DIGITS_REAL"])


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Fill a folder of this name, if none of the processes that test side by side did."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, unfinished = shared / name, shared / f"{name}.unfinished"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def embedder_folder(train_set: Dataset, make_once: Make) -> Path:
    """A small embedder, trained for half a minute on optdigits."""
    from training import require_backend

    require_backend()
    from training.export import export
    from training.fit import fit
    from training.recipes import Limits, find_recipe

    recipe = find_recipe("default")

    def train(folder: Path) -> None:
        export(fit(recipe, train_set, SEED, Limits(epochs=2)), train_set, SEED, folder)

    return make_once("embedder", train)


@pytest.fixture(scope="session")
def embedder(embedder_folder: Path) -> Embedder:
    return Embedder.open(embedder_folder)


@pytest.fixture(scope="session")
def index_folder(train_set: Dataset, embedder: Embedder, make_once: Make) -> Path:
    """An index of optdigits; tests that change one copy it first."""
    return make_once("index", lambda folder: build_index(train_set, embedder, folder, SEED))


@pytest.fixture(scope="session")
def index(index_folder: Path) -> DigitIndex:
    return DigitIndex.open(index_folder)


@pytest.fixture(scope="session")
def plain_embedder_folder(make_once: Make) -> Path:
    """An embedder without training, for what need not be good."""
    plain = linear_embedder()

    def write(folder: Path) -> None:
        (folder / ONNX_NAME).write_bytes(plain.onnx)
        (folder / CARD_NAME).write_bytes(plain.card.to_bytes())

    return make_once("plain-embedder", write)


@pytest.fixture(scope="session")
def plain_folder(train_set: Dataset, make_once: Make) -> Path:
    """An index of optdigits by that embedder; tests that change one copy it first."""
    return make_once(
        "plain-index", lambda folder: build_index(train_set, linear_embedder(), folder, SEED)
    )


@pytest.fixture(scope="session")
def plain_index(plain_folder: Path) -> DigitIndex:
    return DigitIndex.open(plain_folder)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def digits_anywhere() -> Run:
    """Run the command line in a process of its own."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **options.pop("env", {})}  # type: ignore[dict-item]
        return subprocess.run(
            [sys.executable, "-m", "search.cli", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return run


@pytest.fixture(scope="session")
def digits(digits_anywhere: Run, index_folder: Path) -> Run:
    """The same, against the session's index."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {"DIGITS_INDEX": str(index_folder), **options.pop("env", {})}  # type: ignore[dict-item]
        return digits_anywhere(*arguments, env=environment, **options)

    return run
