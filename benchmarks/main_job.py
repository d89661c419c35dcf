"""The main job against the notebook and against what a person would use instead, in one run.

`make bench`, or one part: `make bench PART=embedder|encode|cold|index|bulk|pictures|photos|web`.
Prints Markdown tables. What needs long, extras or others' figures is asked for:
growth|cost|ray|milvus.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.bulk import bench_bulk
from benchmarks.cost_model import bench_cost
from benchmarks.embedder import bench_embedder
from benchmarks.encode import bench_encode
from benchmarks.growth import SIZES, bench_growth
from benchmarks.measure import DIGITS, machine, medians, run, table
from benchmarks.milvus import bench_milvus
from benchmarks.photos import bench_photos
from benchmarks.pictures import bench_pictures
from benchmarks.ray_job import bench_ray
from benchmarks.web import bench_web
from search.places import default_embedder, default_index

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "docs" / "samples" / "3-pen.png"
BARE_IMPORTS = "import click, cv2, faiss, numpy, onnxruntime, PIL.Image"
COLD_ROUNDS = 15
ON_DEMAND = {"cost", "milvus", "ray", "growth"}


def main(part: str, *sizes: str) -> None:
    """Run one part, or all; `growth` of these sizes only, if any."""
    parts = {
        "embedder": bench_embedder,
        "encode": lambda scratch: bench_encode(ensure_index(scratch)[0]),
        "cold": bench_cold,
        "index": bench_index,
        "bulk": lambda scratch: bench_bulk(ensure_index(scratch)[1]),
        "pictures": lambda scratch: bench_pictures(ensure_index(scratch)[1]),
        "photos": lambda scratch: bench_photos(ensure_index(scratch)[1]),
        "ray": lambda scratch: bench_ray(ensure_index(scratch)[0], scratch),
        "milvus": lambda scratch: bench_milvus(ensure_index(scratch)[0], scratch),
        "cost": lambda _: bench_cost(),
        "growth": lambda scratch: bench_growth(
            ensure_index(scratch)[0], SAMPLE, scratch, [int(size) for size in sizes] or SIZES
        ),
        "web": lambda scratch: bench_web(ensure_index(scratch)[1]),
    }
    if part not in {"all", *parts}:
        sys.exit(f"unknown part {part!r}: expected all, {', '.join(parts)}")
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as scratch:
        for name, bench in parts.items():
            if part == name or (part == "all" and name not in ON_DEMAND):
                bench(Path(scratch))


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
    embedder, index = scratch / "default-2", scratch / "index"
    if not embedder.exists() and default_index().exists():
        return default_embedder(), default_index()
    if not embedder.exists():
        run([*DIGITS, "train", "--embedder", embedder])
    if not index.exists():
        run([*DIGITS, "index", "--embedder", embedder, "--index", index])
    return embedder, index


if __name__ == "__main__":
    main(*sys.argv[1:])
