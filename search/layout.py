"""An index in two dimensions: where its digits lie on a map, and where queries lie among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import MissingExtra, UsageError
from search.index import DigitIndex

PCA, TSNE, UMAP = "pca", "tsne", "umap"
METHODS = {PCA: "principal component", TSNE: "t-SNE", UMAP: "UMAP"}


@dataclass(frozen=True)
class Layout:
    """Digits on a map.

    Attributes:
        method: one of `METHODS`.
        positions: (m,) int64 of the stored digits that are shown.
        points: (m, 2) float32, where they lie.
        queries: (n, 2) float32, where the queries lie.
    """

    method: str
    positions: np.ndarray
    points: np.ndarray
    queries: np.ndarray


def lay_out(
    index: DigitIndex,
    method: str = PCA,
    most: int = 5_000,
    seed: int = 0,
    embeddings: np.ndarray | None = None,
) -> Layout:
    """Place stored digits and queries in two dimensions.

    Args:
        index: whose digits are shown.
        method: `"pca"`, the plane that was stored when the index was built, where lengths are
            distances or less; `"tsne"` or `"umap"`, which keep neighbours together and lengths not,
            and are computed anew with the queries among the digits.
        most: digits to show at most, drawn by chance.
        seed: of that chance, and of the method's own.
        embeddings: (n, d) float32 of the queries.

    Raises:
        MissingExtra: the method's package is not installed.
        UsageError: no such method, or too few digits for it.
    """
    if method not in METHODS:
        raise UsageError(f"expected a method among {', '.join(METHODS)}, received {method!r}")
    chosen = np.random.default_rng(seed).permutation(len(index))[:most]
    positions = index.live[np.sort(chosen)]
    if embeddings is None:
        embeddings = np.empty((0, index.manifest.dimension), np.float32)
    if method == PCA:
        placed = index.map_points(positions), index.projection.place(embeddings)
        return Layout(method, positions, *placed)
    together = np.concatenate([index.vectors.vectors(positions), embeddings])
    points = _neighbours_kept(method, together, seed)
    return Layout(method, positions, points[: len(positions)], points[len(positions) :])


def _neighbours_kept(method: str, embeddings: np.ndarray, seed: int) -> np.ndarray:
    """(n, 2) float32, by a method that looks at neighbours."""
    many = min(30, (len(embeddings) - 1) // 3)
    if many < 2:
        raise UsageError(f"expected at least 7 digits for {method}, received {len(embeddings)}")
    reducer = _tsne(many, seed) if method == TSNE else _umap(many, seed)
    return np.asarray(reducer.fit_transform(embeddings), np.float32)


def _tsne(many: int, seed: int) -> Any:
    try:
        from sklearn.manifold import TSNE as Reducer  # noqa: N811
    except ImportError as exc:
        raise MissingExtra("t-SNE needs scikit-learn: pip install 'digit-search[sklearn]'") from exc
    return Reducer(perplexity=many, init="pca", random_state=seed)


def _umap(many: int, seed: int) -> Any:
    try:
        from umap import UMAP as Reducer  # noqa: N811
    except ImportError as exc:
        raise MissingExtra("UMAP needs umap-learn: pip install 'digit-search[umap]'") from exc
    return Reducer(n_neighbors=max(2, many // 2), random_state=seed, n_jobs=1)
