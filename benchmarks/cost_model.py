"""What a million digits cost, and what a billion would, from what `PART=growth` measured.

`make bench PART=cost`, after `make bench PART=growth`, which writes `docs/growth.json`. The model
is told the smaller sizes only, and is held against the largest: encoding, storage and building are
in proportion to the number of digits; a query grows as a power of it, which two sizes tell. Beyond
that a number of machines is memory divided by memory, and nothing here was run.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import table
from indexer.kinds import KINDS

FIGURES = Path("docs/growth.json")
FAR = (1_000_000_000, 10_000_000_000)
MACHINE = 64e9  # bytes of memory, of which
USABLE = 0.7  # may be the index's: the rest is the system's, the queries' and room to reload
LABEL_BYTES = 1
MILLION = 1e6


def bench_cost(figures: Path = FIGURES) -> None:
    """Print the model, how far it was from the largest build, and what it says of larger ones."""
    if not figures.exists():
        sys.exit(f"no {figures}: run make bench PART=growth first")
    columns = {int(size): one for size, one in json.loads(figures.read_text()).items()}
    if len(columns) < 3:
        sys.exit(f"{figures}: expected three sizes, the largest to hold the model against")
    *known, largest = sorted(columns)
    small, large = known[-2:]
    model = Model(small, columns[small], large, columns[large])
    rows = [
        ["encoding", f"{MILLION * model.encode:,.1f} s"],
        ["the rest of building: drawing, choosing, filling", f"{MILLION * model.fill:,.1f} s"],
        ["on disk", f"{MILLION * model.disk / 1e6:,.0f} MB"],
        ["a vector, searched: grows with the number to the power of", f"{model.power:.2f}"],
    ]
    print(f"## A million digits, from {small:,} and {large:,}\n\n{table(['', 'cost'], rows)}\n")
    rows = [
        [name, f"{predicted:,.2f}", f"{measured:,.2f}", f"{predicted / measured:.2f}"]
        for name, predicted, measured in model.against(largest, columns[largest])
    ]
    header = ["", "predicted", "measured", "predicted / measured"]
    print(f"## Held against {largest:,}\n\n{table(header, rows)}\n")
    _beyond(Model(large, columns[large], largest, columns[largest]), columns[largest])


class Model:
    """Costs of a digit, from two sizes."""

    def __init__(
        self, small: int, less: Mapping[str, Any], large: int, more: Mapping[str, Any]
    ) -> None:
        """What does not grow cancels out between the two."""
        between = large - small
        self.encode = more["encode_seconds"] / large
        whole = (more["build"] - less["build"]) / between
        self.fill = max(0.0, whole - self.encode)
        self.disk = (more["size"] - less["size"]) * 1e9 / between
        self.power = math.log(more["vector"] / less["vector"]) / math.log(large / small)
        self._large, self._more = large, more

    def against(self, size: int, measured: Mapping[str, Any]) -> list[tuple[str, float, float]]:
        """Name, prediction and measurement of each cost at `size`."""
        extra = size - self._large
        return [
            ("building, s", self._more["build"] + extra * (self.encode + self.fill),
             measured["build"]),
            ("on disk, GB", self._more["size"] + extra * self.disk / 1e9, measured["size"]),
            ("a vector, searched, ms", self.query(size), measured["vector"]),
        ]  # fmt: skip

    def query(self, size: float) -> float:
        """Milliseconds of one search among `size` vectors, on one machine."""
        return float(self._more["vector"] * (size / self._large) ** self.power)


def _beyond(model: Model, measured: Mapping[str, Any]) -> None:
    dimension, room = measured["dimension"], MACHINE * USABLE
    for size in FAR:
        rows = []
        for kind in KINDS.values():
            needed = size * (kind.bytes_per_vector(dimension) + LABEL_BYTES)
            machines = math.ceil(needed / room)
            rows.append([kind.name, f"{needed / 1e12:.2f} TB", f"{machines:,}"])
        processor_days = size * model.encode * measured["processors"] / 86_400
        print(
            f"## {size:,} digits: predicted, not run\n\nEncoding: {processor_days:,.1f}"
            f" processor-days. Searched in parallel, each machine"
            f" takes the time of its own share.\n\n"
            f"{table(['kind', 'memory', f'machines of {MACHINE / 1e9:.0f} GB'], rows)}\n"
        )
        chosen = KINDS[measured["kind"]]
        share = room / (chosen.bytes_per_vector(dimension) + LABEL_BYTES)
        print(
            f"{chosen.name}, the kind of the largest build: {share / 1e6:,.0f} million a machine,"
            f" {model.query(share):.1f} ms a query there.\n"
        )
    rows = [
        [f"{effort:,}", f"{recall:.4f}", f"{milliseconds:.3f} ms"]
        for effort, recall, milliseconds in measured["price"]
    ]
    if rows:
        header = ["effort", "recall@10", "a vector, searched"]
        print(f"## Price of recall, measured at the largest size\n\n{table(header, rows)}\n")
