"""Vectors, questions and indexes of every kind; tests only read them."""

import numpy as np
import pytest

from indexer.kinds import KINDS
from indexer.vectors import VectorIndex
from tests.indexer.clusters import ASKED, COUNT, clustered, made


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    return clustered(np.random.default_rng(1), COUNT)


@pytest.fixture(scope="session")
def queries() -> np.ndarray:
    return clustered(np.random.default_rng(2), ASKED)


@pytest.fixture(scope="session")
def indexes(vectors: np.ndarray) -> dict[str, VectorIndex]:
    return {name: made(name, vectors) for name in KINDS}
