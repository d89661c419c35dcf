import numpy as np
import onnxruntime
import pytest

from data.datasets import Dataset
from data.normalise import scale_to_unit
from training import require_backend

require_backend()

import keras  # noqa: E402

from training.batches import DRAWN, batches_of  # noqa: E402
from training.ensemble import dealt, joined, members_of, of_each  # noqa: E402
from training.export import onnx_bytes  # noqa: E402
from training.losses import supervised_contrastive  # noqa: E402
from training.networks import class_dimension, siamese  # noqa: E402
from training.recipes import Block, Recipe  # noqa: E402

SIDE = 28
RECIPE = Recipe(
    name="small",
    network="two_headed",
    network_options={
        "blocks": (Block(8, 2), Block(8, 2)),
        "dimensions": (5, 3),
        "early": 1,
        "balance": 0.35,
    },
    members=3,
    loss="supervised_contrastive",
    sampler="batches",
    epochs=1,
    batch_size=20,
    learning_rate=1e-3,
    schedule="constant",
    validation=0,
)


def squared(embeddings: np.ndarray) -> np.ndarray:
    return ((embeddings[:, None] - embeddings[None]) ** 2).sum(axis=2)


def test_squared_distances_are_the_members_means(train_set: Dataset) -> None:
    images = scale_to_unit(train_set.images[:10])
    members = members_of(RECIPE, SIDE)
    network = joined(members)
    apart = [np.asarray(member(images)) for member in members]
    together = np.asarray(network(images))
    assert class_dimension(network) == 15
    assert together.shape == (10, 24)
    for ours, theirs in ((np.s_[:, :15], np.s_[:, :5]), (np.s_[:, 15:], np.s_[:, 5:])):
        expected = np.mean([squared(one[theirs]) for one in apart], axis=0)
        assert np.allclose(squared(together[ours]), expected, atol=1e-5)
    assert not np.allclose(apart[0], apart[1], atol=1e-2)


def test_one_member_is_the_network() -> None:
    members = members_of(Recipe(**{**vars(RECIPE), "members": 1}), SIDE)
    assert joined(members) is members[0]


@pytest.mark.parametrize("network", ["conv", "notebook"])
def test_networks_without_a_hand_are_joined_too(network: str, train_set: Dataset) -> None:
    recipe = Recipe(**{**vars(RECIPE), "network": network, "network_options": {}, "members": 2})
    members = members_of(recipe, SIDE)
    images = scale_to_unit(train_set.images[:4])
    whole = joined(members)
    expected = np.mean([squared(np.asarray(member(images))) for member in members], axis=0)
    assert np.allclose(squared(np.asarray(whole(images))), expected, rtol=1e-4, atol=1e-5)
    assert class_dimension(whole) == whole.output_shape[-1]
    assert siamese(whole).count_params() == 2 * members[0].count_params()
    session = onnxruntime.InferenceSession(onnx_bytes(whole))
    assert np.abs(session.run(None, {"images": images})[0] - np.asarray(whole(images))).max() < 1e-4


def test_each_member_sees_its_own_rows_and_their_loss_alone(train_set: Dataset) -> None:
    members = members_of(RECIPE, SIDE)
    images = scale_to_unit(train_set.images[:30])
    labels = np.stack([train_set.labels[:30], np.arange(30)], axis=1).astype(np.int32)
    received = np.asarray(dealt(members)(images))
    shares = [np.s_[10 * number : 10 * number + 10] for number in range(3)]
    expected = [np.asarray(one(images[rows])) for one, rows in zip(members, shares, strict=True)]
    assert np.allclose(received, np.concatenate(expected), atol=1e-5)
    loss = supervised_contrastive()
    losses = [np.asarray(loss(labels[rows], received[rows])) for rows in shares]
    whole = np.asarray(of_each(loss, 3)(labels, received))
    assert np.allclose(whole, np.concatenate(losses), rtol=1e-5)


def test_members_learn_from_batches_of_their_own(train_set: Dataset) -> None:
    everything = np.arange(len(train_set))
    batches, steps = batches_of(RECIPE, train_set, everything, 0)
    alone, single_steps = batches_of(
        Recipe(**{**vars(RECIPE), "members": 1}), train_set, everything, 0
    )
    assert steps == single_steps
    together = list(batches(0).take(2).as_numpy_iterator())
    apart = list(alone(0).take(6).as_numpy_iterator())
    for number, (images, labels) in enumerate(together):
        for rows, (few, few_labels) in enumerate(apart[3 * number : 3 * number + 3]):
            assert np.array_equal(images[20 * rows : 20 * rows + 20], few)
            assert np.array_equal(labels[20 * rows : 20 * rows + 20], few_labels)


def test_a_saved_ensemble_is_the_same_again(tmp_path: object, train_set: Dataset) -> None:
    network = joined(members_of(RECIPE, SIDE))
    network.save(f"{tmp_path}/ensemble.keras")
    images = scale_to_unit(train_set.images[:5])
    again = keras.saving.load_model(f"{tmp_path}/ensemble.keras")
    assert np.allclose(np.asarray(network(images)), np.asarray(again(images)), atol=1e-6)
    assert class_dimension(again) == 15


def test_batches_of_a_later_epoch_are_those_that_would_have_come(train_set: Dataset) -> None:
    batches, steps = batches_of(RECIPE, train_set, np.arange(600), 0)
    (expected, _) = next(batches(0).skip(steps).as_numpy_iterator())
    (received, _) = next(batches(1).as_numpy_iterator())
    assert np.array_equal(received, expected)


def test_every_member_sees_all_drawings(train_set: Dataset) -> None:
    recipe = Recipe(**{**vars(RECIPE), "outliers": 1})
    batches, _ = batches_of(recipe, train_set, np.arange(600), 0)
    steps = batches(0).take(DRAWN).as_numpy_iterator()
    drawings = np.array([images.reshape(3, 21, -1)[:, -1] for images, _ in steps])  # (83, 3, 784)
    first, *others = ({drawing.tobytes() for drawing in one} for one in drawings.swapaxes(0, 1))
    assert len(first) > DRAWN * 0.9
    assert all(one == first for one in others)
