"""Bytes of a large file that are verified when they are first needed.

A table of hashes vouches for a FAISS file block by block, and the manifest vouches for the table.
A block is one inverted list, a run of stored vectors, or bytes that FAISS reads when it opens the
file; only the last are hashed at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np

from data.errors import IndexCorrupt
from data.files import Content

AT_OPENING, VECTORS = -1, -2  # instead of the number of a list
RECORD = np.dtype(
    [("start", "<u8"), ("size", "<u8"), ("list", "<i4"), ("radius", "<f4"), ("sha256", "u1", 32)]
)
VECTORS_PER_BLOCK = 512


class Blocks:
    """The verified part of a mapped FAISS file grows as it is asked about.

    Attributes:
        content: the whole file.
        records: (m,) of dtype `RECORD`, in the order of the file.
        name: what to call the file when it is damaged.
        seen: (m,) bool, blocks that were verified.
    """

    def __init__(self, content: Content, records: np.ndarray, name: str) -> None:
        """Number the blocks by what they hold; none is verified yet."""
        self.content, self.records, self.name = content, records, name
        self.seen = np.zeros(len(records), bool)
        owner = records["list"]
        of_list = np.full(max(int(owner.max()) + 1, 0), -1)
        listed = np.flatnonzero(owner >= 0)
        of_list[owner[listed]] = listed
        self._of_list = of_list
        self._unread = np.append(of_list >= 0, False)  # the last stands for lists without a block
        self._of_vectors = np.flatnonzero(owner == VECTORS)

    @classmethod
    def open(cls, content: Content, table: bytes, name: str) -> Blocks:
        """Read what :func:`block_table` wrote, and verify what FAISS reads at opening.

        Raises:
            IndexCorrupt: the table does not cover the file, or a block is not what it promises.
        """
        if not table or len(table) % RECORD.itemsize:
            raise IndexCorrupt(f"{name}: its table of hashes is cut short; build the index again")
        records = np.frombuffer(table, RECORD)
        ends = np.cumsum(records["size"])
        starts = np.concatenate([[0], ends[:-1]])
        if not np.array_equal(records["start"], starts) or ends[-1] != len(content):
            raise IndexCorrupt(
                f"{name}: its table of hashes covers {int(ends[-1]):,} bytes, not the"
                f" {len(content):,} there are; build the index again"
            )
        blocks = cls(content, records, name)
        blocks._verify(np.flatnonzero(records["list"] == AT_OPENING))
        return blocks

    def radii(self, lists: int) -> np.ndarray:
        """How far the farthest vector of each list is from its centroid, (lists,) float32."""
        radii = np.full(lists, -np.inf, np.float32)
        listed = self.records["list"] >= 0
        radii[self.records["list"][listed]] = self.records["radius"][listed]
        return radii

    def need_lists(self, lists: np.ndarray) -> None:
        """Verify the lists with these numbers; negative ones mean none.

        Raises:
            IndexCorrupt: a list is not what was written.
        """
        unread = lists[self._unread[np.minimum(lists, len(self._of_list))]]
        if len(unread):
            self._verify(self._of_list[unread])
            self._unread[unread] = False

    def need_vectors(self, ids: np.ndarray) -> None:
        """Verify what is stored besides lists of the vectors with these ids (m,).

        Raises:
            IndexCorrupt: it is not what was written.
        """
        if len(self._of_vectors):
            self._verify(self._of_vectors[ids // VECTORS_PER_BLOCK])

    def need_all(self) -> None:
        """Verify every block.

        Raises:
            IndexCorrupt: one is not what was written.
        """
        self._verify(np.arange(len(self.records)))

    def _verify(self, blocks: np.ndarray) -> None:
        if self.seen[blocks].all():
            return
        # Not np.unique: its first call imports numpy.ma, a twentieth of a cold query.
        for number in sorted(set(blocks[~self.seen[blocks]].tolist())):
            record = self.records[number]
            start, size = int(record["start"]), int(record["size"])
            received = _digest(self.content, start, size)
            if received != record["sha256"].tobytes():
                raise IndexCorrupt(
                    f"{self.name}: expected SHA-256 {record['sha256'].tobytes().hex()} of bytes"
                    f" {start:,} to {start + size:,}, received {received.hex()}; build the index"
                    " again"
                )
            self.seen[number] = True


def block_table(content: Content, engine: Any, radii: np.ndarray) -> bytes:
    """The table of hashes of a FAISS file.

    Args:
        content: the file.
        engine: what FAISS read from it without copying, so that its parts lie inside `content`.
        radii: (lists,) float32, of its lists.
    """
    late = sorted(_late_blocks(engine, np.frombuffer(content, np.uint8).ctypes.data))
    records, end = [], 0
    for start, size, owner in [*late, (len(content), 0, VECTORS)]:
        if start > end:
            records.append((end, start - end, AT_OPENING, 0, _hashed(content, end, start - end)))
        if size:
            radius = radii[owner] if owner >= 0 else 0
            records.append((start, size, owner, radius, _hashed(content, start, size)))
        end = start + size
    return np.array(records, RECORD).tobytes()


def _late_blocks(engine: Any, base: int) -> Iterator[tuple[int, int, int]]:
    """Start, size and owner of the blocks of an index with lists that opening does not read."""
    ivf: Any = faiss.extract_index_ivf(engine)
    for number in range(ivf.nlist):
        count = ivf.invlists.list_size(number)
        if count:
            start = int(ivf.invlists.get_codes(number)) - base
            yield start, count * (ivf.code_size + 8), number
    if hasattr(engine, "refine_index"):
        stored: Any = faiss.downcast_index(engine.refine_index)
        start = int(stored.codes.data()) - base
        step = VECTORS_PER_BLOCK * stored.code_size
        total = stored.ntotal * stored.code_size
        for offset in range(0, total, step):
            yield start + offset, min(step, total - offset), VECTORS


def _hashed(content: Content, start: int, size: int) -> np.ndarray:
    return np.frombuffer(_digest(content, start, size), np.uint8)


def _digest(content: Content, start: int, size: int) -> bytes:
    return hashlib.sha256(memoryview(content)[start : start + size]).digest()
