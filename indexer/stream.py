"""Encode a set of digits of any size into files, part by part; a run that was stopped goes on.

What is encoded grows in the folder `encoding` of the index directory: `vectors`, float16 row by
row, `labels`, a byte each, and a sealed `progress.json` that says what is being encoded and has the
hash of every finished part. A part counts once it is on the disk and the record names it; what the
record does not vouch for is encoded again.

Half floats move a distance by less than 2e-4, and take half the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from data.dataset import Digits
from data.files import (
    check_no_link,
    make_folder,
    open_to_change,
    read_plain,
    storage_errors,
    take_lock,
    write_whole,
)
from data.progress import Progress, silent
from data.sealed import BrokenSeal, seal, unseal
from indexer.embedder import Embedder

FOLDER, SHARDS = "encoding", "ray-shards"  # here, and on a cluster
LARGEST = 16 << 20  # bytes of the record; a longer one is none
RECORD, VECTORS, LABELS, IMAGES = "progress.json", "vectors", "labels", "images"
PART = 32_768  # digits; two parts of pictures are in memory at a time


@dataclass(frozen=True)
class Encoded:
    """All digits of a set, encoded; the arrays are mapped from files.

    Attributes:
        vectors: (n, d) float16, or float32 where whoever encodes was asked for them.
        labels: (n,) uint8.
        folder: where they are, and what is made of them may be until it has its place.
        images: (n, 28, 28) uint8, where they are kept; as an `.npy` file there.
    """

    vectors: np.ndarray
    labels: np.ndarray
    folder: Path
    images: np.ndarray | None = None


@contextlib.contextmanager
def encoded(
    digits: Digits, embedder: Embedder, folder: Path, progress: Progress = silent
) -> Iterator[Encoded]:
    """Encode `digits`, or go on where the same was stopped; the files go when the block is left.

    If the block is left by an error they stay, and the next call has them at once.

    Args:
        digits: what to encode.
        embedder: what to encode with.
        folder: the index directory, which is made if need be.
        progress: told after every few batches.

    Raises:
        IndexLocked: another process is encoding in this folder.
        StorageError: the disk is full or the folder cannot be written; finished parts are kept.
    """
    stage = folder / FOLDER
    check_no_link(stage)
    make_folder(stage)
    with _Staged.opened(stage, digits, embedder) as staged:
        staged.complete(digits, embedder, progress)
        yield staged.arrays()
        with storage_errors(stage):
            shutil.rmtree(stage)


@dataclass
class _Staged:
    """The files of one encoding; whoever has them open has them alone.

    Attributes:
        stage: the folder.
        plan: all that decides what is encoded, as the record has it.
        vectors, labels: the open files, each of its final length.
        parts: SHA-256 of every finished part.
    """

    stage: Path
    plan: dict[str, Any]
    vectors: BinaryIO
    labels: BinaryIO
    parts: list[str]

    @classmethod
    @contextlib.contextmanager
    def opened(cls, stage: Path, digits: Digits, embedder: Embedder) -> Iterator[_Staged]:
        plan = {
            "dataset": digits.facts(),
            "embedder": embedder.identity,
            "normaliser": embedder.card.normaliser,
            "dimension": embedder.card.dimension,
            "part": PART,
        }
        with _whole_file(stage / VECTORS) as vectors, _whole_file(stage / LABELS) as labels:
            staged = cls(stage, plan, vectors, labels, [])
            staged._recover()
            for file, width in ((vectors, staged._row), (labels, 1)):
                reserve(file, width * len(digits))
            yield staged

    @property
    def _row(self) -> int:
        """Bytes of a vector."""
        return int(self.plan["dimension"]) * np.dtype(np.float16).itemsize

    @property
    def _count(self) -> int:
        return int(self.plan["dataset"]["count"])

    def _recover(self) -> None:
        """Take over the parts that a record of the same plan vouches for, up to a damaged one."""
        for start, promised in zip(range(0, self._count, PART), self._recorded(), strict=False):
            if self._digest(start) != promised:
                break
            self.parts.append(promised)

    def _recorded(self) -> list[str]:
        try:
            record = unseal(read_plain(self.stage / RECORD, LARGEST))
        except (OSError, BrokenSeal):
            return []
        return list(record.get("parts", [])) if record.get("plan") == self.plan else []

    def _digest(self, start: int) -> str:
        """The hash of a part as it lies in the files; of less, if they are shorter."""
        digest = hashlib.sha256()
        rows = min(PART, self._count - start)
        for file, width in ((self.vectors, self._row), (self.labels, 1)):
            file.seek(start * width)
            digest.update(file.read(rows * width))
        return digest.hexdigest()

    def complete(self, digits: Digits, embedder: Embedder, progress: Progress) -> None:
        """Encode the parts that are missing."""
        count = len(digits)
        starts = range(len(self.parts) * PART, count, PART)
        for start, (images, labels) in zip(
            starts, _drawn_ahead(digits, starts, embedder.threads), strict=True
        ):
            vectors = embedder.embed(images, _within(progress, start, count))
            self._append(vectors.astype("<f2").tobytes(), labels.tobytes())

    def _append(self, vectors: bytes, labels: bytes) -> None:
        start = len(self.parts) * PART
        for file, width, content in ((self.vectors, self._row, vectors), (self.labels, 1, labels)):
            with storage_errors(Path(file.name), len(content)):
                file.seek(start * width)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        self.parts.append(hashlib.sha256(vectors + labels).hexdigest())
        write_whole(self.stage / RECORD, seal({"plan": self.plan, "parts": self.parts}))

    def arrays(self) -> Encoded:
        """Both files as arrays."""
        shape = (self._count, int(self.plan["dimension"]))
        return Encoded(
            np.memmap(self.vectors, "<f2", "r", shape=shape),
            np.memmap(self.labels, np.uint8, "r", shape=shape[:1]),
            self.stage,
        )


def staged(folder: Path) -> list[Path]:
    """The folders in `folder` of what was encoded until it was stopped."""
    return [stage for name in (FOLDER, SHARDS) if (stage := folder / name).is_dir()]


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """`path` open to read and write, made if need be, and nobody else's meanwhile."""
    with storage_errors(path):
        file = open_to_change(path)
    with file:
        index = path.parent.parent
        take_lock(file, f"{index}: another process is encoding for it; try again when it is done")
        yield file


def reserve(file: BinaryIO, size: int) -> None:
    """Give a file its final length at once, so that a full disk is noticed before any work."""
    with storage_errors(Path(file.name), size):
        os.truncate(file.fileno(), size)
        os.posix_fallocate(file.fileno(), 0, size)


def _drawn_ahead(
    digits: Digits, starts: range, threads: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The parts of `digits` at `starts`, each drawn while the one before it is encoded.

    One thread has to do both in turn.
    """
    if threads == 1:
        yield from (digits.part(start, start + PART) for start in starts)
        return
    coming: deque[Future[tuple[np.ndarray, np.ndarray]]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for start in starts:
            coming.append(pool.submit(digits.part, start, start + PART))
            if len(coming) == 2:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _within(progress: Progress, before: int, count: int) -> Progress:
    """Progress of a part, told as that of the whole."""

    def show(done: int, total: int, note: str = "") -> None:
        del total
        progress(before + done, count, note)

    return show
