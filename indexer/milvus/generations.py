"""The generations of an index in Milvus: each is a manifest, and all that it names.

The collection that the address names holds records alone (`indexer.milvus.records`). The digits lie
in a second one, which the manifest names. The next generation is put in place by one write.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from data.errors import DigitsError, IndexCorrupt, IndexNotFound, IndexVersion
from data.npy import BadArray, npy_of, read_npy
from indexer.manifest import PREVIOUS, FileEntry, Manifest, SegmentRecord
from indexer.milvus.fields import MilvusImages, MilvusLabels
from indexer.milvus.lock import Lock
from indexer.milvus.records import Records
from indexer.milvus.rows import RowTable
from indexer.milvus.server import Server
from indexer.milvus.vectors import MilvusVectors
from indexer.protocols import Generation
from indexer.sources import Sources, pack_sources, parse_sources

REQUIRED_OF_SEGMENT = frozenset({"sources"})


class Generations:
    """Those of the index at a server's address."""

    def __init__(self, server: Server) -> None:
        """Of the index that `server` keeps."""
        self.server, self.address, self.records = server, server.address, Records(server)

    def read(self) -> Generation:
        """The generation in place.

        Raises:
            IndexNotFound: there is none, or its loading was never finished.
            IndexVersion: written in a format this program does not read.
            IndexCorrupt: something is missing or is not what the manifest promises.
        """
        manifest = self.manifest(self.records.manifest_entry())
        table = self.table(manifest)
        table.check(manifest.dimension)
        shared = {name: one for name, one in manifest.files.items() if name != PREVIOUS}
        contents = self.records.load(list(shared.values()))
        sources, removed = self.items(manifest)
        vectors = MilvusVectors(table, manifest.dimension, removed)
        images = MilvusImages(table, sources)
        return Generation(manifest, contents, vectors, MilvusLabels(vectors), images, sources)

    def verified(self, manifest: Manifest) -> dict[str, FileEntry]:
        """The records of `manifest`, and of what undo goes back to, which are verified here."""
        if PREVIOUS not in manifest.files:
            return manifest.entries
        entry = manifest.files[PREVIOUS]
        before = self.manifest(entry)
        self.records.load(list(before.entries.values()))
        return manifest.entries | before.entries | {entry.name: entry}

    def in_place(self) -> Manifest | None:
        """The manifest in place, if there is one; one that cannot be read is to be replaced."""
        try:
            return self.manifest(self.records.manifest_entry())
        except (IndexNotFound, IndexVersion, IndexCorrupt):
            return None

    def manifest(self, entry: FileEntry) -> Manifest:
        """A manifest that is stored."""
        content = self.records.load([entry])[entry.name]
        return Manifest.from_bytes(content, str(self.address), REQUIRED_OF_SEGMENT)

    def table(self, manifest: Manifest) -> RowTable:
        """Where a generation's digits lie."""
        return RowTable(self.server, _rows(manifest))

    def items(self, manifest: Manifest) -> tuple[Sources, np.ndarray]:
        """What a generation's digits are called, and (positions,) whether they are removed."""
        (segment,) = manifest.segments
        contents = self.records.load(list(segment.files.values()))
        removed = np.zeros(segment.count, bool)
        try:
            sources = parse_sources(contents[segment.files["sources"].name])
            if "removed" in segment.files:
                removed[read_npy(contents[segment.files["removed"].name])] = True
        except (ValueError, TypeError, IndexError, BadArray) as exc:
            raise IndexCorrupt(
                f"{self.address}: its records cannot be read: {exc}; index again"
            ) from exc
        if len(sources) != segment.count or removed.sum() != segment.removed:
            raise IndexCorrupt(f"{self.address}: its records do not agree; index again")
        return sources, removed

    def commit(
        self,
        lock: Lock,
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
        table = RowTable(self.server, segment.kind_options["rows"])
        if (received := table.count(0, len(removed))) != len(removed):
            raise IndexCorrupt(
                f"{self.address}: expected {len(removed):,} rows, received {received:,}; give the"
                " same command again"
            )
        before, records = self.in_place(), self.records
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
            self._tidy(entry, [one for one in (manifest, before) if one])
        return manifest

    def _tidy(self, entry: FileEntry, kept: list[Manifest]) -> None:
        """Remove what neither the manifest of `entry` nor any of those kept names."""
        names = {one for each in kept for one in (*each.entries, *_names(each.files))}
        self.records.keep_only({entry.name, *names})
        tables = set(map(_rows, kept))
        for name in self.server.call("list_collections"):
            if self.address.has_rows(name) and name not in tables:
                self.server.call("drop_collection", name)


def _rows(manifest: Manifest) -> str:
    """The collection that a generation's digits lie in."""
    name: str = manifest.segments[0].kind_options["rows"]
    return name


def _names(files: Mapping[str, FileEntry]) -> list[str]:
    return [entry.name for entry in files.values()]
