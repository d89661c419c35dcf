"""How cost grows with the number of digits: mnist8m of several sizes, built, asked and added to.

`make bench PART=growth`, or of some sizes only: `make bench PART="growth 60000 600000"`. Draws
`docs/growth.png`, and writes `docs/growth.json`, which `PART=cost` reads. Each row is held against
the two limits of the machine: encoding cannot be faster than its matrix products, a query not than
reading its share of the index from memory. `auto` takes the kind of index; the last rows are of one
kind at all sizes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from benchmarks.encode import matrix_rate, operations
from benchmarks.measure import DIGITS, medians, run, seconds_of, table
from benchmarks.one_kind import ASKED, KIND, RECALL, K, kept_vectors, milliseconds
from data.datasets import load_dataset
from data.figures import NEUTRAL, new_figure, save_figure
from data.processors import processors
from indexer.kinds import find_kind
from search.index import DigitIndex

SIZES = (60_000, 600_000, 8_100_000)
ROUNDS = 5
ADDED = 100
CACHE = 1 << 30  # bytes, more than any processor's cache holds
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
    f"kind {KIND}: filling": ("filling", "{:,.1f} s"),
    f"kind {KIND}: on disk": ("filled", "{:.2f} GB"),
    f"kind {KIND}: recall@10": ("found", "{:.3f}"),
    f"kind {KIND}: a vector, searched: median": ("query", "{:.2f} ms"),
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
    encoded = folder.with_suffix(".vectors")
    with kept_vectors(folder, encoded):
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
    of_kind = [sys.executable, "-m", "benchmarks.one_kind", encoded, embedder]
    figures |= json.loads(run(of_kind).output)
    encoded.unlink()
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
    whole = milliseconds(index.search, test.images[:ASKED])
    vector = milliseconds(lambda one: index.vectors.search(one, K), queries[:ASKED])
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
        "processors": processors(),
    }


def _seconds_a_digit(index: DigitIndex, images: np.ndarray) -> float:
    return seconds_of(partial(index.embed, images)) / len(images)


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
    return CACHE / min(seconds_of(numbers.sum) for _ in range(ROUNDS))


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
    asking.set_ylim(0, 1.2 * max(columns[size]["median"] for size in sizes))
    asking.margins(x=0.15)
    for size in sizes:
        kind, place = columns[size]["kind"], (size, columns[size]["median"])
        asking.annotate(kind, place, (0, 8), textcoords="offset points", ha="center")
    for axes in (building, storing, asking):
        axes.set_xlabel("digits")
        axes.grid(visible=True, which="major", alpha=0.3)
    return save_figure(figure, folder, "growth")


if __name__ == "__main__":
    print(json.dumps(ask(Path(sys.argv[1]))))
