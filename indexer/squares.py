"""Squared distances: measured one by one, and how far those that FAISS expands can be trusted."""

from __future__ import annotations

import numpy as np

from indexer.kinds import FAISS

NOTHING = np.float32(np.finfo(np.float32).max)  # FAISS's squared distance where it found no more
FARTHEST = NOTHING / 4  # further than any vector, but no reason to overflow
EPSILON = float(np.finfo(np.float32).eps)


def at_least(queries: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """What squared distances that FAISS gave do not fall short of.

    For batches it expands |x - y|^2, and what cancels out leaves an error in proportion to
    (|x| + |y|)^2, which is at most (2 |x| + |x - y|)^2 and so at most 8 |x|^2 + 2 |x - y|^2.

    Args:
        queries: (n, d) float32, x.
        squares: (n,) of x to some y; `NOTHING` or infinite where there is none.

    Returns:
        (n,) float32, not negative.
    """
    squares = np.minimum(squares, FARTHEST)
    lengths = np.einsum("nd,nd->n", queries, queries)  # squared
    slack = 2 * rounding(queries.shape[1]) * (4 * lengths + squares)
    return np.asarray(np.maximum(squares - slack, 0))


def rounding(dimension: int) -> float:
    """The share by which a sum of `dimension` squares may be wrong, with some to spare."""
    return (dimension + 4) * EPSILON


def squares_to(queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distances (n, f) float32 of each query to its own rows of some vectors.

    Each is the sum of its own squared differences, the same whatever else is asked for.

    Args:
        queries: (n, d) float32, contiguous.
        vectors: (m, d) float32, contiguous.
        rows: (n, f) int64, contiguous; -1 is infinitely far.
    """
    squares = np.empty(rows.shape, np.float32)
    arrays = (FAISS.swig_ptr(one) for one in (squares, queries, vectors, rows))
    FAISS.fvec_L2sqr_by_idx(*arrays, queries.shape[1], *rows.shape)
    return squares


def squares_to_all(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Squared distances (n, m) float32 of queries (n, d) to vectors (m, d), measured directly."""
    squares = np.empty((len(queries), len(vectors)), np.float32)
    to = FAISS.swig_ptr(vectors)
    for query, row in zip(queries, squares, strict=True):
        FAISS.fvec_L2sqr_ny(FAISS.swig_ptr(row), FAISS.swig_ptr(query), to, *vectors.shape[::-1])
    return squares


def distances_to(queries: np.ndarray, vectors: np.ndarray, dimensions: int) -> np.ndarray:
    """Euclidean distances (n, k) float32 of each query to vectors of its own.

    Args:
        queries: (n, d) float32.
        vectors: (n, k, d) float32.
        dimensions: how many numbers of each count, from the first.
    """
    apart = vectors[..., :dimensions] - queries[:, None, :dimensions]
    return np.asarray(np.linalg.norm(apart, axis=2))
