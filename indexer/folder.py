"""The store of an index in a folder of this machine; meets `indexer.protocols.Store`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import IndexCorrupt, IndexNotFound, IndexVersion, StorageError
from data.files import Content, check_regular, make_folder
from indexer.manifest import FileEntry, Manifest
from indexer.protocols import Generation
from indexer.segment import Segment
from indexer.sources import Sources
from indexer.store import (
    MANIFEST,
    OURS,
    making,
    read_generation,
    read_manifest,
    verified_entries,
)
from indexer.union import UnionImages, UnionVectors, union_labels
from indexer.writer import Writer, open_writer

if TYPE_CHECKING:
    from data.progress import Progress


def open_segments(
    folder: Path, manifest: Manifest, contents: Mapping[str, Content]
) -> tuple[Segment, ...]:
    """The segments of what `read_generation(folder)` gave.

    Raises:
        IndexCorrupt: the files are not what the manifest says; the message names one.
    """
    return tuple(
        Segment.open(folder, record, contents, manifest.dimension) for record in manifest.segments
    )


def open_generation(
    folder: Path, manifest: Manifest, contents: Mapping[str, Content]
) -> Generation:
    """Open what `read_generation(folder)` gave.

    Raises:
        IndexCorrupt: as for :func:`open_segments`.
    """
    return _joined(manifest, contents, open_segments(folder, manifest, contents))


def _joined(
    manifest: Manifest, contents: Mapping[str, Content], segments: tuple[Segment, ...]
) -> Generation:
    return Generation(
        manifest,
        contents,
        UnionVectors(segments),
        union_labels(segments),
        UnionImages(segments),
        sum((one.sources for one in segments), Sources(())),
    )


@dataclass(frozen=True)
class FolderStore:
    """An index directory; see :class:`indexer.protocols.Store`."""

    folder: Path

    def read(self) -> Generation:
        """The generation in place.

        Raises:
            IndexNotFound, IndexVersion, IndexCorrupt, IndexLocked, StorageError.
        """
        return open_generation(self.folder, *read_generation(self.folder))

    def signature(self) -> object:
        """The manifest as a file: it is replaced, never changed.

        Raises:
            IndexNotFound: it is there no more.
        """
        try:
            status = self._manifest.stat()
        except OSError as exc:
            raise IndexNotFound(
                f"no index in {self.folder} any more ({exc.strerror}); {making(self.folder)}"
            ) from exc
        return status.st_ino, status.st_mtime_ns, status.st_size

    def verified(self, manifest: Manifest) -> Mapping[str, FileEntry]:
        """All that `manifest` names, by name; see :func:`indexer.store.verified_entries`."""
        return verified_entries(self.folder, manifest)

    @cached_property
    def _manifest(self) -> Path:
        return self.folder / MANIFEST

    @contextlib.contextmanager
    def change(self) -> Iterator[FolderChange]:
        """Keep all others from changing the index.

        Raises:
            IndexLocked: another process is changing it.
            StorageError: the folder is not writable.
            IndexNotFound, IndexCorrupt, IndexVersion: its manifest cannot be read.
        """
        read_manifest(self.folder)  # where there is no index, no lock is left either
        with open_writer(self.folder) as writer:
            yield FolderChange(writer)

    def staging(self) -> Path:
        """The folder itself: what is encoded is on the disk where it will lie."""
        return self.folder

    @contextlib.contextmanager
    def replacing(self) -> Iterator[FolderReplacement]:
        """Hold the lock of the folder, which is made if need be, from before any work is done.

        Raises:
            IndexLocked.
            StorageError: it cannot be written, or holds a manifest of something else.
        """
        make_folder(self.folder)
        self._check_replaceable()
        with open_writer(self.folder) as writer:
            yield FolderReplacement(writer)

    def _check_replaceable(self) -> None:
        """Refuse a manifest that cannot be replaced, or that belongs to somebody else."""
        manifest = self.folder / MANIFEST
        check_regular(manifest)
        try:
            read_manifest(self.folder)
        except IndexCorrupt as exc:
            if not any(OURS.fullmatch(path.name) for path in self.folder.iterdir()):
                raise StorageError(
                    f"{manifest}: it is not of an index; choose another folder, or remove it"
                ) from exc
        except (IndexNotFound, IndexVersion):
            pass


class FolderReplacement:
    """Whoever replaces what is in a folder; see :class:`indexer.protocols.Replacement`."""

    def __init__(self, writer: Writer) -> None:
        """Replace what is in the folder that `writer` has locked."""
        self._writer = writer

    def put(
        self,
        facts: dict[str, Any],
        files: Mapping[str, bytes],
        segment: Segment,
        embeddings: np.ndarray,
        progress: Progress,
    ) -> Manifest:
        """Put a generation in place that holds the digits of `segment` alone.

        Raises:
            IndexLocked, StorageError: what was in the folder still answers.
        """
        del embeddings, progress  # the segment's own index of them is what is stored, at once
        return self._writer.commit(facts, files, [segment.record()])


class FolderChange:
    """Whoever holds the lock of an index directory; see :class:`indexer.protocols.Change`."""

    def __init__(self, writer: Writer) -> None:
        """Change the index that `writer` has locked."""
        self._writer = writer

    @cached_property
    def _opened(self) -> tuple[Generation, tuple[Segment, ...]]:
        folder = self._writer.folder
        manifest, contents = read_generation(folder)
        segments = open_segments(folder, manifest, contents)
        return _joined(manifest, contents, segments), segments

    @property
    def base(self) -> Generation:
        """The generation in place."""
        return self._opened[0]

    def add(
        self, vectors: np.ndarray, labels: np.ndarray, images: np.ndarray, files: Sequence[str]
    ) -> tuple[Manifest, list[str]]:
        """Commit a generation with n more digits; see :func:`indexer.grow.add_digits`."""
        from indexer.grow import add_digits  # queries only read

        manifest, segments = self._replaced()
        return add_digits(self._writer, manifest, segments, vectors, labels, images, files)

    def remove(self, positions: np.ndarray) -> Manifest:
        """Commit one without some; see :func:`indexer.grow.remove_digits`."""
        from indexer.grow import remove_digits

        return remove_digits(self._writer, *self._replaced(), positions)

    def undo(self) -> Manifest:
        """Put the generation before in place; see :meth:`indexer.writer.Writer.undo`."""
        vars(self).pop("_opened", None)
        return self._writer.undo()

    def _replaced(self) -> tuple[Manifest, tuple[Segment, ...]]:
        """What is in place, and is not what `base` gives any more."""
        generation, segments = self._opened
        del self._opened
        return generation.manifest, segments
