"""The main job against the notebook and against what a person would use instead, in one run.

`make bench`, or one part of it: `make bench PART=training|embedder|cold|index|bulk|pictures`.
Prints Markdown tables.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bulk import bench_bulk
from benchmarks.embedder import bench_embedder
from benchmarks.measure import DIGITS, Run, machine, medians, run, table
from benchmarks.pictures import bench_pictures
from search.places import default_embedder, default_index

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "docs" / "samples" / "3-pen.png"
BARE_IMPORTS = "import click, cv2, faiss, numpy, onnxruntime, PIL.Image"
SEED = "2"
COLD_ROUNDS = 15


def main(part: str) -> None:
    """Run one part, or all."""
    parts = {
        "training": bench_training,
        "embedder": bench_embedder,
        "cold": bench_cold,
        "index": bench_index,
        "bulk": lambda scratch: bench_bulk(ensure_index(scratch)[1]),
        "pictures": lambda scratch: bench_pictures(ensure_index(scratch)[1]),
    }
    if part not in {"all", *parts}:
        sys.exit(f"unknown part {part!r}: expected all, {', '.join(parts)}")
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as scratch:
        for name, bench in parts.items():
            if part in ("all", name):
                bench(Path(scratch))


def bench_training(scratch: Path) -> None:
    """Notebook as written, recipe `notebook`, recipe `default`."""
    written = run(
        [sys.executable, "-m", "benchmarks.notebook_as_written", SEED, scratch / "tower.keras"]
    )
    figures = json.loads(written.output)
    baseline = figures["pairs_seconds"] + figures["fit_seconds"]
    rows = [_row("notebook as written", written, figures, baseline, baseline)]
    for recipe in ("notebook", "default"):
        trained, figures = train_and_evaluate(recipe, scratch)
        rows.append(_row(f"recipe `{recipe}`", trained, figures, figures["seconds"], baseline))
    header = ["", "training", "ratio", "peak memory", "pair accuracy", "k-NN accuracy"]
    print(f"## Training\n\n{table(header, rows)}\n", flush=True)


def train_and_evaluate(recipe: str, scratch: Path) -> tuple[Run, dict[str, Any]]:
    """Train a recipe, index MNIST with it, evaluate; the notebook's pairs are judged at 0.5."""
    embedder, index = scratch / recipe / "embedder", scratch / recipe / "index"
    where = ["--embedder", embedder]
    trained = run([*DIGITS, "train", "--recipe", recipe, "--seed", SEED, *where])
    run([*DIGITS, "index", *where, "--index", index])
    fixed = ["--threshold", "0.5"] if recipe == "notebook" else []
    evaluated = run([*DIGITS, "evaluate", "--index", index, *fixed])
    seconds = json.loads(trained.output)["training_seconds"]
    return trained, json.loads(evaluated.output) | {"seconds": seconds}


def _row(
    name: str, measured: Run, figures: dict[str, Any], seconds: float, baseline: float
) -> list[str]:
    return [
        name,
        f"{seconds:.0f} s",
        f"{seconds / baseline:.2f}",
        f"{measured.memory:.2f} GB",
        f"{figures['pair_accuracy']:.2%}",
        f"{figures['knn_accuracy']:.2%}",
    ]


def bench_cold(scratch: Path) -> None:
    """One picture, process start to answer, against a Keras script and the bare imports."""
    _, index = ensure_index(scratch)
    tower, vectors, labels = keras_peer(scratch)
    seconds = medians(
        {
            "bare imports": [sys.executable, "-c", BARE_IMPORTS],
            "digits search": [*DIGITS, "search", SAMPLE, "--index", index],
            "Keras and FAISS script": [
                sys.executable, "-m", "benchmarks.keras_script", tower, vectors, labels, SAMPLE,
            ],
            "digits --help": [*DIGITS, "--help"],
            "click alone": [sys.executable, "-c", "import click"],
        },
        COLD_ROUNDS,
    )  # fmt: skip
    ours = seconds["digits search"]
    rows = [[name, f"{taken:.3f} s", f"{taken / ours:.2f}"] for name, taken in seconds.items()]
    print(f"## One cold query\n\n{table(['', 'median', 'to digits search'], rows)}\n", flush=True)


def keras_peer(scratch: Path) -> tuple[Path, Path, Path]:
    """The script's files: the notebook's tower, 60,000 vectors and labels.

    Weights and vectors are random: what they are does not change how long loading and asking take.
    """
    paths = (scratch / "peer.keras", scratch / "peer.faiss", scratch / "peer.npy")
    code = (
        "import sys, faiss, numpy as np\n"
        "from benchmarks.notebook_as_written import build_model\n"
        "rng = np.random.default_rng(0)\n"
        "build_model()[1].save(sys.argv[1])\n"
        "index = faiss.IndexFlatL2(128)\n"
        "index.add(rng.normal(size=(60_000, 128)).astype('float32'))\n"
        "faiss.write_index(index, sys.argv[2])\n"
        "np.save(sys.argv[3], rng.integers(0, 10, 60_000, np.uint8))\n"
    )
    run([sys.executable, "-c", code, *paths])
    return paths


def bench_index(scratch: Path) -> None:
    """The 60,000 training images into an index, process start included."""
    embedder, _ = ensure_index(scratch)
    fresh = scratch / "fresh"
    command = [*DIGITS, "index", "--embedder", embedder, "--index", fresh]
    taken = medians({"digits index": command}, 3)["digits index"]
    rows = [["digits index", f"{taken:.1f} s"]]
    print(f"## Indexing 60,000 images\n\n{table(['', 'median'], rows)}\n", flush=True)


def ensure_index(scratch: Path) -> tuple[Path, Path]:
    """The default recipe's embedder and index: of an earlier part, of `make demo`, or made now."""
    folder = scratch / "default"
    if not folder.exists() and default_index().exists():
        return default_embedder(), default_index()
    if not folder.exists():
        train_and_evaluate("default", scratch)
    return folder / "embedder", folder / "index"


if __name__ == "__main__":
    main(sys.argv[1])
