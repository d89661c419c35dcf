"""The doctor against healthy and ailing installations and indexes."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.card import CARD_NAME, CHECKPOINT_NAME, FILES, LOCK_NAME, ONNX_NAME
from data.dataset import Dataset
from data.files import locked
from data.reached import Reached
from indexer.build import build_index
from indexer.choose import Requirements
from indexer.stream import FOLDER, SHARDS
from search import DigitIndex
from search.doctor.examine import check_mnist
from search.doctor.findings import Finding, Folder
from search.doctor.folder import check_embedder, check_folder, check_index
from search.grow import open_to_change, undo
from search.report import format_findings
from tests.conftest import Run
from tests.embedders import linear_embedder


@pytest.fixture(scope="module")
def healthy(train_set: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an embedder and an index of two generations."""
    folder = tmp_path_factory.mktemp("healthy")
    embedder = linear_embedder()
    (folder / "embedder").mkdir()
    (folder / "embedder" / ONNX_NAME).write_bytes(embedder.onnx)
    (folder / "embedder" / CARD_NAME).write_bytes(embedder.card.to_bytes())
    some = Dataset("some", "train", train_set.images[:300], train_set.labels[:300])
    for _ in range(2):
        build_index(some, embedder, folder / "index", 0)
    return folder


@pytest.fixture
def ailing(healthy: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(healthy, tmp_path / "ailing"))


def examined(folder: Path) -> dict[str, Finding]:
    """What is found in an index, by check; the gravest of each."""
    index, embedder = (Folder(folder / name, "the default") for name in ("index", "embedder"))
    graveness = ("ok", "warning", "problem")
    found = [*check_embedder(embedder), *check_index(index, embedder)]
    return {one.check: one for one in sorted(found, key=lambda one: graveness.index(one.status))}


def test_the_healthy_need_no_remedy(healthy: Path) -> None:
    found = examined(healthy)
    assert {one.status for one in found.values()} == {"ok"}
    assert not any(one.remedy for one in found.values())
    assert "300 digits of some" in found["index"].detail
    assert found["generations"].detail == "number 2 answers; undo goes back to 1"


def _flip(folder: Path, pattern: str) -> None:
    (path,) = (folder / "index").glob(pattern)
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def _other_embedder(folder: Path) -> None:
    other = linear_embedder(1)
    (folder / "embedder" / ONNX_NAME).write_bytes(other.onnx)
    (folder / "embedder" / CARD_NAME).write_bytes(other.card.to_bytes())


def _remove_both(folder: Path) -> None:
    for name in ("index", "embedder"):
        shutil.rmtree(folder / name)


def _replace(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


@pytest.mark.parametrize(
    ("harm", "check", "status", "said", "remedy"),
    [
        (lambda f: shutil.rmtree(f / "index"), "index", "problem", "no index", "digits index"),
        (_remove_both, "index", "problem", "no index", "digits build"),
        (lambda f: _replace(f / "index" / "lock", os.mkfifo), "lock", "problem", "no reg", "rm -r"),
        (
            lambda f: _replace(f / "index" / "manifest.json", Path.mkdir),
            "index",
            "problem",
            "no regular file",
            "rm -r",
        ),
        (lambda f: _flip(f, "vectors-*"), "index", "problem", "vectors-", "digits index --index"),
        (lambda f: _flip(f, "manifest.json"), "index", "problem", "sealed", "digits index"),
        (lambda f: shutil.rmtree(f / "embedder"), "embedder", "warning", "none in", "digits train"),
        (
            lambda f: (f / "embedder" / ONNX_NAME).write_bytes(b"no network"),
            "embedder",
            "problem",
            "SHA-256",
            "digits train",
        ),
        (
            lambda f: (f / "embedder" / CHECKPOINT_NAME).touch(),
            "embedder",
            "warning",
            "checkpoint is damaged",
            "# anew",
        ),
        (_other_embedder, "pairing", "warning", "the index carries", "digits index"),
        (lambda f: _flip(f, "previous-*"), "generations", "warning", "undo would fail", "digits"),
        (
            lambda f: (f / "index" / ".writing-xyz").write_bytes(b"left"),
            "debris",
            "warning",
            "1 file of 4 bytes",
            "digits add --label NAME IMAGE --index",
        ),
        *(
            (
                lambda f, stage=stage: (f / "index" / stage).mkdir(),
                "debris",
                "warning",
                "being encoded",
                "digits index",
            )
            for stage in (FOLDER, SHARDS)
        ),
    ],
)
def test_each_ailment_is_told_with_its_remedy(
    harm: Callable[[Path], object], check: str, status: str, said: str, remedy: str, ailing: Path
) -> None:
    harm(ailing)
    found = examined(ailing)[check]
    assert found.status == status
    assert said in found.detail
    assert remedy in str(found.remedy)
    for advice in ("again", "make one", "ends this"):  # one remedy is enough
        assert advice not in found.detail


def test_a_training_run_that_was_stopped_is_gone_on_with_as_it_was(ailing: Path) -> None:
    leave_stopped(ailing / "embedder")
    found = examined(ailing)["embedder"]
    assert "stopped after 1 epoch of 3" in found.detail
    assert "--recipe fast --epochs 3 --seed 7 --resume" in str(found.remedy)


def test_where_only_a_stopped_run_is_it_is_not_to_be_begun_anew(tmp_path: Path) -> None:
    leave_stopped(tmp_path)
    (found,) = check_embedder(Folder(tmp_path, "named"))
    assert "--resume" in str(found.remedy)


def leave_stopped(folder: Path) -> None:
    run = {"recipe": {"name": "fast"}, "seed": 7, "epochs": 3, "dataset": "0"}
    reached = Reached(run, 1, [{"loss": 0.5}], 2.0)
    np.savez(folder / CHECKPOINT_NAME, **reached.to_arrays())  # type: ignore[arg-type]


def test_what_training_cannot_replace_is_to_be_removed_first(tmp_path: Path) -> None:
    for name in FILES:
        folder = tmp_path / f"with-{name}"
        (folder / name).mkdir(parents=True)
        (found,) = check_embedder(Folder(folder, "named"))
        assert str(found.remedy).startswith(f"rm -r {folder / name} && digits train")
    nowhere = tmp_path / "nowhere"
    nowhere.symlink_to("gone")
    (told,) = check_folder("embedder", Folder(nowhere, "named"))
    assert told.remedy == f"rm {nowhere}"


def test_a_training_that_runs_is_waited_for(ailing: Path) -> None:
    (ailing / "embedder" / CHECKPOINT_NAME).touch()
    with locked(ailing / "embedder" / LOCK_NAME, "busy"):
        found = examined(ailing)["embedder"]
    assert found.status == "warning"
    assert "training into" in found.detail
    assert found.remedy == "wait until it is done"


def test_a_damaged_list_is_found_before_a_query_comes_to_it(
    train_set: Dataset, tmp_path: Path
) -> None:
    some = Dataset("some", "train", train_set.images[:300], train_set.labels[:300])
    build_index(some, linear_embedder(), tmp_path / "index", 0, Requirements("ivf-flat"))
    (path,) = (tmp_path / "index").glob("vectors-*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    DigitIndex.open(tmp_path / "index")
    assert path.name in examined(tmp_path)["index"].detail


def test_what_was_damaged_by_the_last_change_is_mended_by_undo(
    train_set: Dataset, healthy: Path, ailing: Path
) -> None:
    index = ailing / "index"
    with open_to_change(index) as (change, opened):
        images = train_set.images[300:301]
        change.add(opened.embed(images), train_set.labels[300:301], images, [""])
    added = set(index.glob("vectors-*")) - {index / path.name for path in healthy.rglob("*")}
    (path,) = added
    path.write_bytes(b"")
    found = examined(ailing)["index"]
    assert found.remedy == f"digits undo --index {index}  # goes back to generation 2 of 300 digits"
    undo(index)
    assert examined(ailing)["index"].status == "ok"


def test_remedies_are_words_that_a_shell_takes_for_one(ailing: Path) -> None:
    odd = ailing.with_name("it's; here")
    ailing.rename(odd)
    _flip(odd, "labels-*")
    remedy = str(examined(odd)["index"].remedy).partition(", ")[0]
    words = shlex.split(remedy)
    assert words[:6] == ["digits", "index", "--index", f"{odd}/index", "--embedder",
                         f"{odd}/embedder"]  # fmt: skip


def test_a_damaged_copy_in_a_cache_is_to_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIGITS_MNIST", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    copy = tmp_path / "datasets" / "mnist.npz"
    copy.parent.mkdir()
    copy.write_bytes(b"cut off")
    (found,) = check_mnist()
    assert str(found.remedy).startswith(f"rm -r {copy}")


def test_a_held_lock_is_told_and_left_alone(healthy: Path) -> None:
    with (healthy / "index" / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert examined(healthy)["lock"].status == "warning"
    assert examined(healthy)["lock"].status == "ok"


def test_folders_that_all_may_write_to(tmp_path: Path) -> None:
    place = Folder(tmp_path / "not" / "yet", "the default")
    assert {one.status for one in check_folder("index", place)} == {"ok"}
    tmp_path.chmod(0o777)
    found = next(check_folder("index", place))
    assert (found.status, found.remedy) == ("warning", f"chmod o-w {tmp_path}")


def test_what_is_no_folder_is_not_to_be_given_rights(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o666)
    for place in (tmp_path / "file", Path(os.devnull)):
        (found,) = check_folder("index", Folder(place, "the default"))
        assert (found.status, found.detail) == ("problem", f"{place} is no folder")
        assert "chmod" not in str(found.remedy)


def test_mnist_that_is_not_where_it_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITS_MNIST", str(tmp_path))
    assert [one.status for one in check_mnist()] == ["problem"]
    monkeypatch.delenv("DIGITS_MNIST")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [one.status for one in check_mnist()] == ["warning"]


def test_the_command(digits_anywhere: Run, healthy: Path, tmp_path: Path) -> None:
    places = ("--index", healthy / "index", "--embedder", healthy / "embedder")
    done = digits_anywhere("doctor", *places, "--format", "json")
    assert done.returncode == 0, done.stdout
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert "named by --index" in found["index"]["detail"]
    done = digits_anywhere("doctor", env={"DIGITS_INDEX": str(tmp_path)})
    assert done.returncode == 1
    assert not done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    (index,) = [one for one in records if one["status"] == "problem"]
    assert "named by $DIGITS_INDEX" in index["detail"]
    assert str(index["remedy"]).startswith(f"digits build --index {tmp_path} --embedder ")


def test_every_style_has_a_line_for_each_finding() -> None:
    findings = [Finding("lock", "ok", "free"), Finding("x", "problem", "\x1b[31m", "do, this")]
    table = list(format_findings(findings, "table"))
    assert table[0] == "ok       lock  free"
    assert table[1] == "problem  x     \\x1b[31m; mend it: do, this"
    header, _, last = csv.reader(format_findings(findings, "csv"))
    assert dict(zip(header, last, strict=True))["remedy"] == "do, this"
    assert len(list(format_findings(findings, "jsonl"))) == 2


def test_it_imports_no_framework(digits_anywhere: Run, healthy: Path) -> None:
    done = digits_anywhere(
        "doctor", "--index", healthy / "index", env={"PYTHONPROFILEIMPORTTIME": "1"}
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "faiss" in imported
    assert not {"keras", "tensorflow", "sklearn", "matplotlib"} & imported
