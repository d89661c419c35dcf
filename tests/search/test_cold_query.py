"""A cold query is mostly imports: what it does not use, it does not pay for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drawings import draw_digit

FOR_OTHERS = {
    "data.dataset", "data.datasets", "data.fetch", "data.mnist", "data.mnist8m",
    "data.sets.folders", "data.sets.labels", "indexer.build", "indexer.choose", "indexer.grow",
    "indexer.milvus", "indexer.projection", "indexer.recall", "platformdirs", "search.grow",
    "search.sheet", "search.thumbnails",
}  # fmt: skip
# They inherit, cache, are replaced in part, or have a length of their own.
FROZEN_DATACLASSES = {
    "Calibration", "DigitIndex", "Embedder", "FileEntry", "FolderStore", "InvertedLists",
    "Manifest", "Reader", "Redrawn", "Run", "Segment", "SegmentRecord", "Sources", "VectorIndex",
}  # fmt: skip
ASK = """
import json, sys
from search.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
classes = [
    one
    for name, module in sys.modules.items()
    if name.partition(".")[0] in ("data", "indexer", "search")
    for one in vars(module).values()
    if isinstance(one, type) and "__dataclass_params__" in vars(one)
]
frozen = {one.__name__ for one in classes if one.__dataclass_params__.frozen}
print(json.dumps([list(sys.modules), list(frozen)]))
"""


@pytest.mark.parametrize("command", ["search", "classify"])
def test_a_query_pays_for_nothing_that_it_does_not_use(
    command: str, plain_folder: Path, tmp_path: Path
) -> None:
    drawing = tmp_path / "three.png"
    draw_digit(3).save(drawing)
    done = subprocess.run(
        [sys.executable, "-c", ASK, command, drawing],
        env={**os.environ, "DIGITS_INDEX": str(plain_folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules, frozen = json.loads(done.stdout.splitlines()[-1])
    assert "indexer.store" in modules
    assert not FOR_OTHERS & set(modules)
    assert set(frozen) <= FROZEN_DATACLASSES, "a NamedTuple is made in a quarter of the time"
