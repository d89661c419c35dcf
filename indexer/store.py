"""The index directory: the one place that knows the file format (docs/format.md).

`manifest.json` is the only name that changes, and it changes by one rename. Every other file is
immutable and named by its content. Nothing is handed to a parser before its length and SHA-256
are those the manifest promises.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import DigitsError, IndexCorrupt, IndexLocked, IndexNotFound, IndexVersion
from data.files import TEMPORARY_PREFIX, make_folder, storage_errors, write_together, write_whole
from data.sealed import BrokenSeal, seal, unseal
from indexer.calibration import Calibration

FORMAT = "digit-search index"
FORMAT_VERSION = 2
MANIFEST = "manifest.json"
LOCK = "lock"
SUFFIXES = {
    "embedder": ".onnx",
    "card": ".json",
    "vectors": ".faiss",
    "blocks": ".hashes",
    "labels": ".npy",
    "images": ".npy",
    "sources": ".jsonl",
}
OURS = re.compile(rf"({'|'.join(SUFFIXES)})-[0-9a-f]{{16}}\.\w+|{re.escape(TEMPORARY_PREFIX)}.*")
MAPPED = ("images", "vectors")
OPTIONAL = {"images", "blocks"}
ATTEMPTS = 10

Content = bytes | mmap.mmap


@dataclass(frozen=True)
class FileEntry:
    """A file the manifest vouches for: name inside the folder, length in bytes, SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What an index is.

    Attributes:
        generation: 1 for the first, one more for each that replaces it.
        count: number of digits.
        dimension: length of an embedding.
        metric: `"euclidean"`.
        kind: of FAISS index, with `kind_options`.
        normaliser: version of the normaliser queries must go through.
        embedder: identity of the embedder: SHA-256 of its ONNX file.
        dataset: `name`, `split`, `count` and `sha256` of what was indexed.
        names: what the classes are called; labels are positions in it.
        k: neighbours to ask, by kind of weights, chosen by leave-one-out.
        leave_one_out: `sample`, its `source`, and `accuracy` by kind of weights, at that k.
        calibration: thresholds and confidence of verdicts.
        created: UTC, ISO 8601.
        program: version of digit-search that wrote it.
        files: by role: `embedder`, `card`, `vectors`, `labels`, `images`, `sources`;
            `blocks`, hashes of the parts of `vectors`, where not all of it is read for a query.
    """

    generation: int
    count: int
    dimension: int
    metric: str
    kind: str
    kind_options: dict[str, Any]
    normaliser: int
    embedder: str
    dataset: dict[str, Any]
    names: list[str]
    k: dict[str, int]
    leave_one_out: dict[str, Any]
    calibration: Calibration
    created: str
    program: str
    files: dict[str, FileEntry]

    def to_bytes(self) -> bytes:
        """The content of `manifest.json`."""
        return seal({"format": FORMAT, "version": FORMAT_VERSION, **asdict(self)})

    @classmethod
    def from_bytes(cls, content: bytes, path: Path) -> Manifest:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            IndexCorrupt: damaged.
            IndexVersion: of another format version.
        """
        try:
            record = unseal(content)
        except BrokenSeal as exc:
            raise IndexCorrupt(
                f"{path}: expected a sealed manifest, but {exc}; build the index again"
            ) from exc
        kind, version = record.pop("format", None), record.pop("version", None)
        if kind != FORMAT:
            raise IndexCorrupt(f"{path}: expected a {FORMAT}, received {kind!r}")
        if version != FORMAT_VERSION:
            raise IndexVersion(
                f"{path}: expected format version {FORMAT_VERSION}, received {version!r}; build"
                " the index again with this program"
            )
        try:
            files = {role: FileEntry(**entry) for role, entry in record.pop("files").items()}
            calibration = Calibration.from_record(record.pop("calibration"))
            return cls(files=files, calibration=calibration, **record)
        except (AttributeError, KeyError, TypeError) as exc:
            raise IndexCorrupt(f"{path}: a field is missing or unknown: {exc}") from exc


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the current generation.

    Raises:
        IndexNotFound, IndexCorrupt, IndexVersion.
    """
    path = folder / MANIFEST
    if path.exists() and not path.is_file():
        raise IndexCorrupt(f"{path}: expected a regular file; build the index again")
    try:
        content = path.read_bytes()
    except FileNotFoundError as exc:
        raise IndexNotFound(f"no index in {folder}; make one with: digits build") from exc
    except OSError as exc:
        raise IndexNotFound(f"{path}: cannot be read ({exc.strerror})") from exc
    return Manifest.from_bytes(content, path)


def read_generation(folder: Path) -> tuple[Manifest, dict[str, Content]]:
    """The current generation whole: its manifest and the verified content of every file.

    A writer may replace the generation while it is being read; then the new one is read instead.

    Raises:
        IndexNotFound, IndexVersion.
        IndexCorrupt: a file is missing or is not what the manifest promises; it is named.
    """
    for _ in range(ATTEMPTS):
        manifest = read_manifest(folder)
        try:
            return manifest, _read_files(folder, manifest)
        except IndexCorrupt:
            if read_manifest(folder).generation == manifest.generation:
                raise
    raise IndexLocked(f"{folder}: replaced {ATTEMPTS} times while it was being read; try again")


def write_generation(
    folder: Path, contents: Mapping[str, bytes], facts: dict[str, Any]
) -> Manifest:
    """Replace what `folder` holds by a new generation, in one rename.

    Args:
        folder: made if need be.
        contents: the files by role.
        facts: the fields of :class:`Manifest` besides `generation` and `files`.

    Raises:
        IndexLocked: another process is writing here.
        StorageError: disk full or folder not writable; the old generation still answers.
    """
    make_folder(folder)
    with _writer_lock(folder):
        generation = _last_generation(folder) + 1
        files = {role: _entry(role, content) for role, content in contents.items()}
        manifest = Manifest(generation=generation, files=files, **facts)
        try:
            write_together(folder, {files[role].name: contents[role] for role in contents})
            write_whole(folder / MANIFEST, manifest.to_bytes())
        finally:
            with contextlib.suppress(OSError, DigitsError):
                _remove_unnamed(folder)
        return manifest


def _entry(role: str, content: bytes) -> FileEntry:
    digest = hashlib.sha256(content).hexdigest()
    return FileEntry(f"{role}-{digest[:16]}{SUFFIXES[role]}", len(content), digest)


def _read_files(folder: Path, manifest: Manifest) -> dict[str, Content]:
    missing = SUFFIXES.keys() - OPTIONAL - manifest.files.keys()
    if missing:
        raise IndexCorrupt(f"{folder / MANIFEST}: names no {', '.join(sorted(missing))}")
    # Hashing lets go of the interpreter, so files are verified side by side.
    with ThreadPoolExecutor() as pool:
        contents = pool.map(
            lambda item: _read_verified(
                folder,
                item[1],
                mapped=item[0] in MAPPED,
                whole=item[0] != "vectors" or "blocks" not in manifest.files,
            ),
            manifest.files.items(),
        )
        return dict(zip(manifest.files, contents, strict=True))


def _read_verified(folder: Path, entry: FileEntry, *, mapped: bool, whole: bool) -> Content:
    """The content of a file; unless `whole`, another one holds the hashes of its blocks."""
    path = folder / entry.name
    if path.parent != folder:
        raise IndexCorrupt(f"{folder / MANIFEST}: names a file outside the index: {entry.name!r}")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as exc:
        raise IndexCorrupt(
            f"{path}: cannot be opened ({exc.strerror}); build the index again"
        ) from exc
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if size != entry.size:
            raise IndexCorrupt(
                f"{path}: expected {entry.size:,} bytes, received {size:,}; build the index again"
            )
        content = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) if mapped else file.read()
    if not whole:
        return content
    received = hashlib.sha256(content).hexdigest()
    if received != entry.sha256:
        raise IndexCorrupt(
            f"{path}: expected SHA-256 {entry.sha256}, received {received}; build the index again"
        )
    return content


@contextlib.contextmanager
def _writer_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's only writer's lock; the system frees it however the holder ends."""
    with storage_errors(folder / LOCK), (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise IndexLocked(
                f"{folder}: another process is writing this index; try again when it is done"
            ) from exc
        yield


def _last_generation(folder: Path) -> int:
    """The generation in place; a manifest that cannot be read is about to be replaced."""
    try:
        return read_manifest(folder).generation
    except DigitsError:
        return 0


def _remove_unnamed(folder: Path) -> None:
    """Remove files of ours that the manifest does not name: old generations, and debris."""
    try:
        named = {entry.name for entry in read_manifest(folder).files.values()}
    except IndexNotFound:
        named = set()
    for path in folder.iterdir():
        if OURS.fullmatch(path.name) and path.name not in named:
            path.unlink()
