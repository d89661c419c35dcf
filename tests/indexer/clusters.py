"""Clustered vectors as an embedder gives, indexes of every kind of them, and numpy's answers."""

import numpy as np

from indexer.kinds import KINDS, structure
from indexer.packing import unpack
from indexer.vectors import VectorIndex

COUNT, DIMENSION, ASKED = 3000, 16, 40
EFFORT = {"lists": {"probes": 32}, "graph": {"effort": 64}, "all": {}}


def clustered(rng: np.random.Generator, count: int) -> np.ndarray:
    centres = np.random.default_rng(7).normal(size=(10, DIMENSION))
    vectors = centres[rng.integers(0, 10, count)] + 0.3 * rng.normal(size=(count, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def made(name: str, vectors: np.ndarray) -> VectorIndex:
    kind = KINDS[name]
    index = VectorIndex.empty(kind, structure(kind, len(vectors), vectors.shape[1]), vectors)
    for start in range(0, len(vectors), 1000):
        index.add(vectors[start : start + 1000])
    return index.with_options(**EFFORT[kind.way])


def opened(packed: dict[str, bytes], index: VectorIndex) -> VectorIndex:
    return unpack(
        packed["vectors"],
        len(index),
        DIMENSION,
        "file",
        index.kind.name,
        index.options,
        packed.get("blocks"),
    )


def brute_force(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return np.linalg.norm(queries[:, None].astype(np.float64) - vectors[None], axis=2)


def nearest(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(brute_force(vectors, queries), axis=1, kind="stable")[:, :k]


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found[:, :, None] == truth[:, None, :]).any(axis=2).mean())
