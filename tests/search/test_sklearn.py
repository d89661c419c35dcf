import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

from data.dataset import Dataset
from data.errors import EmbedderNotFound
from indexer.embedder import Embedder
from search.sklearn import PIXELS, EmbedderTransformer, KNNDigitClassifier

# Checks of scikit-learn that feed tables of a few columns. A digit has 784 pixels, so fitting must
# refuse them. `Padded` below passes them.
TOO_NARROW = (
    "check_dict_unchanged", "check_dont_overwrite_parameters", "check_dtype_object",
    "check_estimators_dtypes", "check_estimators_fit_returns_self", "check_estimators_nan_inf",
    "check_estimators_overwrite_params", "check_estimators_pickle",
    "check_f_contiguous_array_estimator", "check_fit2d_1sample", "check_fit2d_predict1d",
    "check_fit_check_is_fitted", "check_fit_idempotent", "check_fit_score_takes_y",
    "check_methods_sample_order_invariance", "check_methods_subset_invariance",
    "check_n_features_in", "check_n_features_in_after_fitting", "check_pipeline_consistency",
    "check_readonly_memmap_input", "check_transformer_data_not_an_array",
    "check_transformer_general",
)  # fmt: skip
OPTIONAL = {"check_array_api_input", "check_classifier_data_not_an_array"}  # other array packages


class Padded(EmbedderTransformer):
    """The same for any numbers, which are squeezed into [0, 1] and padded to 784 pixels."""

    def _digits(self, given: Any, *, reset: bool) -> np.ndarray:
        numbers = validate_data(self, given, reset=reset, dtype="numeric")
        pixels = np.zeros((len(numbers), PIXELS), np.float32)
        pixels[:, : numbers.shape[1]] = 1 / (1 + np.exp(-numbers / 10))
        return pixels.reshape(-1, 28, 28)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = False
        return tags


def check(estimator: Any, excused: tuple[str, ...] = ()) -> set[str]:
    """Names of the checks that passed; fails if one failed that is not excused, or the reverse."""
    reasons = dict.fromkeys(excused, "a digit has 784 pixels")
    results = check_estimator(
        estimator, expected_failed_checks=reasons, on_skip=None, on_fail="raise"
    )
    by_status: dict[str, set[str]] = {}
    for one in results:
        by_status.setdefault(one["status"], set()).add(one["check_name"])
    assert by_status.get("skipped", set()) <= OPTIONAL
    assert by_status.get("xfail", set()) == set(excused)
    return by_status["passed"]


def test_the_classifier_is_what_scikit_learn_expects() -> None:
    assert len(check(KNNDigitClassifier())) > 40


def test_the_transformer_is_but_for_data_that_are_no_digits(plain_embedder_folder: Path) -> None:
    assert len(check(EmbedderTransformer(plain_embedder_folder), TOO_NARROW)) > 15


def test_only_the_width_stands_in_its_way(plain_embedder_folder: Path) -> None:
    assert set(TOO_NARROW) <= check(Padded(plain_embedder_folder))


@pytest.fixture
def digits_and_labels(train_set: Dataset) -> tuple[np.ndarray, np.ndarray]:
    return train_set.images[:400], train_set.labels[:400]


def inverse_squares(distances: np.ndarray) -> np.ndarray:
    return 1 / distances**2


@pytest.mark.parametrize(
    ("weights", "known"), [("uniform", "uniform"), ("distance", inverse_squares)]
)
def test_it_names_as_scikit_learns_own(
    weights: Any,
    known: Any,
    digits_and_labels: tuple[np.ndarray, np.ndarray],
    plain_embedder_folder: Path,
) -> None:
    images, labels = digits_and_labels
    vectors = Embedder.open(plain_embedder_folder).embed(images)
    named = np.array(["even", "odd"])[labels % 2]
    ours = KNNDigitClassifier(k=5, weights=weights).fit(vectors[:300], named[:300])
    theirs = KNeighborsClassifier(5, weights=known).fit(vectors[:300], named[:300])
    assert np.allclose(ours.predict_proba(vectors[300:]), theirs.predict_proba(vectors[300:]))
    assert np.array_equal(ours.predict(vectors[300:]), theirs.predict(vectors[300:]))


def test_digits_flat_or_square_whole_or_in_floats(
    digits_and_labels: tuple[np.ndarray, np.ndarray], plain_embedder_folder: Path
) -> None:
    images, labels = digits_and_labels
    transformer = EmbedderTransformer(plain_embedder_folder).fit(images)
    expected = Embedder.open(plain_embedder_folder).embed(images)
    flat = images.reshape(len(images), -1)
    for given in (images, flat, flat.astype(np.int64), images / 255, flat / np.float32(255)):
        assert np.allclose(transformer.transform(given), expected, atol=1e-4)
    assert len(transformer.get_feature_names_out()) == expected.shape[1]
    direct = KNNDigitClassifier(embedder=plain_embedder_folder).fit(images, labels)
    apart = KNNDigitClassifier().fit(expected, labels)
    assert np.array_equal(direct.predict(flat), apart.predict(expected))
    for bad in (flat[:, :-1], flat * 2.0, -flat.astype(int), images[0]):
        with pytest.raises(ValueError, match=r"expect|Negative|Expected"):
            transformer.transform(bad)


def test_digits_of_bool_are_full_ink(
    digits_and_labels: tuple[np.ndarray, np.ndarray], plain_embedder_folder: Path
) -> None:
    inked = digits_and_labels[0] > 127
    transformer = EmbedderTransformer(plain_embedder_folder).fit(inked)
    whole = transformer.transform(inked.astype(np.float32))
    assert np.array_equal(transformer.transform(inked), whole)


def test_in_a_pipeline_and_a_grid(
    digits_and_labels: tuple[np.ndarray, np.ndarray], plain_embedder_folder: Path
) -> None:
    images, labels = digits_and_labels
    classifier = KNNDigitClassifier(weights="uniform")
    pipeline = make_pipeline(EmbedderTransformer(plain_embedder_folder), classifier)
    grid = GridSearchCV(pipeline, {"knndigitclassifier__k": [1, 5, 100]}, cv=2)
    grid.fit(images, labels)
    assert grid.best_params_["knndigitclassifier__k"] in (1, 5)
    assert grid.score(images, labels) > 0.7
    again = pickle.loads(pickle.dumps(grid.best_estimator_))  # noqa: S301, our own
    assert np.array_equal(again.predict(images[:50]), grid.predict(images[:50]))


def test_what_cannot_be_meant(tmp_path: Path, train_set: Dataset) -> None:
    images, labels = train_set.images[:20], train_set.labels[:20]
    with pytest.raises(EmbedderNotFound):
        EmbedderTransformer(tmp_path).fit(images)
    for bad in ({"k": 0}, {"k": 2.5}, {"k": "3"}, {"weights": "loud"}):
        with pytest.raises(ValueError, match="expected a whole k >= 1 and weights"):
            KNNDigitClassifier(**bad).fit(images.reshape(20, -1), labels)
    with pytest.raises(ValueError, match="finite float32"):
        KNNDigitClassifier().fit(np.full((4, 3), 1e16), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="256 classes"):
        KNNDigitClassifier().fit(np.arange(600)[:, None], np.arange(600) // 2)
