"""Milvus Lite against FAISS: the same digits, the same queries, one after the other.

`make bench PART=milvus`. Milvus Lite is Milvus's edition for development, in Python and in this
process; what a server takes must be measured on a server, with the same command and `--to`.
"""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import seconds_of, table
from data.dataset import Dataset
from data.datasets import load_dataset
from indexer.build import build_index
from indexer.embedder import Embedder
from indexer.place import parse_place
from search.index import DigitIndex

COUNT, ASKED, K, SEED = 20_000, 100, 10, 0


def bench_milvus(embedder_folder: Path, scratch: Path) -> None:
    """Print one table."""
    embedder = Embedder.open(embedder_folder)
    train, test = load_dataset("mnist", "train"), load_dataset("mnist", "test")
    digits = Dataset(train.name, train.split, train.images[:COUNT], train.labels[:COUNT])
    places = {"FAISS, in a folder": str(scratch / "folder"),
              "Milvus Lite": f"milvus:{scratch}/lite.db/digits"}  # fmt: skip
    rows, answers = [], []
    for name, place in places.items():
        built = seconds_of(partial(build_index, digits, embedder, parse_place(place), SEED))
        index = DigitIndex.open(place)
        alone = [test.images[row : row + 1] for row in range(ASKED)]
        taken = [seconds_of(partial(index.search, image, K)) for image in alone]
        batch = seconds_of(partial(index.search, test.images[:ASKED], K))
        answers.append(index.search(test.images[:ASKED], K))
        rows.append(
            [
                name,
                f"{built:.1f} s",
                f"{1e3 * statistics.median(taken):.2f} ms",
                f"{1e3 * batch / ASKED:.2f} ms",
            ]
        )
    same = np.array_equal(answers[0].ids, answers[1].ids)
    apart = float(np.abs(answers[0].distances - answers[1].distances).max())
    header = ["", "encoding and storing", "a digit, asked alone", f"a digit, of {ASKED} at once"]
    print(
        f"## Milvus Lite and FAISS, {COUNT:,} digits of MNIST, k = {K}\n\n{table(header, rows)}\n"
    )
    print(f"The same ids in the same order: {same}; distances differ by at most {apart:.1g}.\n")
