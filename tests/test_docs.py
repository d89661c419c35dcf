"""The manual is right: what it shows runs, what is generated is fresh, links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from data.dataset import Dataset
from search import DigitIndex
from search.cli.reference import PLACE, reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.fixture
def place(
    tmp_path: Path,
    plain_folder: Path,
    plain_embedder_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder as a reader has it: the samples, an index and an embedder, nothing of ours."""
    shutil.copytree(ROOT / "docs" / "samples", tmp_path / "docs" / "samples")
    shutil.copytree(plain_folder, tmp_path / "index")
    monkeypatch.setenv("DIGITS_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("DIGITS_EMBEDDER", str(plain_embedder_folder))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_what_is_shown_runs(
    page: Path,
    place: Path,
    plain_folder: Path,
    plain_index: DigitIndex,
    plain_embedder_folder: Path,
    train_set: Dataset,
) -> None:
    names: dict[str, object] = {
        "folder": plain_folder, "index": plain_index, "embedder": plain_embedder_folder,
        "images": train_set.images[:60], "labels": train_set.labels[:60],
    }  # fmt: skip
    blocks = BLOCK.findall(page.read_text())
    assert blocks
    for language, text in blocks:
        if language == "python":
            exec(compile(text, str(page), "exec"), names)  # noqa: S102, our own manual
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"


def test_the_reference_is_what_the_commands_say() -> None:
    assert PLACE.read_text() == reference(), "stale: run make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


SHELLS = {
    "bash": 'source "$1"; COMP_WORDS=(digits cl); COMP_CWORD=1; _digits_completion digits;'
    ' echo "${COMPREPLY[@]}"',
    "zsh": 'source "$1"; echo $_comps[digits]; COMP_WORDS="digits cl" COMP_CWORD=1'
    " _DIGITS_COMPLETE=zsh_complete digits",
    "fish": 'source $argv[1]; complete -C "digits cl"',
}


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_installs_and_completes(shell: str, place: Path) -> None:
    if shell != "bash" and not shutil.which(shell):
        pytest.skip(f"install {shell} to try its completion")
    start = place / "home" / f".{shell}rc"
    start.write_text("alias ll='ls -l'\n")
    for _ in range(2):  # the second time nothing is added
        subprocess.run(["digits", "completion", shell, "--install"], check=True)
    script = place / "home" / "data" / "digit-search" / f"completion.{shell}"
    if shell == "fish":
        script = place / "home" / ".config" / "fish" / "completions" / "digits.fish"
    else:
        assert start.read_text().startswith("alias ll")
        assert start.read_text().count(str(script)) == 1
    code = SHELLS[shell]
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    named = [] if shell == "fish" else [shell]  # what $0 is
    done = subprocess.run(
        [shell, *plain, "-c", code, *named, str(script)], capture_output=True, text=True, check=True
    )
    assert "classify" in done.stdout, done.stderr
    assert "undo" not in done.stdout


def test_completion_of_an_unknown_shell_is_one_clear_line(place: Path) -> None:
    environment = {**os.environ, "SHELL": "/bin/csh"}
    done = subprocess.run(
        ["digits", "completion"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "expected bash, zsh, fish, received 'csh'" in done.stderr


def test_types_are_shipped(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = zipfile.ZipFile(wheel).namelist()
    for package in ("data", "indexer", "search", "training"):
        assert f"{package}/py.typed" in shipped
