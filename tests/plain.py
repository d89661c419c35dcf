"""An embedder that needs no training: pixels projected at random, close where pictures are."""

from __future__ import annotations

import hashlib

import numpy as np

from data.card import EmbedderCard, SameDifferent
from data.normalise import NORMALISER_VERSION, scale_to_unit
from indexer.embedder import Embedder

DIMENSION = 16


def plain_embedder(canaries: np.ndarray) -> Embedder:
    """An :class:`Embedder` made in a moment; `canaries` are (8, 28, 28) uint8."""
    weights = np.random.default_rng(0).normal(0, 784**-0.5, (784, DIMENSION)).astype(np.float32)
    onnx = _tower(weights)
    card = EmbedderCard(
        recipe={"name": "plain", "validation": 0.1},
        dataset={"name": "none", "split": "train", "count": 0, "sha256": ""},
        seed=0,
        normaliser=NORMALISER_VERSION,
        dimension=DIMENSION,
        class_dimension=DIMENSION,
        metric="euclidean",
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        history=[],
        same_different=SameDifferent(0.5, 0.9, 10, "none"),
        canary_images=canaries,
        canary_embeddings=scale_to_unit(canaries).reshape(8, -1) @ weights,
        seconds=0.0,
        created="2026-01-01T00:00:00+00:00",
        program="0",
    )
    return Embedder.from_bytes(onnx, card, "plain")


def _tower(weights: np.ndarray) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["images", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["embeddings"]),
        ],
        "plain",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 28, 28])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", DIMENSION])],
        [
            numpy_helper.from_array(np.array([-1, 784], np.int64), "shape"),
            numpy_helper.from_array(weights, "weights"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
