"""Encoding on a Ray cluster gives what this machine alone gives, whatever happens to a worker."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.datasets import Dataset
from data.errors import ClusterFailed
from indexer import ray_engine
from indexer.build import build_index
from indexer.ray_engine import PART, Cluster, Job, Worker, encoded_by_ray, shard
from search import DigitIndex
from tests.embedders import linear_embedder

PARTS = 6
SEED = 0
SECONDS = 60
LABELS = np.arange(50, dtype=np.uint8) % 10


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes on this machine, each with a processor."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, so Ray spells it
    from ray.cluster_utils import Cluster as LocalCluster

    cluster = LocalCluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False},
    )
    yield cluster
    cluster.shutdown()


@pytest.fixture
def many(rng: np.random.Generator) -> Dataset:
    count = PARTS * PART - 100
    images = rng.integers(0, 256, (count, 28, 28), np.uint8)
    return Dataset("many", "train", images, rng.integers(0, 10, count).astype(np.uint8))


def slow(digits: Dataset, traces: Path) -> Dataset:
    """The same, but drawing a part takes a while and leaves a trace of the node that does it."""

    class Slow(Dataset):  # in a function, so that it is sent to workers whole
        def part(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
            import ray

            node = ray.get_runtime_context().get_node_id()
            (traces / f"{node}-{start}").touch()
            time.sleep(1)
            return super().part(start, stop)

    return Slow(digits.name, digits.split, digits.images, digits.labels, digits.names)


def wait_for(traces: Path, node: str) -> None:
    until = time.monotonic() + SECONDS
    while not list(traces.glob(f"{node}-*")):
        assert time.monotonic() < until, "no part was ever dealt to the second node"
        time.sleep(0.05)


def test_a_node_that_dies_costs_nothing_but_its_part(
    nodes: Any, many: Dataset, tmp_path: Path
) -> None:
    embedder, traces = linear_embedder(), tmp_path / "traces"
    traces.mkdir()
    second = nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    alive, told = [second], []

    def kill(done: int, total: int, note: str = "") -> None:
        told.append((done, total))
        if alive:
            wait_for(traces, second.node_id)
            nodes.remove_node(alive.pop(), allow_graceful=False)

    cluster = Cluster(nodes.address)
    digits = slow(many, traces)
    with encoded_by_ray(digits, embedder, tmp_path, np.float32, cluster, kill) as staged:
        assert np.array_equal(staged.labels, many.labels)
        assert np.allclose(staged.vectors, embedder.embed(many.images), atol=1e-6)
    assert told[-1] == (len(many), len(many))
    assert not alive
    assert list(tmp_path.iterdir()) == [traces]


def test_parts_that_are_done_are_not_done_again_and_the_index_is_the_same(
    nodes: Any, many: Dataset, tmp_path: Path
) -> None:
    embedder, place = linear_embedder(), tmp_path / "by-ray"
    few = Dataset("few", "train", many.images[: PART + 500], many.labels[: PART + 500])

    class Stopped(Exception):
        pass

    def stop(done: int, total: int, note: str = "") -> None:
        raise Stopped

    cluster = Cluster(nodes.address)
    with (
        pytest.raises(Stopped),
        encoded_by_ray(few, embedder, place, np.float32, cluster, stop),
    ):
        pass
    kept = next((place / "ray-shards").glob("part-*"))
    written = kept.stat().st_mtime_ns, kept.stat().st_ino

    def look(done: int, total: int, note: str = "") -> None:
        assert (kept.stat().st_mtime_ns, kept.stat().st_ino) == written

    build_index(few, embedder, place, SEED, progress=look, cluster=cluster)
    build_index(few, embedder, tmp_path / "local", SEED)
    index, local = DigitIndex.open(place), DigitIndex.open(tmp_path / "local")
    everything = np.arange(len(few))
    assert [index.name(row) for row in (0, PART, len(few) - 1)] == [
        local.name(row) for row in (0, PART, len(few) - 1)
    ]
    assert np.array_equal(index.labels, local.labels)
    assert np.allclose(
        index.vectors.vectors(everything), local.vectors.vectors(everything), atol=1e-6
    )
    assert not (place / "ray-shards").exists()


def test_a_damaged_shard_is_noticed(nodes: Any, many: Dataset, tmp_path: Path) -> None:
    embedder = linear_embedder()
    few = Dataset("few", "train", many.images[:PART], many.labels[:PART])
    cluster = Cluster(nodes.address)

    class Stopped(Exception):
        pass

    with pytest.raises(Stopped), encoded_by_ray(few, embedder, tmp_path, np.float32, cluster):
        raise Stopped
    shard(tmp_path / "ray-shards", 0).write_bytes(b"PAR1 and then nothing")
    with (
        pytest.raises(ClusterFailed, match="same command again"),
        encoded_by_ray(few, embedder, tmp_path, np.float32, cluster),
    ):
        pass
    with encoded_by_ray(few, embedder, tmp_path, np.float32, cluster) as staged:
        assert np.array_equal(staged.labels, few.labels)


def test_where_no_cluster_is_one_line_says_so(many: Dataset, tmp_path: Path) -> None:
    with (
        pytest.raises(ClusterFailed, match=r"no Ray cluster at 127\.0\.0\.1:1") as caught,
        encoded_by_ray(many, linear_embedder(), tmp_path, np.float32, Cluster("127.0.0.1:1")),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_of_a_shard_never_becomes_another_vector(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    digits = Dataset("few", "train", rng.integers(0, 256, (50, 28, 28), np.uint8), LABELS)
    embedder = linear_embedder()
    Worker(Job(digits, embedder.onnx, embedder.card.to_bytes(), str(tmp_path)))(
        {"start": np.array([0])}
    )
    path, refused = shard(tmp_path, 0), 0
    good, expected = path.read_bytes(), embedder.embed(digits.images)
    for place in rng.integers(0, len(good), 100):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        try:
            found = ray_engine._collected(tmp_path, 50, embedder.card.dimension, np.float32)
        except ClusterFailed:
            refused += 1
        else:
            assert np.array_equal(found.vectors, expected)
            assert np.array_equal(found.labels, LABELS)
    assert refused
