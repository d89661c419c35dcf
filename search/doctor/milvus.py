"""What is wrong with an index in Milvus, and what mends it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from data.errors import DigitsError, IndexNotFound, MissingExtra, StoreUnreachable
from indexer.milvus.server import PATIENCE, Patience
from search.doctor.findings import Collection, Finding, Folder, check_pairing, fault, of_dataset
from search.text import named

if TYPE_CHECKING:
    from indexer.milvus.store import MilvusStore
    from search.index import DigitIndex


def check_collection(
    place: Collection, embedder: Folder, patience: Patience = PATIENCE
) -> Iterator[Finding]:
    """That the server answers, that an index is in place there and whole, and who writes to it."""
    from indexer.milvus.store import MilvusStore
    from search.index import DigitIndex

    again = f"digits index --to {place.quoted} --embedder {embedder.quoted}"
    store = MilvusStore(place.address, patience)
    try:
        index = DigitIndex.of(store.read(), str(place))
    except MissingExtra:
        detail = "Milvus's client is not installed"
        yield Finding("index", "problem", detail, "pip install 'digit-search[milvus]'")
        return
    except StoreUnreachable as exc:
        yield Finding("server", "problem", f"{fault(exc)} ({place.why})", _reaching(place))
        return
    except IndexNotFound as exc:
        yield Finding("index", "problem", f"{fault(exc)} ({place.why})", again)
        return
    except DigitsError as exc:
        yield Finding("index", "problem", f"{fault(exc)} ({place.why})", again)
    else:
        again += of_dataset(index.manifest.dataset)
        yield from _look_into(index, place, embedder, again)
    yield from _check_writing(store, place)


def _look_into(
    index: DigitIndex, place: Collection, embedder: Folder, again: str
) -> Iterator[Finding]:
    """What an index that opens holds."""
    from indexer.manifest import FORMAT_VERSION, PREVIOUS

    manifest = index.manifest
    yield Finding("server", "ok", f"{place} ({place.why}) answers")
    what = f"format {FORMAT_VERSION}, {manifest.count:,} digits of {manifest.dataset['name']}"
    length = f"vectors of length {manifest.dimension}, test digits unmoved"
    yield Finding("index", "ok", f"{what}, {length}")
    try:
        index.vectors.verify()
    except DigitsError as exc:
        yield Finding("rows", "problem", fault(exc), again)
    else:
        yield Finding("rows", "ok", f"{len(index.labels):,}, as many as the manifest says")
    now = f"number {manifest.generation} answers"
    back = "undo goes back to the one before" if PREVIOUS in manifest.files else "it is the first"
    yield Finding("generations", "ok", f"{now}; {back}")
    other = shlex.quote(f"{place}_2")  # it would not be replaced
    remedy = f"digits index --to {other} --embedder {embedder.quoted}"
    yield check_pairing(manifest.embedder, embedder, remedy + of_dataset(manifest.dataset))


def _check_writing(store: MilvusStore, place: Collection) -> Iterator[Finding]:
    """Whether somebody is writing there, and what a load that was stopped left here."""
    from indexer.milvus.lock import LEASE
    from indexer.stream import staged

    try:
        busy = store.is_locked()
    except DigitsError as exc:
        yield Finding("lock", "warning", fault(exc), _reaching(place))
        return
    if busy:
        detail = f"another process is changing {place}; searching goes on"
        remedy = f"wait until it is done, or {LEASE} s after it was killed"
        yield Finding("lock", "warning", detail, remedy)
    else:
        yield Finding("lock", "ok", "free")
    left = store.staging()
    if staged(left):
        detail = f"{named(left)} holds digits that were being encoded when it was stopped"
        yield Finding("debris", "warning", detail, "the same digits index command as before")


def _reaching(place: Collection) -> str:
    if place.address.local:
        return (
            f"end the process that has it open, or: ls -l {shlex.quote(named(place.address.uri))}"
        )
    from indexer.milvus.address import TOKEN

    return f"start Milvus there, and export {TOKEN}=USER:PASSWORD if it asks for one"
