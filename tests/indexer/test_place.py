"""What an index promises wherever it lies: every test runs over a folder and over Milvus."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset
from data.errors import DigitsError, EmbedderMismatch, IndexLocked, IndexNotFound, UsageError
from indexer.build import build_index
from indexer.embedder import Embedder
from indexer.manifest import PREVIOUS
from indexer.place import Place, parse_place, store_at
from indexer.protocols import Store
from search import DigitIndex, grow
from search.evaluate import evaluate
from search.queries import Query
from search.soundness import require_embedder, require_vectors
from tests.embedders import linear_embedder

COUNT, ASKED, K = 240, 20, 7
SEED = 0
THREE = np.array([3], np.uint8)


@pytest.fixture(scope="module")
def few(train_set: Dataset) -> Dataset:
    """Some digits, the first of them twice."""
    rows = np.concatenate([np.arange(COUNT - 1), [0]])
    labels = train_set.labels[rows]
    files = [f"few/{label}/{row}.png" for row, label in enumerate(labels)]
    return Dataset("few", "train", train_set.images[rows], labels, train_set.names, files)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return linear_embedder()


@pytest.fixture(scope="module")
def server_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of Milvus Lite, whose server ends with the tests."""
    from milvus_lite.server_manager import server_manager_instance

    path = tmp_path_factory.mktemp("milvus") / "digits.db"
    yield path
    server_manager_instance.release_server(str(path))


@pytest.fixture(params=["folder", "milvus"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, server_file: Path, few: Dataset,
    embedder: Embedder,
) -> Place:  # fmt: skip
    """Where an index of `few` lies."""
    name = "".join(one if one.isalnum() else "_" for one in request.node.name)
    text = str(tmp_path / "index") if request.param == "folder" else f"milvus:{server_file}/{name}"
    place = parse_place(text)
    build_index(few, embedder, place, SEED)
    return place


@pytest.fixture
def flat(few: Dataset, embedder: Embedder) -> tuple[np.ndarray, np.ndarray]:
    """What is stored, (n, d), and (n, n) all Euclidean distances."""
    stored = embedder.embed(few.images)
    return stored, np.linalg.norm(stored[:, None] - stored[None], axis=2)


def test_the_nearest_are_those_of_brute_force(
    place: Place, few: Dataset, test_set: Dataset, flat: tuple[np.ndarray, np.ndarray]
) -> None:
    index = DigitIndex.open(place)
    assert len(index) == len(index.labels) == len(index.images) == COUNT
    queries = test_set.images[:ASKED]
    apart = np.linalg.norm(index.embed(queries)[:, None] - flat[0][None], axis=2)
    order = np.argsort(apart, axis=1, kind="stable")[:, :K]
    found = index.search(queries, K)
    assert np.array_equal(found.ids, order)
    assert np.allclose(found.distances, np.take_along_axis(apart, order, axis=1), atol=1e-5)
    assert np.array_equal(found.labels, few.labels[order])
    assert np.array_equal(index.images[order[0]], few.images[order[0]])
    assert np.array_equal(index.images[3:5], few.images[3:5])
    assert np.array_equal(index.images[int(order[0, 0])], few.images[order[0, 0]])


def test_one_query_and_many_agree_and_all_can_be_asked_for(place: Place, few: Dataset) -> None:
    index = DigitIndex.open(place)
    many = index.search(few.images[:3], COUNT)
    assert np.array_equal(np.sort(many.ids, axis=1), np.tile(np.arange(COUNT), (3, 1)))
    for row in range(3):
        one = index.search(few.images[row : row + 1], COUNT)
        assert np.array_equal(one.ids[0], many.ids[row])


def test_twins_are_ordered_by_position_and_one_can_be_left_out(place: Place, few: Dataset) -> None:
    index = DigitIndex.open(place)
    assert index.search(few.images[:1], 2).ids.tolist() == [[0, COUNT - 1]]
    for left_out, stays in ((0, COUNT - 1), (COUNT - 1, 0)):
        found = index.search(few.images[:1], 1, exclude=np.array([left_out]))
        assert found.ids.tolist() == [[stays]]
    assert index.search(few.images[:1], 1, exclude=np.array([-1])).ids.tolist() == [[0]]


def test_rivals_are_the_nearest_of_another_class(
    place: Place, few: Dataset, flat: tuple[np.ndarray, np.ndarray]
) -> None:
    index, asked = DigitIndex.open(place), np.arange(ASKED)
    other = few.labels[None] != few.labels[asked, None]
    expected = np.where(other, flat[1][asked], np.inf)
    found = index.rivals(few.images[asked], few.labels[asked], exclude=asked)
    assert np.array_equal(found.ids[:, 0], expected.argmin(axis=1))
    assert np.allclose(found.distances[:, 0], expected.min(axis=1), atol=1e-5)


def test_names_and_figures_are_the_same_everywhere(
    place: Place, few: Dataset, test_set: Dataset, embedder: Embedder, tmp_path: Path
) -> None:
    build_index(few, embedder, tmp_path / "plain", SEED)
    index, plain = DigitIndex.open(place), DigitIndex.open(tmp_path / "plain")
    asked = Dataset("asked", "test", test_set.images[:50], test_set.labels[:50], test_set.names)
    for weights in ("uniform", "distance"):
        named, expected = (one.classify(asked.images, weights=weights) for one in (index, plain))
        assert np.array_equal(named.labels, expected.labels)
        assert np.allclose(named.confidences, expected.confidences, atol=1e-5)
        assert np.array_equal(named.reasons, expected.reasons)
    measured, known = (
        evaluate(one, asked, k=3, weights="uniform", threshold=1.0, seed=SEED).figures()
        for one in (index, plain)
    )
    for name in ("confusion", "precision_at_10", "instance_recall_at_10", "risk_coverage"):
        assert measured[name] == known[name]
    assert measured["map_at_r"] == pytest.approx(known["map_at_r"], abs=1e-5)
    require_vectors(index, place)


def _add(place: Place, image: np.ndarray, label: str) -> grow.Added:
    with grow.open_to_change(place) as (change, index):
        query = Query("given", image / np.float32(255), image / np.float32(255), file="given.png")
        known = index.manifest.names.index(label)
        return grow.add(change, index, [(query, known)])


def test_what_is_added_and_removed_answers_and_does_not(
    place: Place, few: Dataset, test_set: Dataset
) -> None:
    image = test_set.images[0]
    added = _add(place, image, "3")
    assert [row.id for row in added.rows] == ["added/0"]  # type: ignore[union-attr]
    index = DigitIndex.open(place)
    found = index.search(image[None], 1)
    assert (index.name(int(found.ids[0, 0])), found.labels[0, 0]) == ("added/0", 3)
    assert [index.file(row) for row in range(COUNT + 1)] == [*few.files, "given.png"]
    assert len(index) == COUNT + 1
    assert index.manifest.generation == 2

    with grow.open_to_change(place) as (change, index):
        grow.remove(change, index, ["few/train/0", "added/0"])
    index = DigitIndex.open(place)
    assert len(index) == len(index.live) == COUNT - 1
    everything = index.search(few.images[:1], len(index)).ids
    assert not {0, COUNT} & set(everything[0].tolist())
    assert index.rivals(image[None], np.array([0])).ids[0, 0] != COUNT
    with pytest.raises(UsageError, match="no item 'added/0'"):
        index.position("added/0")
    require_vectors(index, place)

    grow.undo(place)
    assert DigitIndex.open(place).search(image[None], 1).ids.tolist() == [[COUNT]]
    grow.undo(place)
    assert len(DigitIndex.open(place)) == COUNT - 1


def test_what_undo_needs_is_verified_too(place: Place, test_set: Dataset) -> None:
    first = DigitIndex.open(place).manifest
    assert store_at(place).verified(first) == first.entries
    _add(place, test_set.images[0], "3")
    second = DigitIndex.open(place).manifest
    previous = second.files[PREVIOUS]
    all_of_both = first.entries | second.entries | {previous.name: previous}
    assert store_at(place).verified(second) == all_of_both


def test_each_of_several_changes_is_of_what_the_one_before_left(
    place: Place, test_set: Dataset, embedder: Embedder
) -> None:
    images = test_set.images[:3]
    with store_at(place).change() as change:
        for row in range(3):
            one = slice(row, row + 1)
            _, names = change.add(embedder.embed(images[one]), THREE, images[one], [""])
            assert names == [f"added/{row}"]
        change.remove(np.array([0, COUNT]))
        assert change.base.manifest.count == COUNT + 1
        change.undo()
        assert change.base.manifest.count == COUNT + 3
    index = DigitIndex.open(place)
    assert index.search(images, 1).ids[:, 0].tolist() == [COUNT, COUNT + 1, COUNT + 2]


@pytest.mark.parametrize("rows", ["images", "labels"])
def test_rows_are_indexed_as_an_array_is(place: Place, few: Dataset, rows: str) -> None:
    stored, known = getattr(DigitIndex.open(place), rows), getattr(few, rows)
    for chosen in (
        3, -1, np.int64(5), slice(3, 9, 2), slice(-2, None), [4, 2, 2], np.array([[1, 2], [-1, 0]]),
        few.labels == 2, np.array([], int), np.zeros(COUNT, bool),
    ):  # fmt: skip
        assert np.array_equal(stored[chosen], known[chosen])
        assert np.shape(stored[chosen]) == np.shape(known[chosen])
    for outside in (COUNT, [0, -COUNT - 1], np.ones(3, bool)):
        with pytest.raises(IndexError):
            stored[outside]


def test_a_number_is_never_given_twice(place: Place, test_set: Dataset) -> None:
    first, second = test_set.images[:2]
    _add(place, first, "3")
    grow.undo(place)
    index = DigitIndex.open(place)
    assert len(index) == COUNT
    assert index.search(first[None], 1).distances[0, 0] > 0
    assert _add(place, second, "4").rows[0].id == "added/1"  # type: ignore[union-attr]
    index = DigitIndex.open(place)
    assert index.name(int(index.search(second[None], 1).ids[0, 0])) == "added/1"
    assert len(index) == COUNT + 1


def test_what_cannot_be_is_refused_and_changes_nothing(place: Place, few: Dataset) -> None:
    index = DigitIndex.open(place)
    for k in (0, COUNT + 1, True):
        with pytest.raises(UsageError, match="expected k"):
            index.search(few.images[:1], k)
    with pytest.raises(UsageError, match="excluded"):
        index.search(few.images[:2], 1, exclude=np.array([0]))
    with pytest.raises(UsageError, match="nope"), grow.open_to_change(place) as (change, opened):
        grow.remove(change, opened, ["few/train/1", "nope"])
    with (
        pytest.raises(UsageError, match="stay"),
        grow.open_to_change(place) as (change, opened),
    ):
        grow.remove(change, opened, [f"few/train/{row}" for row in range(COUNT)])
    with pytest.raises(UsageError, match="nothing to undo"):
        grow.undo(place)
    assert DigitIndex.open(place).manifest == index.manifest


def test_two_cannot_change_it_at_once_and_a_change_is_noticed(
    place: Place, test_set: Dataset
) -> None:
    store: Store = store_at(place)
    before = store.signature()
    with (
        store.change(),
        pytest.raises(IndexLocked, match="another process"),
        store_at(place).change(),
    ):
        pass
    assert store.signature() == before
    _add(place, test_set.images[0], "3")
    assert store.signature() != before


def test_it_is_replaced_whole(
    place: Place, few: Dataset, test_set: Dataset, embedder: Embedder
) -> None:
    _add(place, test_set.images[0], "3")
    build_index(few, embedder, place, SEED)
    index = DigitIndex.open(place)
    assert (len(index), index.manifest.generation) == (COUNT, 3)
    grow.undo(place)
    assert len(DigitIndex.open(place)) == COUNT + 1


def test_an_index_beside_it_is_left_alone(
    place: Place, few: Dataset, test_set: Dataset, embedder: Embedder
) -> None:
    beside = parse_place(f"{place}_rows_b")
    build_index(few, embedder, beside, SEED)
    _add(place, test_set.images[0], "3")
    build_index(few, embedder, place, SEED)
    assert len(DigitIndex.open(beside)) == COUNT


def test_another_embedder_is_refused(place: Place, tmp_path: Path) -> None:
    from data.card import CARD_NAME, ONNX_NAME

    other = linear_embedder(seed=1)
    (tmp_path / CARD_NAME).write_bytes(other.card.to_bytes())
    (tmp_path / ONNX_NAME).write_bytes(other.onnx)
    with pytest.raises(EmbedderMismatch, match="expected embedder"):
        require_embedder(DigitIndex.open(place), tmp_path, place)


def test_where_there_is_nothing_one_line_says_so(place: Place) -> None:
    empty = parse_place(f"{place}_empty")
    for ask in (DigitIndex.open, grow.undo):
        with pytest.raises(IndexNotFound, match="digits") as caught:
            ask(empty)  # type: ignore[operator]
        assert isinstance(caught.value, DigitsError)
        assert "\n" not in str(caught.value)
