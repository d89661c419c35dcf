from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from data.errors import EmbedderMismatch, EmbedderNotFound, IndexNotFound, UsageError
from indexer.votes import DEFAULT_WEIGHTS
from search import Classification, DigitIndex, Neighbours
from search.evaluate import evaluate
from search.plots import draw_evaluation
from search.queries import Reader
from search.soundness import require_embedder


def test_neighbours_are_the_nearest_by_brute_force(index: DigitIndex, test_set: Dataset) -> None:
    images = test_set.images[:40]
    found = index.search(images, k=7)
    assert isinstance(found, Neighbours)
    stored = index.embed(index.images[:])
    distances = np.linalg.norm(index.embed(images)[:, None] - stored[None], axis=2)
    assert np.allclose(found.distances, np.sort(distances, axis=1)[:, :7], atol=1e-4)
    assert np.array_equal(found.labels, index.labels[found.ids])


def test_a_stored_digit_finds_itself_unless_excluded(index: DigitIndex) -> None:
    some = np.arange(0, 100, 10)
    assert np.array_equal(index.search(index.images[some], 1).ids[:, 0], some)
    found = index.search(index.images[some], 5, exclude=some)
    assert not (found.ids == some[:, None]).any()


def test_classification_names_most_digits(index: DigitIndex, test_set: Dataset) -> None:
    named = index.classify(test_set.images)
    assert isinstance(named, Classification)
    assert (named.labels == test_set.labels).mean() > 0.93
    assert np.allclose(named.votes.sum(axis=1), 1)
    assert ((named.confidences > 0) & (named.confidences < 1)).all()
    assert set(named.verdicts) <= {"match", "abstain"}
    assert np.array_equal(named.verdicts == "match", named.reasons == "")
    witnesses = index.classify(test_set.images, k=1)
    alike = named.labels == witnesses.labels
    means, whatever_k = named.mean_distances[alike], witnesses.mean_distances[alike]
    assert np.array_equal(means, whatever_k)
    assert named.neighbours.ids.shape[1] == index.manifest.k[DEFAULT_WEIGHTS]


def test_what_is_too_far_is_stranger_than_one(index: DigitIndex, rng: np.random.Generator) -> None:
    images = np.concatenate([index.images[:50], rng.integers(0, 256, (50, 28, 28), np.uint8)])
    strange, reasons = index.strangeness(images), index.classify(images).reasons
    assert (strange[:50] < 1).mean() > 0.9
    assert (reasons[strange > 1] == "too-far").all()
    assert (strange > 1).any()


def test_results_are_frozen(index: DigitIndex) -> None:
    found = index.search(index.images[:1], 1)
    with pytest.raises(AttributeError):
        found.ids = found.labels  # type: ignore[misc]


def test_an_index_is_told_in_a_line_and_compared(index: DigitIndex) -> None:
    assert repr(index) == f"<DigitIndex: {len(index):,} digits, generation 1>"
    assert index == index
    assert len({index}) == 1


def test_k_may_be_numpys(index: DigitIndex, test_set: Dataset) -> None:
    for k in (np.int64(3), np.uint8(3)):
        found = index.search(test_set.images[:5], k)  # type: ignore[arg-type]
        assert np.array_equal(found.ids, index.search(test_set.images[:5], 3).ids)
        assert len(index.classify(test_set.images[:5], k).labels) == 5  # type: ignore[arg-type]


def test_names_lead_back(index: DigitIndex) -> None:
    assert index.name(12) == "optdigits/train/12"
    assert index.position("optdigits/train/12") == 12


@pytest.mark.parametrize(
    ("images", "k", "weights"),
    [
        (np.zeros((1, 28, 28), np.uint8), 0, "uniform"),
        (np.zeros((1, 28, 28), np.uint8), 10**6, "uniform"),
        (np.zeros((28, 28), np.uint8), 1, "uniform"),
        (np.full((1, 28, 28), np.nan, np.float32), 1, "uniform"),
        (np.zeros((1, 28, 28), np.uint8), 1, "triangular"),
    ],
)
def test_misuse_is_named(index: DigitIndex, images: np.ndarray, k: int, weights: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        index.classify(images, k, weights)  # type: ignore[arg-type]


def test_no_index_here(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound, match=f"digits build --index '{tmp_path}/not here'"):
        DigitIndex.open(tmp_path / "not here")


def test_the_embedder_must_be_the_index_s(
    index: DigitIndex, embedder_folder: Path, train_set: Dataset, tmp_path: Path
) -> None:
    require_embedder(index, embedder_folder, Path("an index"))
    with pytest.raises(EmbedderNotFound):
        require_embedder(index, tmp_path, Path("an index"))
    from training import require_backend

    require_backend()
    from training.export import export
    from training.fit import fit
    from training.recipes import Limits, find_recipe

    recipe = find_recipe("notebook")
    export(fit(recipe, train_set, 1, Limits(epochs=1)), train_set, 1, tmp_path)
    with pytest.raises(EmbedderMismatch, match="digits doctor --index 'an index' --embedder"):
        require_embedder(index, tmp_path, Path("an index"))


def test_evaluation_is_what_plain_code_finds(index: DigitIndex, test_set: Dataset) -> None:
    k = 5
    measured = evaluate(index, test_set, k=k, weights="uniform", threshold=0.5, seed=3)
    stored, asked = index.embed(index.images[:]), index.embed(test_set.images)
    distances = np.linalg.norm(asked[:, None] - stored[None], axis=2)
    labels = index.labels[np.argsort(distances, axis=1, kind="stable")]
    right = 0
    for row, truth in zip(labels, test_set.labels, strict=True):
        counts = np.bincount(row[:k], minlength=10)
        tied = np.flatnonzero(counts == counts.max())
        right += next(label for label in row[:k] if label in tied) == truth
    assert measured.knn_accuracy == pytest.approx(right / len(test_set))
    hits = (labels[:, :10] == test_set.labels[:, None]).mean()
    assert measured.precision_at_10 == pytest.approx(hits)
    assert measured.confusion.sum() == len(test_set)
    assert measured.confusion.trace() / len(test_set) == pytest.approx(measured.knn_accuracy)
    same = test_set.labels[measured.pairs[:, 0]] == test_set.labels[measured.pairs[:, 1]]
    of_class = asked[:, : index.embedder.card.class_dimension]
    pairs = of_class[measured.pairs]  # (2n, 2, c)
    near = np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1) <= 0.5
    assert measured.pair_accuracy == pytest.approx((near == same).mean())


def test_an_evaluation_on_a_single_class_judges_no_pairs(
    index: DigitIndex, test_set: Dataset, tmp_path: Path
) -> None:
    threes = test_set.labels == 3
    asked = replace(test_set, images=test_set.images[threes], labels=test_set.labels[threes])
    measured = evaluate(index, asked, k=5, weights="uniform", threshold=0.5, seed=3)
    assert measured.figures()["pair_accuracy"] is None
    assert measured.knn_accuracy == pytest.approx(
        (index.classify(asked.images, 5, "uniform").labels == 3).mean()
    )
    drawn = [path.name for path in draw_evaluation(measured, asked, tmp_path)]
    assert drawn == ["pairs-judged.png", "pairs-wrong.png", "confusion.png", "mistakes.png"]


def test_what_is_no_array_is_misuse_too(index: DigitIndex) -> None:
    image = index.images[:1]
    for images, k, exclude in (
        ([[0]], 1, None),
        (None, 1, None),
        (image, 2.5, None),
        (image, True, None),
        (image, "3", None),
        (index.images[:3], 1, np.array([0])),
    ):
        with pytest.raises(UsageError, match="expected"):
            index.search(images, k, exclude)  # type: ignore[arg-type]
    for given in (-1, len(index), 1.5, np.nan, None, True, "0"):
        for asked in (index.name, index.file, index.called):
            with pytest.raises(UsageError, match=r"expected a (position|label) from 0 to"):
                asked(given)  # type: ignore[operator]
    for absent in (3, None):
        with pytest.raises(UsageError, match="no item"):
            index.position(absent)  # type: ignore[arg-type]


def test_embeddings_and_how_they_vote_are_checked(index: DigitIndex) -> None:
    embeddings = index.embed(index.images[:3])
    for given, k, weights in (
        (embeddings.tolist(), 1, "uniform"),
        (None, 1, "uniform"),
        (embeddings[0], 1, "uniform"),
        (embeddings, 0, "uniform"),
        (embeddings, -1, "uniform"),
        (embeddings, "3", "uniform"),
        (embeddings, None, "triangular"),
        (embeddings, None, np.array(["uniform", "distance"])),
    ):
        with pytest.raises(UsageError, match="expected"):
            index.classify_embeddings(given, k, weights)  # type: ignore[arg-type]
    named = index.classify_embeddings(embeddings)
    assert np.array_equal(named.labels, index.classify(index.images[:3]).labels)


@pytest.mark.parametrize("given", [None, "optdigits/train/12", 3])
def test_ids_are_given_as_several(index: DigitIndex, given: object) -> None:
    with pytest.raises(UsageError, match="expected ids, one after the other"):
        index.positions(given)  # type: ignore[arg-type]


def test_of_many_unknown_ids_the_first_are_named(index: DigitIndex) -> None:
    with pytest.raises(UsageError, match=r"'mine/0', .*'mine/19' and 4,980 more in the index"):
        index.positions(f"mine/{number}" for number in range(5_000))


@pytest.mark.parametrize("place", [None, 5, b"x", "", "a\0b", "\ud800"])
def test_a_place_is_a_folder_or_an_address(place: object) -> None:
    with pytest.raises(UsageError, match="expected the folder of an index or an address"):
        DigitIndex.open(place)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_threads_are_counted(index_folder: Path, threads: object) -> None:
    with pytest.raises(UsageError, match="expected a number of threads from 1"):
        DigitIndex.open(index_folder, threads)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given", [[[1, 2]], [1.0], [np.nan], [-1], [10**6], 3, None, [[1], [2, 3]]]
)
def test_positions_and_labels_that_are_none_are_named(index: DigitIndex, given: object) -> None:
    with pytest.raises(UsageError, match=r"expected positions \(m,\) from 0 to"):
        index.map_points(given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"expected labels \(m,\) from 0 to 9"):
        index.rivals(index.images[:1], given)  # type: ignore[arg-type]


def test_each_digit_has_one_label_and_one_excluded_id(index: DigitIndex) -> None:
    images = index.images[:3]
    with pytest.raises(UsageError, match="expected 3 labels, one each, received 2"):
        index.rivals(images, np.array([1, 2]))
    labels = np.array([1, 2, 3])
    for excluded in ([0], [0, 1, len(index)], [-2, 0, 1], [0.5, 1, 2], [[1], [1, 2], [3]]):
        for ask in (partial(index.rivals, images, labels), partial(index.search, images, 1)):
            with pytest.raises(UsageError, match=r"expected (an )?excluded id"):
                ask(exclude=excluded)  # type: ignore[operator]


def test_none_at_all_may_be_asked(index: DigitIndex) -> None:
    assert index.map_points([]).shape == (0, 2)  # type: ignore[arg-type]
    assert index.rivals(index.images[:0], []).ids.shape == (0, 1)  # type: ignore[arg-type]
    assert np.array_equal(index.map_points([5, 2]), index.map_points(np.array([5, 2])))  # type: ignore[arg-type]


def test_what_is_blank_is_called_so(index: DigitIndex) -> None:
    images = index.images[:3].copy()
    images[1] = 0
    assert index.classify(images).reasons.tolist() == ["", "blank", ""]
    (query,) = Reader(index).array("a", images[1])
    assert query.reason == "blank"  # type: ignore[union-attr]


def test_digits_laid_flat_are_no_picture(index: DigitIndex, tmp_path: Path) -> None:
    flat = index.images[:5].reshape(5, 784)
    np.save(tmp_path / "flat.npy", flat)
    reader = Reader(index)
    for queries in (reader.array("flat.npy", flat), reader.read([str(tmp_path / "flat.npy")], ())):
        (query,) = queries
        assert query.error.endswith("reshape them to (5, 28, 28)")  # type: ignore[union-attr]
