"""What one and the same kind of index costs at every size, on vectors that were encoded anyway.

`auto` takes another kind at each size, from which nobody can read how a cost grows. `PART=growth`
therefore keeps the vectors that `digits index` encodes, and fills an index of this kind with them.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import seconds_of
from data.datasets import load_dataset
from indexer.build import index_vectors
from indexer.choose import Requirements
from indexer.embedder import Embedder
from indexer.leave_one_out import calibration_sample
from indexer.packing import write
from indexer.recall import GroundTruth
from indexer.stream import FOLDER, VECTORS
from indexer.vectors import VectorIndex

KIND, RECALL = "ivf-sq8", 0.95
K, ASKED, PRICED, SEED = 10, 2_000, 500, 0
READ = 1 << 18  # vectors at a time
GLANCE = 0.02  # seconds
EFFORTS = (0.5, 1, 2, 4, 8)  # times the effort that was chosen


@contextlib.contextmanager
def kept_vectors(folder: Path, path: Path) -> Iterator[None]:
    """Have `path` be the vectors that the block has encoded for an index in `folder`.

    It is a second name of the file that they are written to, which costs nothing.

    Raises:
        SystemExit: no such file ever came.
    """
    ended = threading.Event()

    def catch() -> None:
        while not ended.wait(GLANCE) and not path.exists():
            with contextlib.suppress(FileNotFoundError):
                path.hardlink_to(folder / FOLDER / VECTORS)

    path.unlink(missing_ok=True)
    catching = threading.Thread(target=catch)
    catching.start()
    try:
        yield
    finally:
        ended.set()
        catching.join()
    if not path.exists():
        sys.exit(f"{folder}: no vectors were seen while its index was built")


def measure(path: Path, embedder_folder: Path) -> dict[str, Any]:
    """Cost of an index of float16 vectors in the file `path`, asked for MNIST's test digits."""
    embedder = Embedder.open(embedder_folder)
    stored = np.memmap(path, "<f2", "r").reshape(-1, embedder.card.dimension)  # (n, d)
    queries = embedder.embed(load_dataset("mnist", "test").images[:ASKED])
    sample, _ = calibration_sample(load_dataset("mnist", "train"), embedder.card, SEED)
    started = time.perf_counter()
    vectors, options = index_vectors(stored, sample, SEED, Requirements(KIND, None, RECALL))
    filled = time.perf_counter() - started
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        place = Path(scratch) / "index"
        beside = write(vectors, place)
        size = place.stat().st_size + sum(map(len, beside.values()))
    return {
        "filling": filled,
        "filled": size / 1e9,
        "found": options["recall"],
        "query": np.median(milliseconds(lambda one: vectors.search(one, K), queries)),
        "price": price_of_recall(vectors, stored, queries[:PRICED]),
    }


def milliseconds(ask: Callable[[np.ndarray], Any], queries: np.ndarray) -> list[float]:
    """What each of the queries (n, ...) takes, asked alone."""
    alone = [queries[row : row + 1] for row in range(len(queries))]
    return [1e3 * seconds_of(partial(ask, query)) for query in alone]


def price_of_recall(
    vectors: VectorIndex, stored: np.ndarray, queries: np.ndarray
) -> Sequence[tuple[float, float, float]]:
    """How often the chosen effort, recall@10 among `stored` (n, d), and median milliseconds."""
    truth = GroundTruth(queries, np.full(len(queries), -1))
    for start in range(0, len(stored), READ):
        truth.add(np.asarray(stored[start : start + READ], np.float32))
    prices = []
    lists, chosen = vectors.options["lists"], vectors.options["probes"]
    for probes in sorted({min(max(1, round(times * chosen)), lists) for times in EFFORTS}):
        tried = vectors.with_options(probes=probes)
        taken = milliseconds(lambda one, tried=tried: tried.search(one, K), queries)  # type: ignore[misc]
        prices.append((probes / chosen, truth.recall(tried), float(np.median(taken))))
    return prices


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]))))
