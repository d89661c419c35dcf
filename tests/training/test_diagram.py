import re

import pytest

from training import require_backend

require_backend()

from training.diagram import layer_graph  # noqa: E402
from training.ensemble import networks_of, tower_of  # noqa: E402
from training.recipes import RECIPES  # noqa: E402

WEIGHTS = re.compile(r"([\d,]+) weights$")


@pytest.mark.parametrize("name", RECIPES)
def test_all_weights_are_in_the_graph(name: str) -> None:
    recipe = RECIPES[name]
    tower = tower_of(recipe, networks_of(recipe))
    nodes = layer_graph(tower)
    found = [WEIGHTS.search(node.text) for node in nodes]
    assert sum(int(one[1].replace(",", "")) for one in found if one) == tower.count_params()
    for position, node in enumerate(nodes[1:], start=1):
        assert node.parents
        assert max(node.parents) < position
        assert node.depth == 1 + max(nodes[parent].depth for parent in node.parents)
    fed = {parent for node in nodes for parent in node.parents}
    assert fed == set(range(len(nodes) - 1))  # all but the embedding


def test_inner_networks_are_seen_through() -> None:
    recipe = RECIPES["best"]
    nodes = layer_graph(tower_of(recipe, networks_of(recipe)))
    kinds = [node.text.split()[0] for node in nodes]
    assert kinds.count("Conv2D") == 4 + 5 + 5
    assert "Functional" not in kinds
    assert [nodes[parent].text for parent in nodes[kinds.index("Straighten")].parents] == [
        "images  28×28"
    ]
    heads = [nodes[parent].text for parent in nodes[-1].parents]
    assert heads == ["Rescaling  48", "Rescaling  16"]
