"""An embedder that is made at once: one matrix product, for tests that need none that is good."""

import hashlib

import numpy as np

from data.card import EmbedderCard, SameDifferent
from data.normalise import NORMALISER_VERSION
from indexer.embedder import Embedder

DIMENSION = 6


def linear_embedder(
    seed: int = 0, threads: int | None = None, dimension: int = DIMENSION
) -> Embedder:
    """Pixels times a matrix that is drawn from `seed`, through ONNX Runtime as any other."""
    from onnx import TensorProto, helper, numpy_helper

    matrix = np.random.default_rng(seed).normal(0, 0.05, (784, dimension)).astype(np.float32)
    shape = np.array([-1, 784])
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["images", "shape"], ["pixels"]),
            helper.make_node("MatMul", ["pixels", "matrix"], ["embeddings"]),
        ],
        "linear",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 28, 28])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", dimension])],
        [numpy_helper.from_array(shape, "shape"), numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx = bytes(model.SerializeToString())
    canaries = np.arange(8 * 784, dtype=np.uint8).reshape(8, 28, 28)
    card = EmbedderCard(
        recipe={"name": "linear", "validation": 0},
        dataset={"name": "none", "split": "train", "count": 0, "sha256": ""},
        seed=seed,
        normaliser=NORMALISER_VERSION,
        dimension=dimension,
        class_dimension=dimension,
        metric="euclidean",
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        history=[],
        same_different=SameDifferent(1.0, 1.0, 2, "none"),
        canary_images=canaries,
        canary_embeddings=canaries.reshape(8, 784) / np.float32(255) @ matrix,
        seconds=0.0,
        created="2020-01-01T00:00:00+00:00",
        program="test",
    )
    return Embedder.from_bytes(onnx, card, "linear", threads)
