"""`python -m tests.faults [ROW...] [--sample]`: try the rows, print the table, 1 if any failed."""

from __future__ import annotations

import argparse
import sys
import time

from tests.faults.ground import Ground, prepared
from tests.faults.registry import ROWS, Row
from tests.faults.tally import Tally

SEED = 0
SHOWN = 20  # failures of a row


def _attempted(row: Row, ground: Ground, tries: int, seed: int) -> Tally:
    """The tally of a row; what keeps it from being tried is its failure."""
    if row.missing:
        return Tally(1, (row.missing,))
    try:
        return row.attempt(ground, tries, seed)
    except Exception as exc:
        return Tally(1, (f"could not be tried: {type(exc).__name__}: {exc}",))


def main() -> int:
    """Try what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help="numbers; all if none")
    parser.add_argument("--sample", action="store_true", help="fewer of each, as in make test")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    failures = []
    with prepared() as ground:
        print("| # | case | tried | passed | seconds |\n|--:|---|--:|--:|--:|")
        for row in ROWS:
            if asked.rows and row.number not in asked.rows:
                continue
            began = time.monotonic()
            tries = row.sample if asked.sample else row.tried
            tally = _attempted(row, ground, tries, asked.seed)
            seconds = time.monotonic() - began
            print(
                f"| {row.number} | {row.case} | {tally.tried:,} | {tally.passed:,} |"
                f" {seconds:.0f} |",
                flush=True,
            )
            if tally.note:
                print(f"{row.number}: {tally.note}", file=sys.stderr)
            failures += [f"{row.number}: {line}" for line in tally.failures[:SHOWN]]
    for line in failures:
        print(line, file=sys.stderr)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
