import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import StorageError, UsageError
from search import DigitIndex, export
from search.grow import add, open_to_change, remove
from search.queries import Query
from tests.conftest import Run

FILE = "mine/three, and more.png"


@pytest.fixture
def grown(plain_folder: Path, tmp_path: Path) -> DigitIndex:
    """An index in which a digit was removed and added again from a file."""
    folder = Path(shutil.copytree(plain_folder, tmp_path / "grown"))
    with open_to_change(folder) as (writer, index):
        remove(writer, index, ["optdigits/train/3"])
    with open_to_change(folder) as (writer, index):
        digit = index.images[3] / np.float32(255)
        add(writer, index, [(Query(FILE, digit, digit, file=FILE), int(index.labels[3]))])
    return DigitIndex.open(folder)


def expected(index: DigitIndex) -> tuple[np.ndarray, list[int], list[str]]:
    live = [row for row in range(len(index.labels)) if row != 3]
    return (
        index.vectors.vectors(np.array(live)),
        [int(index.labels[row]) for row in live],
        [*(f"optdigits/train/{row}" for row in live[:-1]), "added/0"],
    )


@pytest.mark.parametrize("part", [export.PART, 700])
def test_npz(grown: DigitIndex, tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PART", part)
    assert export.export(grown, tmp_path / "all.npz") == len(grown)
    vectors, labels, ids = expected(grown)
    with np.load(tmp_path / "all.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["files", "ids", "labels", "names", "vectors"]
        assert np.array_equal(arrays["vectors"], vectors)
        assert arrays["vectors"].dtype == np.float32
        assert arrays["labels"].tolist() == labels
        assert arrays["ids"].tolist() == ids
        assert arrays["files"].tolist() == [*[""] * (len(ids) - 1), FILE]
        assert arrays["names"].tolist() == [str(digit) for digit in range(10)]


@pytest.mark.parametrize("part", [export.PART, 700])
def test_parquet(
    grown: DigitIndex, tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import parquet

    monkeypatch.setattr(export, "PART", part)
    export.export(grown, tmp_path / "all.parquet")
    vectors, labels, ids = expected(grown)
    table = parquet.read_table(tmp_path / "all.parquet")
    assert table.column_names == ["id", "label", "name", "file", "vector"]
    assert np.array_equal(np.stack(table["vector"].to_numpy()), vectors)
    assert table["label"].to_pylist() == labels
    assert table["name"].to_pylist() == [str(label) for label in labels]
    assert table["id"].to_pylist() == ids
    assert table["file"].to_pylist() == [*[None] * (len(ids) - 1), FILE]


@pytest.mark.parametrize("name", ["all.npz", "all.parquet"])
def test_whole_or_not_at_all(
    name: str, grown: DigitIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes(b"what was there")
    monkeypatch.setattr(export, "PART", 100)
    read = type(grown.vectors).vectors

    def full(self: object, ids: np.ndarray) -> np.ndarray:
        if ids[0] > 500:
            raise OSError(28, "No space left on device")
        return read(grown.vectors, ids)

    monkeypatch.setattr(type(grown.vectors), "vectors", full)
    with pytest.raises(StorageError, match="free some space"):
        export.export(grown, path)
    assert path.read_bytes() == b"what was there"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".writing")] == []


def test_other_names_and_missing_packages_are_named(
    grown: DigitIndex, tmp_path: Path, digits: Run, plain_folder: Path
) -> None:
    with pytest.raises(UsageError, match=r"\.npz or \.parquet"):
        export.export(grown, tmp_path / "all.csv")
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / "pyarrow.py").write_text("raise ImportError('not here')")
    out = ("--index", plain_folder, "--out", tmp_path / "x.parquet")
    done = digits("export", *out, env={"PYTHONPATH": str(missing)})
    assert done.returncode == 1
    assert done.stderr == ("Error: Parquet needs pyarrow: pip install 'digit-search[parquet]'\n")
    done = digits("export", "--index", plain_folder, "--out", tmp_path / "x.npz")
    assert json.loads(done.stdout)["count"] == len(DigitIndex.open(plain_folder))
    with np.load(tmp_path / "x.npz") as arrays:
        assert "files" not in arrays  # which came from no files
