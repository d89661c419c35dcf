"""Encode a set of digits on a Ray cluster: an embedder in every worker, shards of Parquet on disk.

The driver deals out numbers of parts. A worker draws its part of the set, encodes it, and writes a
shard under its name; a part whose shard is there is not dealt out again. So a worker that is killed
costs the part it had in hand, and a run that was stopped goes on. What the shards hold is then read
one by one into the files that the local engine writes, and the index is built from those.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.card import EmbedderCard
from data.datasets import Digits
from data.errors import ClusterFailed, MissingExtra, StorageError
from data.files import TEMPORARY_PREFIX, check_no_link, make_folder, storage_errors
from data.progress import Progress, silent
from indexer.embedder import BATCH, Embedder
from indexer.stream import LABELS, VECTORS, Encoded

FOLDER = "ray-shards"
PART = 64 * BATCH  # digits in a shard; whole batches, as the local engine encodes them
# Half of what an actor takes is asked for, so that what a lost node ran finds room on the others.
PROCESSORS = 0.5
LOOPBACK = "127.0.0.1"
PATIENCE = 10  # seconds until an address counts as unreachable
COLUMNS = ("position", "id", "label", "vector")


@dataclass(frozen=True)
class Cluster:
    """Where to encode: the address of a Ray cluster, or None for one of this machine's own."""

    address: str | None = None


@dataclass(frozen=True)
class Job:
    """All that a worker needs."""

    digits: Digits
    onnx: bytes
    card: bytes
    folder: str


class Worker:
    """An embedder in a worker process of the cluster."""

    def __init__(self, job: Job) -> None:
        """Open it."""
        card = EmbedderCard.from_bytes(job.card, "card")
        self._embedder = Embedder.from_bytes(job.onnx, card, "embedder", threads=1)
        self._job = job

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Encode the parts that begin at `batch["start"]`, and write a shard for each."""
        for start in batch["start"]:
            self._encode(int(start))
        return batch

    def _encode(self, start: int) -> None:
        import pyarrow
        from pyarrow import parquet

        digits = self._job.digits
        images, labels = digits.part(start, start + PART)
        vectors = self._embedder.embed(images)  # (m, d)
        positions = np.arange(start, start + len(labels))
        table = pyarrow.table(
            {
                "position": positions,
                "id": [f"{digits.name}/{digits.split}/{one}" for one in positions],
                "label": labels,
                "vector": pyarrow.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1]),
            }
        )
        path = shard(Path(self._job.folder), start)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
        parquet.write_table(table, temporary, write_page_checksum=True)
        temporary.replace(path)


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
) -> Iterator[Encoded]:
    """Encode `digits` on `cluster`, or go on where the same was stopped.

    Args:
        digits: what to encode; every worker is given it, and draws its parts from it.
        embedder: what to encode with.
        folder: of the index, which every worker must see under the same name.
        dtype: of the vectors that are given back.
        cluster: where.
        progress: told after every shard.

    Raises:
        MissingExtra: Ray is not installed.
        ClusterFailed: it cannot be reached, is of another version, or lost all its workers.
        StorageError: the folder cannot be written.
    """
    stage = folder / FOLDER
    _prepare(stage, digits, embedder)
    starts = [one for one in range(0, len(digits), PART) if not shard(stage, one).exists()]
    if starts:
        job = Job(digits, embedder.onnx, embedder.card.to_bytes(), str(stage.resolve()))
        with connected(cluster) as processors:
            done = len(digits) - len(starts) * PART
            for _ in _dealt(starts, job, processors):
                done += PART
                progress(min(max(done, 0), len(digits)), len(digits), "encoding")
    yield _collected(stage, len(digits), embedder.card.dimension, dtype)
    with storage_errors(stage):
        shutil.rmtree(stage)


def _prepare(stage: Path, digits: Digits, embedder: Embedder) -> None:
    """The folder of the shards; those of anything else are removed."""
    plan = json.dumps(
        {"dataset": digits.facts(), "embedder": embedder.identity, "part": PART}, sort_keys=True
    )
    check_no_link(stage)
    make_folder(stage)
    with storage_errors(stage):
        record = stage / "plan.json"
        if not record.exists() or record.read_text() != plan:
            shutil.rmtree(stage)
            stage.mkdir()
            record.write_text(plan)


@contextlib.contextmanager
def connected(cluster: Cluster) -> Iterator[int]:
    """Be a driver of `cluster` and no other; gives how many processors it has.

    Raises:
        MissingExtra, ClusterFailed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_worker_niceness", "0")  # else workers wait for all else that runs
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        import ray
    except ImportError as exc:
        raise MissingExtra("--engine ray needs: pip install 'digit-search[ray]'") from exc
    options: dict[str, Any] = {"address": cluster.address or "local"}
    if cluster.address:
        _reach(cluster.address)
    else:
        options |= {"include_dashboard": False, "_node_ip_address": LOOPBACK}
    try:
        ray.init(logging_level=logging.CRITICAL, log_to_driver=False, **options)
    except Exception as exc:  # Ray raises whatever went wrong beneath it
        raise _no_cluster(cluster.address or "this machine", exc, ray.__version__) from exc
    try:
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield max(1, int(resources.get("CPU", 1)))
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Refuse an address where nothing answers, for which Ray itself waits for minutes.

    Raises:
        ClusterFailed: nothing does.
    """
    from ray import __version__

    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return  # a name that Ray knows, such as `auto`
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except OSError as exc:
        raise _no_cluster(address, exc, __version__) from exc


def _no_cluster(where: str, exc: Exception, ours: str) -> ClusterFailed:
    said = " ".join(str(exc).split())[:200]
    return ClusterFailed(
        f"no Ray cluster at {where}: {said}; see that it runs there with Ray {ours}, or leave out"
        " --engine ray"
    )


def _dealt(starts: list[int], job: Job, processors: int) -> Iterator[int]:
    """Have each part encoded by whichever worker is free; gives the starts of those done.

    Raises:
        ClusterFailed: parts could not be encoded.
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
    try:
        for row in done.iter_rows():
            yield int(row["start"])
    except (ray.exceptions.RayError, OSError) as exc:
        said = " ".join(str(exc).split())[-200:]
        raise ClusterFailed(
            f"the Ray cluster failed: {said}; parts that are done are kept: give the same command"
            " again"
        ) from exc


def _collected(stage: Path, count: int, dimension: int, dtype: type[np.floating[Any]]) -> Encoded:
    """What the shards hold, read one by one into two files and mapped.

    Raises:
        ClusterFailed: a shard is missing or damaged.
    """
    from pyarrow import ArrowException, parquet

    with storage_errors(stage):
        vectors = np.memmap(stage / VECTORS, dtype, "w+", shape=(count, dimension))
        labels = np.memmap(stage / LABELS, np.uint8, "w+", shape=(count,))
    for start in range(0, count, PART):
        path, rows = shard(stage, start), slice(start, min(start + PART, count))
        try:
            table = parquet.read_table(path, columns=list(COLUMNS), page_checksum_verification=True)
            if not np.array_equal(table["position"], np.arange(rows.start, rows.stop)):
                raise ClusterFailed(f"{path}: holds other digits than it should")
            numbers = table["vector"].combine_chunks().flatten().to_numpy()
            vectors[rows] = numbers.reshape(-1, dimension)
            labels[rows] = table["label"].to_numpy()
        except (OSError, ValueError, ArrowException) as exc:
            with contextlib.suppress(OSError):
                path.unlink()
            raise ClusterFailed(
                f"{path}: this shard is missing or damaged; give the same command again"
            ) from exc
    try:
        vectors.flush()
        labels.flush()
    except OSError as exc:
        raise StorageError(f"cannot write {stage}: {exc.strerror}; free some space") from exc
    return Encoded(vectors, labels, stage)
