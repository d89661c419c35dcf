"""Encode a set of digits on a Ray cluster: an embedder in every worker, shards of Parquet on disk.

The driver deals out numbers of parts. A worker reads or draws its part of the set, encodes it, and
writes a shard under its name; a part whose shard is there is not dealt out again. So a worker that
is killed costs the part it had in hand, and a run that was stopped goes on. What the shards hold is
then read one by one into files that are mapped, and the index is built from those.

Ray Data deals out and minds the workers. Its readers are not used: they know neither positions nor
the test split nor our normaliser, and `Digits.part` reads whatever lies in files.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data import errors
from data.card import EmbedderCard
from data.convention import SIDE
from data.dataset import Digits
from data.errors import ClusterFailed, DigitsError, StorageError
from data.files import (
    TEMPORARY_PREFIX,
    check_no_link,
    locked,
    make_folder,
    storage_errors,
    write_whole,
)
from data.progress import Progress, silent
from indexer.embedder import BATCH, Embedder
from indexer.ray_cluster import Cluster, connected
from indexer.stream import IMAGES, LABELS, SHARDS, VECTORS, Encoded, reserve

PLAN, LOCK = "plan.json", "lock"
PART = 32 * BATCH  # digits in a shard; whole batches, as the local engine encodes them
# Half of what an actor takes is asked for, so that what a lost node ran finds room on the others.
PROCESSORS = 0.5


@dataclass(frozen=True)
class Job:
    """All that a worker needs; with `pictures`, shards have those too."""

    digits: Digits
    onnx: bytes
    card: bytes
    folder: str
    pictures: bool


class Worker:
    """An embedder in a worker process of the cluster."""

    def __init__(self, job: Job) -> None:
        """Open it."""
        card = EmbedderCard.from_bytes(job.card, "card")
        self._embedder = Embedder.from_bytes(job.onnx, card, "embedder", threads=1)
        self._job = job

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Encode the part that begins at `batch["start"]`, and write its shard.

        What is wrong with its digits is told under `"error"`: it is no failure of the cluster.
        """
        said = ""
        try:
            self._encode(int(batch["start"][0]))
        except DigitsError as exc:
            said = json.dumps([type(exc).__name__, str(exc)])
        return batch | {"error": np.array([said])}

    def _encode(self, start: int) -> None:
        import pyarrow
        from pyarrow import parquet

        digits, folder = self._job.digits, Path(self._job.folder)
        images, labels = digits.part(start, start + PART)
        vectors = self._embedder.embed(images)  # (m, d)
        positions = np.arange(start, start + len(labels))
        columns = {
            "position": positions,
            "id": [f"{digits.name}/{digits.split}/{one}" for one in positions],
            "label": labels,
            "vector": pyarrow.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1]),
        }
        if self._job.pictures:
            columns["image"] = pyarrow.FixedSizeListArray.from_arrays(
                images.ravel(), images[0].size
            )
        path = shard(folder, start)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
        try:
            with storage_errors(path):
                table = pyarrow.table(columns)
                parquet.write_table(table, temporary, write_page_checksum=True)
                temporary.replace(path)
        except StorageError as exc:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if folder.is_dir():
                raise
            raise ClusterFailed(
                f"a worker on {socket.gethostname()} does not find {folder}: every machine of the"
                " cluster must see the folder of the index under this name"
            ) from exc


def shard(folder: Path, start: int) -> Path:
    """The shard of the part that begins at position `start`."""
    return folder / f"part-{start:012d}.parquet"


@contextlib.contextmanager
def encoded_by_ray(
    digits: Digits,
    embedder: Embedder,
    folder: Path,
    dtype: type[np.floating[Any]],
    cluster: Cluster,
    progress: Progress = silent,
    *,
    pictures: bool = True,
) -> Iterator[Encoded]:
    """Encode `digits` on `cluster`, or go on where the same was stopped.

    Args:
        digits: what to encode; every worker is given it, and takes its parts from it.
        embedder: what to encode with.
        folder: of the index, which every worker must see under the same name.
        dtype: of the vectors that are given back.
        cluster: where.
        progress: told after every shard.
        pictures: give back the pictures too, which can otherwise be drawn again.

    Raises:
        MissingExtra: Ray is not installed.
        DatasetError: a part of `digits` cannot be read, by the first worker that met it.
        ClusterFailed: it cannot be reached, is of another version, or lost all its workers.
        StorageError: the folder cannot be written.
    """
    stage = folder / SHARDS
    check_no_link(stage)
    make_folder(stage)
    busy = f"{folder}: another process is encoding for it; try again when it is done"
    with locked(stage / LOCK, busy):
        _prepare(stage, digits, embedder, pictures)
        starts = [one for one in range(0, len(digits), PART) if not shard(stage, one).exists()]
        if starts:
            where = str(stage.resolve())
            job = Job(digits, embedder.onnx, embedder.card.to_bytes(), where, pictures)
            with connected(cluster) as processors:
                done = len(digits) - len(starts) * PART
                with contextlib.closing(_dealt(starts, job, processors)) as encoded:
                    for _ in encoded:
                        done += PART
                        progress(min(max(done, 0), len(digits)), len(digits), "encoding")
        yield _collected(stage, len(digits), embedder.card.dimension, dtype, pictures)
        with storage_errors(stage):
            shutil.rmtree(stage)


def _prepare(stage: Path, digits: Digits, embedder: Embedder, pictures: bool) -> None:
    """Leave the shards of this run alone, and remove those of anything else."""
    plan = {
        "dataset": digits.facts(),
        "embedder": embedder.identity,
        "part": PART,
        "pictures": pictures,
    }
    record, content = stage / PLAN, json.dumps(plan, sort_keys=True).encode()
    with storage_errors(stage):
        if record.exists() and record.read_bytes() == content:
            return
        for path in stage.iterdir():
            if path.name != LOCK:
                path.unlink()
        write_whole(record, content)


def _dealt(starts: list[int], job: Job, processors: int) -> Generator[int]:
    """Have each part encoded by whichever worker is free; gives the starts of those done.

    Raises:
        ClusterFailed: parts could not be encoded.
        DigitsError: what a worker raised.
    """
    import ray
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    items = ray.data.from_items([{"start": one} for one in starts], override_num_blocks=len(starts))
    done = items.map_batches(
        Worker,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(processors, len(starts))),
        num_cpus=PROCESSORS,
    )
    rows: Any = iter(done.iter_rows())
    try:
        with contextlib.closing(rows):
            for row in rows:
                if row["error"]:
                    name, said = json.loads(row["error"])
                    raise getattr(errors, name)(said)
                yield int(row["start"])
    except (ray.exceptions.RayError, OSError) as exc:
        said = " ".join(str(exc).split())[-200:]
        raise ClusterFailed(
            f"the Ray cluster failed: {said}; parts that are done are kept: give the same command"
            " again"
        ) from exc


def _collected(
    stage: Path, count: int, dimension: int, dtype: type[np.floating[Any]], pictures: bool
) -> Encoded:
    """What the shards hold, read one by one into files that are mapped.

    Raises:
        ClusterFailed: a shard is missing or damaged.
    """
    with storage_errors(stage):
        vectors = np.memmap(stage / VECTORS, dtype, "w+", shape=(count, dimension))
        labels = np.memmap(stage / LABELS, np.uint8, "w+", shape=(count,))
        columns: dict[str, np.ndarray] = {"vector": vectors, "label": labels}
        if pictures:
            columns["image"] = np.lib.format.open_memmap(
                stage / IMAGES, "w+", np.dtype(np.uint8), (count, SIDE, SIDE)
            )
    for name in (VECTORS, LABELS, *[IMAGES] * pictures):
        with (stage / name).open("r+b") as file:
            reserve(file, (stage / name).stat().st_size)
    for start in range(0, count, PART):
        _collect(shard(stage, start), slice(start, min(start + PART, count)), columns)
    try:
        for array in columns.values():
            array.flush()  # type: ignore[attr-defined]
    except OSError as exc:
        raise StorageError(f"cannot write {stage}: {exc.strerror}; free some space") from exc
    return Encoded(vectors, labels, stage, columns.get("image"))


def _collect(path: Path, rows: slice, columns: Mapping[str, np.ndarray]) -> None:
    """Read a shard into its rows of the arrays; one that is damaged is removed."""
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(
            path, columns=["position", *columns], page_checksum_verification=True
        )
        if not np.array_equal(table["position"], np.arange(rows.start, rows.stop)):
            raise ValueError("it holds other digits than it should")
        for name, array in columns.items():
            column = table[name].combine_chunks()
            numbers = column.flatten() if array.ndim > 1 else column
            array[rows] = numbers.to_numpy().reshape(-1, *array.shape[1:])
    except (OSError, ValueError, KeyError, ArrowException) as exc:
        with contextlib.suppress(OSError):
            path.unlink()
        raise ClusterFailed(
            f"{path}: this shard is missing or damaged; give the same command again"
        ) from exc
