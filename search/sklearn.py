"""Digits for scikit-learn: a transformer that embeds, and a classifier that lets neighbours vote.

    make_pipeline(EmbedderTransformer("embedder"), KNNDigitClassifier()).fit(images, labels)

Both speak scikit-learn's language, its errors included: what cannot be meant is a ValueError.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np

from data.card import EmbedderCard
from data.convention import SIDE
from data.errors import MissingExtra, UsageError
from indexer.embedder import Embedder
from indexer.vectors import VectorIndex
from indexer.votes import DEFAULT_WEIGHTS, WEIGHTS, Weights, cast_votes
from search.places import default_embedder

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        TransformerMixin,
    )
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as exc:
    raise MissingExtra(
        "search.sklearn needs scikit-learn: pip install 'digit-search[sklearn]'"
    ) from exc

__all__ = ["EmbedderTransformer", "KNNDigitClassifier"]

PIXELS = SIDE * SIDE
MOST_CLASSES = 256


class EmbedderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Digits to embeddings, by an embedder that was trained before: fitting learns nothing.

    Digits are (n, 784) or (n, 28, 28), ink bright: integers from 0 to 255, floats in [0, 1], or
    bool. Embeddings are (n, d) float32.

    Parameters:
        embedder: its folder; None takes the one in the user's data folder.
        threads: processors used at most; None takes all.

    Attributes:
        embedder_: the embedder, opened and verified.
    """

    def __init__(self, embedder: str | Path | None = None, *, threads: int | None = None) -> None:
        """Keep the parameters; :meth:`fit` opens the embedder."""
        self.embedder = embedder
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Open the embedder.

        Raises:
            ValueError: X is no array of digits.
            EmbedderNotFound, EmbedderCorrupt: there is no embedder that can be used.
        """
        del y
        self._digits(X, reset=True)
        folder = default_embedder() if self.embedder is None else Path(self.embedder)
        self.embedder_ = Embedder.open(folder, self.threads)
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Embeddings (n, d) float32 of digits (n, 784) or (n, 28, 28).

        Raises:
            ValueError: X is no array of digits.
        """
        check_is_fitted(self)
        return np.asarray(self.embedder_.embed(self._digits(X, reset=False)))

    def _digits(self, given: Any, *, reset: bool) -> np.ndarray:
        """(n, 28, 28) uint8, or float32 in [0, 1]."""
        pixels = validate_data(self, _flat(given), reset=reset, dtype="numeric")
        if pixels.min() < 0:
            raise ValueError("Negative values in data passed to EmbedderTransformer: ink is bright")
        if pixels.shape[1] != PIXELS:
            raise ValueError(
                f"expected digits of {PIXELS} pixels, received n_features = {pixels.shape[1]}"
            )
        whole = pixels.dtype.kind in "iu"
        most = 255 if whole else 1
        if pixels.max() > most:
            raise ValueError(
                "expected integers up to 255, or floats up to 1, received"
                f" {pixels.dtype} up to {pixels.max():g}"
            )
        digits = pixels.reshape(-1, SIDE, SIDE)
        return np.asarray(digits, np.uint8 if whole else np.float32)

    @property
    def _n_features_out(self) -> int:
        return int(self.embedder_.card.dimension)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether the embedder is open."""
        return hasattr(self, "embedder_")

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: digits in one or two dimensions each, never negative."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """What can be pickled: the embedder as its files' content."""
        state = dict(super().__getstate__())
        if opened := state.pop("embedder_", None):
            state["files"] = opened.onnx, opened.card.to_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the embedder again."""
        state = dict(state)
        files = state.pop("files", None)
        super().__setstate__(state)
        if files:
            onnx, card = files
            parsed = EmbedderCard.from_bytes(card, "the pickled embedder")
            self.embedder_ = Embedder.from_bytes(onnx, parsed, "the pickled embedder", self.threads)


class KNNDigitClassifier(ClassifierMixin, BaseEstimator):
    """Names by the vote of the k nearest, found by exact search as in an index.

    Takes vectors, such as :class:`EmbedderTransformer` gives; with an embedder of its own it takes
    digits instead, as that does.

    Parameters:
        k: how many vote; all, where fewer were fitted.
        weights: `"uniform"`, or `"distance"` for 1/distance^2; scikit-learn's own classifiers mean
            1/distance by that.
        embedder: folder of an embedder, if X is digits.

    Attributes:
        classes_: (c,) the labels.
        vectors_: what was fitted, to be searched.
    """

    def __init__(
        self,
        k: int = 10,
        *,
        weights: Weights = DEFAULT_WEIGHTS,
        embedder: str | Path | None = None,
    ) -> None:
        """Keep the parameters; :meth:`fit` looks at them."""
        self.k = k
        self.weights = weights
        self.embedder = embedder

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Keep vectors or digits X and their labels y (n,).

        Raises:
            ValueError: X or y is not what it should be, or a parameter out of range.
        """
        is_whole = isinstance(self.k, Integral) and not isinstance(self.k, bool)
        if not is_whole or self.k < 1 or self.weights not in WEIGHTS:
            raise ValueError(
                f"expected a whole k >= 1 and weights {' or '.join(WEIGHTS)}, received {self.k!r}"
                f" and {self.weights!r}"
            )
        given, y = validate_data(self, _flat(X), y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) > MOST_CLASSES:
            raise ValueError(
                f"expected at most {MOST_CLASSES} classes, received {len(self.classes_)}"
            )
        if self.embedder is not None:
            self.transformer_ = EmbedderTransformer(self.embedder).fit(given)
        self._keep(self._embeddings(given), labels.astype(np.uint8))
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The winner (n,) of each vote; among equals, the first of them, as scikit-learn wants."""
        winners = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[winners])

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The share (n, c) of the vote that each class gets."""
        check_is_fitted(self)
        embeddings = self._embeddings(validate_data(self, _flat(X), reset=False))
        with _value_errors():
            ids, distances = self.vectors_.search(embeddings, min(self.k, len(self.vectors_)))
        return cast_votes(self._labels[ids], distances, self.weights, len(self.classes_))

    def _embeddings(self, given: np.ndarray) -> np.ndarray:
        if self.embedder is not None:
            return np.asarray(self.transformer_.transform(given))
        return np.ascontiguousarray(given, np.float32)

    def _keep(self, embeddings: np.ndarray, labels: np.ndarray) -> None:
        self._fitted, self._labels = embeddings, labels
        with _value_errors():
            self.vectors_ = VectorIndex.build(embeddings)

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: with an embedder, digits in two dimensions each too."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = self.embedder is not None
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """What can be pickled: all but what FAISS holds."""
        state = dict(super().__getstate__())
        state.pop("vectors_", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Give FAISS the vectors again."""
        super().__setstate__(state)
        if "_fitted" in state:
            self.vectors_ = VectorIndex.build(self._fitted)


@contextlib.contextmanager
def _value_errors() -> Iterator[None]:
    """What cannot be meant as scikit-learn wants it told."""
    try:
        yield
    except UsageError as exc:
        raise ValueError(str(exc)) from exc


def _flat(given: Any) -> Any:
    """Digits (n, 28, 28) as (n, 784); anything else as it is."""
    if getattr(given, "ndim", 0) == 3:
        return np.reshape(given, (len(given), -1))
    return given
