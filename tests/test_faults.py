"""A sample of every row of `make faults`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.ground import Ground, prepared
from tests.faults.pictures import keep
from tests.faults.registry import ROWS, Row

SEED = 0


def test_what_fails_anew_is_kept_outside_of_the_sources() -> None:
    path = keep(b"did no harm")
    assert path.read_bytes() == b"did no harm"
    assert not path.is_relative_to(Path(__file__).parent)
    path.unlink()


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
