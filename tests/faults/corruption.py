"""Rows 8 and 9: files that are not what was written."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from search.soundness import require_vectors
from tests.faults.child import complaint, digits, run
from tests.faults.ground import Ground
from tests.faults.tally import Tally, try_all

HEAD, ELSEWHERE = 64, 300  # bytes of which every bit is flipped; bits beyond
BATCH = 25  # flips a child tries one after another
MANIFEST, CARD = "manifest.json", "embedder.json"
CUTS = 20  # lengths a file is cut to, and tails it is given


@dataclass(frozen=True)
class Flips:
    """Bits of one file that a child flips one at a time."""

    file: Path
    bits: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.file.parent.name}/{self.file.name}"


def flipped(ground: Ground, tries: int, seed: int) -> Tally:
    """Flip single bits: opening and searching refuse, or `verify` does where the rest is promised.

    What a search does not touch (lists of vectors it does not come to, files of the generation
    before) may go unnoticed by it: its answer is right then, and `verify` refuses.
    """
    rng = random.Random(seed)
    flips = [
        (file, bit)
        for folder in (ground.index, ground.lists, ground.embedder)
        for file in _own_files(ground, folder)
        for bit in _bits(file, rng)
    ]
    chosen = sorted(rng.sample(flips, min(tries, len(flips))))
    tried = try_all(_batches(chosen), partial(_flip, ground))
    return Tally(len(chosen), tuple(line for batch in tried.failures for line in batch.split("\n")))


def _bits(file: Path, rng: random.Random) -> Iterator[int]:
    size = 8 * file.stat().st_size
    head = min(size, 8 * HEAD)
    yield from range(head)
    yield from rng.sample(range(head, size), min(ELSEWHERE, size - head))


def _batches(flips: Iterable[tuple[Path, int]]) -> Iterator[Flips]:
    by_file: dict[Path, list[int]] = {}
    for file, bit in flips:
        by_file.setdefault(file, []).append(bit)
    for file, bits in by_file.items():
        for start in range(0, len(bits), BATCH):
            yield Flips(file, tuple(bits[start : start + BATCH]))


def _flip(ground: Ground, flips: Flips) -> str | None:
    with ground.copy(flips.file.parent) as folder:
        outcome = run(_flip_in_turn, folder / flips.file.name, flips.bits, ground.queries)
    lines = outcome.out.splitlines()
    if outcome.status != 0 or len(lines) != len(flips.bits):
        at = flips.bits[min(len(lines), len(flips.bits) - 1)]
        return f"bit {at}: {complaint(outcome) or 'ended early'}"
    wrong = [
        f"{flips}, bit {bit}: {line}" for bit, line in zip(flips.bits, lines, strict=True) if line
    ]
    return "\n".join(wrong) or None


def _flip_in_turn(file: Path, bits: tuple[int, ...], queries: Path) -> None:
    """Print a line for each bit: nothing, or why its flip was not met as it must be."""
    import numpy as np

    images = np.load(queries)
    expected = None if (file.parent / "embedder.json").exists() else _answers(file.parent, images)
    for bit in bits:
        with file.open("r+b") as opened:
            opened.seek(bit // 8)
            byte = opened.read(1)[0]
            opened.seek(bit // 8)
            opened.write(bytes([byte ^ 1 << bit % 8]))
            opened.flush()
            print(_reception(file, images, expected) or "", flush=True)
            opened.seek(bit // 8)
            opened.write(bytes([byte]))


def _reception(file: Path, images: object, expected: object) -> str | None:
    from data.errors import DigitsError
    from indexer.embedder import Embedder

    try:
        if expected is None:
            Embedder.open(file.parent)
            return "opened"
        if _answers(file.parent, images) != expected:
            return "another answer"
        _verify(file.parent)
    except DigitsError as exc:
        return None if file.name in str(exc) else f"not named: {exc}"
    return "not noticed"


def _answers(folder: Path, images: object) -> object:
    from search import DigitIndex

    found = DigitIndex.open(folder, 1).search(images, 5)  # type: ignore[arg-type]
    return found.ids.tolist(), found.labels.tolist(), found.distances.tolist()


def _verify(folder: Path) -> None:
    from indexer.store import verified_entries
    from search import DigitIndex

    index = DigitIndex.open(folder, 1)
    verified_entries(folder, index.manifest)
    require_vectors(index, folder)


@dataclass(frozen=True)
class Damage:
    """One way to damage a file, with a number that decides how."""

    file: Path
    kind: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.file.parent.name}/{self.file.name}, {self.kind} {self.number}"


def damaged(ground: Ground, tries: int, seed: int) -> Tally:
    """Truncate, append to, delete, empty, replace and link files: refused, and named."""
    rng = random.Random(seed)
    others = {
        ground.index: ground.other,
        ground.lists: ground.other,
        ground.embedder: ground.other_embedder,
    }
    cases = []
    for folder, other in others.items():
        swaps = list(product(("swap", "place"), range(len(_files(other)))))
        for file in _own_files(ground, folder):
            cases += [Damage(file, kind) for kind in ("delete", "empty", "link")]
            cases += [Damage(file, kind, rng.randrange(1 << 30)) for kind in CUTS * ("cut", "tail")]
            cases += [Damage(file, kind, number) for kind, number in swaps]
    chosen = rng.sample(cases, min(tries, len(cases)))
    return try_all(chosen, lambda case: _damage(ground, case, others[case.file.parent]))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != "lock")


def _own_files(ground: Ground, folder: Path) -> list[Path]:
    """Files of a folder, without those of `lists` that `index` has too: names tell content."""
    shared = {file.name for file in _files(ground.index)} - {MANIFEST}
    return [file for file in _files(folder) if folder == ground.index or file.name not in shared]


def _cut(path: Path, other: Path, number: int) -> None:
    path.write_bytes(path.read_bytes()[: number % path.stat().st_size])


def _tail(path: Path, other: Path, number: int) -> None:
    path.write_bytes(path.read_bytes() + random.Random(number).randbytes(1 + number % 100))


def _delete(path: Path, other: Path, number: int) -> None:
    path.unlink()


def _empty(path: Path, other: Path, number: int) -> None:
    path.write_bytes(b"")


def _swap(path: Path, other: Path, number: int) -> None:
    """Another file of another index instead."""
    files = _files(other)
    shutil.copy(files[number % len(files)], path)


def _place(path: Path, other: Path, number: int) -> None:
    """Another file of the same index instead; an older whole manifest is no damage."""
    itself = {path, *path.parent.glob("previous-*")} if path.name == MANIFEST else {path}
    files = [file for file in _files(path.parent) if file not in itself]
    shutil.copy(files[number % len(files)], path)


def _link(path: Path, other: Path, number: int) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


_DAMAGE: dict[str, Callable[[Path, Path, int], None]] = {
    "cut": _cut,
    "tail": _tail,
    "delete": _delete,
    "empty": _empty,
    "swap": _swap,
    "place": _place,
    "link": _link,
}


def _damage(ground: Ground, case: Damage, other: Path) -> str | None:
    with ground.copy(case.file.parent) as folder:
        file = folder / case.file.name
        _DAMAGE[case.kind](file, other, case.number)
        # Another's record is whole: what is blamed is a file that it does not describe.
        blamed = folder if file.name in (MANIFEST, CARD) else file.name
        if case.kind == "swap" and file.read_bytes() == case.file.read_bytes():
            file.unlink()  # both have the same content
        if case.file.parent == ground.embedder:
            made = ("--dataset", ground.dataset, "--embedder", folder, "--index", folder / "index")
            return complaint(digits("index", *made), (), [blamed])
        if file.name in _read_by_a_search(case.file.parent):
            return complaint(ground.ask(folder), (), [blamed])
        return complaint(ground.ask(folder), [ground.answer]) or complaint(
            digits("verify", "--index", folder), (), [file]
        )


def _read_by_a_search(index: Path) -> set[str]:
    manifest = json.loads((index / MANIFEST).read_text())
    manifest["files"].pop("previous", None)
    parts = [manifest["files"], *(one["files"] for one in manifest["segments"])]
    return {MANIFEST} | {entry["name"] for part in parts for entry in part.values()}
