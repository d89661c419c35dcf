"""A tower as a graph of layers: what feeds what, also inside of the networks it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Node:
    """One layer, or what enters the tower.

    Attributes:
        text: its kind, the shape that it gives and its weights.
        parents: positions of the nodes that feed it.
        depth: layers before it, on the longest way.
    """

    text: str
    parents: tuple[int, ...]
    depth: int


def layer_graph(tower: keras.Model) -> list[Node]:
    """The nodes of a tower of one input and one output, parents first."""
    nodes = [Node(f"images  {_shape(tower.inputs[0])}", (), 0)]
    _add(tower, 0, nodes)
    return nodes


def _add(network: keras.Model, given: int, nodes: list[Node]) -> int:
    """Append the layers of a network that is fed by the node `given`; its last node."""
    functional = keras.Model(network.inputs, network.outputs)  # also of a sequential one
    layers = {operation.name: operation for operation in functional.operations}
    made: dict[str, int] = {}  # by the name of a layer, its node
    for told in functional.get_config()["layers"]:
        layer = layers[told["name"]]
        parents = tuple(made[name] for name in _sources(told["inbound_nodes"]))
        if isinstance(layer, keras.layers.InputLayer):
            made[layer.name] = given
        elif isinstance(layer, keras.Model):
            made[layer.name] = _add(layer, parents[0], nodes)
        else:
            nodes.append(Node(_told(layer), parents, 1 + max(nodes[one].depth for one in parents)))
            made[layer.name] = len(nodes) - 1
    return len(nodes) - 1


def _sources(inbound: Any) -> Iterator[str]:
    """Names of the layers that a layer is fed by, wherever its config tells of them."""
    if isinstance(inbound, dict):
        if "keras_history" in inbound:
            yield inbound["keras_history"][0]
        inbound = list(inbound.values())
    if isinstance(inbound, list | tuple):
        for part in inbound:
            yield from _sources(part)


def _told(operation: keras.Operation) -> str:
    text = f"{type(operation).__name__}  {_shape(operation.output)}"
    weights = operation.count_params() if isinstance(operation, keras.Layer) else 0
    return f"{text}  {weights:,} weights" if weights else text


def _shape(tensor: Any) -> str:
    return "×".join(str(side) for side in tensor.shape[1:])
