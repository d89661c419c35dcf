"""The ways an index changes, as command lines, and what it answers before and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faults.child import command, complaint, digits, run
from tests.faults.ground import Ground

CHANGES = ("build", "add", "remove", "undo")


def change(ground: Ground, kind: str, index: Path) -> tuple[str, ...]:
    """The command line of a change."""
    build = ("index", "--dataset", ground.dataset, "--embedder", ground.embedder)
    arguments = {
        "build": build,
        "add": ("add", "--label", "7", ground.more),
        "remove": ("remove", "added/0", "digits/train/7"),
        "undo": ("undo",),
    }[kind]
    return (*map(str, arguments), "--index", str(index))


def changed_answer(ground: Ground, kind: str) -> str:
    """What a copy of the ground's index answers after a change."""
    with ground.copy(ground.index) as index:
        outcome = run(command, *change(ground, kind, index))
        if outcome.status:
            raise RuntimeError(f"{kind}: {outcome.err}")
        return ground.ask(index).out


def rebuilt(ground: Ground, index: Path) -> str | None:
    """Build the index again; why that does not end in a whole index without debris, or None."""
    done = run(command, *change(ground, "build", index))
    if why := complaint(done, [done.out]):
        return why
    left = {path.name for path in index.iterdir()} - named(index) - {"lock", "manifest.json"}
    if left:
        return f"left behind: {', '.join(sorted(left))}"
    verified = digits("verify", "--index", index)
    return complaint(verified, [verified.out])


def named(index: Path) -> set[str]:
    """Names of all files that the generation in place, and the one before it, need."""
    manifest = json.loads((index / "manifest.json").read_text())
    names = _names(manifest)
    if "previous" in manifest["files"]:
        before = json.loads((index / manifest["files"]["previous"]["name"]).read_text())
        before["files"].pop("previous", None)
        names |= _names(before)
    return names


def _names(manifest: dict[str, Any]) -> set[str]:
    parts = [manifest["files"], *(one["files"] for one in manifest["segments"])]
    return {entry["name"] for part in parts for entry in part.values()}
