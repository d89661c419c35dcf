"""A sample of every row of `make faults`."""

from collections.abc import Iterator

import pytest

from tests.faults.ground import Ground, prepared
from tests.faults.registry import ROWS, Row

SEED = 0


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with prepared() as made:
        yield made


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number} {row.case}")
def test_every_fault_is_survived_or_named(ground: Ground, row: Row) -> None:
    if row.missing:
        pytest.skip(row.missing)
    tally = row.attempt(ground, row.sample, SEED)
    assert tally.tried
    assert not tally.failures
