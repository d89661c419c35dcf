"""How cost grows with the number of digits: mnist8m of several sizes, built, asked and added to.

`make bench PART=growth`, or of some sizes only: `make bench PART="growth 60000 600000"`. Draws
`docs/growth.png`, and writes `docs/growth.json`, which `PART=cost` reads. Each row is held against
the two limits of the machine: encoding cannot be faster than its matrix products, a query not than
reading its share of the index from memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from benchmarks.encode import matrix_rate, operations
from benchmarks.measure import DIGITS, medians, run, table
from data.datasets import load_dataset
from data.figures import NEUTRAL, new_figure, save_figure
from indexer.choose import Truth
from indexer.kinds import find_kind
from search.index import DigitIndex

SIZES = (60_000, 600_000, 8_100_000)
RECALL = 0.95
K, ASKED, ROUNDS = 10, 2_000, 5
ADDED = 100
PRICED = 500  # queries that the price of recall is measured with
READ = 1 << 18  # stored vectors at a time
CACHE = 1 << 28  # bytes, more than any processor's cache holds
ROWS = {
    "kind": ("kind", "{}"),
    "building": ("build", "{:,.0f} s"),
    "of that, encoding at the rate of sgemm": ("encoding", "{:.0%}"),
    "peak memory of building": ("build_memory", "{:.2f} GB"),
    "on disk": ("size", "{:.2f} GB"),
    "recall@10": ("recall", "{:.3f}"),
    "k-NN accuracy": ("accuracy", "{:.2%}"),
    "a digit, encoded and searched: median": ("median", "{:.2f} ms"),
    "a digit, encoded and searched: 99 %": ("slow", "{:.2f} ms"),
    "a vector, searched: median": ("vector", "{:.2f} ms"),
    "of that, reading at the rate of memory": ("reading", "{:.0%}"),
    "memory of asking": ("ask_memory", "{:.2f} GB"),
    "cold query": ("cold", "{:.2f} s"),
    f"adding {ADDED} pictures": ("adding", "{:.2f} s"),
}


def bench_growth(embedder: Path, sample: Path, scratch: Path, sizes: Sequence[int]) -> None:
    """Print one table, a column a size, and draw the plot."""
    pictures = _pictures(scratch / "pictures")
    bandwidth = memory_rate()
    columns = {}
    for size in sizes:
        columns[size] = _grown(size, embedder, sample, pictures, scratch / str(size), bandwidth)
        print(f"{size:,}: {columns[size]}", file=sys.stderr, flush=True)
    header = ["digits", *(f"{size:,}" for size in columns)]
    rows = [
        [name, *(_cell(one[key], form) for one in columns.values())]
        for name, (key, form) in ROWS.items()
    ]
    print(
        f"## Growth\n\nmnist8m, `--recall {RECALL}`; memory is read at {bandwidth / 1e9:.1f} GB/s\n"
    )
    print(f"{table(header, rows)}\n", flush=True)
    draw(columns, Path("docs"))
    record = {str(size): one for size, one in columns.items()}
    Path("docs/growth.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def _cell(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)


def _grown(
    size: int, embedder: Path, sample: Path, pictures: Path, folder: Path, bandwidth: float
) -> dict[str, Any]:
    """All figures of one size."""
    made = run(
        [*DIGITS, "index", "--dataset", "mnist8m", "--count", size, "--recall", RECALL,
         "--embedder", embedder, "--index", folder]
    )  # fmt: skip
    asked = run([sys.executable, "-m", "benchmarks.growth", folder])
    cold = medians({"cold": [*DIGITS, "search", sample, "--index", folder]}, ROUNDS)["cold"]
    bytes_on_disk = sum(path.stat().st_size for path in folder.iterdir())
    adding = run([*DIGITS, "add", pictures, "--index", folder])
    figures = json.loads(asked.output)
    read = figures["read"]
    return figures | {
        "build": made.seconds,
        "encode_seconds": size * figures["seconds_a_digit"],
        "encoding": size * figures["operations"] / matrix_rate() / made.seconds,
        "build_memory": made.memory,
        "size": bytes_on_disk / 1e9,
        "reading": read and read / bandwidth / (figures["vector"] / 1e3),
        "ask_memory": asked.memory,
        "cold": cold,
        "adding": adding.seconds,
    }


def ask(folder: Path) -> dict[str, Any]:
    """What MNIST's test digits get from the index in `folder`, one by one and all together."""
    index = DigitIndex.open(folder)
    test = load_dataset("mnist", "test")
    queries = index.embed(test.images)
    named = index.classify(test.images).labels
    whole = _milliseconds([test.images[row : row + 1] for row in range(ASKED)], index.search)
    vector = _milliseconds(
        [queries[row : row + 1] for row in range(ASKED)], lambda one: index.vectors.search(one, K)
    )
    segment = index.manifest.segments[0]
    return {
        "kind": segment.kind,
        "recall": segment.kind_options["recall"],
        "accuracy": float((named == test.labels).mean()),
        "median": np.percentile(whole, 50),
        "slow": np.percentile(whole, 99),
        "vector": np.percentile(vector, 50),
        "read": _bytes_read(len(index), index.manifest.dimension, segment),
        "operations": operations(onnx.load_model_from_string(index.embedder.onnx)),
        "seconds_a_digit": _seconds_a_digit(index, test.images),
        "dimension": index.manifest.dimension,
        "processors": os.cpu_count(),
        "price": price_of_recall(index, queries[:ASKED]),
    }


def _seconds_a_digit(index: DigitIndex, images: np.ndarray) -> float:
    started = time.perf_counter()
    index.embed(images)
    return (time.perf_counter() - started) / len(images)


def price_of_recall(index: DigitIndex, queries: np.ndarray) -> list[tuple[int, float, float]]:
    """Effort, recall@10 and median milliseconds of a query, from half to eight times the effort.

    Nothing where the index searches all that can matter.
    """
    vectors = index.segments[0].vectors
    name = next((one for one in ("probes", "effort") if one in vectors.options), None)
    if name is None:
        return []
    asked = queries[:PRICED]
    truth = Truth(asked, np.full(len(asked), -1))
    for start in range(0, len(index), READ):
        truth.add(vectors.vectors(np.arange(start, min(start + READ, len(index)))))
    chosen, prices = vectors.options[name], []
    for effort in sorted({max(1, chosen // 2), chosen, 2 * chosen, 4 * chosen, 8 * chosen}):
        tried = vectors.with_options(**{name: min(effort, vectors.options.get("lists", effort))})
        taken = _milliseconds(
            [asked[row : row + 1] for row in range(len(asked))],
            lambda one, tried=tried: tried.search(one, K),  # type: ignore[misc]
        )
        prices.append((int(effort), truth.recall(tried), float(np.percentile(taken, 50))))
    return prices


def _milliseconds(queries: Sequence[np.ndarray], answer: Any) -> list[float]:
    taken = []
    for query in queries:
        started = time.perf_counter()
        answer(query)
        taken.append(1e3 * (time.perf_counter() - started))
    return taken


def _bytes_read(count: int, dimension: int, segment: Any) -> float | None:
    """Bytes of centroids and lists that one query reads.

    Of all vectors where search is exact, though most lists are skipped; None where a graph leads.
    """
    kind = find_kind(segment.kind)
    if kind.way == "graph":
        return None
    per_vector = kind.bytes_per_vector(dimension)
    lists, probes = (segment.kind_options.get(name) for name in ("lists", "probes"))
    if probes is None:
        return count * per_vector
    return float(lists * 4 * dimension + probes * count / lists * per_vector)


def memory_rate() -> float:
    """Bytes a second that one thread reads from memory, in a sum over more than any cache."""
    numbers = np.zeros(CACHE // 4, np.float32)
    fastest = np.inf
    for _ in range(ROUNDS):
        started = time.perf_counter()
        numbers.sum()
        fastest = min(fastest, time.perf_counter() - started)
    return CACHE / fastest


def _pictures(folder: Path) -> Path:
    """A labelled folder of test digits as PNG files."""
    test = load_dataset("mnist", "test")
    for number in range(ADDED):
        path = folder / str(test.labels[number]) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), 255 - test.images[number])
    return folder


def draw(columns: Mapping[int, Mapping[str, Any]], folder: Path) -> Path:
    """What building, storing and asking cost against the number of digits, which is logarithmic."""
    figure = new_figure(9, 3)
    sizes = list(columns)
    building, storing, asking = figure.subplots(1, 3)
    building.loglog(sizes, [columns[size]["build"] for size in sizes], "o-", color=NEUTRAL)
    building.set_ylabel("building, s")
    storing.loglog(sizes, [columns[size]["size"] for size in sizes], "o-", color=NEUTRAL)
    storing.set_ylabel("on disk, GB")
    asking.semilogx(sizes, [columns[size]["median"] for size in sizes], "o-", color=NEUTRAL)
    asking.set_ylabel("a warm query, ms")
    asking.set_ylim(bottom=0)
    for axes in (building, storing, asking):
        axes.set_xlabel("digits")
        axes.grid(visible=True, which="major", alpha=0.3)
    return save_figure(figure, folder, "growth")


if __name__ == "__main__":
    print(json.dumps(ask(Path(sys.argv[1]))))
