"""Row 16: files that are whole, but of another program, embedder, normaliser or processor."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data.card import CARD_VERSION
from data.sealed import seal, unseal
from indexer.manifest import FORMAT_VERSION
from tests.faults.child import complaint, digits
from tests.faults.ground import Ground, asking
from tests.faults.tally import Tally, try_all

MANIFEST, CARD, ONNX = "manifest.json", "embedder.json", "embedder.onnx"
Record = dict[str, Any]
Change = Callable[[Record], object]
ADVICE = ("again", "with: digits", "update")


@dataclass(frozen=True)
class Skew:
    """A record that says something else: the manifest, the index's card, or the embedder's own."""

    record: str
    name: str
    change: Change

    def __str__(self) -> str:
        return f"{self.record} with {self.name}"


def skewed(ground: Ground, tries: int, seed: int) -> Tally:
    """Each is refused, with the file and what to do; by `verify` where only it can tell."""
    skews = list(_skews(ground))
    chosen = random.Random(seed).sample(skews, min(tries, len(skews)))
    return try_all(chosen, partial(_meet, ground))


def _skews(ground: Ground) -> Iterator[Skew]:
    for version in _others(FORMAT_VERSION):
        yield Skew("manifest", f"version {version!r}", partial(_set, version=version))
    yield Skew("manifest", "another format", partial(_set, format="other index"))
    yield Skew("manifest", "a field of the future", partial(_set, future=1))
    yield Skew("manifest", "another normaliser", partial(_set, normaliser=99))
    yield Skew("manifest", "another metric", partial(_set, metric="cosine"))
    yield Skew("manifest", "another dimension", partial(_set, dimension=7))
    yield Skew("manifest", "another embedder", partial(_set, embedder="0" * 64))
    yield Skew("manifest", "a kind of the future", partial(_of_segment, kind="quantum"))
    yield Skew("manifest", "another kind", partial(_of_segment, kind="ivf-flat"))
    yield Skew("manifest", "more digits", partial(_of_segment, count=1000))
    for record in ("card", "embedder"):
        for version in _others(CARD_VERSION):
            yield Skew(record, f"version {version!r}", partial(_set, version=version))
        for normaliser in (0, 99, None):
            name = f"normaliser {normaliser!r}"
            yield Skew(record, name, partial(_set, normaliser=normaliser))
        for apart in (0.002, 0.1, 10.0):
            yield Skew(record, f"canaries moved by {apart}", partial(_move, apart))
        yield Skew(record, "a field of the future", partial(_set, future=1))
        yield Skew(record, "another network", partial(_set, onnx_sha256="0" * 64))
        yield Skew(record, "another dimension", partial(_set, dimension=7))
    for name in ("another embedder", "another embedder, hidden", "another program's network"):
        yield Skew("index", name, partial(_set))


def _others(version: int) -> tuple[object, ...]:
    """What a version is not."""
    return (*range(version), version + 1, 99, str(version), None)


def _set(record: Record, **changes: object) -> None:
    record.update(changes)


def _of_segment(record: Record, **changes: object) -> None:
    record["segments"][0].update(changes)


def _move(apart: float, record: Record) -> None:
    record["canary_embeddings"][3][2] += apart


def _meet(ground: Ground, skew: Skew) -> str | None:
    if skew.record == "embedder":
        return _refused_embedder(ground, skew)
    with ground.copy(ground.index) as index:
        if skew.record == "manifest":
            _reseal(index / MANIFEST, skew.change)
        elif skew.record == "card":
            _replace(index, "card", _changed(skew.change))
        else:
            _other_embedder(ground, index, skew.name)
        only_verified = skew.name == "another embedder, hidden"
        command = ("verify", "--index", index) if only_verified else asking(index, ground.queries)
        outcome = digits(*command)
        return complaint(outcome, (), [index]) or _unadvised(outcome.err)


def _refused_embedder(ground: Ground, skew: Skew) -> str | None:
    with ground.copy(ground.embedder) as embedder, ground.copy(ground.index) as index:
        _reseal(embedder / CARD, skew.change)
        made = ("--dataset", ground.dataset, "--embedder", embedder, "--index", index)
        outcome = digits("index", *made)
        return (
            complaint(outcome, (), [embedder])
            or _unadvised(outcome.err)
            or complaint(ground.ask(index), [ground.answer])
        )


def _unadvised(line: str) -> str | None:
    return None if any(words in line for words in ADVICE) else f"does not say what to do: {line}"


def _reseal(path: Path, change: Change) -> None:
    path.write_bytes(_changed(change)(path.read_bytes()))


def _changed(change: Change) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        record = unseal(content)
        change(record)
        return seal(record)

    return changed


def _replace(index: Path, role: str, changed: Callable[[bytes], bytes]) -> None:
    """Another content of the file that has a role, which the manifest vouches for."""

    def name_it(record: Record) -> None:
        entry = record["files"][role]
        content = changed((index / entry["name"]).read_bytes())
        entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        entry["name"] = f"{role}-{entry['sha256'][:16]}{Path(entry['name']).suffix}"
        (index / entry["name"]).write_bytes(content)

    _reseal(index / MANIFEST, name_it)


def _other_embedder(ground: Ground, index: Path, name: str) -> None:
    """The index of one embedder with another, or with a network that this program cannot run."""
    if name == "another program's network":
        network = b"\x08\x63" + (ground.embedder / ONNX).read_bytes()[2:]  # of a later version
        card = _changed(partial(_set, onnx_sha256=hashlib.sha256(network).hexdigest()))(
            (ground.embedder / CARD).read_bytes()
        )
    else:
        network, card = ((ground.other_embedder / one).read_bytes() for one in (ONNX, CARD))
    _replace(index, "embedder", lambda _: network)
    _replace(index, "card", lambda _: card)
    if name != "another embedder":
        identity = hashlib.sha256(network).hexdigest()
        _reseal(index / MANIFEST, partial(_set, embedder=identity))
