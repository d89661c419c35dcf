"""Adding, removing and undoing, against plain lists of what the index should hold."""

import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.dataset import Dataset
from data.errors import IndexCorrupt, IndexLocked, UsageError
from indexer import store
from indexer.build import build_index
from indexer.embedder import Embedder
from indexer.folder import open_segments
from indexer.grow import SMALL
from indexer.manifest import SegmentRecord
from indexer.vectors import VectorIndex
from indexer.votes import DEFAULT_WEIGHTS
from indexer.writer import open_writer
from search import DigitIndex
from search.evaluate import evaluate
from search.grow import Added, add, open_to_change, remove, undo
from search.queries import Query
from search.soundness import require_vectors
from tests.drawings import draw_digit
from tests.embedders import linear_embedder

BASE = 200
Run = Callable[..., subprocess.CompletedProcess[str]]
Held = dict[str, tuple[bytes, int, str | None]]  # pixels, label and file by id


@pytest.fixture(scope="module")
def plain() -> Embedder:
    return linear_embedder(dimension=16)


@pytest.fixture(scope="module")
def built(train_set: Dataset, plain: Embedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 200 digits; tests work on copies."""
    folder = tmp_path_factory.mktemp("built")
    files = [f"few/{row}.png" for row in range(BASE)]
    few = Dataset("few", "train", train_set.images[:BASE], train_set.labels[:BASE], files=files)
    build_index(few, plain, folder, 0)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "index"))


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Run:
    """The command line in a process of its own, beside the pictures, against `folder`."""

    def command(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "search.cli", *map(str, arguments)],
            env={
                **os.environ,
                "DIGITS_INDEX": str(folder),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            timeout=300,
            check=False,
        )
        output = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in output[1]
        return subprocess.CompletedProcess(done.args, done.returncode, *output)

    return command


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("Error: ")]


def file_of(image: np.ndarray) -> str:
    """A name of its own for each picture, in one of a few folders."""
    return f"added {zlib.crc32(image) % 3}/{zlib.crc32(image)}.png"


def put(folder: Path, images: np.ndarray, labels: np.ndarray) -> Added:
    """Add digits that are in the MNIST convention already."""
    pictures = [
        (Query("given", image.astype(np.float32) / 255, image, file=file_of(image)), int(label))
        for image, label in zip(images, labels, strict=True)
    ]
    with open_to_change(folder) as (writer, index):
        return add(writer, index, pictures)


def take(folder: Path, names: list[str]) -> None:
    with open_to_change(folder) as (writer, index):
        remove(writer, index, names)


def held(index: DigitIndex) -> Held:
    return {
        index.name(place): (
            index.images[place].tobytes(),
            int(index.labels[place]),
            index.file(place),
        )
        for place in index.live.tolist()
    }


def assert_answers_as_one_built_whole(index: DigitIndex, asked: np.ndarray) -> None:
    embeddings = index.embed(asked)
    live = index.live
    whole = VectorIndex.build(index.vectors.vectors(live))
    assert len(index) == len(live) == len(whole)
    for k in (1, 7, len(whole)):
        ids, distances = index.vectors.search(embeddings, k)
        expected, apart = whole.search(embeddings, k)
        assert np.array_equal(ids, live[expected])
        assert np.array_equal(distances, apart)
    again = index.embed(index.images[live])
    assert np.allclose(again, index.vectors.vectors(live), atol=1e-5)


def test_any_sequence_of_changes_is_what_lists_say(
    folder: Path, train_set: Dataset, test_set: Dataset, rng: np.random.Generator
) -> None:
    pool = list(range(BASE, len(train_set)))
    now = held(DigitIndex.open(folder))
    before = dict(now)
    ever: set[str] = set(now)
    for step in range(24):
        kind = rng.choice(["add", "add", "remove", "undo"]) if step else "add"
        if kind == "add":
            rows = [pool.pop() for _ in range(rng.integers(1, 12))]
            added = put(folder, train_set.images[rows], train_set.labels[rows])
            ids = [row.id for row in added.rows]  # type: ignore[union-attr]
            assert not ever & set(ids)
            ever |= set(ids)
            contents = [
                (image.tobytes(), int(label), file_of(image))
                for image, label in zip(train_set.images[rows], train_set.labels[rows], strict=True)
            ]
            before, now = now, now | dict(zip(ids, contents, strict=True))
        elif kind == "remove":
            names = [str(name) for name in rng.permutation(list(now))[: rng.integers(1, 30)]]
            take(folder, names)
            before, now = now, {key: value for key, value in now.items() if key not in names}
        else:
            undo(folder)
            before, now = now, before
        index = DigitIndex.open(folder)
        assert index.manifest.generation == step + 2
        assert list(held(index).items()) == list(now.items())
        assert_answers_as_one_built_whole(index, test_set.images[:20])
        require_vectors(index, folder)
        live = [one.count - one.removed for one in index.manifest.segments]
        assert all(a >= max(SMALL, 2 * b) for a, b in pairwise(live[1:]))
        for one in index.manifest.segments:
            assert one.removed <= one.count / 4
    figures = evaluate(index, test_set, k=3, weights="uniform", threshold=0.5, seed=0)
    assert figures.knn_accuracy > 0.8


def bytes_made(folder: Path, change: Callable[[], object]) -> int:
    """Bytes of the files that `change` has made."""
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    change()
    return sum(
        path.stat().st_size
        for path in folder.iterdir()
        if before.get(path.name) != path.stat().st_ino
    )


def test_a_change_costs_what_is_new(folder: Path, train_set: Dataset) -> None:
    """Never what is large already; over many additions, each digit a few times."""
    digit, fixed = 784 + 16 * 4 + 1, 25_000  # manifests and headers, whatever their number
    images, labels = train_set.images[BASE:], train_set.labels[BASE:]
    embedder = next(folder.glob("embedder-*"))
    unchanged = [embedder, *folder.glob("vectors-*"), *folder.glob("images-*")]
    inodes = [path.stat().st_ino for path in unchanged]
    total, first = 0, 0
    for size in (1, 5, 20, 600, 1, 200, 100, 300, 1):
        rows = slice(first, first + size)
        cost = bytes_made(folder, partial(put, folder, images[rows], labels[rows]))
        assert size > 20 or cost < (SMALL + size) * digit + fixed
        total, first = total + cost - fixed, first + size
    assert total < 3 * first * digit
    assert len(store.read_manifest(folder).segments) == 3
    assert bytes_made(folder, partial(take, folder, ["few/train/3", "added/1"])) < fixed
    assert bytes_made(folder, partial(undo, folder)) < fixed
    assert [path.stat().st_ino for path in unchanged] == inodes


def test_what_is_removed_for_long_leaves_the_disk(folder: Path) -> None:
    images = DigitIndex.open(folder).manifest.segments[0].files["images"]
    take(folder, [f"few/train/{number}" for number in range(0, 200, 5)])
    assert (folder / images.name).exists()
    take(folder, [f"few/train/{number}" for number in range(1, 200, 5)])  # more than a quarter
    index = DigitIndex.open(folder)
    assert [one.removed for one in index.manifest.segments] == [0]
    assert index.position("few/train/2") == 0
    take(folder, ["few/train/2"])
    assert not (folder / images.name).exists()


def test_an_index_built_anew_can_be_undone_and_gives_no_number_twice(
    folder: Path, train_set: Dataset, plain: Embedder
) -> None:
    put(folder, train_set.images[300:303], train_set.labels[300:303])
    grown = held(DigitIndex.open(folder))
    build_index(train_set, plain, folder, 0)
    undo(folder)
    assert held(DigitIndex.open(folder)) == grown
    undo(folder)
    index = DigitIndex.open(folder)
    assert len(index) == len(train_set)
    added = put(folder, 255 - train_set.images[:1], train_set.labels[:1])
    assert [row.id for row in added.rows] == ["added/3"]  # type: ignore[union-attr]


def test_few_that_are_left_still_answer(folder: Path, test_set: Dataset) -> None:
    """Fewer than the k that was chosen, and than a verdict rests on."""
    take(folder, [f"few/train/{number}" for number in range(3, 200)])
    index = DigitIndex.open(folder)
    assert index.calibration.witnesses > len(index) == 3
    named = index.classify(test_set.images[:5])
    assert named.neighbours.ids.shape == (5, min(3, index.manifest.k[DEFAULT_WEIGHTS]))
    assert index.classify(index.images[:1], exclude=np.array([0])).labels.shape == (1,)
    assert np.isfinite(index.strangeness(test_set.images[:5])).all()
    rivals = index.rivals(test_set.images[:5], np.array([0, 1, 2, 3, 4]))
    assert set(rivals.ids[:, 0].tolist()) <= {0, 1, 2}
    with pytest.raises(UsageError, match="at least one digit to stay, received all 3"):
        take(folder, ["few/train/0", "few/train/1", "few/train/2"])


def test_removed_rows_that_make_no_sense_are_refused(folder: Path) -> None:
    take(folder, ["few/train/3", "few/train/9"])
    with open_writer(folder) as writer:
        manifest = store.read_manifest(folder)
        for rows in ([9, 3], [3, 3], [-1, 3], [3, 200]):
            bad = open_segments(folder, *store.read_generation(folder))[0].record()
            files = dict(bad.files)
            file = Path(folder / "bad.npy")
            np.save(file, np.array(rows, np.int64))
            files["removed"] = file
            record = SegmentRecord(bad.count, 2, bad.kind, bad.kind_options, files)
            writer.commit(manifest.facts(), manifest.files, [record])
            with pytest.raises(IndexCorrupt, match="removed-"):
                DigitIndex.open(folder)
            writer.undo()


def hold(folder: Path, held: Event, release: Event) -> None:
    with open_to_change(folder):
        held.set()
        release.wait(60)


def test_of_two_at_once_one_waits_for_the_other_to_end(
    folder: Path, run: Run, train_set: Dataset, tmp_path: Path
) -> None:
    draw_digit(7).save(tmp_path / "seven.png")
    spawn = multiprocessing.get_context("spawn")
    held, release = spawn.Event(), spawn.Event()
    holder = spawn.Process(target=hold, args=(folder, held, release))
    holder.start()
    try:
        assert held.wait(60)
        for arguments in (["add", "--label", 7, "seven.png"], ["remove", "few/train/1"], ["undo"]):
            done = run(*arguments)
            assert done.returncode == 1
            assert "another process is writing" in errors(done)[0]
        with pytest.raises(IndexLocked):
            put(folder, train_set.images[300:301], train_set.labels[300:301])
        assert len(DigitIndex.open(folder)) == BASE
    finally:
        release.set()
        holder.join()
    assert run("add", "--label", 7, "seven.png").returncode == 0
    assert len(DigitIndex.open(folder)) == BASE + 1


CHANGER = """
import sys
from pathlib import Path
import numpy as np
from search.grow import undo
from tests.search.test_grow import put, take
folder, rng = Path(sys.argv[1]), np.random.default_rng()
while True:
    added = put(folder, rng.integers(0, 256, (3, 28, 28), np.uint8), np.arange(3))
    print(added.manifest.generation, flush=True)
    take(folder, [added.rows[0].id])
    undo(folder)
"""


def test_a_change_that_is_killed_leaves_the_old_or_the_new(folder: Path) -> None:
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", CHANGER, folder], stdout=subprocess.PIPE, text=True
        ) as changer:
            assert changer.stdout
            changer.stdout.readline()
            until = time.monotonic() + 0.4
            while time.monotonic() < until:
                DigitIndex.open(folder)
            changer.kill()
        index = DigitIndex.open(folder)
        require_vectors(index, folder)
        count, generation = len(index), index.manifest.generation
        undo(folder)
        undo(folder)
        index = DigitIndex.open(folder)
        assert (len(index), index.manifest.generation) == (count, generation + 2)
    assert not list(folder.glob(".writing-*"))


def test_pictures_are_added_and_found(run: Run, tmp_path: Path) -> None:
    draw_digit(3).save(tmp_path / "three.png")
    Image.new("L", (60, 60), 255).save(tmp_path / "blank.png")
    done = run("add", "--label", 3, "three.png", "blank.png", "absent.png")
    assert done.returncode == 1
    added, blank, absent = records(done)
    assert added == {"query": "three.png", "box": added["box"], "label": 3, "id": "added/0",
                     "new": True}  # fmt: skip
    assert "blank.png: " in str(blank["error"])
    assert "absent.png: expected a picture" in str(absent["error"])
    assert len(errors(done)) == 2
    (answer,) = records(run("search", "three.png", "-k", 1))
    assert answer["neighbours"][0]["id"] == "added/0"  # type: ignore[index]
    assert answer["neighbours"][0]["file"] == "three.png"  # type: ignore[index]
    assert answer["neighbours"][0]["distance"] < 0.01  # type: ignore[index]
    done = run("search", "--id", "added/0", "-k", 2, "--sheet", "sheet.png")
    assert "added/0" not in [one["id"] for one in records(done)[0]["neighbours"]]  # type: ignore[attr-defined]
    assert (tmp_path / "sheet.png").exists()
    facts = records(run("info"))[0]
    assert (facts["count"], facts["removed"], facts["generation"]) == (BASE + 1, 0, 2)
    assert [one["digits"] for one in facts["segments"]] == [BASE, 1]  # type: ignore[attr-defined]
    assert records(run("verify"))[0]["verdict"] == "intact"


def test_a_digit_is_not_stored_twice(run: Run, folder: Path, tmp_path: Path) -> None:
    draw_digit(3).save(tmp_path / "three.png")
    both = records(run("add", "--label", 3, "three.png", "three.png"))
    assert [(one["id"], one["new"]) for one in both] == [("added/0", True), ("added/0", False)]
    done = run("add", "--label", 3, "three.png")
    assert done.returncode == 0
    assert records(done)[0] | {"box": None} == {
        "query": "three.png", "box": None, "label": 3, "id": "added/0", "new": False,
    }  # fmt: skip
    assert "Generation" not in done.stderr
    done = run("add", "--label", 8, "three.png")
    assert done.returncode == 1
    assert "stored as 3" in errors(done)[0]
    assert errors(done)[0].endswith(f"digits remove --index {folder} added/0")
    assert records(run("info"))[0]["count"] == BASE + 1


def test_a_digit_that_is_stored_under_several_labels_is_told_whole(
    train_set: Dataset, plain: Embedder, folder: Path
) -> None:
    images = train_set.images[[0, 0, 0, 1]]
    build_index(
        Dataset("-odd", "train", images, np.array([3, 8, 3, 1], np.uint8)), plain, folder, 0
    )
    for label, name in ((3, "-odd/train/0"), (8, "-odd/train/1")):
        (row,) = put(folder, images[:1], np.array([label])).rows
        assert (row.id, row.new) == (name, False)  # type: ignore[union-attr]
    query = Query("given", images[0].astype(np.float32) / 255, images[0])
    with open_to_change(folder) as (change, index):
        (row,) = add(change, index, [(query, 7)], "--index here").rows
    assert row.error.endswith(  # type: ignore[union-attr]
        "or 7 already, but it is stored as 3 and 8; take that out first with: digits remove"
        " --index here -- -odd/train/0 -odd/train/1 -odd/train/2"
    )


def test_a_labelled_folder_and_a_page_of_digits(run: Run, folder: Path, tmp_path: Path) -> None:
    for label in (1, 7):
        (tmp_path / "mine" / str(label)).mkdir(parents=True)
        draw_digit(label).save(tmp_path / "mine" / str(label) / "drawn.png")
    page = Image.new("L", (480, 240), 255)
    for place in (0, 1):
        page.paste(draw_digit(7, 240, 12 + 4 * place).convert("L"), (240 * place, 0))
    page.save(tmp_path / "mine" / "7" / "page.png")
    done = run("add", "mine", "--format", "csv")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "query,box,label,id,new,error"
    assert len(lines) == 5
    assert [line.split(",")[-4] for line in lines[1:]] == ["1", "7", "7", "7"]
    index = DigitIndex.open(folder)
    assert [index.file(position) for position in range(BASE, BASE + 4)] == [
        "mine/1/drawn.png", "mine/7/drawn.png", "mine/7/page.png", "mine/7/page.png",
    ]  # fmt: skip
    assert records(run("remove", "added/1", "added/3"))[0]["removed"] == 2
    assert records(run("undo"))[0] == {
        "index": records(run("info"))[0]["index"], "generation": 4, "count": BASE + 4,
    }  # fmt: skip


def test_a_folder_here_with_a_class_called_as_stdin_is(
    run: Run, folder: Path, train_set: Dataset, plain: Embedder, tmp_path: Path
) -> None:
    names = ("-", *map(str, range(1, 10)))
    build_index(replace(train_set, names=names), plain, folder, 0)
    for label in ("-", "7", ".checkpoints"):
        (tmp_path / label).mkdir()
        draw_digit(0 if label == "-" else 7).save(tmp_path / label / "drawn.png")
        draw_digit(7).save(tmp_path / label / ".hidden.png")
    shutil.move(folder, tmp_path / ".index")
    rows = records(run("add", "--index", ".index", ".", "--single", stdin=b""))
    assert [(row["query"], row["label"]) for row in rows] == [
        ("./-/drawn.png", "-"), ("7/drawn.png", "7"),
    ]  # fmt: skip
    index = DigitIndex.open(tmp_path / ".index")
    assert [index.file(len(train_set) + row) for row in range(2)] == [
        "./-/drawn.png",
        "7/drawn.png",
    ]


def test_stdin_and_one_digit_of_all_ink(run: Run, folder: Path, tmp_path: Path) -> None:
    draw_digit(5).save(tmp_path / "five.png")
    content = (tmp_path / "five.png").read_bytes()
    assert "from stdin, received nothing" in errors(run("add", "--label", 5, "-", stdin=b""))[0]
    (row,) = records(run("add", "--label", 5, "--single", "-", stdin=content))
    assert (row["query"], row["label"], row["id"]) == ("-", 5, "added/0")
    (answer,) = records(run("search", "--single", "five.png", "-k", 1))
    assert (answer["neighbours"][0]["id"], answer["neighbours"][0]["file"]) == ("added/0", None)  # type: ignore[index]
    stack = io.BytesIO()
    np.save(stack, DigitIndex.open(folder).images[BASE - 1 : BASE] // 2)
    (row,) = records(run("add", "--label", 5, "-", stdin=stack.getvalue()))
    assert (row["query"], row["id"]) == ("-[0]", "added/1")
    (tmp_path / "stack.npy").write_bytes(stack.getvalue().replace(b"\x7f", b"\x7e"))
    (row,) = records(run("add", "--label", 5, "stack.npy"))
    index = DigitIndex.open(folder)
    assert [index.file(BASE + row) for row in range(3)] == [None, None, "stack.npy"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["add"], 2, "IMAGE"),
        (["add", "three.png"], 2, "expected --label"),
        (["add", ""], 2, "expected --label"),
        (["add", "--label", "3", ""], 1, "expected a picture"),
        (["add", "flat"], 2, "--label"),
        (["add", "--label", "x", "three.png"], 2, "'9', received 'x'; for a new class"),
        (["add", "--label", "", "three.png"], 2, "received ''"),
        (["add", "odd"], 2, "received 'three', 'zwei'"),
        (["add", "absent"], 2, "expected --label"),
        (["add", "strays"], 2, "received strays/three.png, strays/7/further/three.png; move"),
        (["add", "--label", "3", "three.png", "--index", "nowhere"], 1, "--index nowhere"),
        (["remove"], 2, "ID"),
        (["remove", "few/train/1", "added/0", "", "few/train/x"], 2,
         "'added/0', '', 'few/train/x'"),
        (["remove", "few/train/1", "--index", "nowhere"], 1, "--index nowhere"),
        (["undo"], 2, "nothing to undo"),
        (["undo", "--index", "nowhere"], 1, "--index nowhere"),
        (["search", "three.png", "-k", "201"], 2, "from 1 to 200"),
    ],
)  # fmt: skip
def test_misuse_changes_nothing(
    arguments: list[str], status: int, said: str, run: Run, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "flat").mkdir()
    for name in ("three.png", "flat/three.png"):
        draw_digit(3).save(tmp_path / name)
    for label in ("three", "7", "zwei"):
        (tmp_path / "odd" / label).mkdir(parents=True)
        draw_digit(3).save(tmp_path / "odd" / label / "three.png")
    for stray in ("7/further", "."):
        (tmp_path / "strays" / stray).mkdir(parents=True, exist_ok=True)
        draw_digit(3).save(tmp_path / "strays" / stray / "three.png")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run(*arguments)
    assert done.returncode == status, done.stderr
    assert len(errors(done)) == 1
    assert said in errors(done)[0]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "nowhere").exists()


def test_an_id_may_begin_with_a_dash(run: Run) -> None:
    for options in (("remove", "--"), ("search", "--id")):
        assert "no item '-few/train/5'" in errors(run(*options, "-few/train/5"))[0]
    refused = run("remove", "-few/train/5")
    assert refused.returncode == 2
    assert errors(refused)[0].endswith("is given after --.")


def test_removed_ids_are_gone(run: Run) -> None:
    assert run("remove", "few/train/5").returncode == 0
    (answer,) = records(run("search", "--id", "few/train/5"))
    assert "'few/train/5' (removed)" in str(answer["error"])
    assert "'few/train/5' (removed)" in errors(run("remove", "few/train/5"))[0]
    assert '"few/train/5"' not in run("search", "--id", "few/train/4", "-k", 198).stdout
