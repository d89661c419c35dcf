"""What must hold of the project's own files: security floors, strict checks, no code in data."""

from __future__ import annotations

import re
import tomllib
import warnings
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Older ones have known holes: Keras runs code of a file it loads, Pillow's decoders write out of
# bounds, FAISS trusts the lengths that a file claims.
FLOORS = {"keras": "3.15.1", "pillow": "13", "faiss-cpu": "1.15.1"}


@pytest.mark.parametrize("name", FLOORS)
def test_the_project_asks_for_at_least_the_floor(name: str) -> None:
    project = PROJECT["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = [Requirement(line) for lines in lists for line in lines]
    found = [one for one in asked if one.name == name]
    assert found
    for one in found:
        floors = [Version(part.version) for part in one.specifier if part.operator == ">="]
        assert max(floors) >= Version(FLOORS[name])


@pytest.mark.parametrize("name", FLOORS)
def test_the_lock_pins_at_least_the_floor(name: str) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(rf"^{name}==(\S+)", lock, re.MULTILINE)
    assert pinned
    assert all(Version(one) >= Version(FLOORS[name]) for one in pinned)


def test_warnings_are_errors() -> None:
    filters = PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"]
    assert filters[0] == "error"
    spared = [one.split(":") for one in filters[1:]]
    assert all(action == "ignore" and message for action, message, *_ in spared)


def test_a_warning_fails_a_test() -> None:
    with pytest.raises(UserWarning, match="old"):
        warnings.warn("old", UserWarning, stacklevel=1)


def test_types_are_strict_where_answers_are_made() -> None:
    mypy = PROJECT["tool"]["mypy"]
    assert mypy["strict"] is True
    assert {"data", "indexer", "search"} <= set(mypy["packages"])
    for override in mypy["overrides"]:
        loosened = override.keys() - {"module", "ignore_missing_imports"}
        ours = [one for one in override["module"] if one.split(".")[0] in mypy["packages"]]
        assert not loosened or set(ours) <= {"training.*", "search.sklearn"}  # of untyped bases


def test_no_type_is_ignored_wholesale() -> None:
    for package in ("data", "indexer", "search"):
        for path in (ROOT / package).rglob("*.py"):
            for line in path.read_text().splitlines():
                assert "type: ignore" not in line or "type: ignore[" in line, path
                assert "mypy:" not in line, path


def test_nothing_is_ever_loaded_as_code() -> None:
    code = re.compile(
        r"pickle\.load|allow_pickle=True|safe_mode=False|load_model\(|\b(eval|exec)\("
    )
    for package in ("data", "indexer", "search", "training"):
        for path in (ROOT / package).rglob("*.py"):
            assert not code.search(path.read_text()), path
