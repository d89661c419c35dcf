"""How fast digits become vectors, and how fast mnist8m's digits are drawn, in one run.

What a network costs is counted as the multiplications and additions of its convolutions and matrix
products; the machine's own rate is that of one large matrix product in numpy.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import cv2
import numpy as np
import onnx

from benchmarks.measure import medians_of, seconds_of, table
from data.card import KERAS_NAME
from data.datasets import load_dataset
from data.mnist8m import open_mnist8m
from data.normalise import scale_to_unit
from indexer.embedder import Embedder
from training import require_backend

ROUNDS = 5
ENCODED = 50_000  # so many that what ran before does not show
DRAWN = 50_000
SIDE = 4096  # of the matrices


def bench_encode(folder: Path) -> None:
    """The embedder in `folder` against Keras and against the machine's matrix products."""
    require_backend()
    import keras

    import training.networks  # noqa: F401, Keras finds the layers of a saved tower there

    embedder = Embedder.open(folder)
    tower = keras.saving.load_model(folder / KERAS_NAME)
    images = load_dataset("mnist", "train").images[:ENCODED]
    pixels = scale_to_unit(images)
    matrix = _matrix()
    one = images[:1]
    endless = open_mnist8m()
    beyond = np.arange(len(endless) - DRAWN, len(endless))
    cv2.setNumThreads(1)
    seconds = medians_of(
        {
            "embed": lambda: embedder.embed(images),
            "predict": lambda: tower.predict(pixels, verbose=0),
            "sgemm": lambda: matrix @ matrix,
            "one": lambda: [embedder.embed(one) for _ in range(100)],
            "draw": lambda: endless.pictures(beyond),
        },
        ROUNDS,
    )
    cost = operations(onnx.load_model_from_string(embedder.onnx))
    machine = 2 * SIDE**3 / seconds["sgemm"]
    ours, theirs = ENCODED / seconds["embed"], ENCODED / seconds["predict"]
    rows = [
        ["operations of an image", f"{cost / 1e6:.1f} million", ""],
        ["the machine's sgemm", f"{machine / 1e9:.0f} GFLOP/s", ""],
        ["Keras predict", f"{theirs:,.0f} images/s", f"{theirs * cost / machine:.0%} of sgemm"],
        ["encoding", f"{ours:,.0f} images/s", f"{ours * cost / machine:.0%} of sgemm"],
        ["encoding to Keras predict", f"{ours / theirs:.1f} times", ""],
        ["one image", f"{seconds['one'] * 10:.2f} ms", ""],
        ["drawing mnist8m, one thread", f"{DRAWN / seconds['draw']:,.0f} pictures/s", ""],
    ]
    print(f"## Encoding\n\n{table(['', 'median', 'share'], rows)}\n", flush=True)


def matrix_rate() -> float:
    """Multiplications and additions a second of one large matrix product, at best."""
    matrix = _matrix()
    fastest = min(seconds_of(lambda: matrix @ matrix) for _ in range(ROUNDS))
    return 2 * SIDE**3 / fastest


def _matrix() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)


def operations(model: onnx.ModelProto) -> int:
    """Multiplications and additions for one image in convolutions and matrix products."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes |= {weights.name: list(weights.dims) for weights in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":  # weights (out, in, rows, columns)
            total += 2 * prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
        elif node.op_type == "MatMul":  # (..., rows, inner) by (..., inner, columns)
            *_, inner, columns = shapes[node.input[1]]
            rows = prod(shapes.get(node.input[0], [1])[:-1])
            total += 2 * rows * inner * columns
    return total
