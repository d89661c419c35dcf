"""The store of an index in Milvus; meets `indexer.place.Store`.

The collection that the address names holds records alone (`indexer.milvus.records`). The digits lie
in a second one, whose name has the hash of what is loaded: a load that was stopped is gone on with,
one of anything else begins beside what is in place. The record that puts it there is written last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import (
    DigitsError,
    EmbedderMismatch,
    IndexCorrupt,
    IndexLocked,
    IndexNotFound,
    StorageError,
    UsageError,
)
from data.home import cache_folder
from data.npy import BadArray, npy_of, read_npy
from data.progress import Progress
from indexer.manifest import PREVIOUS, FileEntry, Manifest, SegmentRecord
from indexer.milvus.address import Address
from indexer.milvus.fields import MilvusImages, MilvusLabels
from indexer.milvus.lock import is_held, locked
from indexer.milvus.records import Records
from indexer.milvus.rows import Batch, RowTable
from indexer.milvus.server import PATIENCE, Patience, Server
from indexer.milvus.vectors import MilvusVectors
from indexer.place import Generation
from indexer.segment import Segment
from indexer.sources import ADDED, Sources, pack_sources, parse_sources

KIND = "milvus"
REQUIRED_OF_SEGMENT = frozenset({"sources"})
MOST_REMOVED = 50_000  # each is named in every question
LOADED = 5_000  # rows at a time
OPTIONS = {"recall": 1.0, "rounding": 0.0, "chosen": "exact: Milvus's FLAT, metric L2"}


class MilvusStore:
    """An index in Milvus."""

    def __init__(self, address: Address, patience: Patience = PATIENCE) -> None:
        """At `address`; nobody is asked yet."""
        self.address, self._patience = address, patience
        self._connection: Server | None = None

    @property
    def _server(self) -> Server:
        if self._connection is None:
            self._connection = Server(self.address, self._patience)
        return self._connection

    def read(self) -> Generation:
        """The generation in place.

        Raises:
            IndexNotFound: there is none, or its loading was never finished.
            IndexVersion: written in a format this program does not read.
            IndexCorrupt: something is missing or is not what the manifest promises.
            StoreUnreachable: the server does not answer.
        """
        self._require_file()
        records = Records(self._server)
        manifest = self._manifest(records, records.manifest_entry())
        (segment,) = manifest.segments
        table = RowTable(self._server, segment.kind_options["rows"])
        table.check(manifest.dimension)
        shared = {name: one for name, one in manifest.files.items() if name != PREVIOUS}
        contents = records.load([*shared.values(), *segment.files.values()])
        sources, removed = _parsed(segment, contents, self.address)
        vectors = MilvusVectors(table, manifest.dimension, removed)
        images = MilvusImages(table, sources)
        return Generation(manifest, contents, (), vectors, MilvusLabels(vectors), images, sources)

    def signature(self) -> object:
        """What names the manifest in place."""
        return Records(self._server).current()

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
        Records(self._server).manifest_entry()
        with locked(self._server) as lock:
            yield MilvusChange(self, lock)

    def is_locked(self) -> bool:
        """Whether another process is changing the index now."""
        return is_held(self._server)

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
        Records(self._server).create()
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
        records = Records(self._server)
        before = self._before(records)
        self._require_embedder(before, facts)
        table = RowTable(self._server, _rows_name(self.address, facts, before))
        table.create(facts["dimension"])
        try:
            _load(table, segment, embeddings, progress)
        except IndexCorrupt as exc:
            if self._server.call("has_collection", table.name):
                raise
            raise IndexLocked(
                f"{self.address}: another process put an index in place meanwhile; give the same"
                " command again"
            ) from exc
        record: SegmentRecord[FileEntry] = SegmentRecord(
            len(segment), 0, KIND, {**OPTIONS, "rows": table.name}, {}
        )
        with locked(self._server) as lock:
            self._require_embedder(self._before(records), facts)  # another one may have been first
            return self.commit(
                lock,
                facts,
                {role: records.store(role, content) for role, content in files.items()},
                record,
                segment.sources,
                np.zeros(len(segment), bool),
            )

    def commit(
        self,
        lock: Any,
        facts: dict[str, Any],
        files: Mapping[str, FileEntry],
        segment: SegmentRecord[FileEntry],
        sources: Sources,
        removed: np.ndarray,
        numbered: int = 0,
    ) -> Manifest:
        """Put the next generation in place, in one write; the rows of `segment` are there.

        Raises:
            IndexCorrupt: some rows are missing.
            IndexLocked: another process took the lock meanwhile.
        """
        records = Records(self._server)
        table = RowTable(self._server, segment.kind_options["rows"])
        if (received := table.count(0, len(removed))) != len(removed):
            raise IndexCorrupt(
                f"{self.address}: expected {len(removed):,} rows, received {received:,}; give the"
                " same command again"
            )
        before = self._before(records)
        own = {"sources": records.store("sources", pack_sources(sources))}
        if removed.any():
            own["removed"] = records.store("removed", npy_of(np.flatnonzero(removed)))
        shared = {role: one for role, one in files.items() if role != PREVIOUS}
        if before:
            shared[PREVIOUS] = records.store(PREVIOUS, before.to_bytes())
        grown = replace(segment, count=len(removed), removed=int(removed.sum()), files=own)
        manifest = Manifest.following(before, facts, shared, (grown,), numbered)
        entry = records.store("manifest", manifest.to_bytes())
        lock.require()
        records.point(entry)
        with contextlib.suppress(DigitsError):  # what is in place does not depend on it
            self._tidy(records, entry, manifest, before)
        return manifest

    def _tidy(
        self, records: Records, entry: FileEntry, manifest: Manifest, before: Manifest | None
    ) -> None:
        """Remove what neither this generation nor the one before it names."""
        kept = [one for one in (manifest, before) if one]
        names = {one for each in kept for one in (*each.entries, *_names(each.files))}
        records.keep_only({entry.name, *names})
        tables = {each.segments[0].kind_options["rows"] for each in kept}
        for name in self._server.call("list_collections"):
            if name.startswith(f"{self.address.collection}_rows_") and name not in tables:
                self._server.call("drop_collection", name)

    def _require_embedder(self, before: Manifest | None, facts: Mapping[str, Any]) -> None:
        if before and before.embedder != facts["embedder"]:
            raise EmbedderMismatch(
                f"{self.address}: expected embedder {before.embedder[:12]}, which its digits were"
                f" encoded with, received {facts['embedder'][:12]}; choose another collection"
            )

    def _before(self, records: Records) -> Manifest | None:
        """What is in place, if anything is."""
        try:
            return self._manifest(records, records.manifest_entry())
        except IndexNotFound:
            return None

    def _manifest(self, records: Records, entry: FileEntry) -> Manifest:
        content = records.load([entry])[entry.name]
        return Manifest.from_bytes(content, str(self.address), REQUIRED_OF_SEGMENT)


class MilvusChange:
    """Whoever holds the lock of an index in Milvus; meets `indexer.place.Change`."""

    def __init__(self, store: MilvusStore, lock: Any) -> None:
        """Change the index in `store`, whose `lock` is held."""
        self._store, self._lock = store, lock
        self._base: Generation | None = None

    @property
    def base(self) -> Generation:
        """The generation in place."""
        if self._base is None:
            self._base = self._store.read()
        return self._base

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
        table = RowTable(self._store._server, manifest.segments[0].kind_options["rows"])
        self._lock.require()  # another one's digits may lie there by now
        table.write(len(removed), Batch(vectors, labels, names, images))
        grown = np.concatenate([removed, np.zeros(len(labels), bool)])
        return self._commit(manifest, base.sources + fresh, grown, len(labels)), names

    def remove(self, positions: np.ndarray) -> Manifest:
        """Put a generation in place without the digits at `positions` (m,)."""
        removed = self.base.vectors.removed.copy()
        removed[positions] = True
        if removed.all():
            raise UsageError(
                "expected at least one digit to stay, received all"
                f" {self.base.manifest.count:,} of the index"
            )
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
        if PREVIOUS not in manifest.files:
            raise UsageError(
                f"nothing to undo: generation {manifest.generation} of {self._store.address} is the"
                " first"
            )
        records = Records(self._store._server)
        before = self._store._manifest(records, manifest.files[PREVIOUS])
        (segment,) = before.segments
        contents = records.load(list(segment.files.values()))
        sources, removed = _parsed(segment, contents, self._store.address)
        if segment.kind_options["rows"] == manifest.segments[0].kind_options["rows"]:
            newer = max(0, len(self.base.sources) - len(sources))
            removed = np.concatenate([removed, np.ones(newer, bool)])
            sources = max(sources, self.base.sources, key=len)
        return self._commit(before, sources, removed)

    def _commit(
        self, like: Manifest, sources: Sources, removed: np.ndarray, numbered: int = 0
    ) -> Manifest:
        (segment,) = like.segments
        self._base = None
        return self._store.commit(
            self._lock, like.facts(), like.files, segment, sources, removed, numbered
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
    return f"{address.collection}_rows_{digest[:16]}"


def _parsed(
    segment: SegmentRecord[FileEntry], contents: Mapping[str, bytes], address: Address
) -> tuple[Sources, np.ndarray]:
    """What digits are called, and (positions,) whether they are removed."""
    removed = np.zeros(segment.count, bool)
    try:
        sources = parse_sources(contents[segment.files["sources"].name])
        if "removed" in segment.files:
            removed[read_npy(contents[segment.files["removed"].name])] = True
    except (ValueError, TypeError, IndexError, BadArray) as exc:
        raise IndexCorrupt(f"{address}: its records cannot be read: {exc}; index again") from exc
    if len(sources) != segment.count or removed.sum() != segment.removed:
        raise IndexCorrupt(f"{address}: its records do not agree; index again")
    return sources, removed


def _names(files: Mapping[str, FileEntry]) -> list[str]:
    return [entry.name for entry in files.values()]
