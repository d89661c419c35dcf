"""Row 14: files and folders whose names are meant to harm whoever shows or follows them."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

from tests.faults.child import FAILED, MISUSED, Outcome, digits
from tests.faults.ground import Ground
from tests.faults.tally import Tally, try_all

NAMES = (
    b"new\nline",
    b"carriage\rreturn",
    b"\x1b[31mred\x1b[2J",
    b"\x1b]0;title\x07",
    b"\xc2\x9b31mC1",
    b"\xff\xfe not UTF-8",
    b"\xed\xa0\x80 surrogate",
    "right-to-left \u202e gnp".encode(),
    "line\u2028separator".encode(),
    b"-h",
    b"--index",
    b"--sheet=x",
    b"..",
    b"=1+1, \"quoted\"; 'too'",
    b"%s {0} $HOME `id`",
    b"\x7f\x08\x08",
    b"x" * 251,
    "Zahl-\u0667-\U0001f600".encode(),
)
STYLES = ("table", "json", "jsonl", "csv")
WAYS = (
    "classify",
    "explain",
    "search",
    "absent",
    "folder",
    "npy",
    "compare",
    "sheet",
    "add",
    "labelled",
    "index",
    "dataset",
    "id",
    "option",
    "surplus",
    "info",
    "doctor",
)
Case = tuple[str, bytes, str]


def named_to_harm(ground: Ground, tries: int, seed: int) -> Tally:
    """Every way to name a file, every name, every style: shown harmlessly, nothing else touched."""
    cases = list(product(WAYS, NAMES, STYLES))
    chosen = random.Random(seed).sample(cases, min(tries, len(cases)))
    return try_all(chosen, partial(_attempt, ground))


def _attempt(ground: Ground, case: Case) -> str | None:
    way, name, style = case
    with ground.scratch() as scratch:
        inside = scratch / "inside" / "here"
        inside.mkdir(parents=True)
        shutil.copytree(ground.index, inside / "index")
        (scratch / "kept").write_bytes(b"kept")
        (scratch / "inside" / "kept.png").write_bytes(ground.picture.read_bytes())
        before = _snapshot(scratch, inside)
        outcome = digits(*_arguments(ground, way, name, style, inside))
        if _snapshot(scratch, inside) != before:
            return "something outside the folder was touched"
        return _complaint(outcome, style)


def _arguments(ground: Ground, way: str, name: bytes, style: str, inside: Path) -> list[object]:
    """The command line for a way to name something, with what it names in place."""
    stem = os.fsdecode(name)
    index = inside / "index"
    options = ["--index", index, "--format", style]
    if way == "absent":
        return ["classify", *options, "--", f"{inside}/../../{stem}/../{stem}.png"]
    if way == "option":
        return ["search", *options, f"--{stem}", ground.picture]
    if way == "surplus":
        return ["info", *options, "--", stem]
    if way == "id":
        return ["search", *options, "--id", stem]
    if way in ("folder", "labelled", "dataset"):
        return _folder_arguments(ground, way, stem, inside, options)
    if way in ("index", "info", "doctor"):
        place = inside / f"{stem[:200]}i"
        shutil.move(index, place)
        command = {"index": ("search", ground.queries)}.get(way, (way,))
        return [*command, f"--index={place}", "--format", style]
    picture = inside / f"{stem}.npy" if way == "npy" else inside / f"{stem}.png"
    shutil.copy(ground.queries if way == "npy" else ground.picture, picture)
    more: dict[str, list[object]] = {
        "explain": ["classify", *options, "--explain"],
        "npy": ["classify", *options],
        "compare": ["compare", *options, "--", picture],
        "sheet": ["classify", *options, "--sheet", f"{inside}/sheet-{stem[:240]}.png"],
        "add": ["add", *options, "--label", "7"],
    }
    command = more.get(way, [way, *options])
    return [*command, *([] if "--" in command else ["--"]), picture]


def _folder_arguments(
    ground: Ground, way: str, stem: str, inside: Path, options: list[object]
) -> list[object]:
    folder = inside / "pictures"
    labels = [folder / f"{stem[:200]}{number}" for number in range(2)]
    for label in labels:
        label.mkdir(parents=True)
        for number in range(6):
            shutil.copy(ground.picture, label / f"{number}.png")
    if way == "folder":
        return ["classify", *options, folder]
    if way == "labelled":
        return ["add", *options, folder]
    return ["index", "--embedder", ground.embedder, "--dataset", folder, *options]


def _snapshot(scratch: Path, inside: Path) -> dict[Path, bytes]:
    """What lies outside the folder that may be changed."""
    return {
        path: path.read_bytes()
        for path in scratch.rglob("*")
        if path.is_file() and inside not in path.parents
    }


def _complaint(outcome: Outcome, style: str) -> str | None:
    """Why an outcome is not harmless; None where it is."""
    if outcome.status not in (0, FAILED, MISUSED):
        return f"exit status {outcome.status}: {outcome.err[-300:]!r}"
    if "Traceback" in outcome.err:
        return f"traceback: {outcome.err[-300:]!r}"
    for stream in (outcome.out, outcome.err):
        if harmful := [char for char in stream if char != "\n" and not char.isprintable()]:
            return f"shows {harmful[:5]!r} as they are: {stream[:300]!r}"
    last = outcome.err.rstrip("\n").rpartition("\n")[2]
    if outcome.status and not last.startswith("Error: "):
        return f"expected a line that tells of an error, received {outcome.err[-300:]!r}"
    try:
        problems = list(_unreadable(outcome.out, style))
    except ValueError as exc:
        return f"{style} that cannot be read ({exc}): {outcome.out[:300]!r}"
    return problems[0] if problems else None


def _unreadable(out: str, style: str) -> Iterator[str]:
    """What is wrong with output that programs read."""
    if not out:
        return
    if style in ("json", "jsonl"):
        for line in [out] if style == "json" else out.splitlines():
            try:
                json.dumps(json.loads(line), ensure_ascii=False).encode()
            except UnicodeEncodeError:
                yield f"JSON with half a character: {line[:300]!r}"
    elif style == "csv":
        header, *rows = csv.reader(out.splitlines())
        if any(len(row) != len(header) for row in rows):
            yield f"rows of another length than the header: {out[:300]!r}"
