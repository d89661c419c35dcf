"""What `manifest.json` says of an index, as dataclasses, and as the sealed JSON they are kept in.

Nothing here touches files; `indexer.store` and `indexer.writer` do. The fields are specified in
docs/format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from data.errors import IndexCorrupt, IndexVersion, UsageError
from data.sealed import BrokenSeal, seal, unseal
from indexer.calibration import Calibration

FORMAT = "digit-search index"
FORMAT_VERSION = 4
PREVIOUS = "previous"  # role of the manifest that undo goes back to
REQUIRED = frozenset({"embedder", "card"})
REQUIRED_OF_SEGMENT = frozenset({"vectors", "labels", "sources"})


@dataclass(frozen=True)
class FileEntry:
    """A file the manifest vouches for: name inside the folder, length in bytes, SHA-256."""

    name: str
    size: int
    sha256: str


Part = FileEntry | bytes | Path  # in place already; to be written; to be moved in from beside
F = TypeVar("F", bound=Part, covariant=True)


@dataclass(frozen=True)
class SegmentRecord(Generic[F]):
    """Digits that were written together.

    Attributes:
        count: how many, removed ones included.
        removed: how many of them never answer again.
        kind: of FAISS index, with `kind_options`.
        files: by role: `vectors`, `labels`, `sources`; `images` unless they can be drawn again;
            `removed` if any are; `blocks`, hashes of the parts of `vectors`, where not all of it is
            read for a query.
    """

    count: int
    removed: int
    kind: str
    kind_options: dict[str, Any]
    files: Mapping[str, F]


@dataclass(frozen=True)
class Manifest:
    """What an index is.

    Attributes:
        generation: 1 for the first, one more for each that replaces it.
        dimension: length of an embedding.
        metric: `"euclidean"`.
        normaliser: version of the normaliser queries must go through.
        embedder: identity of the embedder: SHA-256 of its ONNX file.
        dataset: `name`, `split`, `count` and `sha256` of what was indexed when it was built.
        names: what the classes are called; labels are positions in it.
        k: neighbours to ask, by kind of weights, chosen by leave-one-out.
        leave_one_out: `sample`, its `source`, and `accuracy` by kind of weights, at that k.
        calibration: thresholds and confidence of verdicts.
        created: UTC, ISO 8601.
        program: version of digit-search that wrote it.
        next_number: of the next digit that is added; none is ever given twice.
        files: by role: `embedder`, `card`; `projection`, which an index that was built before there
            was one has not; `previous`, the manifest that undo goes back to.
        segments: in the order of their positions.
    """

    generation: int
    dimension: int
    metric: str
    normaliser: int
    embedder: str
    dataset: dict[str, Any]
    names: list[str]
    k: dict[str, int]
    leave_one_out: dict[str, Any]
    calibration: Calibration
    created: str
    program: str
    next_number: int
    files: Mapping[str, FileEntry]
    segments: tuple[SegmentRecord[FileEntry], ...]

    @classmethod
    def following(
        cls,
        before: Manifest | None,
        facts: Mapping[str, Any],
        files: Mapping[str, FileEntry],
        segments: tuple[SegmentRecord[FileEntry], ...],
        numbered: int,
    ) -> Manifest:
        """The generation after `before`, or the first.

        Args:
            before: what is in place.
            facts: as :meth:`facts` gives them.
            files: shared ones, by role.
            segments: at least one.
            numbered: how many digits were given numbers from `next_number` on.
        """
        from datetime import UTC, datetime  # not before something is written: queries only read
        from importlib.metadata import version

        return cls(
            generation=before.generation + 1 if before else 1,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            program=version("digit-search"),
            next_number=(before.next_number if before else 0) + numbered,
            files=files,
            segments=segments,
            **facts,
        )

    @property
    def count(self) -> int:
        """Number of digits that can answer."""
        return sum(one.count - one.removed for one in self.segments)

    @property
    def entries(self) -> dict[str, FileEntry]:
        """Every file that a reader needs, by name."""
        shared = {role: entry for role, entry in self.files.items() if role != PREVIOUS}
        files = [shared, *(one.files for one in self.segments)]
        return {entry.name: entry for some in files for entry in some.values()}

    def previous(self, place: str) -> FileEntry:
        """The manifest that undo goes back to; `place` is where the index lies.

        Raises:
            UsageError: there is none.
        """
        if PREVIOUS not in self.files:
            raise UsageError(
                f"nothing to undo: generation {self.generation} of {place} is the first"
            )
        return self.files[PREVIOUS]

    def check_some_stay(self, removed: int) -> None:
        """Refuse to remove so many of the digits that can answer.

        Raises:
            UsageError: none would be left.
        """
        if removed >= self.count:
            raise UsageError(
                f"expected at least one digit to stay, received all {self.count:,} of the index"
            )

    @property
    def in_parts(self) -> frozenset[str]:
        """Names of the files that are verified part by part as they are read, not before."""
        return frozenset(
            one.files["vectors"].name for one in self.segments if "blocks" in one.files
        )

    def facts(self) -> dict[str, Any]:
        """The fields that adding and removing digits leave alone."""
        changing = {"generation", "created", "program", "next_number", "files", "segments"}
        names = [field.name for field in fields(self) if field.name not in changing]
        return {name: getattr(self, name) for name in names}

    def to_bytes(self) -> bytes:
        """The content of `manifest.json`."""
        return seal({"format": FORMAT, "version": FORMAT_VERSION, **asdict(self)})

    @classmethod
    def from_bytes(
        cls, content: bytes, path: Path | str, of_segment: frozenset[str] = REQUIRED_OF_SEGMENT
    ) -> Manifest:
        """Read what :meth:`to_bytes` wrote.

        Args:
            content: the sealed JSON.
            path: what to blame.
            of_segment: roles of the files that each segment must have.

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
            raise IndexCorrupt(
                f"{path}: expected a {FORMAT}, received {kind!r}; build the index again"
            )
        if version != FORMAT_VERSION:
            raise IndexVersion(
                f"{path}: expected format version {FORMAT_VERSION}, received {version!r}; build"
                " the index again with this program"
            )
        try:
            manifest = cls(
                files=_entries(record.pop("files")),
                segments=tuple(_segment(one) for one in record.pop("segments")),
                calibration=Calibration.from_record(record.pop("calibration")),
                **record,
            )
        except (AttributeError, KeyError, TypeError) as exc:
            raise IndexCorrupt(
                f"{path}: a field is missing or unknown: {exc}; build the index again with this"
                " program"
            ) from exc
        for name, hint in get_type_hints(cls).items():
            if not _fits(getattr(manifest, name), hint):
                raise IndexCorrupt(
                    f"{path}: {name} is of the wrong kind; build the index again with this program"
                )
        manifest._check_parts(path, of_segment)
        return manifest

    def _check_parts(self, path: Path | str, of_segment: frozenset[str]) -> None:
        if not self.segments:
            raise IndexCorrupt(f"{path}: names no segment")
        missing = REQUIRED - self.files.keys()
        for one in self.segments:
            missing |= of_segment - one.files.keys()
            if one.removed:
                missing |= {"removed"} - one.files.keys()
        if missing:
            raise IndexCorrupt(f"{path}: names no {', '.join(sorted(missing))}")


def _fits(value: object, hint: Any) -> bool:
    """Whether `value`, out of JSON, is of the type that a field is annotated with."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is Any or isinstance(kind, TypeVar):
        return True
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    if not isinstance(value, kind):
        return False
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return all(_fits(getattr(value, name), one) for name, one in hints.items())
    if isinstance(value, Mapping):
        return all(
            _fits(part, one)
            for pair in value.items()
            for part, one in zip(pair, inner, strict=True)
        )
    return not isinstance(value, list | tuple) or all(_fits(one, inner[0]) for one in value)


def _entries(record: dict[str, Any]) -> dict[str, FileEntry]:
    return {role: FileEntry(**entry) for role, entry in record.items()}


def _segment(record: dict[str, Any]) -> SegmentRecord[FileEntry]:
    return SegmentRecord(files=_entries(record.pop("files")), **record)
