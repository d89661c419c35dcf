"""Add digits to an index and take digits out of it, without building it again.

What is added becomes a small exact segment behind the others. A segment is joined to the one before
it if that is small or less than twice as large, so there are few of them and each digit is written
again but a few times. The first, which was built, is never joined to. A segment of which more than
a quarter is removed is written anew without them, if it is flat and its pictures are stored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.manifest import Manifest
from indexer.segment import Segment
from indexer.sources import ADDED, Sources
from indexer.writer import Writer

SMALL = 512  # digits; to write so many again costs no more than to write a file at all
GROWTH = 2  # a segment that is not small holds at least so many times the digits of the next
MOST_REMOVED = 0.25  # of a segment, before it is written anew


def add_digits(
    writer: Writer,
    manifest: Manifest,
    segments: Sequence[Segment],
    vectors: np.ndarray,
    labels: np.ndarray,
    images: np.ndarray,
    files: Sequence[str],
) -> tuple[Manifest, list[str]]:
    """Commit a generation with n more digits.

    Args:
        writer: of the index.
        manifest: its generation, which no other has replaced since `writer` was opened.
        segments: what that generation holds.
        vectors: (n, d) float32, what the embedder gives for `images`.
        labels: (n,) uint8.
        images: (n, 28, 28) uint8.
        files: the file that each came from; "" is none.

    Returns:
        The new manifest, and the ids of the new digits in their order.

    Raises:
        StorageError: the index is as it was.
    """
    sources = Sources.of(ADDED, manifest.next_number, len(labels), files)
    names = [sources.name(row) for row in range(len(labels))]
    fresh = Segment.of(vectors, labels, images, sources)
    return _commit(writer, manifest, [*segments, fresh], numbered=len(labels)), names


def remove_digits(
    writer: Writer, manifest: Manifest, segments: Sequence[Segment], positions: np.ndarray
) -> Manifest:
    """Commit a generation without the digits at `positions` (m,), none of them removed before.

    Raises:
        UsageError: nothing would be left.
        StorageError: the index is as it was.
    """
    positions = np.unique(positions)
    manifest.check_some_stay(len(positions))
    kept, start = [], 0
    for one in segments:
        inside = positions[(positions >= start) & (positions < start + len(one))]
        kept.append(one.without(inside - start))
        start += len(one)
    return _commit(writer, manifest, kept)


def tidied(segments: Sequence[Segment]) -> list[Segment]:
    """The same digits in the same order, in segments as the rules above want them."""
    kept = [
        one.joined() if one.movable and len(one.removed) > MOST_REMOVED * len(one) else one
        for one in segments
        if one.live
    ]
    place = len(kept) - 1
    while place > 1:
        before, after = kept[place - 1 : place + 1]
        if before.live < max(SMALL, GROWTH * after.live):
            kept[place - 1 : place + 1] = [before.joined(after)]
        place -= 1
    return kept


def _commit(
    writer: Writer, manifest: Manifest, segments: Sequence[Segment], numbered: int = 0
) -> Manifest:
    records = [one.record() for one in tidied(segments)]
    return writer.commit(manifest.facts(), manifest.files, records, numbered)
