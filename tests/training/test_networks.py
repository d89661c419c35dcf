import numpy as np
import onnx
import onnxruntime
import pytest

from data.dataset import Dataset
from data.normalise import scale_to_unit
from training import require_backend

require_backend()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from training.export import onnx_bytes  # noqa: E402
from training.networks import (  # noqa: E402
    NETWORKS,
    EuclideanDistance,
    notebook_tower,
    siamese,
    straightened,
    two_headed_tower,
)
from training.recipes import Block, Canvas  # noqa: E402

BLOCKS = (Block(8, 2), Block(8, 2, "valid"))


def test_the_notebook_tower_is_the_notebook_s() -> None:
    dense = [layer for layer in notebook_tower().layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [512, 256, 128]
    assert [layer.activation.__name__ for layer in dense] == ["relu", "relu", "linear"]
    assert dense[0].kernel.shape == (784, 512)


def test_towers_embed_any_number_of_digits(rng: np.random.Generator) -> None:
    images = rng.uniform(0, 1, (3, 28, 28)).astype(np.float32)
    two_heads = {"blocks": BLOCKS, "dimensions": (4, 4), "early": 1, "balance": 0.35}
    for name, build in NETWORKS.items():
        tower = build(**two_heads) if name == "two_headed" else build()
        batch = np.asarray(tower(images))
        one = np.asarray(tower(images[:1]))
        assert batch.shape[0] == 3
        assert np.allclose(batch[:1], one, atol=1e-5)


def test_two_heads_share_the_squared_distance(rng: np.random.Generator) -> None:
    tower = two_headed_tower(BLOCKS, dimensions=(4, 6), early=1, balance=0.35)
    images = rng.uniform(0, 1, (3, 28, 28)).astype(np.float32)
    embeddings = np.asarray(tower(images))
    assert embeddings.shape == (3, 10)
    assert np.linalg.norm(embeddings[:, :4], axis=1) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(embeddings[:, 4:], axis=1) ** 2 == pytest.approx(0.35, abs=1e-5)


def test_an_exported_tower_straightens_as_keras_does_by_cheap_operators(
    train_set: Dataset,
) -> None:
    images = scale_to_unit(train_set.images[:100])
    tower = straightened(
        two_headed_tower(BLOCKS, (4, 4), early=1, balance=0.35, side=20), Canvas(20, 1.2)
    )
    expected = tower.predict_on_batch(images)
    content = onnx_bytes(tower)
    graph = onnx.load_model_from_string(content).graph
    operators = {node.op_type for node in graph.node}
    assert "GatherElements" in operators
    assert not operators & {"GatherND", "BatchNormalization", "Shape", "Unsqueeze"}
    read = {name for node in graph.node for name in node.input}
    assert {one.name for one in graph.initializer} <= read  # ONNX Runtime complains of others
    session = onnxruntime.InferenceSession(content)
    assert np.abs(session.run(None, {"images": images})[0] - expected).max() < 1e-4


def test_the_distance_layer_is_euclidean_and_no_lambda(rng: np.random.Generator) -> None:
    left, right = rng.normal(size=(2, 6, 4)).astype(np.float32)
    received = np.asarray(EuclideanDistance()((left, right)))
    assert received.shape == (6, 1)
    assert np.allclose(received[:, 0], np.linalg.norm(left - right, axis=1), atol=1e-6)
    layers = siamese(notebook_tower()).layers
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in layers)


def test_the_gradient_at_distance_zero_is_finite() -> None:
    point = tf.Variable(np.ones((1, 4), np.float32))
    with tf.GradientTape() as tape:
        distance = EuclideanDistance()((point, tf.constant(point)))
    gradient = np.asarray(tape.gradient(distance, point))
    assert np.isfinite(gradient).all()


def test_twins_share_their_weights(rng: np.random.Generator) -> None:
    tower = notebook_tower()
    model = siamese(tower)
    assert model.count_params() == tower.count_params()
    left, right = rng.uniform(0, 1, (2, 5, 28, 28)).astype(np.float32)
    expected = np.linalg.norm(np.asarray(tower(left)) - np.asarray(tower(right)), axis=1)
    assert np.allclose(np.asarray(model([left, right]))[:, 0], expected, atol=1e-5)


def test_a_siamese_model_survives_saving(tmp_path: object) -> None:
    model = siamese(notebook_tower())
    path = f"{tmp_path}/model.keras"
    model.save(path)
    images = np.ones((2, 28, 28), np.float32)
    again = keras.saving.load_model(path)
    assert np.allclose(np.asarray(model([images, images])), np.asarray(again([images, images])))
