"""What a disk may hold of a folder when the power fails, by the calls that changed the folder.

Only fsync promises anything. Of what was written to a file since it was synced any beginning may
have got there, and of the names that came, moved or went since the folder was synced, any.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.traced import Call


@dataclass
class _File:
    synced: bytes
    late: bytes = b""


@dataclass
class _Move:
    """A name that leads to another file from now on, and one that leads nowhere."""

    comes: str | None
    goes: str | None
    file: _File | None = None

    def apply(self, names: dict[str, _File]) -> None:
        if self.goes:
            names.pop(self.goes, None)
        if self.comes and self.file:
            names[self.comes] = self.file


@dataclass
class Disk:
    """A folder: as programs see it, as it is on the disk for sure, and what may be there."""

    folder: Path
    seen: dict[str, _File] = field(default_factory=dict)
    safe: dict[str, _File] = field(default_factory=dict)
    moves: list[_Move] = field(default_factory=list)

    @classmethod
    def holding(cls, folder: Path) -> Disk:
        """A disk on which all that is in `folder` is safe."""
        files = {path.name: _File(path.read_bytes()) for path in folder.iterdir()}
        return cls(folder, dict(files), dict(files))

    def apply(self, call: Call) -> None:
        """What a call changes."""
        name = call.paths[0].name
        if call.name == "create" and name not in self.seen:
            self._move(_Move(name, None, _File(b"")))
        elif call.name == "write":
            self.seen[name].late += call.content
        elif call.name == "fsync" and call.paths[0] == self.folder:
            for move in self.moves:
                move.apply(self.safe)
            self.moves.clear()
        elif call.name == "fsync":
            file = self.seen[name]
            file.synced, file.late = file.synced + file.late, b""
        elif call.name == "rename":
            self._move(_Move(call.paths[1].name, name, self.seen[name]))
        elif call.name == "unlink":
            self._move(_Move(None, name))

    def _move(self, move: _Move) -> None:
        move.apply(self.seen)
        self.moves.append(move)

    def fail(self, rng: random.Random, into: Path) -> None:
        """Write what is there after the power failed to an empty folder."""
        share, names = rng.random(), dict(self.safe)
        for move in self.moves:
            if rng.random() < share:
                move.apply(names)
        for name, file in names.items():
            reached = rng.choice((0, rng.randint(0, len(file.late)), len(file.late)))
            (into / name).write_bytes(file.synced + file.late[:reached])
