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
AT_ONCE = {"search/sklearn.py": {"sklearn"}}  # which is for those who have it
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


def run_at_once(tree: ast.AST) -> list[ast.AST]:
    """All that runs when a module is imported, however deep it stands."""
    found = [tree]
    for node in ast.iter_child_nodes(tree):
        is_later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not is_later and not is_for_types:
            found += run_at_once(node)
    return found


def test_what_runs_at_once_is_seen_wherever_it_stands() -> None:
    source = "try:\n    import keras\nexcept ImportError:\n    pass\n"
    source += "class A:\n    import ray\n    def f(self):\n        import onnx\n"
    source += "if TYPE_CHECKING:\n    import grpc\n"
    assert imported(run_at_once(ast.parse(source))) == {"keras", "ray"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_lies_below(path: Path) -> None:
    tree = ast.parse(path.read_text())
    place = str(path.relative_to(ROOT))
    package = path.relative_to(ROOT).parts[0]
    everything = imported(list(ast.walk(tree)))
    for name in everything & MAY_IMPORT.keys() - {package}:
        assert name in MAY_IMPORT[package] or (place, name) in ANYWHERE
    if package != "training":
        heavy = imported(run_at_once(tree)) & (HEAVY | {"training"})
        assert heavy == AT_ONCE.get(place, set())
    if not place.startswith("search/cli/"):
        assert "click" not in everything
    assert ast.get_docstring(tree) or path.name == "__main__.py"
