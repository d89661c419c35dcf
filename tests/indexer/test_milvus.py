"""Milvus as it fails: servers that are down, hang, cut off, refuse, or die in the middle."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset import Dataset
from data.errors import (
    EmbedderMismatch,
    IndexCorrupt,
    IndexLocked,
    IndexNotFound,
    IndexVersion,
    StoreUnreachable,
    UsageError,
)
from data.progress import Progress, silent
from data.sealed import seal, unseal
from indexer.build import ANY_KIND, index_embeddings
from indexer.embedder import Embedder
from indexer.manifest import FORMAT_VERSION
from indexer.milvus import lock, store, vectors
from indexer.milvus.address import Address
from indexer.milvus.records import Records
from indexer.milvus.rows import RowTable
from indexer.milvus.server import Patience, Server
from indexer.milvus.store import MilvusStore
from search import DigitIndex
from search.soundness import require_vectors
from tests.embedders import linear_embedder

HURRIED = Patience(connecting=2, answering=3)
PATIENT = Patience(connecting=60, answering=60)
SEED = 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def address_of(port: int, collection: str = "digits") -> Address:
    return Address.parse(f"milvus://127.0.0.1:{port}/{collection}")


# --- what a person writes ---------------------------------------------------------------------


def test_addresses_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)
    plain = Address.parse("milvus://host:19531/digits")
    assert (plain.uri, plain.collection, plain.token) == ("http://host:19531", "digits", "")
    assert Address.parse("milvus+tls://host/d").uri == "https://host:19530"
    assert Address.parse("milvus://[::1]:1/d").uri == "http://[::1]:1"
    lite = Address.parse("milvus:some/file.db/digits")
    assert (lite.uri, lite.collection, lite.local) == ("some/file.db", "digits", True)
    secret = Address.parse("milvus://me:se%40cret@host/digits")
    assert secret.token == "me:se@cret"
    assert "cret" not in str(secret) + repr(secret)
    monkeypatch.setenv("MILVUS_TOKEN", "a:b")
    assert Address.parse("milvus://host/digits").token == "a:b"
    assert Address.parse("milvus://me:you@host/digits").token == "me:you"


@pytest.mark.parametrize(
    "text",
    ["http://me:secret@host/d", "milvus://", "milvus://host", "milvus://host:99999/d",
     "milvus://me:secret@host/a-b", "milvus://host/a/b", "milvus://host/d?x=1", "milvus:/d",
     "milvus:file.db", "milvus://[::1/d", "milvus://host:port/d", "milvus://host/digits_lock",
     "milvus:file.db/digits_rows_0123456789abcdef"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(UsageError, match="expected") as caught:
        Address.parse(text)
    assert "secret" not in str(caught.value)


# --- servers that fail ------------------------------------------------------------------------


@contextlib.contextmanager
def listening(treat: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where every caller is treated in the same way."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    held.append(caller)
                    treat(caller)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for caller in held:
        caller.close()


@pytest.mark.parametrize("treat", [socket.socket.getpeername, socket.socket.close])
def test_a_server_that_hangs_or_cuts_off_is_given_up_on(
    treat: Callable[[socket.socket], None],
) -> None:
    with listening(treat) as port:
        with pytest.raises(StoreUnreachable, match="no answer within 2 s") as caught:
            MilvusStore(address_of(port), HURRIED).read()
        assert "\n" not in str(caught.value)


def test_a_server_that_is_down_is_given_up_on() -> None:
    with pytest.raises(StoreUnreachable, match="no answer within 2 s"):
        MilvusStore(address_of(free_port()), HURRIED).read()


def test_wrong_credentials_are_told_at_once_and_never_shown() -> None:
    import grpc

    def refuse(request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure")
        return b""

    class Refusing(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = Address.parse(f"milvus://me:secret@127.0.0.1:{port}/digits")
    with pytest.raises(StoreUnreachable, match="MILVUS_TOKEN") as caught:
        MilvusStore(address, HURRIED).read()
    assert "secret" not in str(caught.value)
    server.stop(None).wait()


# --- a server that dies in the middle ---------------------------------------------------------


class LiteProcess:
    """Milvus Lite as a server in a process of its own, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.start()

    def start(self) -> None:
        code = (
            "import sys; from milvus_lite.adapter.grpc.server import run_server;"
            " run_server(sys.argv[1], '127.0.0.1', int(sys.argv[2]))"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(self.folder), str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiteProcess]:
    process = LiteProcess(tmp_path / "served.db")
    yield process
    process.kill()


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return linear_embedder()


@pytest.fixture
def few(train_set: Dataset, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Digits that take several writes to load."""
    monkeypatch.setattr(store, "LOADED", 50)
    return Dataset("few", "train", train_set.images[:240], train_set.labels[:240], train_set.names)


def load(at: MilvusStore, digits: Dataset, embedder: Embedder, progress: Progress = silent) -> None:
    """As `build_index` does, into a store of its own patience."""
    encoded = embedder.embed(digits.images)
    with at.replacing() as replacement:
        index_embeddings(digits, embedder, replacement, encoded, SEED, ANY_KIND, progress)


def test_a_load_outlives_a_restart_and_one_that_was_cut_is_no_index(
    server: LiteProcess, few: Dataset, embedder: Embedder
) -> None:
    address, told = address_of(server.port), []

    def die(done: int, total: int, note: str = "") -> None:
        told.append(done)
        if done == 100:
            server.kill()

    patient = Patience(connecting=60, answering=3)
    with pytest.raises(StoreUnreachable, match="same command again"):
        load(MilvusStore(address, patient), few, embedder, die)
    assert told == [50, 100]

    server.start()
    with pytest.raises(IndexNotFound, match="never finished"):
        MilvusStore(address, PATIENT).read()

    def restart(done: int, total: int, note: str = "") -> None:
        if done == 200:
            server.kill()
            threading.Timer(0.5, server.start).start()

    load(MilvusStore(address, PATIENT), few, embedder, restart)
    index = DigitIndex.of(MilvusStore(address, PATIENT).read(), str(address))
    everything = np.arange(len(few))
    assert len(index) == len(few)
    assert np.array_equal(index.labels[everything], few.labels)
    assert np.array_equal(index.images[:], few.images)
    assert np.allclose(index.vectors.vectors(everything), embedder.embed(few.images), atol=1e-6)


# --- collections that are not what they should be ---------------------------------------------


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Address]:
    from milvus_lite.server_manager import server_manager_instance

    yield Address.parse(f"milvus:{tmp_path}/own.db/digits")
    server_manager_instance.release_server(str(tmp_path / "own.db"))


def test_what_is_not_ours_or_not_whole_is_refused(
    lite: Address, few: Dataset, embedder: Embedder
) -> None:
    at = MilvusStore(lite)
    load(at, few, embedder)
    name = at.read().manifest.segments[0].kind_options["rows"]
    with pytest.raises(IndexCorrupt, match="another kind"):
        MilvusStore(replace(lite, collection=name)).read()
    with pytest.raises(EmbedderMismatch, match="expected embedder"):
        load(at, few, linear_embedder(seed=1))
    with pytest.raises(EmbedderMismatch, match="expected embedder"):
        load(at, few, linear_embedder(dimension=9))
    assert at.read().manifest.generation == 1

    connection = Server(lite)
    connection.call("delete", name, ids=[5])
    with pytest.raises(IndexCorrupt, match="expected 240 rows, received 239"):
        require_vectors(DigitIndex.of(at.read(), str(lite)), lite)
    load(at, few, embedder)  # puts back what is missing
    require_vectors(DigitIndex.of(at.read(), str(lite)), lite)

    connection.call("drop_collection", name)
    with pytest.raises(IndexCorrupt, match="is gone"):
        at.read()
    RowTable(connection, name).create(9)
    with pytest.raises(IndexCorrupt, match="expected vectors of length 6"):
        at.read()

    records = Records(connection)
    entry = records.manifest_entry()
    content = records.load([entry])[entry.name]
    newer = unseal(content) | {"version": FORMAT_VERSION + 1}
    records.point(records.store("manifest", seal(newer)))
    with pytest.raises(IndexVersion, match="expected format version"):
        at.read()
    records.point(replace(entry, sha256="0" * 64))
    with pytest.raises(IndexCorrupt, match="missing or was changed"):
        at.read()
    connection.client.close()


@pytest.mark.parametrize("changed", [{"version": FORMAT_VERSION + 1}, {"segments": "none"}])
def test_what_cannot_be_read_is_replaced_by_indexing_again(
    lite: Address, few: Dataset, embedder: Embedder, changed: dict[str, Any]
) -> None:
    at = MilvusStore(lite)
    load(at, few, embedder)
    connection = Server(lite)
    records = Records(connection)
    entry = records.manifest_entry()
    record = unseal(records.load([entry])[entry.name])
    records.point(records.store("manifest", seal(record | changed)))
    connection.client.close()
    with pytest.raises((IndexVersion, IndexCorrupt)):
        at.read()
    load(at, few, embedder)
    index = DigitIndex.of(at.read(), str(lite))
    assert len(index) == len(few)
    ids, distances = index.vectors.search(np.empty((0, embedder.card.dimension), np.float32), 3)
    assert ids.shape == distances.shape == (0, 3)


def test_of_two_that_load_at_once_one_is_told(
    lite: Address, few: Dataset, embedder: Embedder
) -> None:
    other = Dataset("other", "train", few.images[:90], few.labels[:90], few.names)

    def hurry(done: int, total: int, note: str = "") -> None:
        if done == 100:
            load(MilvusStore(lite), other, embedder)

    with pytest.raises(IndexLocked, match="put an index in place meanwhile"):
        load(MilvusStore(lite), few, embedder, hurry)
    assert MilvusStore(lite).read().manifest.dataset["name"] == "other"
    load(MilvusStore(lite), few, embedder)
    assert MilvusStore(lite).read().manifest.dataset["name"] == "few"
    assert len(DigitIndex.open(lite)) == len(few)


def test_a_lock_that_was_left_behind_counts_no_more_after_a_while(
    lite: Address, few: Dataset, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = MilvusStore(lite)
    load(at, few, embedder)
    with at.change() as change:
        monkeypatch.setattr(lock, "LEASE", 0)
        time.sleep(1.1)  # the lock remembers whole seconds
        with MilvusStore(lite).change() as second:
            second.remove(np.array([1]))
        with pytest.raises(IndexLocked, match="another process"):
            change.remove(np.array([2]))
    assert np.flatnonzero(at.read().vectors.removed).tolist() == [1]


def _names_of_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_a_holder_that_lives_keeps_its_lock(lite: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(lite)
    with lock.locked(server):
        assert lock.is_held(server)
    assert not lock.is_held(server)
    lock._take(server, "held_1000_long_ago")
    assert not lock.is_held(server)
    with pytest.raises(IndexCorrupt):
        lock._give_sign(server, "held_1000_somebody_else")
    lock._give_sign(server, "held_1000_long_ago")
    assert lock.is_held(server)
    with pytest.raises(IndexLocked), lock.locked(server):
        pass
    server.call("drop_collection", f"{lite.collection}_lock")

    monkeypatch.setattr(lock, "LEASE", 0.2)
    with lock.locked(server) as held:
        signs: list[Any] = []
        while not signs:  # the holder does nothing for it
            signs = server.call("query", f"{lite.collection}_lock", filter="", limit=1)
        held.require()
        assert held.owner in _names_of_threads()
    assert held.owner not in _names_of_threads()
    server.client.close()


def test_what_a_server_answers_is_no_silence(lite: Address) -> None:
    """A mistake in a request is told at once, one of ours as it is; neither is made again."""
    server = Server(lite, Patience(connecting=60, answering=3600))
    with pytest.raises(IndexCorrupt, match="Milvus answers"):
        server.call("query", "absent", filter="")
    for mistake in (KeyError("x"), ValueError("x"), TypeError("x")):

        def fail(_left: float, mistake: Exception = mistake) -> None:
            raise mistake

        with pytest.raises(type(mistake)):
            server._persisting(3600, fail)
    server.client.close()


def test_more_neighbours_than_milvus_gives_are_refused(
    lite: Address, few: Dataset, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = MilvusStore(lite)
    load(at, few, embedder)
    monkeypatch.setattr(vectors, "MOST_FOUND", 100)
    index = DigitIndex.of(at.read(), str(lite))
    assert index.search(few.images[:1], 91).ids.shape == (1, 91)
    with pytest.raises(UsageError, match="expected k"):
        index.search(few.images[:1], 93)
