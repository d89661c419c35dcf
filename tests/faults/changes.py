"""The ways an index changes, as command lines, and what it answers before and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faults.child import command, complaint, digits, run
from tests.faults.ground import Ground

CHANGES = ("build", "add", "remove", "undo")
STREAM = "mnist8m"
STREAMED, PART = 6000, 1000  # digits, in all and in a part


def change(ground: Ground, kind: str, index: Path) -> tuple[str, ...]:
    """The command line of a change."""
    build = ("index", "--dataset", ground.dataset, "--embedder", ground.embedder)
    arguments = {
        "build": build,
        "add": ("add", "--label", "7", ground.more),
        "remove": ("remove", "added/0", "digits/train/7"),
        "undo": ("undo",),
        STREAM: (*build[:2], STREAM, "--count", STREAMED, *build[3:]),
    }[kind]
    return (*map(str, arguments), "--index", str(index))


def streamed(dataset: Path, arguments: tuple[str, ...]) -> None:
    """The command line, where mnist8m is made of a small set and encoded in small parts."""
    import numpy as np

    from data import mnist8m
    from indexer import stream

    arrays = np.load(dataset)
    mnist8m.load_mnist = lambda split: (arrays[f"x_{split}"], arrays[f"y_{split}"])
    stream.PART = PART
    command(*arguments)


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
    names = names_of(manifest)
    if "previous" in manifest["files"]:
        before = json.loads((index / manifest["files"]["previous"]["name"]).read_text())
        before["files"].pop("previous", None)
        names |= names_of(before)
    return names


def names_of(manifest: dict[str, Any]) -> set[str]:
    """Names of the files that a manifest names itself."""
    parts = [manifest["files"], *(one["files"] for one in manifest["segments"])]
    return {entry["name"] for part in parts for entry in part.values()}
