"""Encoding on Ray against encoding in this process, on the processors of one machine.

`make bench PART=ray`. On one machine Ray can only cost: the table names what, in seconds.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.measure import table
from data.datasets import load_dataset
from data.processors import processors
from indexer.embedder import Embedder
from indexer.ray_cluster import Cluster
from indexer.ray_engine import PART, encoded_by_ray


def bench_ray(embedder_folder: Path, scratch: Path) -> None:
    """Print one table."""
    embedder = Embedder.open(embedder_folder)
    digits = load_dataset("mnist", "train")
    started = time.perf_counter()
    expected = embedder.embed(digits.images)
    local = time.perf_counter() - started
    shards: list[float] = []
    started = time.perf_counter()

    def note(done: int, total: int, text: str = "") -> None:
        del done, total, text
        shards.append(time.perf_counter() - started)

    with encoded_by_ray(digits, embedder, scratch, np.float32, Cluster(), note) as staged:
        whole = time.perf_counter() - started
        apart = float(np.abs(staged.vectors - expected).max())
    steady = (len(digits) - PART) / (shards[-1] - shards[0])
    rows = [
        ["this process", f"{local:.1f} s", f"{len(digits) / local:,.0f}"],
        ["Ray, all of it", f"{whole:.1f} s", f"{len(digits) / whole:,.0f}"],
        ["of that, until the first shard", f"{shards[0]:.1f} s", ""],
        ["of that, between first and last", f"{shards[-1] - shards[0]:.1f} s", f"{steady:,.0f}"],
        ["of that, stopping and reading shards", f"{whole - shards[-1]:.1f} s", ""],
    ]
    header = ["", "seconds", "images/s"]
    print(f"## Encoding {len(digits):,} digits, {processors()} processors\n")
    print(f"{table(header, rows)}\n\nVectors differ by at most {apart:.1g}.\n")
