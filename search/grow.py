"""Pictures that a person adds become stored digits, ids that a person names are removed.

What is added goes the way of a query. A picture that cannot be used fails by itself; the others
are added. A digit that is stored already, pixel by pixel, is not stored twice: it would vote twice.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import DatasetInvalid, UsageError
from data.listing import list_classes
from data.names import first_of
from data.normalise import scale_to_bytes
from indexer.manifest import Manifest
from indexer.place import Place, store_at
from indexer.protocols import Change
from search.answers import Addition, FailedAnswer
from search.index import DigitIndex
from search.queries import (
    QUERY_SUFFIXES,
    STDIN,
    AnyQuery,
    FailedQuery,
    Query,
    Reader,
    RefusedQuery,
    without_picture,
)
from search.text import named

Labelled = tuple[AnyQuery, int]
Twin = tuple[int, str]  # label and id of a stored digit
SHOWN = 20  # labels in a message
LIKELY = 10  # nearest that are compared pixel by pixel: rounded vectors can be nearer than a twin


@dataclass(frozen=True)
class Added:
    """What became of pictures: a row each, and the generation that holds them."""

    rows: tuple[Addition | FailedAnswer, ...]
    manifest: Manifest


@contextlib.contextmanager
def open_to_change(place: Place, threads: int | None = None) -> Iterator[tuple[Change, DigitIndex]]:
    """Open the index at `place` and keep all others from changing it.

    Raises:
        IndexLocked: another process is changing it.
        StorageError: the folder is not writable.
        IndexNotFound and others: as for :meth:`DigitIndex.open`.
    """
    with store_at(place).change() as change:
        yield change, DigitIndex.of(change.base, str(place), threads)


def with_label(index: DigitIndex, queries: Iterable[AnyQuery], name: str) -> Iterator[Labelled]:
    """Digits that are all of the class called `name`.

    Raises:
        UsageError: the index knows no such class.
    """
    (label,) = _labels(index, [name])
    return ((query, label) for query in queries)


def from_folders(reader: Reader, folders: Sequence[str]) -> Iterator[Labelled]:
    """Every digit on the pictures in folders of LABEL/name.png.

    Raises:
        UsageError: no folder, none with folders in it, pictures that lie elsewhere than in these,
            or the index knows no such class.
        DatasetNotFound: a folder cannot be read.
    """
    inner = [path for folder in folders for path in _label_folders(folder)]
    labels = _labels(reader.index, [named(path.name) for path in inner])
    return (
        (query, label)
        for path, label in zip(inner, labels, strict=True)
        for query in reader.read([f"./{path}" if str(path) == STDIN else str(path)], ())
    )


def add(change: Change, index: DigitIndex, pictures: Iterable[Labelled], option: str = "") -> Added:
    """Store the digits that are not stored yet; if there are any, that makes a generation.

    Args:
        change: of the index.
        index: what is in place there.
        pictures: digits, each with what it is.
        option: by which a command names that index, for the commands that answers advise.

    Raises:
        StorageError: the index is as it was.
    """
    given = [(without_picture(query), label) for query, label in pictures]
    digits = [(query, label) for query, label in given if isinstance(query, Query)]
    stored, manifest = _store(change, index, digits, option) if digits else ([], index.manifest)
    rows = iter(stored)
    return Added(
        tuple(next(rows) if isinstance(query, Query) else _failed(query) for query, _ in given),
        manifest,
    )


def remove(change: Change, index: DigitIndex, names: Iterable[str]) -> Manifest:
    """Take digits out, so that they never answer again.

    Raises:
        UsageError: some ids are unknown or removed already (the first are named), or none would
            be left; the index is as it was.
        StorageError: the index is as it was.
    """
    positions = np.array(index.positions(names), np.int64)
    return change.remove(positions)


def undo(place: Place) -> Manifest:
    """Put the generation before the present one in place again; done twice, it does nothing.

    Raises:
        UsageError: there is none before.
        IndexNotFound, IndexCorrupt, IndexLocked, StorageError: the index is as it was.
    """
    with store_at(place).change() as change:
        return change.undo()


def _label_folders(folder: str) -> list[Path]:
    if not os.path.isdir(folder):  # noqa: PTH112, Path's own raises for names that are too long
        raise UsageError(
            f"expected --label for what is on {named(folder)}, or a folder of LABEL/name.png"
        )
    try:
        classes = list_classes(Path(folder), QUERY_SUFFIXES)
    except DatasetInvalid as exc:
        raise UsageError(f"{exc}, or give --label if all of its pictures show the same") from exc
    if not classes:
        raise UsageError(
            f"{named(folder)}: expected folders named by what is in them; give --label if all of"
            " its pictures show the same"
        )
    return [Path(folder) / label for label in classes]


def _labels(index: DigitIndex, names: Sequence[str]) -> list[int]:
    """Labels of classes by name."""
    known = {name: label for label, name in enumerate(index.manifest.names)}
    if unknown := [repr(name) for name in dict.fromkeys(names) if name not in known]:
        labels = first_of([*map(repr, known)], SHOWN)
        raise UsageError(
            f"expected labels among {labels}, received {first_of(unknown, SHOWN)}; for a new class"
            " build a new index"
        )
    return [known[name] for name in names]


def _store(
    change: Change, index: DigitIndex, digits: Sequence[tuple[Query, int]], option: str
) -> tuple[list[Addition | FailedAnswer], Manifest]:
    """Add those of at least one digit that are new; what became of each, in their order."""
    images = scale_to_bytes(np.stack([query.image for query, _ in digits]))  # (n, 28, 28)
    labels = np.array([label for _, label in digits], np.uint8)
    pixels = [image.tobytes() for image in images]
    embeddings, manifest = index.embed(images), index.manifest
    known = _stored(index, images, embeddings)
    first = {content: row for row, content in reversed([*enumerate(pixels)])}
    fresh = sorted(row for content, row in first.items() if content not in known)
    if fresh:
        files = [digits[row][0].file or "" for row in fresh]
        manifest, ids = change.add(embeddings[fresh], labels[fresh], images[fresh], files)
        known |= {pixels[row]: [(labels[row], name)] for row, name in zip(fresh, ids, strict=True)}
    is_new = np.isin(np.arange(len(digits)), fresh)
    outcomes = [
        _outcome(index, query, label, known[content], option, new=bool(new))
        for (query, label), content, new in zip(digits, pixels, is_new, strict=True)
    ]
    return outcomes, manifest


def _stored(
    index: DigitIndex, images: np.ndarray, embeddings: np.ndarray
) -> dict[bytes, list[Twin]]:
    """Those of the digits that are stored already, by their pixels; some under several labels."""
    nearest, _ = index.vectors.past_graphs().search(embeddings, min(LIKELY, len(index)))
    stored: dict[bytes, list[Twin]] = {}
    for positions in nearest.T:  # (n,)
        same = (index.images[positions] == images).all(axis=(1, 2))
        for row in np.flatnonzero(same):
            position = int(positions[row])
            twin = int(index.labels[position]), index.name(position)
            twins = stored.setdefault(images[row].tobytes(), [])
            if twin not in twins:  # the same digit may be given twice
                twins.append(twin)
    return stored


def _outcome(
    index: DigitIndex, query: Query, label: int, twins: Sequence[Twin], option: str, *, new: bool
) -> Addition | FailedAnswer:
    same = [name for stored, name in twins if stored == label]
    if same:
        return Addition(query.name, query.box, index.called(label), same[0], new)
    others = dict.fromkeys(str(index.called(stored)) for stored, _ in twins)
    names = [name for _, name in twins]
    dashes = "--" if any(name.startswith("-") for name in names) else ""
    remedy = " ".join(filter(None, ["digits remove", option, dashes, shlex.join(names)]))
    return FailedAnswer(
        query.name,
        f"{query.name}: expected a digit that is new or {index.called(label)} already, but it is"
        f" stored as {' and '.join(others)}; take that out first with: {remedy}",
    )


def _failed(query: FailedQuery | RefusedQuery) -> FailedAnswer:
    error = query.error if isinstance(query, FailedQuery) else f"{query.name}: {query.detail}"
    return FailedAnswer(query.name, error)
