"""The command line on an index in Milvus, a process at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Dataset


def digits(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "search.cli", *map(str, arguments)],
        env={**os.environ, "MILVUS_TOKEN": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_an_index_in_milvus_lite_outlives_its_processes(
    train_set: Dataset, plain_embedder_folder: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few.npz"
    np.savez(few, x_train=train_set.images[:200], y_train=train_set.labels[:200])
    place = f"milvus:{tmp_path}/own.db/digits"

    made = digits("index", "--dataset", few, "--embedder", plain_embedder_folder, "--to", place)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["index"] == place

    found = digits("search", "--id", "few/train/7", "-k", 2, "--index", place)
    assert found.returncode == 0, found.stderr
    nearest = json.loads(found.stdout)["neighbours"][0]["id"]

    gone = digits("remove", nearest, "--index", place)
    assert gone.returncode == 0, gone.stderr
    again = digits("classify", "--id", "few/train/7", "--explain", "--index", place)
    assert again.returncode == 0, again.stderr
    assert nearest not in again.stdout

    for schema in (tmp_path / "own.db").rglob("schema.json"):
        schema.write_bytes(schema.read_bytes()[:40])
    damaged = digits("info", "--index", place)
    assert damaged.returncode == 1
    assert len(damaged.stderr.splitlines()) == 1, damaged.stderr
    assert place in damaged.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "--index", "http://me:secret@host/d"], "expected a folder, milvus://"),
        (["index", "--to", "milvus://me:secret@host"], "expected the name of a collection"),
        (["index", "--address", "127.0.0.1:1"], "expected --address with --engine ray"),
    ],
)
def test_what_cannot_be_meant_is_one_line_without_secrets(arguments: list[str], said: str) -> None:
    answer = digits(*arguments)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert "secret" not in answer.stderr + answer.stdout
