"""What a million digits cost, and what a billion would, from what `PART=growth` measured.

`make bench PART=cost`, after `make bench PART=growth`, which writes `docs/growth.json`. The model
is of one kind of index. It is told two sizes and held against the largest: encoding and storage are
in proportion to the number of digits, filling the index and a query grow as powers of it, which two
sizes tell. What it then says of billions is told from the two largest sizes. Beyond that a number
of machines is memory divided by memory, and nothing there was run.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import table
from benchmarks.one_kind import KIND
from indexer.kinds import KINDS

FIGURES = Path("docs/growth.json")
FAR = (1_000_000_000, 10_000_000_000)
MACHINE = 64e9  # bytes of memory, of which
USABLE = 0.7  # may be the index's: the rest is the system's, the queries' and room to reload
LABEL_BYTES = 1
MILLION = 1_000_000
DAY, HOUR = 86_400, 3_600


@dataclass(frozen=True)
class Law:
    """A cost that grows as a power of the number of digits, and what it is at one size."""

    size: float
    cost: float
    power: float = 1.0

    @classmethod
    def through(cls, small: float, less: float, large: float, more: float) -> Law:
        """The one through two measurements."""
        return cls(large, more, math.log(more / less) / math.log(large / small))

    def at(self, size: float) -> float:
        """The cost at another size."""
        return self.cost * (size / self.size) ** self.power


@dataclass(frozen=True)
class Model:
    """Seconds of encoding and of filling, GB on disk, milliseconds of a query; on one machine."""

    encoding: Law
    filling: Law
    disk: Law
    query: Law

    @classmethod
    def told(cls, columns: Mapping[int, Mapping[str, Any]], small: int, large: int) -> Model:
        """The model of two of the measured sizes."""

        def through(name: str) -> Law:
            return Law.through(small, columns[small][name], large, columns[large][name])

        more = columns[large]
        return cls(
            Law(large, more["encode_seconds"]),
            through("filling"),
            Law(large, more["filled"]),
            through("query"),
        )


def bench_cost(figures: Path = FIGURES) -> None:
    """Print the model, how far it was from the largest build, and what it says of larger ones."""
    columns = _measured(figures)
    *_, small, large, largest = sorted(columns)
    model = Model.told(columns, small, large)
    print(f"## A million digits in an index of kind {KIND}, from {small:,} and {large:,}\n")
    print(f"{table(['', 'at a million', 'grows as'], _laws(model))}\n")
    rows = [
        [name, f"{predicted:,.2f}", f"{measured:,.2f}", f"{predicted / measured:.2f}"]
        for name, predicted, measured in _held(model, largest, columns[largest])
    ]
    header = ["", "predicted", "measured", "predicted / measured"]
    print(f"## Held against {largest:,}\n\n{table(header, rows)}\n")
    told = Model.told(columns, large, largest)
    print(f"## Beyond: predicted from {large:,} and {largest:,}, not run\n")
    print(f"{table(['', 'at a million', 'grows as'], _laws(told))}\n")
    for size in FAR:
        _foretell(size, told, columns[largest])


def _measured(figures: Path) -> dict[int, dict[str, Any]]:
    """Figures by size.

    Raises:
        SystemExit: there are none, too few, or those of an earlier program.
    """
    if not figures.exists():
        sys.exit(f"no {figures}: run make bench PART=growth first")
    columns = {int(size): one for size, one in json.loads(figures.read_text()).items()}
    if len(columns) < 3:
        sys.exit(f"{figures}: expected three sizes, the largest to hold the model against")
    if any("filling" not in one for one in columns.values()):
        sys.exit(f"{figures}: has nothing of kind {KIND}: run make bench PART=growth again")
    return columns


def _laws(model: Model) -> list[list[str]]:
    rows = [
        ("encoding", model.encoding, "{:,.1f} s"),
        ("filling", model.filling, "{:,.1f} s"),
        ("on disk, without pictures", model.disk, "{:.3f} GB"),
        ("a vector, searched", model.query, "{:.2f} ms"),
    ]
    return [[name, form.format(law.at(MILLION)), f"N^{law.power:.2f}"] for name, law, form in rows]


def _held(
    model: Model, size: int, measured: Mapping[str, Any]
) -> Sequence[tuple[str, float, float]]:
    """Name, prediction and measurement of each cost at `size`."""
    rows = [
        ("encoding, s", model.encoding.at(size), measured["encode_seconds"]),
        ("filling, s", model.filling.at(size), measured["filling"]),
        ("on disk, GB", model.disk.at(size), measured["filled"]),
        ("a vector, searched, ms", model.query.at(size), measured["query"]),
    ]
    if measured["kind"] == KIND:  # what `digits index` chose and took in all
        whole = model.encoding.at(size) + model.filling.at(size)
        rows.append(("encoding and filling, of the whole command, s", whole, measured["build"]))
    return rows


def _foretell(size: int, model: Model, measured: Mapping[str, Any]) -> None:
    dimension, room = measured["dimension"], MACHINE * USABLE
    needed = {
        kind.name: size * (kind.bytes_per_vector(dimension) + LABEL_BYTES)
        for kind in KINDS.values()
    }
    rows = [
        [name, f"{each / 1e12:.2f} TB", f"{math.ceil(each / room):,}"]
        for name, each in needed.items()
    ]
    print(f"### {size:,} digits\n")
    print(f"{table(['kind', 'memory', f'machines of {MACHINE / 1e9:.0f} GB'], rows)}\n")
    machines = math.ceil(needed[KIND] / room)
    share = size / machines
    processor_days = model.encoding.at(size) * measured["processors"] / DAY
    print(
        f"Encoding takes {processor_days:,.1f} processor-days. Of kind {KIND} a machine has"
        f" {share / 1e6:,.0f} million digits: {model.filling.at(share) / HOUR:,.1f} h to fill on"
        f" {measured['processors']} processors, {model.disk.at(share):,.0f} GB on disk.\n"
    )
    slower = model.query.at(share) / measured["query"]
    rows = [
        [f"{effort:.2g}", f"{recall:.4f}", f"{taken:.2f} ms", f"{slower * taken:.1f} ms"]
        for effort, recall, taken in measured["price"]
    ]
    header = ["times the effort", "recall@10, measured", f"at {model.query.size:,}", "predicted"]
    print(f"{table(header, rows)}\n", flush=True)
