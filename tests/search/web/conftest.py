from collections.abc import Iterator
from pathlib import Path

import pytest

from data.dataset import Dataset
from indexer.build import build_index
from search import DigitIndex
from tests.embedders import linear_embedder
from tests.search.web.serving import Client, served

COUNT = 300


@pytest.fixture(scope="session")
def few_folder(train_set: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that is made at once; tests that change one copy it first."""
    folder = tmp_path_factory.mktemp("plain")
    few = Dataset("few", "train", train_set.images[:COUNT], train_set.labels[:COUNT])
    build_index(few, linear_embedder(dimension=16), folder, 0)
    return folder


@pytest.fixture(scope="session")
def few_index(few_folder: Path) -> DigitIndex:
    return DigitIndex.open(few_folder)


@pytest.fixture(scope="session")
def client(few_folder: Path) -> Iterator[Client]:
    with served(few_folder) as client:
        yield client
