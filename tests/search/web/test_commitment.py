"""Changes that nobody waits for any more are not made; those that have begun are told of."""

from __future__ import annotations

import asyncio
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from search import DigitIndex
from search.queries import Reader
from search.web.commitment import Begin, CalledOff, Commitment, committed
from search.web.live import LiveIndex
from tests.data.drawings import encode
from tests.drawings import draw_digit

PATIENCE = 60


def _timed_out(change: threading.Event, *, begins_late: bool) -> tuple[str, list[str]]:
    """What is told of a change that takes longer than anybody waits, and what it has done."""
    done: list[str] = []

    def work(begin: Begin) -> str:
        if not begins_late:
            begin()
        assert change.wait(PATIENCE)
        if begins_late:
            begin()
        done.append("changed")
        return "changed"

    async def ask(pool: ThreadPoolExecutor) -> str:
        asked = asyncio.ensure_future(committed(pool, work))
        await asyncio.sleep(0.05)
        asked.cancel()
        asyncio.get_running_loop().call_later(0.05, change.set)
        try:
            return await asked
        except asyncio.CancelledError:
            return "called off"

    with ThreadPoolExecutor(1) as pool:
        told = asyncio.run(ask(pool))
    return told, done


def test_what_has_not_begun_is_never_done() -> None:
    assert _timed_out(threading.Event(), begins_late=True) == ("called off", [])


def test_what_has_begun_is_waited_for() -> None:
    assert _timed_out(threading.Event(), begins_late=False) == ("changed", ["changed"])


def test_a_change_begins_or_is_called_off() -> None:
    begun, off = Commitment(), Commitment()
    begun.begin()
    assert not begun.call_off()
    assert off.call_off()
    with pytest.raises(CalledOff):
        off.begin()


def test_an_index_is_as_it_was_where_a_change_is_called_off(
    few_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    shutil.copytree(few_folder, folder)
    live, off = LiveIndex(folder), Commitment()
    stored = live.current()
    queries = list(Reader(stored).content("three", encode(draw_digit(3, 240, 9))))
    off.call_off()
    with pytest.raises(CalledOff):
        live.add(queries, "3", off.begin)
    with pytest.raises(CalledOff):
        live.undo(None, off.begin)
    assert DigitIndex.open(folder).manifest == stored.manifest
    rows, manifest = live.add(queries, "3", Commitment().begin)
    assert (len(rows), manifest.generation) == (1, stored.manifest.generation + 1)
