"""Encoding on a Ray cluster gives what this machine alone gives, whatever happens to a worker."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset import Dataset
from data.datasets import load_dataset, open_dataset
from data.errors import ClusterFailed, DatasetInvalid, IndexLocked, UsageError
from indexer import ray_engine
from indexer.build import build_index, build_on_cluster
from indexer.ray_cluster import RAY_DATA, STARTING, Cluster, let_ray_data_stop
from indexer.ray_engine import PART, Job, Worker, encoded_by_ray, shard
from search import DigitIndex
from search.soundness import require_vectors
from tests.data.sets.test_parted import WRITERS, write_folder
from tests.embedders import linear_embedder

PARTS = 6
SEED = 0
SECONDS = 300
LABELS = np.arange(50, dtype=np.uint8) % 10


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes on this machine, each with a processor."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, so Ray spells it
    os.environ["RAY_gcs_server_port_wait_time_s"] = STARTING  # noqa: SIM112, so Ray spells it
    cluster = started()
    yield cluster
    cluster.shutdown()


def started() -> Any:
    """A cluster of one node; tried twice, as Ray may fail where much else runs."""
    from ray.cluster_utils import Cluster as LocalCluster

    head = {"num_cpus": 1, "include_dashboard": False}
    try:
        return LocalCluster(initialize_head=True, head_node_args=head)
    except Exception as exc:
        if "timed out" not in str(exc).lower():
            raise
        return LocalCluster(initialize_head=True, head_node_args=head)


@pytest.fixture
def many(rng: np.random.Generator) -> Dataset:
    count = PARTS * PART - 100
    images = rng.integers(0, 256, (count, 28, 28), np.uint8)
    return Dataset("many", "train", images, rng.integers(0, 10, count).astype(np.uint8))


@pytest.fixture
def few(train_set: Dataset) -> Dataset:
    return Dataset("few", "train", train_set.images[:800], train_set.labels[:800])


def slow(digits: Dataset, traces: Path, nodes: int = 1) -> Dataset:
    """The same, but drawing a part takes a while and leaves a trace of the node that does it.

    It goes on once so many `nodes` have a part, so that no node does all while another starts.
    """

    class Slow(Dataset):  # in a function, so that it is sent to workers whole
        def part(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
            import ray

            node = ray.get_runtime_context().get_node_id()
            (traces / f"{node}-{start}").touch()
            while len({path.name.partition("-")[0] for path in traces.iterdir()}) < nodes:
                time.sleep(0.05)
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
    digits = slow(many, traces, nodes=2)
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

    build_on_cluster(few, embedder, place, SEED, cluster, progress=look)
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


@pytest.mark.parametrize("write", WRITERS)
def test_workers_read_their_own_parts_and_the_index_is_the_local_one(
    nodes: Any,
    few: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, Dataset], Path],
) -> None:
    source = str(write(tmp_path, few))
    cluster, embedder = Cluster(nodes.address), linear_embedder()
    monkeypatch.setattr(np, "stack", None)  # nothing is read here
    digits = open_dataset(source, "train")
    build_on_cluster(digits, embedder, tmp_path / "by-ray", SEED, cluster)
    monkeypatch.undo()
    build_index(load_dataset(source, "train"), embedder, tmp_path / "local", SEED)
    index, local = DigitIndex.open(tmp_path / "by-ray"), DigitIndex.open(tmp_path / "local")
    assert index.manifest.dataset == local.manifest.dataset
    assert index.manifest.names == local.manifest.names
    assert index.sources == local.sources
    everything = np.arange(len(local))
    assert np.array_equal(index.labels, local.labels)
    assert np.array_equal(index.images[everything], local.images[everything])
    assert np.allclose(
        index.vectors.vectors(everything), local.vectors.vectors(everything), atol=1e-6
    )
    assert not (tmp_path / "by-ray" / "ray-shards").exists()
    require_vectors(index, tmp_path / "by-ray")


def test_a_picture_that_cannot_be_read_is_named_as_it_is_here(
    nodes: Any, few: Dataset, tmp_path: Path
) -> None:
    source = write_folder(tmp_path, few)
    digits = open_dataset(str(source), "train")
    (source / "3" / "003.png").write_bytes(b"no picture")
    with pytest.raises(DatasetInvalid) as here:
        load_dataset(str(source), "train")
    with pytest.raises(DatasetInvalid) as there:
        build_on_cluster(
            digits, linear_embedder(), tmp_path / "index", SEED, Cluster(nodes.address)
        )
    assert str(there.value) == str(here.value)
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_ray_is_left_only_when_ray_data_has_stopped() -> None:
    forever, goes_on = threading.Event(), threading.Event()
    ours = threading.Thread(target=forever.wait, name=RAY_DATA[0], daemon=True)
    ours.start()
    others = set(threading.enumerate())
    theirs = [threading.Thread(target=goes_on.wait, name=f"{one}-7") for one in RAY_DATA]
    for thread in theirs:
        thread.start()
    threading.Timer(0.3, goes_on.set).start()
    let_ray_data_stop(others)
    assert not any(thread.is_alive() for thread in theirs)
    assert ours.is_alive()
    forever.set()


def test_a_folder_that_workers_do_not_see_is_named(
    nodes: Any, many: Dataset, tmp_path: Path
) -> None:
    place, digits, gone = tmp_path / "index", slow(many, tmp_path), tmp_path / "elsewhere"

    def vanish(done: int, total: int, note: str = "") -> None:
        if not gone.exists():
            (place / "ray-shards").rename(gone)

    with (
        pytest.raises(ClusterFailed, match="must see the folder of the index"),
        encoded_by_ray(
            digits, linear_embedder(), place, np.float32, Cluster(nodes.address), vanish
        ),
    ):
        pass


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


def test_shards_of_another_embedder_are_not_taken(
    nodes: Any, many: Dataset, tmp_path: Path
) -> None:
    few = Dataset("few", "train", many.images[:PART], many.labels[:PART])
    cluster, other = Cluster(nodes.address), linear_embedder(seed=1)

    with (
        pytest.raises(IndexLocked, match="another process is encoding"),  # the shards then stay
        encoded_by_ray(few, other, tmp_path, np.float32, cluster),
        encoded_by_ray(few, other, tmp_path, np.float32, cluster),
    ):
        pass
    assert shard(tmp_path / "ray-shards", 0).exists()
    embedder = linear_embedder()
    (tmp_path / "ray-shards" / "plan.json").write_bytes(b"\xff")
    with encoded_by_ray(few, embedder, tmp_path, np.float32, cluster) as staged:
        assert np.allclose(staged.vectors, embedder.embed(few.images), atol=1e-6)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "127.0.0.1", "ray://", "", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="expected HOST:PORT or ray://HOST:PORT"):
        Cluster(address)


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
    job = Job(digits, embedder.onnx, embedder.card.to_bytes(), str(tmp_path), pictures=True)
    Worker(job)({"start": np.array([0])})
    path, refused = shard(tmp_path, 0), 0
    good, expected = path.read_bytes(), embedder.embed(digits.images)
    for place in rng.integers(0, len(good), 100):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        try:
            found = ray_engine._collected(tmp_path, 50, embedder.card.dimension, np.float32, True)
        except ClusterFailed:
            refused += 1
        else:
            assert np.array_equal(found.vectors, expected)
            assert np.array_equal(found.labels, LABELS)
            assert np.array_equal(found.images, digits.images)
    assert refused
