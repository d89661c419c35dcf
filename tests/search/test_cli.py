import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from data.card import CHECKPOINT_NAME, ONNX_NAME
from data.dataset import Dataset
from indexer.build import build_index
from indexer.votes import DEFAULT_WEIGHTS, WEIGHTS
from search import DigitIndex
from search.cli import cli
from tests.conftest import Run
from tests.drawings import draw_digit
from tests.embedders import linear_embedder

COMMANDS = sorted(cli.commands)


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    path = tmp_path / "three.png"
    draw_digit(3).save(path)
    return path


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_shell(
    arguments: str, index_folder: Path, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run the command line by a shell, which can close and redirect its streams."""
    return subprocess.run(
        ["bash", "-c", f"{options.pop('before', '')}{sys.executable} -m search.cli {arguments}"],
        env={**os.environ, "DIGITS_INDEX": str(index_folder), **options.pop("env", {})},  # type: ignore[dict-item]
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )


def one_line_error(done: subprocess.CompletedProcess[str], status: int) -> str:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    return errors[0]


@pytest.mark.parametrize(
    "exc",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        SystemError("error return without exception set"),
        SystemError("<built-in function read> returned NULL without setting an exception"),
    ],
)
def test_however_a_library_says_it_there_is_not_enough_memory(exc: Exception) -> None:
    code = (
        "from search.cli import cli, main\n"
        f"def fail(**options):\n    raise {exc!r}\n"
        "cli.main = fail\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert "there is not enough memory" in one_line_error(done, 1)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_ends_in_an_example(command: str, digits: Run) -> None:
    for flag in ("-h", "--help"):
        done = digits(*command.split(), flag)
        assert done.returncode == 0
        assert done.stdout.rstrip().splitlines()[-1].strip().startswith("Example: digits")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["search", "--help"], ["search", "DRAWING"], ["classify", "DRAWING"]]
)
def test_the_query_path_imports_no_framework(
    arguments: list[str], drawing: Path, index_folder: Path
) -> None:
    arguments = [str(drawing) if one == "DRAWING" else one for one in arguments]
    code = (
        "import sys\nfrom search.cli import main\n"
        f"sys.argv = ['digits', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as exit:\n    assert not exit.code, exit.code\n"
        "print([name for name in ('tensorflow', 'keras', 'matplotlib', 'sklearn', 'requests')"
        " if name in sys.modules], 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DIGITS_INDEX": str(index_folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    heavy, numpy_too = done.stdout.splitlines()[-1].rsplit(" ", 1)
    assert heavy == "[]"
    assert numpy_too == str("--help" not in arguments)


def test_search_answers_what_the_api_answers(digits: Run, drawing: Path, index: DigitIndex) -> None:
    done = digits("search", drawing, "-k", 4, "--format", "json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["query"] == str(drawing)
    assert answer["index"] == {
        "generation": index.manifest.generation,
        "embedder": index.manifest.embedder,
    }
    assert [one["rank"] for one in answer["neighbours"]] == [1, 2, 3, 4]
    distances = [one["distance"] for one in answer["neighbours"]]
    assert distances == sorted(distances)
    for one in answer["neighbours"]:
        assert index.labels[index.position(one["id"])] == one["label"]


def test_a_stored_digit_skips_itself(digits: Run, index: DigitIndex) -> None:
    done = digits("search", "--id", "optdigits/train/5", "-k", 3, "--format", "json")
    answer = json.loads(done.stdout)
    ids = [one["id"] for one in answer["neighbours"]]
    assert "optdigits/train/5" not in ids
    expected = index.search(index.images[5:6], 3, exclude=np.array([5]))
    assert ids == [index.name(int(position)) for position in expected.ids[0]]


def test_file_folder_stdin_and_array_are_the_same_digit(
    digits: Run, drawing: Path, tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(drawing).convert("L"))
    np.save(tmp_path / "three.npy", pixels)
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(drawing, folder)
    done = digits("classify", drawing, folder, tmp_path / "three.npy", "--format", "jsonl")
    answers = records(done)
    assert len(answers) == 3
    assert len({json.dumps(answer["neighbours"]) for answer in answers}) == 1
    assert len({json.dumps(answer["votes"]) for answer in answers}) == 1


def test_stdin(digits: Run, drawing: Path, index_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "search.cli", "classify", "-", "--format", "json"],
        input=drawing.read_bytes(),
        env={**os.environ, "DIGITS_INDEX": str(index_folder)},
        capture_output=True,
        check=True,
    )
    from_stdin = json.loads(done.stdout)
    from_file = json.loads(digits("classify", drawing, "--format", "json").stdout)
    assert from_stdin.pop("query") == "-"
    del from_file["query"]
    assert from_stdin == from_file


def test_a_stack_of_digits_is_a_query_each(digits: Run, index: DigitIndex, tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", index.images[:3])
    done = digits("search", tmp_path / "stack.npy", "-k", 1)
    answers = records(done)
    assert [answer["query"] for answer in answers] == [
        f"{tmp_path}/stack.npy[{number}]" for number in range(3)
    ]
    assert [answer["neighbours"][0]["id"] for answer in answers] == [  # type: ignore[index]
        f"optdigits/train/{number}" for number in range(3)
    ]


def test_one_bad_picture_does_not_stop_the_others(
    digits: Run, drawing: Path, tmp_path: Path
) -> None:
    bad = {
        "empty.png": b"",
        "text.png": b"I am not a picture",
        "cut.png": drawing.read_bytes()[:300],
        "lying.npy": b"\x93NUMPY\x01\x00\x04\x00abcd",
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in [*bad, "absent.png"]]
    done = digits("search", paths[0], drawing, *paths[1:], "--id", "optdigits/train/99999")
    assert done.returncode == 1
    answers = records(done)
    assert len(answers) == 7
    assert "neighbours" in answers[1]
    for path, answer in zip(paths, [answers[0], *answers[2:6]], strict=True):
        assert answer["query"] == str(path)
        assert path.name in str(answer["error"])
    assert "expected optdigits/train/0" in str(answers[6]["error"])
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error:")]) == 6
    assert "Traceback" not in done.stderr


def test_contact_sheet(digits: Run, drawing: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = digits("classify", drawing, "--id", "optdigits/train/3", "-k", 4, "--sheet", sheet)
    assert done.returncode == 0
    image = np.asarray(Image.open(sheet).convert("L"))
    assert image.shape[1] > image.shape[0] > 200
    assert (image < 100).mean() > 0.05  # the background of stored digits
    assert str(sheet) in done.stderr


def test_compare(digits: Run, drawing: Path, index: DigitIndex, tmp_path: Path) -> None:
    same = json.loads(digits("compare", drawing, drawing, "--format", "json").stdout)
    assert same["distance"] == 0
    assert same["verdict"] == "same"
    draw_digit(0).save(tmp_path / "zero.png")
    other = json.loads(digits("compare", drawing, tmp_path / "zero.png", "--format", "json").stdout)
    assert other["threshold"] == index.embedder.card.same_different.threshold
    assert other["verdict"] == "different"
    assert other["distance"] > other["threshold"]
    error = one_line_error(digits("compare", drawing, tmp_path / "absent.png"), 1)
    assert "absent.png" in error
    shutil.copy(drawing, tmp_path / "x[y].png")
    assert digits("compare", drawing, tmp_path / "x[y].png").returncode == 0
    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    assert "nothing stands out" in one_line_error(
        digits("compare", drawing, tmp_path / "blank.png"), 1
    )


def test_evaluate_reports_the_documented_figures(digits: Run) -> None:
    done = digits("evaluate", "--dataset", "optdigits", "--format", "json")
    figures = json.loads(done.stdout)
    assert figures.keys() >= {
        "n", "k", "knn_accuracy", "precision_at_10", "map_at_r", "pair_accuracy",
        "pair_threshold", "refused", "accuracy_answered", "calibration_error", "confusion",
        "seconds",
    }  # fmt: skip
    assert figures["n"] == np.sum(figures["confusion"])
    assert [one["label"] for one in figures["classes"]] == list(range(10))
    assert [one["digits"] for one in figures["classes"]] == np.sum(figures["confusion"], 1).tolist()
    for place, one in enumerate(figures["classes"]):
        assert one["accuracy"] == pytest.approx(figures["confusion"][place][place] / one["digits"])
    assert figures["knn_accuracy"] > 0.93
    table = digits("evaluate", "--dataset", "optdigits", "--format", "table").stdout
    header, first = table[table.index("confusion") :].splitlines()[:2]
    assert header.split() == ["confusion", "is", *map(str, range(10))]
    assert first.split() == ["0", *map(str, figures["confusion"][0])]


def test_plots_of_an_evaluation(digits: Run, tmp_path: Path) -> None:
    strict = ("--threshold", "0.1")  # judges some pairs wrongly, however good the embedder
    done = digits("evaluate", "--dataset", "optdigits", *strict, "--plots", tmp_path / "plots")
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "plots").iterdir():
        assert np.asarray(Image.open(path).convert("L")).std() > 5
        assert path.name in done.stderr
    assert len(list((tmp_path / "plots").iterdir())) == 4


def test_info_and_verify(digits: Run, index: DigitIndex, index_folder: Path) -> None:
    facts = json.loads(digits("info", "--format", "json").stdout)
    assert facts["count"] == len(index)
    assert facts["k"] == index.manifest.k
    checked = json.loads(digits("verify", "--format", "json").stdout)
    assert checked["verdict"] == "intact"
    assert checked["seconds"] > 0


def test_verify_names_the_damaged_file(digits: Run, index_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(index_folder, tmp_path / "copy"))
    path = next(copy.glob("images-*"))
    content = bytearray(path.read_bytes())
    content[-7] ^= 4
    path.write_bytes(content)
    assert path.name in one_line_error(digits("verify", "--index", copy), 1)
    assert path.name in one_line_error(digits("search", "x.png", "--index", copy), 1)


def test_train_index_and_build_from_the_command_line(
    digits: Run, optdigits_file: Path, tmp_path: Path
) -> None:
    embedder, index = tmp_path / "embedder", tmp_path / "index"
    where = ["--dataset", optdigits_file, "--recipe", "fast", "--embedder", embedder]
    done = digits("train", *where, "--epochs", 1, "--plots", tmp_path / "plots", "--seed", 4)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recipe"] == "fast"
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "first-digits.png", "pairs.png", "network.png", "curves.png",
    }  # fmt: skip
    indexing = ["--dataset", optdigits_file, "--embedder", embedder, "--index", index]
    assert json.loads(digits("index", *indexing).stdout)["generation"] == 1
    page = tmp_path / "report.html"
    done = digits("build", *where, "--index", index, "--epochs", 2, "--report", page)
    assert done.returncode == 0, done.stderr
    assert "2 epochs of recipe" in page.read_text()
    built = json.loads(done.stdout)
    assert built["generation"] == 2
    assert built["knn_accuracy"] > 0.8
    asked = ["--dataset", optdigits_file, "--embedder", embedder]
    error = one_line_error(digits("evaluate", *asked), 1)
    assert "expected embedder" in error


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["search"], 2, "IMAGE"),
        (["search", "-", "-"], 2, "stdin can be read only once"),
        (["compare", "-", "-"], 2, "stdin can be read only once"),
        (["add", "-", "-", "--label", "3"], 2, "stdin can be read only once"),
        (["add", "-", "--label", "3", "--label", "4"], 2, "expected one --label"),
        (["search", "DRAWING", "-k", "0"], 2, "received 0"),
        (["search", "DRAWING", "-k", "99999"], 2, "received 99999"),
        (["search", "DRAWING", "-k", "many"], 2, "many"),
        (["classify", "DRAWING", "--weights", "best"], 2, "best"),
        (["search", "DRAWING", "--index", "NOWHERE"], 1, "digits build"),
        (["train", "--recipe", "magic", "--dataset", "optdigits"], 2, "default, fast, notebook"),
        (["train", "--dataset", "NOWHERE"], 1, "no dataset"),
        (["train", "--dataset", "mnist8m"], 1, "train and evaluate with mnist"),
        (["index", "--dataset", "optdigits", "--count", "9"], 2, "--count with --dataset mnist8m"),
        (
            ["index", "--dataset", "optdigits", "--embedder", "NOWHERE"],
            1,
            "digits train --embedder ",
        ),
        (["evaluate", "--dataset", "optdigits", "-k", "0"], 2, "received 0"),
        (["search", "DRAWING", "--sheet", "NOWHERE/sheet.png"], 2, "existing folder"),
        (["dance"], 2, "dance"),
        (["info", "--index", ""], 2, "empty name"),
        (["index", "--embedder", "", "--dataset", "optdigits"], 2, "empty name"),
        (["evaluate", "--dataset", ""], 1, "no dataset ''"),
    ],
)
def test_misuse_is_one_clear_line(
    arguments: list[str], status: int, said: str, digits: Run, drawing: Path, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere")
    filled = [one.replace("DRAWING", str(drawing)).replace("NOWHERE", nowhere) for one in arguments]
    assert said in one_line_error(digits(*filled), status)


def test_no_mnist_and_no_network(digits: Run, tmp_path: Path) -> None:
    environment = {"DIGITS_MNIST": "", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    error = one_line_error(digits("train", "--dataset", "mnist", env=environment), 1)
    for way in ("DIGITS_MNIST", "mnist.npz", "internet", "optdigits"):
        assert way in error


def test_names_cannot_play_with_the_terminal(digits: Run, tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred\n.png"
    draw_digit(1).save(path, "PNG")
    done = digits("classify", path, tmp_path / "\x1b]0;owned\x07.png", "--format", "table")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr


def test_ctrl_c_leaves_what_was_there(
    index_folder: Path, embedder_folder: Path, tmp_path: Path
) -> None:
    embedder = Path(shutil.copytree(embedder_folder, tmp_path / "embedder"))
    before = {path.name: path.read_bytes() for path in embedder.iterdir()}
    with subprocess.Popen(
        [sys.executable, "-m", "search.cli", "train", "--dataset", "optdigits", "--epochs", "500",
         "--embedder", embedder],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as training:  # fmt: skip
        time.sleep(12)
        training.send_signal(signal.SIGINT)
        _, errors = training.communicate(timeout=300)
    assert training.returncode == 130
    assert "Traceback" not in errors
    (embedder / "lock").unlink(missing_ok=True)  # stays, empty, once training has begun
    assert {path.name: path.read_bytes() for path in embedder.iterdir()} == before


def test_epochs_that_another_run_kept_are_not_promised(digits: Run, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT_NAME).touch()
    (tmp_path / ONNX_NAME).mkdir()
    done = digits("train", "--dataset", "optdigits", "--embedder", tmp_path)
    assert done.returncode == 1
    assert "no regular file" in done.stderr
    assert "--resume" not in done.stderr


def test_plots_that_cannot_be_drawn_are_told_before_anything_is_measured(
    digits: Run, tmp_path: Path
) -> None:
    (tmp_path / "plots").symlink_to("nowhere")
    done = digits("evaluate", "--dataset", tmp_path / "no-set.npz", "--plots", tmp_path / "plots")
    assert done.returncode == 1
    assert "a link to nothing" in done.stderr


def test_a_closed_pipe_is_no_traceback(index_folder: Path) -> None:
    done = in_shell("search --id optdigits/train/1 -k 1000 | head -1", index_folder)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_array_queries_are_checked(digits: Run, tmp_path: Path) -> None:
    for name, array in {
        "nan": np.full((28, 28), np.nan),
        "flat": np.zeros(784),
        "words": np.array(["a"]),
    }.items():
        file = io.BytesIO()
        np.save(file, array)
        path = tmp_path / f"{name}.npy"
        path.write_bytes(file.getvalue())
        assert path.name in one_line_error(digits("search", path), 1)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_arrays_without_a_digit_are_named(digits: Run, tmp_path: Path) -> None:
    (tmp_path / "none.npy").write_bytes(npy(np.zeros((0, 28, 28), np.uint8)))
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (-28, -28), }".ljust(117) + "\n"
    lying = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(784)
    (tmp_path / "lying.npy").write_bytes(lying)
    os.mkfifo(tmp_path / "pipe.npy")
    done = digits("classify", tmp_path)
    assert done.returncode == 1
    assert [str(answer["query"]).rpartition("/")[2] for answer in records(done)] == [
        "lying.npy", "none.npy", "pipe.npy",
    ]  # fmt: skip
    assert all(answer["error"] for answer in records(done))
    assert "Traceback" not in done.stderr


def test_compare_takes_one_digit_from_each(
    digits: Run, index: DigitIndex, drawing: Path, tmp_path: Path
) -> None:
    (tmp_path / "two.npy").write_bytes(npy(index.images[:2]))
    assert "two.npy" in one_line_error(digits("compare", drawing, tmp_path / "two.npy"), 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "--id", "optdigits/train/" + "9" * 5000],
        ["search", "x" * 5000],
        ["train", "--dataset", "~nosuchuser/x"],
        ["search", "DRAWING", "--sheet", "sheet.jpg"],
        ["evaluate", "--dataset", "optdigits", "--threshold", "nan"],
        ["search", "DRAWING", "--max-pixels", "100"],
    ],
)
def test_odd_arguments_are_one_clear_line(arguments: list[str], digits: Run, drawing: Path) -> None:
    done = digits(*(str(drawing) if one == "DRAWING" else one for one in arguments))
    one_line_error(done, 2 if {"--sheet", "--threshold"} & set(arguments) else 1)


def test_nobody_to_hear_of_progress(plain_folder: Path) -> None:
    done = in_shell("evaluate --dataset optdigits 2>&-", plain_folder)
    assert done.returncode == 0
    assert json.loads(done.stdout)["n"] > 0


def test_no_file_takes_the_place_of_a_closed_stream() -> None:
    code = "import os; from search.start import ready_streams as f; f(); print(os.dup(0))"
    for closed in ("0<&-", "2>&-", "0<&- 2>&-"):
        done = subprocess.run(
            ["bash", "-c", f'{sys.executable} -c "{code}" {closed}'],
            capture_output=True,
            check=True,
        )
        assert int(done.stdout) > 2


def test_a_stdin_that_does_not_wait_is_waited_for(drawing: Path, plain_folder: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with subprocess.Popen(
        [sys.executable, "-m", "search.cli", "classify", "-"],
        stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "DIGITS_INDEX": str(plain_folder)},
    ) as classifying:  # fmt: skip
        os.close(reading)
        time.sleep(3)
        with os.fdopen(writing, "wb") as file:
            file.write(drawing.read_bytes())
        out, errors = classifying.communicate(timeout=300)
    assert not errors
    assert json.loads(out)["query"] == "-"


UNKNOWN_USER = """
import pwd, sys
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown  # as in a container that runs under any number
from search.start import run
sys.argv[0] = "digits"
run()
"""


def test_the_shell_runs_nothing_that_stands_in_the_name_of_a_folder(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "a$(touch ran)b")}
    done = subprocess.run(
        [sys.executable, "-m", "search.cli", "completion", "bash", "--install"],
        env={**os.environ, **home}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = "source .bashrc && complete -p digits"
    subprocess.run(["bash", "-c", said], cwd=tmp_path, env={**os.environ, **home}, check=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "arguments", [["info"], ["completion", "bash", "--install"], ["train"], ["doctor"]]
)
def test_no_home_is_one_clear_line(arguments: list[str], tmp_path: Path) -> None:
    known = {"HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "KERAS_HOME", "DIGITS_MNIST"}
    done = subprocess.run(
        [sys.executable, "-c", UNKNOWN_USER, *arguments],
        env={name: value for name, value in os.environ.items() if name not in known}
        | {"PYTHONPATH": str(Path.cwd())},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "set HOME" in one_line_error(done, 2)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_gone_is_one_clear_line(plain_folder: Path, tmp_path: Path) -> None:
    """Neither it nor a name that is too long is taken for output that cannot be written."""
    start = f"import os; os.chdir({str(tmp_path)!r}); os.rmdir({str(tmp_path)!r})\n"
    environment = {**os.environ, "DIGITS_INDEX": str(plain_folder)}
    for arguments, said in (
        (["evaluate", "--dataset", "."], "folder you are in is gone"),
        (["evaluate", "--dataset", "x" * 300], "xxx: File name too long"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; from search.start import run\n"
             f"sys.argv = ['digits', *{arguments!r}]\n{start if '.' in arguments else ''}run()"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert said in one_line_error(done, 1)


def test_absurd_threads_are_as_many_as_there_are(digits: Run, drawing: Path) -> None:
    done = digits("search", drawing, "--threads", 10**12, "-k", 1)
    assert done.returncode == 0, done.stderr


def test_output_that_cannot_be_written(index_folder: Path) -> None:
    done = in_shell("info > /dev/full", index_folder)
    assert "No space left" in one_line_error(done, 1)


@pytest.mark.parametrize("buffering", ["", "1"])
def test_output_that_is_cut_short(
    buffering: str, index: DigitIndex, index_folder: Path, tmp_path: Path
) -> None:
    """A file that may hold no more than 16 KB takes a part of one long write."""
    (tmp_path / "many.npy").write_bytes(npy(index.images[:40]))
    done = in_shell(
        "classify many.npy --format json > out", index_folder, before="ulimit -f 16; ",
        env={"PYTHONUNBUFFERED": buffering}, cwd=tmp_path,
    )  # fmt: skip
    assert (tmp_path / "out").stat().st_size == 16 * 1024
    assert "File too large" in one_line_error(done, 1)


def test_an_index_is_measured_on_what_it_was_made_of(
    digits: Run, plain_folder: Path, train_set: Dataset, tmp_path: Path
) -> None:
    unsaid = digits("evaluate", "--index", plain_folder, "--format", "json")
    said = digits("evaluate", "--index", plain_folder, "--dataset", "optdigits", "--format", "json")
    facts = [json.loads(done.stdout) for done in (unsaid, said)]
    assert [one.pop("seconds") > 0 for one in facts] == [True, True]
    assert facts[0] == facts[1]
    build_index(replace(train_set, name="mine"), linear_embedder(), tmp_path, 0)
    assert "'mine'" in one_line_error(digits("evaluate", "--index", tmp_path), 2)


def test_nobody_to_hear_of_a_mistake(drawing: Path, plain_folder: Path) -> None:
    done = in_shell(f"classify nowhere.png {drawing} --format jsonl 2>/dev/full", plain_folder)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("style", ["table", "json"])
def test_nobody_to_hear_the_answer(style: str, drawing: Path, plain_folder: Path) -> None:
    done = in_shell(f"search {drawing} --format {style} >&-", plain_folder)
    assert done.returncode == 1
    assert done.stderr == "Error: cannot write the output: Bad file descriptor\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_a_destructor_ends_it_too(number: int, status: int) -> None:
    code = f"""
import os, sys
from search import cli

class Deaf:
    def __del__(self):
        os.kill(os.getpid(), {int(number)})
        for _ in range(1000):
            pass

@cli.cli.command("deaf")
def deaf():
    Deaf()
    print("went on")

sys.argv = ["digits", "deaf"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr


def test_pictures_are_not_drawn_over(digits: Run, drawing: Path, tmp_path: Path) -> None:
    before, sheet = drawing.read_bytes(), tmp_path / "sheet.png"
    for arguments in (
        ["search", drawing, "--sheet", drawing],
        ["classify", drawing.parent, "--show-input", drawing],
        ["search", drawing.parent.parent, "--sheet", drawing],
        ["classify", drawing, "--sheet", sheet, "--show-input", sheet],
        ["map", "--query", drawing, "--out", drawing],
    ):
        assert "expected another file" in one_line_error(digits(*arguments), 2)
    assert drawing.read_bytes() == before
    assert not sheet.exists()


def test_a_build_that_cannot_end_does_not_begin(
    digits: Run, optdigits_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    where = ["--embedder", tmp_path / "embedder", "--index", tmp_path / "file" / "index"]
    one_line_error(digits("build", "--dataset", optdigits_file, "--recipe", "fast", *where), 1)
    assert not (tmp_path / "embedder").exists()


def test_an_explanation_has_no_place_in_csv(digits: Run, drawing: Path) -> None:
    done = digits("classify", drawing, "--explain", "--format", "csv")
    assert "--explain" in one_line_error(done, 2)


def test_a_tiny_dataset_is_refused_before_anything_is_trained(digits: Run, tmp_path: Path) -> None:
    for label in (3, 7):
        (tmp_path / "set" / str(label)).mkdir(parents=True)
        draw_digit(label).save(tmp_path / "set" / str(label) / "one.png")
    done = digits("build", "--dataset", tmp_path / "set", "--index", tmp_path / "index")
    assert "at least two images of each class" in one_line_error(done, 1)
    for label in (3, 7):
        draw_digit(label, width=9).save(tmp_path / "set" / str(label) / "two.png")
    done = digits("build", "--dataset", tmp_path / "set", "--index", tmp_path / "index")
    assert "at least 5 digits" in one_line_error(done, 1)
    assert not (tmp_path / "index").exists()


def test_plots_of_few_and_of_perfect_answers(
    digits: Run, index: DigitIndex, tmp_path: Path
) -> None:
    path = tmp_path / "few.npz"
    few = np.concatenate([np.flatnonzero(index.labels == label)[:2] for label in (0, 1)])
    images, labels = index.images[few], index.labels[few]
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    done = digits("evaluate", "--dataset", path, "-k", 1, "--plots", tmp_path / "plots")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["knn_accuracy"] == 1
    assert (tmp_path / "plots" / "confusion.png").exists()


def test_the_vote_where_nobody_says_is_the_same_everywhere() -> None:
    from search.cli.options import weights_option

    @click.command()
    @weights_option
    def asked(weights: str) -> None:
        """Nothing but the option."""

    (option,) = asked.params
    assert option.default == DEFAULT_WEIGHTS
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == WEIGHTS
