from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from data.card import ONNX_NAME
from data.dataset import Dataset
from data.normalise import scale_to_unit
from indexer.embedder import Embedder
from training import require_backend

require_backend()

import keras  # noqa: E402

from training.batches import DRAWN, batches_of  # noqa: E402
from training.ensemble import networks_of, side_by_side, tower_of  # noqa: E402
from training.export import export, onnx_bytes  # noqa: E402
from training.fit import fit  # noqa: E402
from training.history import embed  # noqa: E402
from training.losses import supervised_contrastive  # noqa: E402
from training.networks import class_dimension, siamese  # noqa: E402
from training.recipes import (  # noqa: E402
    Affine,
    Block,
    Canvas,
    Limits,
    Member,
    Recipe,
    find_recipe,
)
from training.straighten import Straighten  # noqa: E402

MEMBER = Member(
    network="two_headed",
    network_options={
        "blocks": (Block(8, 2), Block(8, 2)),
        "dimensions": (5, 3),
        "early": 1,
        "balance": 0.35,
    },
)
STRAIGHTENED = replace(MEMBER, straighten=Canvas(side=16, pitch=1.6))
RECIPE = Recipe(
    name="small",
    members=(MEMBER, STRAIGHTENED, MEMBER),
    loss="supervised_contrastive",
    sampler="batches",
    epochs=1,
    batch_size=20,
    learning_rate=1e-3,
    schedule="constant",
    validation=0,
)
TURNED = Affine(rotation=0.3, shear=0.2, scale=0.1, stretch=0.1, shift=2)
MOVING = replace(
    RECIPE,
    members=tuple(replace(member, augmentation=TURNED) for member in RECIPE.members),
    stroke=0.3,
    blocky=0.15,
    drawn_digits=2,
)
SMALL = {
    **find_recipe("default").members[0].network_options,
    "blocks": MEMBER.network_options["blocks"],
}
STRAIGHT, AS_STORED = find_recipe("best").members[:2]
UNLIKE = (
    replace(STRAIGHT, network_options=SMALL),
    replace(AS_STORED, network_options=AS_STORED.network_options | {"blocks": SMALL["blocks"]}),
)


def squared(embeddings: np.ndarray) -> np.ndarray:
    return ((embeddings[:, None] - embeddings[None]) ** 2).sum(axis=2)


def test_squared_distances_are_the_members_means(train_set: Dataset) -> None:
    images = scale_to_unit(train_set.images[:10])
    networks = networks_of(RECIPE)
    tower = tower_of(RECIPE, networks)
    straight = Straighten(side=16, pitch=1.6)(images)
    apart = [
        np.asarray(network(straight if member.straighten else images))
        for member, network in zip(RECIPE.members, networks, strict=True)
    ]
    together = np.asarray(tower(images))
    assert class_dimension(tower) == 15
    assert together.shape == (10, 24)
    for ours, theirs in ((np.s_[:, :15], np.s_[:, :5]), (np.s_[:, 15:], np.s_[:, 5:])):
        expected = np.mean([squared(one[theirs]) for one in apart], axis=0)
        assert np.allclose(squared(together[ours]), expected, atol=1e-5)
    assert not np.allclose(apart[0], apart[1], atol=1e-2)


def test_one_member_is_the_tower() -> None:
    recipe = replace(RECIPE, members=(MEMBER,))
    networks = networks_of(recipe)
    assert tower_of(recipe, networks) is networks[0]


def test_only_members_that_tell_the_hand_count_in_its_distance(train_set: Dataset) -> None:
    handless = Member("conv", {"blocks": (Block(8, 2),), "dimension": 5})
    networks = networks_of(replace(RECIPE, members=(MEMBER, handless, MEMBER)))
    tower = tower_of(replace(RECIPE, members=(MEMBER, handless, MEMBER)), networks)
    images = scale_to_unit(train_set.images[:10])
    first, second, third = (np.asarray(network(images)) for network in networks)
    together = np.asarray(tower(images))
    digit = np.mean([squared(one[:, :5]) for one in (first, second, third)], axis=0)
    hand = np.mean([squared(one[:, 5:]) for one in (first, third)], axis=0)
    assert class_dimension(tower) == 15
    assert np.allclose(squared(together[:, :15]), digit, atol=1e-5)
    assert np.allclose(squared(together), digit + hand, atol=1e-5)


@pytest.mark.parametrize("network", ["conv", "notebook"])
def test_networks_without_a_hand_are_joined_too(network: str, train_set: Dataset) -> None:
    recipe = replace(RECIPE, members=2 * (Member(network),))
    members = networks_of(recipe)
    images = scale_to_unit(train_set.images[:4])
    whole = tower_of(recipe, members)
    expected = np.mean([squared(np.asarray(member(images))) for member in members], axis=0)
    assert np.allclose(squared(np.asarray(whole(images))), expected, rtol=1e-4, atol=1e-5)
    assert class_dimension(whole) == whole.output_shape[-1]
    assert siamese(whole).count_params() == 2 * members[0].count_params()
    session = onnxruntime.InferenceSession(onnx_bytes(whole))
    assert np.abs(session.run(None, {"images": images})[0] - np.asarray(whole(images))).max() < 1e-4


def test_each_member_sees_its_own_batch_and_its_loss_alone(train_set: Dataset) -> None:
    networks = networks_of(RECIPE)
    model = side_by_side(networks)
    model.compile(loss=[supervised_contrastive()] * 3)
    images = scale_to_unit(train_set.images[:30])
    labels = np.stack([train_set.labels[:30], np.arange(30)], axis=1).astype(np.int32)
    shares = [np.s_[:10], np.s_[10:16], np.s_[16:30]]
    batches = [images[rows] for rows in shares]
    batches[1] = np.asarray(Straighten(side=16, pitch=1.6)(batches[1]))
    expected = [np.asarray(one(batch)) for one, batch in zip(networks, batches, strict=True)]
    for ours, theirs in zip(model(batches), expected, strict=True):
        assert np.allclose(np.asarray(ours), theirs, atol=1e-5)
    loss = supervised_contrastive()
    losses = [np.mean(loss(labels[rows], e)) for rows, e in zip(shares, expected, strict=True)]
    whole = model.compute_loss(
        y=[labels[rows] for rows in shares], y_pred=model(batches), training=False
    )
    assert np.isclose(float(whole), sum(losses), rtol=1e-5)


def test_members_see_every_digit_once_an_epoch_each_in_its_own_order(train_set: Dataset) -> None:
    batches, steps = batches_of(RECIPE, train_set, np.arange(1_200), 0)
    taken = batches(0).take(steps).as_numpy_iterator()
    seen = np.array([[each[:, 1] for each in labels] for _, labels in taken])  # (steps, 3, 20)
    orders = seen.swapaxes(0, 1).reshape(3, -1)  # of pictures
    assert (np.sort(orders) == np.arange(1_200)).all()
    assert all((a != b).mean() > 0.9 for a, b in combinations(orders, 2))


def test_members_see_all_classes_in_turn(train_set: Dataset) -> None:
    recipe = replace(RECIPE, sampler="balanced", batch_size=5)
    batches, _ = batches_of(recipe, train_set, np.arange(len(train_set)), 0)
    taken = batches(0).take(2).as_numpy_iterator()
    seen = np.array([[each[:, 0] for each in labels] for _, labels in taken])  # (2, 3, 5)
    assert (np.sort(seen.swapaxes(0, 1).reshape(3, 10)) == np.arange(10)).all()


def test_members_are_shown_digits_as_they_see_them(train_set: Dataset) -> None:
    batches, _ = batches_of(RECIPE, train_set, np.arange(len(train_set)), 0)
    ((first, second, third), labels) = next(batches(0).as_numpy_iterator())
    pictures = [scale_to_unit(train_set.images[each[:, 1]]) for each in labels]
    assert np.allclose(first, pictures[0], atol=1e-6)
    assert np.allclose(third, pictures[2], atol=1e-6)
    assert np.allclose(second, Straighten(side=16, pitch=1.6)(pictures[1]), atol=1e-4)


def test_a_saved_ensemble_is_the_same_again(tmp_path: object, train_set: Dataset) -> None:
    network = tower_of(RECIPE, networks_of(RECIPE))
    network.save(f"{tmp_path}/ensemble.keras")
    images = scale_to_unit(train_set.images[:5])
    again = keras.saving.load_model(f"{tmp_path}/ensemble.keras")
    assert np.allclose(np.asarray(network(images)), np.asarray(again(images)), atol=1e-6)
    assert class_dimension(again) == 15


def test_batches_of_a_later_epoch_are_those_that_would_have_come(train_set: Dataset) -> None:
    batches, steps = batches_of(MOVING, train_set, np.arange(600), 0)
    expected, expected_labels = next(batches(0).skip(steps).as_numpy_iterator())
    received, labels = next(batches(1).as_numpy_iterator())
    for ours, theirs in zip((*received, *labels), (*expected, *expected_labels), strict=True):
        assert np.array_equal(ours, theirs)


def test_chance_is_another_one_for_each_member_and_step(train_set: Dataset) -> None:
    alike = replace(MOVING, members=3 * (MOVING.members[0],), batch_size=1, drawn_digits=0)
    batches, _ = batches_of(alike, train_set, np.array([7]), 0)
    shown = [image for images, _ in batches(0).take(2).as_numpy_iterator() for image in images]
    assert len({image.tobytes() for image in shown}) == 6


def test_every_member_sees_all_drawings(train_set: Dataset) -> None:
    recipe = replace(RECIPE, members=3 * (MEMBER,), outliers=1)
    batches, _ = batches_of(recipe, train_set, np.arange(600), 0)
    steps = batches(0).take(DRAWN).as_numpy_iterator()
    drawings = np.array([[batch[-1] for batch in images] for images, _ in steps])  # (83, 3, 28, 28)
    first, *others = ({drawing.tobytes() for drawing in one} for one in drawings.swapaxes(0, 1))
    assert len(first) > DRAWN * 0.9
    assert all(one == first for one in others)


@pytest.mark.parametrize("name", ["default", "best"])
def test_members_give_as_many_numbers_for_the_class_as_the_loss_takes(name: str) -> None:
    recipe = find_recipe(name)
    given = {class_dimension(network) for network in networks_of(recipe)}
    assert given == {recipe.loss_options["dimension"]}


def test_an_ensemble_of_unlike_members_learns_stops_goes_on_and_is_exported(
    train_set: Dataset, test_set: Dataset, tmp_path: Path
) -> None:
    recipe = replace(find_recipe("best"), members=UNLIKE, drawn_digits=2, outliers=2)
    limits = Limits(epochs=2, checkpoint=tmp_path)

    def stop(done: int, total: int, note: str = "") -> None:
        if done > total * 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, train_set, 3, limits, stop)
    trained = fit(recipe, train_set, 3, replace(limits, resume=True))
    assert [record["epoch"] for record in trained.history] == [1, 2]
    last = trained.history[-1]
    assert last["val_knn_accuracy"] > 0.85
    losses = [last[f"member_{number}_loss"] for number in range(len(UNLIKE))]
    assert sum(losses) == pytest.approx(last["loss"], rel=1e-4)
    card = export(trained, train_set, 3, tmp_path)
    assert (card.dimension, card.class_dimension) == (48, 32)
    operators = {node.op_type for node in onnx.load(tmp_path / ONNX_NAME).graph.node}
    assert not operators & {"GatherND", "BatchNormalization", "Shape", "Unsqueeze"}
    embedder = Embedder.open(tmp_path)
    expected = embed(trained.tower, test_set.images[:20])
    assert np.allclose(embedder.embed(test_set.images[:20]), expected, atol=1e-4)
