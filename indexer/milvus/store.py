"""The store of an index in Milvus; meets `indexer.protocols.Store`.

Digits are loaded into a collection whose name has the hash of what is loaded: a load that was
stopped is gone on with, one of anything else begins beside what is in place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import (
    EmbedderMismatch,
    IndexCorrupt,
    IndexLocked,
    IndexNotFound,
    StorageError,
)
from data.home import cache_folder
from data.progress import Progress
from indexer.manifest import FileEntry, Manifest, SegmentRecord
from indexer.milvus.address import Address
from indexer.milvus.change import MilvusChange
from indexer.milvus.generations import Generations
from indexer.milvus.lock import is_held, locked
from indexer.milvus.rows import Batch, RowTable
from indexer.milvus.server import PATIENCE, Patience, Server
from indexer.protocols import Generation
from indexer.segment import Segment

KIND = "milvus"
LOADED = 5_000  # rows at a time
OPTIONS = {"recall": 1.0, "rounding": 0.0, "chosen": "exact: Milvus's FLAT, metric L2"}


class MilvusStore:
    """An index in Milvus."""

    def __init__(self, address: Address, patience: Patience = PATIENCE) -> None:
        """At `address`; nobody is asked yet."""
        self.address, self._patience = address, patience

    @cached_property
    def _generations(self) -> Generations:
        return Generations(Server(self.address, self._patience))

    def read(self) -> Generation:
        """The generation in place.

        Raises:
            IndexNotFound: there is none, or its loading was never finished.
            IndexVersion: written in a format this program does not read.
            IndexCorrupt: something is missing or is not what the manifest promises.
            StoreUnreachable: the server does not answer.
        """
        self._require_file()
        return self._generations.read()

    def verified(self, manifest: Manifest) -> Mapping[str, FileEntry]:
        """The records of a generation, and of the one before it; see `Generations.verified`."""
        return self._generations.verified(manifest)

    def signature(self) -> object:
        """What names the manifest in place."""
        return self._generations.records.current()

    def staging(self) -> Path:
        """A folder in the user's cache.

        Raises:
            StorageError: no home folder is known.
        """
        cache = cache_folder()
        if cache is None:
            raise StorageError("no home folder is known to keep encoded digits in; set HOME")
        name = hashlib.sha256(str(self.address).encode()).hexdigest()[:16]
        return cache / f"loading-{name}"

    @contextlib.contextmanager
    def change(self) -> Iterator[MilvusChange]:
        """Keep all others from changing the index.

        Raises:
            IndexLocked: another process is changing it.
            IndexNotFound, StoreUnreachable.
        """
        self._require_file()
        self._generations.records.manifest_entry()
        with locked(self._generations.server) as lock:
            yield MilvusChange(self._generations, lock)

    def is_locked(self) -> bool:
        """Whether another process is changing the index now."""
        return is_held(self._generations.server)

    def _require_file(self) -> None:
        """Keep Milvus Lite from making a file where there should be one to read.

        Raises:
            IndexNotFound: there is none.
        """
        if self.address.local and not Path(self.address.uri).exists():
            raise IndexNotFound(
                f"no index at {self.address}: there is no {self.address.uri}; make one with:"
                f" {self.address.making}"
            )

    @contextlib.contextmanager
    def replacing(self) -> Iterator[MilvusStore]:
        """Reach the server before any work is done.

        Raises:
            StoreUnreachable.
        """
        self._generations.records.create()
        yield self

    def put(
        self,
        facts: dict[str, Any],
        files: Mapping[str, bytes],
        segment: Segment,
        embeddings: np.ndarray,
        progress: Progress,
    ) -> Manifest:
        """Load the digits of `segment`, or go on where it was stopped; then put them in place.

        Raises:
            EmbedderMismatch: the index that is there is of another embedder.
            IndexLocked, StoreUnreachable, IndexCorrupt: what was there still answers.
        """
        generations = self._generations
        before = generations.in_place()
        self._require_embedder(before, facts)
        table = RowTable(generations.server, _rows_name(self.address, facts, before))
        table.create(facts["dimension"])
        try:
            _load(table, segment, embeddings, progress)
        except IndexCorrupt as exc:
            if generations.server.call("has_collection", table.name):
                raise
            raise IndexLocked(
                f"{self.address}: another process put an index in place meanwhile; give the same"
                " command again"
            ) from exc
        record: SegmentRecord[FileEntry] = SegmentRecord(
            len(segment), 0, KIND, {**OPTIONS, "rows": table.name}, {}
        )
        with locked(generations.server) as lock:
            self._require_embedder(generations.in_place(), facts)  # another may have been first
            return generations.commit(
                lock,
                facts,
                {role: generations.records.store(role, one) for role, one in files.items()},
                record,
                segment.sources,
                np.zeros(len(segment), bool),
            )

    def _require_embedder(self, before: Manifest | None, facts: Mapping[str, Any]) -> None:
        if before and before.embedder != facts["embedder"]:
            raise EmbedderMismatch(
                f"{self.address}: expected embedder {before.embedder[:12]}, which its digits were"
                f" encoded with, received {facts['embedder'][:12]}; choose another collection"
            )


def _load(table: RowTable, segment: Segment, embeddings: np.ndarray, progress: Progress) -> None:
    """Write those parts of a segment that are not there yet."""
    images = segment.images if isinstance(segment.images, np.ndarray) else None
    for start in range(0, len(segment), LOADED):
        part = slice(start, min(start + LOADED, len(segment)))
        if table.count(part.start, part.stop) < part.stop - part.start:
            names = [segment.sources.name(row) for row in range(part.start, part.stop)]
            pictures = None if images is None else images[part]
            table.write(start, Batch(embeddings[part], segment.labels[part], names, pictures))
        progress(part.stop, len(segment), "loading")
    table.flush()


def _rows_name(address: Address, facts: Mapping[str, Any], before: Manifest | None) -> str:
    """The collection of what is to be loaded; another one once digits were added to that."""
    plan = {name: facts[name] for name in ("dataset", "embedder", "normaliser", "dimension")}
    plan["next_number"] = before.next_number if before else 0
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
    return address.rows(digest)
