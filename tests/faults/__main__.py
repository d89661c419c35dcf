"""`python -m tests.faults [ROW...] [--sample]`: try the rows, print the table, 1 if any failed."""

from __future__ import annotations

import argparse
import sys
import time

from tests.faults.ground import prepared
from tests.faults.registry import ROWS

SEED = 0
SHOWN = 20  # failures of a row


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
            tally = row.attempt(ground, tries, asked.seed)
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
