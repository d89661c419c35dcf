"""Damage in a large file is found before an answer comes of it."""

import numpy as np
import pytest

from data.errors import IndexCorrupt
from indexer.blocks import AT_OPENING, RECORD, VECTORS
from indexer.kinds import KINDS
from indexer.packing import pack
from indexer.vectors import VectorIndex
from tests.indexer.clusters import COUNT, opened

LISTED = [name for name, kind in KINDS.items() if kind.way == "lists"]


@pytest.mark.parametrize("name", LISTED)
def test_a_flipped_bit_is_refused_before_an_answer(
    indexes: dict[str, VectorIndex],
    vectors: np.ndarray,
    queries: np.ndarray,
    rng: np.random.Generator,
    name: str,
) -> None:
    index = indexes[name]
    packed = pack(index)
    everything = index.with_options(probes=index.options["lists"])
    assert index._lists is not None
    holding = index._lists.holding(np.arange(COUNT))
    for record in np.frombuffer(packed["blocks"], RECORD):
        owner = record["list"]
        if owner >= 0 and owner % 10:
            continue  # a tenth of the lists, and everything else
        at = int(record["start"] + rng.integers(record["size"]))
        content = bytearray(packed["vectors"])
        content[at] ^= 1 << int(rng.integers(8))
        damaged = packed | {"vectors": bytes(content)}
        if owner == AT_OPENING:
            with pytest.raises(IndexCorrupt, match="SHA-256"):
                opened(damaged, index)
            continue
        with pytest.raises(IndexCorrupt, match="SHA-256"):
            opened(damaged, index).verify()
        with pytest.raises(IndexCorrupt, match="SHA-256"):
            opened(damaged, everything).search(queries, COUNT)
        if owner == VECTORS:
            continue
        members = index.vectors(np.arange(COUNT))[holding == owner]
        with pytest.raises(IndexCorrupt, match="SHA-256"):
            opened(damaged, index).search(members[:1], 1)


def test_a_list_that_no_query_comes_near_is_not_read(
    indexes: dict[str, VectorIndex], vectors: np.ndarray
) -> None:
    index = opened(pack(indexes["ivf-flat"]), indexes["ivf-flat"])
    index.search(vectors[:1], 1)
    assert index.blocks is not None
    assert 0 < index.blocks.seen.mean() < 0.3


@pytest.mark.parametrize("cut", [0, 1, RECORD.itemsize])
def test_a_table_of_another_file(indexes: dict[str, VectorIndex], cut: int) -> None:
    packed = pack(indexes["ivf-sq8"])
    table = packed["blocks"][cut:] if cut else b""
    with pytest.raises(IndexCorrupt, match="table of hashes"):
        opened(packed | {"blocks": table}, indexes["ivf-sq8"])
    with pytest.raises(IndexCorrupt, match="table of hashes is missing"):
        opened({"vectors": packed["vectors"]}, indexes["ivf-sq8"])
