"""How far FAISS's squared distances can be trusted."""

from __future__ import annotations

import numpy as np

NOTHING = np.float32(np.finfo(np.float32).max)  # FAISS's squared distance where it found no more


def slack(queries: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """By how much squared distances (n, m) of queries (n, d) can be wrong, (n, m) float32.

    FAISS expands |x - y|^2 for batches, and what cancels out leaves a rounding error in proportion
    to the squares of both lengths.
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", queries, queries))[:, None]
    reach = 2 * lengths + np.sqrt(squares)
    return np.asarray((queries.shape[1] + 4) * np.finfo(np.float32).eps * reach**2)
