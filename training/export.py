"""Cut out the trained tower: ONNX to search with, Keras for others, a card that tells what it is.

The ONNX file is refused unless it computes what Keras computes.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from data.card import CARD_NAME, KERAS_NAME, ONNX_NAME, EmbedderCard
from data.dataset import Dataset
from data.errors import TrainingError
from data.files import make_folder, write_together
from data.normalise import NORMALISER_VERSION, scale_to_unit
from training.fit import Trained
from training.networks import class_dimension

TOLERANCE = 1e-4
COMPARED = 256
CANARIES = 8


def export(trained: Trained, dataset: Dataset, seed: int, folder: Path) -> EmbedderCard:
    """Write `embedder.onnx`, `embedder.keras` and `embedder.json` into `folder`.

    Raises:
        TrainingError: ONNX Runtime and Keras differ by more than 1e-4 on 256 images.
        StorageError: the folder cannot be written; each file in it is whole, old or new.
    """
    make_folder(folder)
    onnx = onnx_bytes(trained.tower)
    images = dataset.images[:COMPARED]
    embeddings = _agreed_embeddings(trained.tower, onnx, scale_to_unit(images))
    card = EmbedderCard(
        recipe=asdict(trained.recipe),
        dataset=dataset.facts(),
        seed=seed,
        normaliser=NORMALISER_VERSION,
        dimension=embeddings.shape[1],
        class_dimension=class_dimension(trained.tower),
        metric="euclidean",
        onnx_sha256=hashlib.sha256(onnx).hexdigest(),
        history=trained.history,
        same_different=trained.same_different,
        canary_images=images[:CANARIES],
        canary_embeddings=embeddings[:CANARIES],
        seconds=trained.seconds,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        program=version("digit-search"),
    )
    contents = {KERAS_NAME: _keras_bytes(trained.tower), ONNX_NAME: onnx}
    write_together(folder, contents | {CARD_NAME: card.to_bytes()})
    return card


def onnx_bytes(tower: keras.Model) -> bytes:
    """`tower` as an ONNX file with a dynamic batch axis."""

    def save(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tf2onnx probes numpy for names long removed
            logging.getLogger("tf2onnx").setLevel(logging.ERROR)
            tower.export(path, format="onnx", verbose=False)

    return _simplified(_saved(save, ONNX_NAME))


def _simplified(content: bytes) -> bytes:
    """The same network in fewer and cheaper steps: for one digit, each step counts."""
    import onnx

    model = onnx.load_model_from_string(content)
    _gather_along_rows(model.graph)
    _reshape_to_constants(model)
    _drop_unused(model.graph)
    _settle_names(model.graph)
    return bytes(model.SerializeToString())


def _gather_along_rows(graph: Any) -> None:
    """`GatherElements` where each row is read at its own positions.

    For that, TensorFlow's gather becomes `GatherND`, which copies number by number and takes
    fifteen times as long.
    """
    from onnx.helper import make_node

    made_by = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "GatherND" and node.attribute and node.attribute[0].i == 2:
            data, positions = node.input[0], made_by[node.input[1]].input[0]  # before Unsqueeze
            cast = made_by[positions]
            if cast.op_type == "Cast" and made_by[cast.input[0]].op_type != "Floor":
                positions = cast.input[0]  # int32 already; only GatherND needs int64
            node.CopyFrom(
                make_node("GatherElements", [data, positions], node.output, node.name, axis=2)
            )


def _reshape_to_constants(model: Any) -> None:
    """Shapes that are known but for the batch as constants, where six steps worked them out."""
    from onnx import numpy_helper
    from onnx.shape_inference import infer_shapes

    graph = model.graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]  # 0 is unknown
        for value in infer_shapes(model, data_prop=True).graph.value_info
    }
    constants = {one.name for one in graph.initializer}
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[1] in constants:
            continue
        _, *known = shapes.get(node.output[0], [0, 0])
        if all(known):
            name = f"{node.name}_shape"
            shape = np.array([-1, *known], np.int64)
            graph.initializer.append(numpy_helper.from_array(shape, name))
            node.input[1] = name


def _drop_unused(graph: Any) -> None:
    """Take out steps that nothing reads any more."""
    needed = {one.name for one in graph.output}
    kept = []
    for node in reversed(graph.node):  # in order of dependence
        if needed & set(node.output):
            needed.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _settle_names(graph: Any) -> None:
    """Names by order, and constants that are read, equal ones once.

    The converter leaves these to chance, and one network would be another file each time.
    """
    from onnx.numpy_helper import from_array, to_array

    constants = {one.name: to_array(one) for one in graph.initializer}
    outputs = {one.name for one in graph.output}
    kept: dict[tuple[Any, ...], Any] = {}
    names: dict[str, str] = {}
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for place, name in enumerate(node.input):
            if name in constants:
                values = constants[name]
                content = (values.dtype, values.shape, values.tobytes())
                if content not in kept:
                    kept[content] = from_array(values, f"constant_{len(kept)}")
                names[name] = kept[content].name
            node.input[place] = names.get(name, name)
        for place, name in enumerate(node.output):
            if name not in outputs:
                names[name] = node.output[place] = f"{node.name}_{place}"
    del graph.initializer[:]
    graph.initializer.extend(kept.values())
    graph.doc_string = ""  # names TensorFlow's function
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _keras_bytes(tower: keras.Model) -> bytes:
    return _saved(tower.save, KERAS_NAME)


def _saved(save: Callable[[Path], None], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / name
        save(path)
        return path.read_bytes()


def _agreed_embeddings(tower: keras.Model, onnx: bytes, images: np.ndarray) -> np.ndarray:
    """What ONNX Runtime gives for `images`, once it is known to be what Keras gives."""
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    (received,) = session.run(None, {session.get_inputs()[0].name: images})
    expected = np.asarray(tower.predict_on_batch(images))
    error = float(np.abs(received - expected).max())
    if not error <= TOLERANCE:
        raise TrainingError(
            f"the exported ONNX tower differs from Keras by {error:.2g} (allowed: {TOLERANCE:g});"
            " nothing was written"
        )
    return np.asarray(received)
