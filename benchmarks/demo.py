"""The demo: build on whatever digits this machine has, then search and classify sample pictures.

Run as `make demo`. Everything goes where `digits` looks by default, so that it answers afterwards.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from data.errors import DatasetNotFound
from data.mnist import download_mnist, find_mnist

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "docs" / "samples"
SHEET = ROOT / "demo" / "sheet.png"


def main() -> None:
    """Build, search, classify; stop at the first command that fails."""
    dataset = choose_dataset()
    SHEET.parent.mkdir(exist_ok=True)
    run("build", "--dataset", dataset, "--format", "table")
    run("search", SAMPLES / "3-pen.png", "-k", "5", "--format", "table")
    run("classify", SAMPLES, "--format", "table", "--sheet", SHEET)
    digits = Path(sys.executable).parent / "digits"
    print(f"\nThe contact sheet lies at {SHEET}\nTry your own picture: {digits} classify PICTURE")


def choose_dataset() -> str:
    """`mnist` where it is or can be fetched, else `optdigits`, saying so in one line."""
    try:
        place = find_mnist() or download_mnist()
    except DatasetNotFound:
        print("MNIST is neither here nor to be downloaded: building on scikit-learn's optdigits.")
        return "optdigits"
    print(f"Building on MNIST from {place}.")
    return "mnist"


def run(*arguments: str | Path) -> None:
    """One `digits` command, shown as a person would type it."""
    shown = [str(a.relative_to(ROOT)) if isinstance(a, Path) else a for a in arguments]
    print(f"\n$ digits {' '.join(shown)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "search.cli", *shown], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
