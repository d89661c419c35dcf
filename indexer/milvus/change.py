"""Digits are added to an index in Milvus, taken out, or put back, by whoever holds its lock."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from data.errors import UsageError
from indexer.manifest import Manifest
from indexer.milvus.generations import Generations
from indexer.milvus.lock import Lock
from indexer.milvus.rows import Batch
from indexer.protocols import Generation
from indexer.sources import ADDED, Sources

MOST_REMOVED = 50_000  # each is named in every question


class MilvusChange:
    """One change of an index in Milvus; meets `indexer.protocols.Change`."""

    def __init__(self, generations: Generations, lock: Lock) -> None:
        """Change the index of `generations`, whose `lock` is held."""
        self._generations, self._lock = generations, lock

    @cached_property
    def base(self) -> Generation:
        """The generation in place."""
        return self._generations.read()

    def add(
        self, vectors: np.ndarray, labels: np.ndarray, images: np.ndarray, files: Sequence[str]
    ) -> tuple[Manifest, list[str]]:
        """Put a generation in place with n more digits; it, and their ids.

        Each came from one of `files`, where "" is none.
        """
        base, manifest = self.base, self.base.manifest
        fresh = Sources.of(ADDED, manifest.next_number, len(labels), files)
        names = [fresh.name(row) for row in range(len(labels))]
        removed = base.vectors.removed
        self._lock.require()  # another one's digits may lie there by now
        self._generations.table(manifest).write(len(removed), Batch(vectors, labels, names, images))
        grown = np.concatenate([removed, np.zeros(len(labels), bool)])
        return self._commit(manifest, base.sources + fresh, grown, len(labels)), names

    def remove(self, positions: np.ndarray) -> Manifest:
        """Put a generation in place without the digits at `positions` (m,)."""
        self.base.manifest.check_some_stay(len(np.unique(positions)))
        removed = self.base.vectors.removed.copy()
        removed[positions] = True
        if removed.sum() > MOST_REMOVED:
            raise UsageError(
                f"expected at most {MOST_REMOVED:,} removed digits in Milvus, received"
                f" {removed.sum():,}; index again without them"
            )
        return self._commit(self.base.manifest, self.base.sources, removed)

    def undo(self) -> Manifest:
        """Put the generation before this one in place again, as the next.

        Rows that it did not have stay, removed: a position is never given twice.
        """
        manifest = self.base.manifest
        before = self._generations.manifest(manifest.previous(str(self._generations.address)))
        sources, removed = self._generations.items(before)
        if self._generations.table(before).name == self._generations.table(manifest).name:
            newer = max(0, len(self.base.sources) - len(sources))
            removed = np.concatenate([removed, np.ones(newer, bool)])
            sources = max(sources, self.base.sources, key=len)
        return self._commit(before, sources, removed)

    def _commit(
        self, like: Manifest, sources: Sources, removed: np.ndarray, numbered: int = 0
    ) -> Manifest:
        (segment,) = like.segments
        del self.base  # from here on it may be another one
        return self._generations.commit(
            self._lock, like.facts(), like.files, segment, sources, removed, numbered
        )
