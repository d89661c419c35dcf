"""The readers of arrays and manifests, fuzzed: they give what was written, or their own error.

Hypothesis mutates small files that are good; what once went wrong, and a file of every kind of
damage, is kept in `corpus/READER` and read again every time. What fails anew is kept as in row 10.
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from data.errors import DatasetCorrupt, IndexCorrupt, IndexVersion
from data.npy import BadArray, read_npy
from data.sealed import seal
from data.sets import idx
from data.sets.npz import read_npz
from indexer.manifest import Manifest
from tests.faults.child import SECONDS, run
from tests.faults.ground import Ground
from tests.faults.pictures import change, changed, keep
from tests.faults.tally import Tally

CORPUS = Path(__file__).parent / "corpus"
IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
EACH = 0.01  # seconds for a try at most, with room


def fuzzed(ground: Ground, tries: int, number: int) -> Tally:
    """Each reader on its corpus and on mutations of good files, in a child each."""
    manifest = (ground.index / "manifest.json").read_bytes()
    return sum(
        (_fuzz_reader(reader, manifest, tries // len(READERS), number) for reader in READERS),
        Tally(0),
    )


def _fuzz_reader(reader: str, manifest: bytes, tries: int, number: int) -> Tally:
    kept = [path.read_bytes() for path in sorted((CORPUS / reader).iterdir())]
    drawn = _drawn(_good(reader, manifest), tries, number)
    if reader == "manifest":
        drawn += _resealed(manifest, tries, number)
    contents = list(dict.fromkeys([*kept, *drawn]))
    outcome = run(_read_all, reader, contents, seconds=SECONDS + EACH * len(contents))
    failures = outcome.out.splitlines()
    if outcome.status:
        failures.append(f"{reader}: ended with {outcome.status}: {outcome.err[-300:]!r}")
    return Tally(len(contents), tuple(failures))


def _read_all(reader: str, contents: list[bytes]) -> None:
    read, allowed = READERS[reader]
    for content in contents:
        try:
            read(content)
        except allowed as exc:
            if "\n" in str(exc):
                print(f"{reader}: more than one line")
        except Exception as exc:
            kept = keep(content)
            print(f"{kept}: {reader} raised {exc!r}"[:300])


def _read_idx(content: bytes) -> None:
    for magic in (idx.IMAGES_MAGIC, idx.LABELS_MAGIC):
        unpacked = idx.unpack(io.BytesIO(content), len(idx.pack(IMAGES)), "it")
        array = idx.parse(unpacked, magic, "it")
        assert idx.pack(array) == unpacked


def _read_npz(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        Path(file.name).write_bytes(content)
        for array in read_npz(Path(file.name)).values():
            array.sum()


READERS: dict[str, tuple[Callable[[bytes], Any], tuple[type[Exception], ...]]] = {
    "idx": (_read_idx, (DatasetCorrupt,)),
    "npy": (lambda content: read_npy(content).sum(), (BadArray,)),
    "npz": (_read_npz, (DatasetCorrupt,)),
    "manifest": (
        lambda content: Manifest.from_bytes(content, Path("it")),
        (IndexCorrupt, IndexVersion),
    ),
}


def _good(reader: str, manifest: bytes) -> list[bytes]:
    files = {
        "idx": [idx.pack(IMAGES), gzip.compress(idx.pack(IMAGES)), idx.pack(IMAGES[0, 0])],
        "npy": [_npy(IMAGES), _npy(IMAGES.astype(">f8")), _npy(np.asfortranarray(IMAGES[0]))],
        "npz": [_npz(zipfile.ZIP_STORED), _npz(zipfile.ZIP_DEFLATED)],
        "manifest": [manifest],
    }
    return files[reader]


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(way: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", way) as archive:
        for name in ("x_train", "y_train"):
            archive.writestr(f"{name}.npy", _npy(IMAGES))
    return file.getvalue()


def _settings(tries: int) -> settings:
    return settings(
        max_examples=max(1, tries),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def _drawn(files: list[bytes], tries: int, number: int) -> list[bytes]:
    drawn: list[bytes] = []

    @seed(number)
    @_settings(tries)
    @given(st.sampled_from(files), st.lists(change, min_size=1, max_size=4))
    def draw(content: bytes, changes: list[tuple[Any, ...]]) -> None:
        for one in changes:
            content = changed(content, one, files)
        drawn.append(content)

    draw()
    return drawn


def _resealed(manifest: bytes, tries: int, number: int) -> list[bytes]:
    """Manifests with a good seal, of which one value is of another kind, or gone."""
    drawn: list[bytes] = []
    record = json.loads(manifest)
    del record["seal"]
    values = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    values |= st.lists(st.integers(), max_size=3) | st.dictionaries(st.text(max_size=3), st.none())
    values |= st.floats(allow_nan=False, allow_infinity=False)

    @seed(number)
    @_settings(tries)
    @given(st.sampled_from(sorted(_places(record))), values, st.booleans())
    def draw(place: tuple[str, ...], value: object, remove: bool) -> None:
        copy = json.loads(json.dumps(record))
        holder = copy
        for step in place[:-1]:
            holder = holder[int(step) if isinstance(holder, list) else step]
        if isinstance(holder, list):
            holder[int(place[-1])] = value
        elif remove:
            del holder[place[-1]]
        else:
            holder[place[-1]] = value
        drawn.append(seal(copy))

    draw()
    return drawn


def _places(record: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where values lie in a record, as the steps to them."""
    items = enumerate(record) if isinstance(record, list) else record.items()
    found = []
    for step, value in items:
        found.append((*path, str(step)))
        if isinstance(value, dict | list):
            found += _places(value, found[-1])
    return found
