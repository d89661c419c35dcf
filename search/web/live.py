"""The index that is in place: always one whole generation, and the newest.

Whoever asks holds the generation it began with. The manifest is looked at before every query, so a
change of any process, ours or another's, is seen by the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from data.errors import IndexNotFound
from indexer.manifest import Manifest
from indexer.place import Place, store_at
from search import grow
from search.answers import Addition, FailedAnswer
from search.index import DigitIndex
from search.queries import AnyQuery
from search.web.access import Refusal


class LiveIndex:
    """An index that others may change while it answers."""

    def __init__(self, place: Place) -> None:
        """Open the index at `place`.

        Raises:
            IndexNotFound and others: as for :meth:`DigitIndex.open`.
        """
        self.place, self._store = place, store_at(place)
        self._opening = threading.Lock()
        self._held = self._open()

    def current(self) -> DigitIndex:
        """The newest generation; while one thread opens it, others are given the one before.

        Raises:
            IndexNotFound and others: as for :meth:`DigitIndex.open`.
        """
        held, index = self._held
        if held != self._signature() and self._opening.acquire(blocking=False):
            try:
                self._held = self._open()
            finally:
                self._opening.release()
            index = self._held[1]
        return index

    def at_hand(self) -> DigitIndex | None:
        """The newest generation, if to look for it takes no time: a folder, and already open."""
        held, index = self._held
        is_near = isinstance(self.place, Path) and held is not None
        return index if is_near and held == self._signature() else None

    def add(
        self, queries: Iterable[AnyQuery], label: str
    ) -> tuple[tuple[Addition | FailedAnswer, ...], Manifest]:
        """Store digits that are all of the class called `label`.

        Returns:
            What became of each, and the generation that holds them, which answers from now on.

        Raises:
            UsageError: the index knows no such class.
            IndexNotFound, IndexCorrupt, IndexLocked, StorageError: the index is as it was.
        """
        with grow.open_to_change(self.place, threads=1) as (writer, index):
            added = grow.add(writer, index, grow.with_label(index, queries, label))
        self._reopen()
        return added.rows, added.manifest

    def undo(self, generation: int | None) -> Manifest:
        """Go back to the generation before; a second time, forth again.

        Args:
            generation: the one to go back from; None is whichever is in place.

        Raises:
            Refusal: another one is in place.
            UsageError: there is none before.
            IndexNotFound, IndexCorrupt, IndexLocked, StorageError: the index is as it was.
        """
        with self._store.change() as change:
            if generation is not None:
                _require(generation, change.base.manifest.generation)
            manifest = change.undo()
        self._reopen()
        return manifest

    def _reopen(self) -> None:
        with self._opening:
            self._held = self._open()

    def _open(self) -> tuple[object, DigitIndex]:
        # What is in place may be newer than its signature, which then is looked at once more.
        return self._signature(), DigitIndex.open(self.place, threads=1)

    def _signature(self) -> object:
        try:
            return self._store.signature()
        except IndexNotFound:
            return None  # opening it says why


def _require(generation: int, in_place: int) -> None:
    if generation != in_place:
        raise Refusal(
            HTTPStatus.CONFLICT,
            f"nothing is taken back: the index has changed since (expected generation {generation},"
            f" found {in_place})",
            index_generation=str(in_place),
        )
