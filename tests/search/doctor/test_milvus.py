"""The doctor against healthy and ailing indexes in Milvus."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data.card import CARD_NAME, ONNX_NAME
from data.dataset import Dataset
from indexer.build import build_index
from indexer.milvus.address import Address
from indexer.milvus.lock import locked
from indexer.milvus.server import Patience, Server
from search.doctor.findings import Collection, Finding, Folder
from search.doctor.milvus import check_collection
from tests.embedders import linear_embedder

HURRIED = Patience(connecting=1, answering=1)


@pytest.fixture
def place(train_set: Dataset, tmp_path: Path) -> Iterator[Address]:
    """An index of 60 digits of optdigits in a file of Milvus Lite, in a folder of two words."""
    from milvus_lite.server_manager import server_manager_instance

    (tmp_path / "two words").mkdir()
    address = Address.parse(f"milvus:{tmp_path}/two words/own.db/digits")
    few = Dataset("optdigits", "train", train_set.images[:60], train_set.labels[:60])
    build_index(few, linear_embedder(), address, 0)
    yield address
    server_manager_instance.release_server(address.uri)


@pytest.fixture
def embedder(tmp_path: Path) -> Folder:
    folder, made = tmp_path / "embedder", linear_embedder()
    folder.mkdir()
    (folder / ONNX_NAME).write_bytes(made.onnx)
    (folder / CARD_NAME).write_bytes(made.card.to_bytes())
    return Folder(folder, "the default")


def examined(address: Address, embedder: Folder) -> dict[str, Finding]:
    found = check_collection(Collection(address, "named by --index"), embedder, HURRIED)
    return {one.check: one for one in found}


def test_the_healthy_and_the_ailing(place: Address, embedder: Folder) -> None:
    found = examined(place, embedder)
    assert {one.status for one in found.values()} == {"ok"}, found
    assert "60 digits of optdigits, vectors of length 6" in found["index"].detail
    assert found["rows"].detail.startswith("60,")
    assert found["generations"].detail == "number 1 answers; it is the first"

    server = Server(place)
    with locked(server):
        assert examined(place, embedder)["lock"].status == "warning"
    other = linear_embedder(seed=1)
    (embedder.folder / ONNX_NAME).write_bytes(other.onnx)
    (embedder.folder / CARD_NAME).write_bytes(other.card.to_bytes())
    pairing = examined(place, embedder)["pairing"]
    embedder_option = f"--embedder {embedder.folder} --dataset optdigits"
    assert pairing.status == "warning"
    assert pairing.remedy == f"digits index --to '{place}_2' {embedder_option}"

    (rows,) = (name for name in server.call("list_collections") if "_rows_" in name)
    server.call("delete", rows, ids=[7])
    found = examined(place, embedder)
    assert (found["index"].status, found["rows"].status) == ("ok", "problem")
    assert found["rows"].remedy == f"digits index --to '{place}' {embedder_option}"
    server.call("drop_collection", rows)
    assert "is gone" in examined(place, embedder)["index"].detail
    absent = examined(replace(place, collection="absent"), embedder)["index"]
    assert (absent.status, "no index at" in absent.detail) == ("problem", True)
    server.client.close()


def test_what_cannot_be_reached_is_told_and_nothing_is_made(
    tmp_path: Path, embedder: Folder
) -> None:
    nowhere = Address.parse(f"milvus:{tmp_path}/nowhere.db/digits")
    assert "there is no" in examined(nowhere, embedder)["index"].detail
    assert not (tmp_path / "nowhere.db").exists()
    down = Address.parse("milvus://me:secret@127.0.0.1:1/digits")
    (server,) = examined(down, embedder).values()
    assert (server.check, server.status) == ("server", "problem")
    assert "start Milvus" in str(server.remedy)
    assert "secret" not in f"{server.detail}{server.remedy}"
