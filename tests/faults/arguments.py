"""Row 12: arrays and numbers that cannot be meant, which must not come as far as FAISS."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.child import complaint, digits, run
from tests.faults.ground import QUERIES, Ground
from tests.faults.tally import Tally, try_all

if TYPE_CHECKING:
    import numpy as np

    from search import DigitIndex

Call = Callable[[], object]


def meaningless(ground: Ground, tries: int, seed: int) -> Tally:
    """Every such argument is a `UsageError` of the API, and exit status 1 or 2 of the commands."""
    names = run(_names, ground.index, ground.queries).out.splitlines()
    chosen = random.Random(seed).sample(names, min(tries, len(names)))
    outcome = run(_refuse, ground.index, ground.queries, tuple(chosen))
    lines = outcome.out.splitlines()
    failures = [f"{name}: {why}" for name, why in zip(chosen, lines, strict=False) if why]
    if why := complaint(outcome, [outcome.out]):
        failures.append(f"{chosen[len(lines)] if len(lines) < len(chosen) else 'end'}: {why}")
    asked = list(_commands(ground))
    commands = random.Random(seed).sample(asked, min(tries, len(asked)))
    return Tally(len(chosen), tuple(failures)) + try_all(commands, partial(_refused, ground))


def _names(index: Path, queries: Path) -> None:
    print("\n".join(_calls(index, queries)))


def _refuse(index: Path, queries: Path, names: tuple[str, ...]) -> None:
    """Print a line for each call: nothing, or why it was not refused as it must be."""
    from data.errors import UsageError

    calls = _calls(index, queries)
    for name in names:
        try:
            print(f"gave {calls[name]()!r}"[:100].replace("\n", " "), flush=True)
        except UsageError:
            print(flush=True)
        except Exception as exc:
            print(f"{type(exc).__name__}: {exc}".replace("\n", " "), flush=True)


def _calls(folder: Path, queries: Path) -> dict[str, Call]:
    import numpy as np

    from search import DigitIndex

    index, images = DigitIndex.open(folder, 1), np.load(queries)
    calls: dict[str, Call] = {}
    for name, bad in _bad_images(images):
        for method in (index.embed, index.search, index.classify, index.strangeness):
            calls[f"{method.__name__} of {name}"] = partial(method, bad)
    for name, bad in _bad_embeddings(index.embed(images)):
        calls[f"vectors.search of {name}"] = partial(index.vectors.search, bad, 5)
    return calls | _bad_numbers(index, images)


def _bad_images(images: np.ndarray) -> Iterator[tuple[str, Any]]:
    import numpy as np

    floats = images.astype(np.float32) / np.float32(255)
    for name, value in (("NaN", np.nan), ("Inf", np.inf), ("-Inf", -np.inf), ("2", 2), ("-1", -1)):
        spoiled = floats.copy()
        spoiled[-1, 5, 5] = value
        yield f"images with {name}", spoiled
    for dtype in ("float64", "float16", "int8", "int64", "bool", "complex64", "object", "S1"):
        yield f"{dtype} images", images.astype(dtype)
    yield "images of the other byte order", floats.astype(floats.dtype.newbyteorder())
    for shape in ((-1,), (-1, 28), (-1, 14, 56), (1, -1, 28, 28), (-1, 28, 28, 1), (28, -1, 28)):
        yield f"images of shape {shape}", floats.reshape(shape)
    yield "one number", np.float32(0)
    yield "a list", floats.tolist()
    yield "nothing", None
    yield "text", "7"


def _bad_embeddings(vectors: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    import numpy as np

    for name, value in (("NaN", np.nan), ("Inf", np.inf), ("-Inf", -np.inf), ("1e30", 1e30)):
        spoiled = vectors.copy()
        spoiled[-1, -1] = value
        yield f"vectors with {name}", spoiled
    yield "longer vectors", np.pad(vectors, ((0, 0), (0, 1)))
    yield "shorter vectors", vectors[:, :-1]
    yield "vectors of no length", vectors[:, :0]
    yield "one vector", vectors[0]
    yield "float64 vectors", vectors.astype(np.float64)
    yield "whole vectors", vectors.astype(np.int32)
    yield "vectors of the other byte order", vectors.astype(vectors.dtype.newbyteorder())


def _bad_numbers(index: DigitIndex, images: np.ndarray) -> dict[str, Call]:
    import numpy as np

    calls: dict[str, Call] = {}
    for method in (index.search, index.classify):
        for k in (0, -1, len(index) + 1, 1 << 40, 2.5, "5", float("nan"), True):
            calls[f"{method.__name__} with k = {k!r}"] = partial(method, images, k)
        for name, ids in (
            ("too few ids", np.zeros(QUERIES - 1, np.int64)),
            ("ids of another shape", np.zeros((QUERIES, 1), np.int64)),
            ("ids past the end", np.full(QUERIES, 1 << 40)),
            ("ids below none", np.full(QUERIES, -2)),
            ("ids with a fraction", np.full(QUERIES, 0.5)),
            ("NaN for ids", np.full(QUERIES, np.nan)),
        ):
            calls[f"{method.__name__} without {name}"] = partial(method, images, 5, exclude=ids)
    for name in ("", "digits/train/-1", "digits/train/400000", "digits/train/x", "added/1", "-1"):
        calls[f"position of {name!r}"] = partial(index.position, name)
    calls["unknown weights"] = partial(index.classify, images, 5, "heavy")
    return calls


def _commands(ground: Ground) -> Iterator[tuple[str, ...]]:
    asked = str(ground.queries)
    for kind in ("search", "classify"):
        for k in ("0", "-1", "401", "99999999999999999999", "2.5", "nan", "x", ""):
            yield (kind, asked, "-k", k)
        for name in ("-1", "digits/train/-1", "digits/train/400000", "added/1", "", "../x"):
            yield (kind, "--id", name)
    for count in ("0", "-1", "nan"):
        yield (kind, asked, "--max-pixels", count)
        yield (kind, asked, "--threads", count)
    yield ("remove", "digits/train/-1")
    yield ("remove", "added/99999999999999999999")


def _refused(ground: Ground, arguments: tuple[str, ...]) -> str | None:
    """Why a command was not refused with one line; click shows how it is used before that."""
    outcome = digits(*arguments, "--index", ground.index)
    told = outcome.err.splitlines()[-1:] or [""]
    if outcome.status in (1, 2) and "Traceback" not in outcome.err:
        return None if told[0].startswith("Error: ") or '"error"' in outcome.out else told[0]
    return complaint(outcome)
