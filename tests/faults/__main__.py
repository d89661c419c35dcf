"""`python -m tests.faults [ROW...] [--sample]`: try the rows, print the table, 1 if any failed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.ground import Ground, prepared
from tests.faults.registry import ROWS, Row
from tests.faults.tally import Tally
from tests.home import move_to

SEED = 0
SHOWN = 20  # failures of a row


def main() -> int:
    """Try what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help="numbers; all if none")
    parser.add_argument("--sample", action="store_true", help="fewer of each, as in make test")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    rows = [row for row in ROWS if row.number in asked.rows or not asked.rows]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="home-") as home:
        move_to(Path(home))
        with prepared() as ground:
            print("| # | case | tried | passed | seconds |\n|--:|---|--:|--:|--:|")
            tallies = [
                _tried(row, ground, row.sample if asked.sample else row.tried, asked.seed)
                for row in rows
            ]
    minutes = (time.monotonic() - began) / 60
    print(f"\n{sum(one.tried for one in tallies):,} tries in {minutes:.1f} minutes")
    for row, tally in zip(rows, tallies, strict=True):
        for line in (*filter(None, [tally.note]), *tally.failures[:SHOWN]):
            print(f"{row.number}: {line}", file=sys.stderr)
    return int(any(tally.failures for tally in tallies))


def _tried(row: Row, ground: Ground, tries: int, seed: int) -> Tally:
    """The tally of a row, which is printed; what keeps the row from being tried is its failure."""
    began = time.monotonic()
    try:
        tally = Tally(1, (row.missing,)) if row.missing else row.attempt(ground, tries, seed)
    except Exception as exc:
        tally = Tally(1, (f"could not be tried: {type(exc).__name__}: {exc}",))
    counts = f"{tally.tried:,} | {tally.passed:,} | {time.monotonic() - began:.0f}"
    print(f"| {row.number} | {row.case} | {counts} |", flush=True)
    return tally


if __name__ == "__main__":
    sys.exit(main())
