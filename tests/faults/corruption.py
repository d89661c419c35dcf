"""Rows 8 and 9: files that are not what was written."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.child import complaint, digits
from tests.faults.ground import Ground
from tests.faults.tally import Tally, try_all


def damaged(ground: Ground, tries: int, seed: int) -> Tally:
    """Truncate, append to, delete, empty, swap and link files: every one is refused by name."""
    rng = random.Random(seed)
    names = sorted(path.name for path in _files(ground.index))
    kinds = list(_DAMAGE)
    cases = [(name, kind, rng.random()) for name in names for kind in kinds]
    return try_all(rng.sample(cases, min(tries, len(cases))), partial(_damage, ground))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != "lock"]


def _truncate(path: Path, other: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def _append(path: Path, other: Path, share: float) -> None:
    path.write_bytes(path.read_bytes() + bytes([int(share * 256)]) * (1 + int(share * 100)))


def _delete(path: Path, other: Path, share: float) -> None:
    path.unlink()


def _empty(path: Path, other: Path, share: float) -> None:
    path.write_bytes(b"")


def _swap(path: Path, other: Path, share: float) -> None:
    role = path.name.split("-")[0]
    (found,) = [one for one in other.iterdir() if one.name.split("-")[0] == role][:1]
    shutil.copy(found, path)


def _link(path: Path, other: Path, share: float) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


_DAMAGE: dict[str, Callable[[Path, Path, float], None]] = {
    "truncate": _truncate,
    "append": _append,
    "delete": _delete,
    "empty": _empty,
    "swap": _swap,
    "link": _link,
}


def _damage(ground: Ground, case: tuple[str, str, float]) -> str | None:
    name, kind, share = case
    with ground.copy(ground.index) as index:
        _DAMAGE[kind](index / name, ground.other, share)
        return complaint(ground.ask(index), (), [index / name]) or complaint(
            digits("verify", "--index", index), (), [index / name]
        )
