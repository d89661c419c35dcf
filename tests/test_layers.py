"""The directions that never turn (docs/design.md), read off the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "data": set(),
    "indexer": {"data"},
    "search": {"data", "indexer"},
    "training": {"data"},
}
ANYWHERE = {("search/cli/make.py", "training")}  # inside the commands that train
HEAVY = {"keras", "tensorflow", "matplotlib", "sklearn", "requests", "onnx", "tf2onnx",
         "grpc", "milvus_lite", "pyarrow", "pymilvus", "ray"}  # fmt: skip
MODULES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def imported(nodes: list[ast.AST]) -> set[str]:
    """Top-level packages that any of `nodes` imports."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_lies_below(path: Path) -> None:
    tree = ast.parse(path.read_text())
    place = str(path.relative_to(ROOT))
    package = path.relative_to(ROOT).parts[0]
    everything = imported(list(ast.walk(tree)))
    for name in everything & MAY_IMPORT.keys() - {package}:
        assert name in MAY_IMPORT[package] or (place, name) in ANYWHERE
    if package != "training":
        assert not imported(tree.body) & (HEAVY | {"training"})
    if not place.startswith("search/cli/"):
        assert "click" not in everything
    assert ast.get_docstring(tree) or path.name == "__main__.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_ever_unpickled(path: Path) -> None:
    text = path.read_text()
    assert "import pickle" not in text
    assert "allow_pickle=True" not in text
