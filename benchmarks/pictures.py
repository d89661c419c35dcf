"""Real people's pictures: how many digits are named, refused, read whole; and what it takes.

`make bench PART=pictures`. The pictures are found by `$DIGITS_REAL` and are no part of the project.
"""

from __future__ import annotations

import csv
import io
import os
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import medians_of, table
from data.datasets import load_dataset
from data.normalise import find_digits
from data.picture import read_picture
from indexer.votes import DEFAULT_WEIGHTS
from search.answers import ClassifyAnswer, classify_answers
from search.index import DigitIndex
from search.queries import Reader

ROUNDS = 20


@dataclass(frozen=True)
class Named:
    """One labelled picture and what it was named: None where nothing was found on it."""

    file: str
    source: str
    style: str
    label: int
    named: int | None
    refused: bool


def bench_pictures(folder: Path) -> None:
    """Print every table for the index in `folder`."""
    index = DigitIndex.open(folder)
    print("## Pictures\n")
    if "DIGITS_REAL" in os.environ:
        real = Path(os.environ["DIGITS_REAL"])
        singles = name_singles(index, real)
        print(f"{by_source(singles)}\n")
        print(f"{real_figures(index, real, singles)}\n")
    else:
        print("Set $DIGITS_REAL to a folder of labelled pictures to measure on them.\n")
    print(f"{other_figures(index)}\n")
    print(f"{timings()}\n", flush=True)


def answers(index: DigitIndex, path: Path, *, single: bool) -> list[ClassifyAnswer]:
    """What `digits classify` answers for one picture."""
    reader = Reader(index, single=single)
    found = classify_answers(index, reader.read([str(path)], []), None, DEFAULT_WEIGHTS)
    return [answer for _, answer in found if isinstance(answer, ClassifyAnswer)]


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(path.read_text().splitlines()))


def name_singles(index: DigitIndex, real: Path) -> list[Named]:
    """Every picture of one digit, taken as one."""
    named = []
    for row in rows_of(real / "digits.csv"):
        (answer,) = answers(index, real / "digits" / row["file"], single=True)
        named.append(
            Named(
                row["file"],
                row["source"],
                row["style"],
                int(row["label"]),
                answer.label,
                answer.verdict != "match",
            )
        )
    return named


def by_source(singles: Sequence[Named]) -> str:
    """Accuracy and refusals by source and style."""
    groups = sorted({(one.source, one.style) for one in singles})
    rows = []
    for source, style in groups:
        group = [one for one in singles if (one.source, one.style) == (source, style)]
        rows.append([source, style, *_counts(group)])
    rows.append(["all", "", *_counts(singles)])
    return table(["source", "style", "digits", "named rightly", "", "refused"], rows)


def _counts(group: Sequence[Named]) -> list[str]:
    right = sum(one.named == one.label for one in group)
    refused = sum(one.refused for one in group)
    return [str(len(group)), str(right), f"{right / len(group):.1%}", str(refused)]


def real_figures(index: DigitIndex, real: Path, singles: Sequence[Named]) -> str:
    """The measures over all real pictures, one a row."""
    sources = sorted({one.source for one in singles})
    means = [share(one.named == one.label for one in singles if one.source == s) for s in sources]
    photos = [one for one in singles if one.style == "photo"]
    wrong = [f"{one.file} named {one.named}" for one in singles if one.named != one.label]
    multi = rows_of(real / "multi.csv")
    read = [reads(index, real / "multi" / row["file"]) for row in multi]
    whole = sum(string == row["digits"] for string, row in zip(read, multi, strict=True))
    others = [real / "not-digits" / row["file"] for row in rows_of(real / "not-digits.csv")]
    refused = [all(a.verdict != "match" for a in answers(index, p, single=True)) for p in others]
    apart = sum(len(answers(index, real / "digits" / s.file, single=False)) == 1 for s in singles)
    rows = [
        ["accuracy", f"{share(one.named == one.label for one in singles):.2%}"],
        ["mean over sources", f"{statistics.mean(means):.2%}"],
        ["photos", f"{share(one.named == one.label for one in photos):.2%}"],
        ["wrongly refused", f"{share(one.refused for one in singles):.2%}"],
        ["found as one digit without being told", f"{apart} of {len(singles)}"],
        ["strings read whole", f"{whole} of {len(multi)}"],
        ["non-digits refused", f"{sum(refused)} of {len(refused)}"],
        ["named wrongly", ", ".join(wrong) or "none"],
    ]
    return table(["real pictures", ""], rows)


def reads(index: DigitIndex, path: Path) -> str:
    """The digits of a picture as a string."""
    return "".join(
        "?" if a.label is None else str(a.label) for a in answers(index, path, single=False)
    )


def other_figures(index: DigitIndex) -> str:
    """MNIST's test images as arrays and as PNG files; optdigits, which were never trained on."""
    test = load_dataset("mnist", "test")
    direct = index.classify(test.images)
    stored = np.stack([_through_png(image) for image in test.images])
    again = index.classify(stored)
    halves = [load_dataset("optdigits", split) for split in ("train", "test")]
    optdigits = index.classify(np.concatenate([half.images for half in halves]))
    labels = np.concatenate([half.labels for half in halves])
    rows = [
        ["MNIST test, arrays: accuracy", f"{np.mean(direct.labels == test.labels):.2%}"],
        ["MNIST test, as PNG files: accuracy", f"{np.mean(again.labels == test.labels):.2%}"],
        ["MNIST test, refused", f"{np.mean(direct.reasons != ''):.2%}"],
        ["optdigits zero-shot: accuracy", f"{np.mean(optdigits.labels == labels):.2%}"],
        ["optdigits zero-shot: refused", f"{np.mean(optdigits.reasons != ''):.2%}"],
    ]
    return table(["other digits", ""], rows)


def _through_png(image: np.ndarray) -> np.ndarray:
    """A stored digit saved as a picture and found on it again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return find_digits(read_picture(file.getvalue()), single=True)[0].image


def timings() -> str:
    """Milliseconds to normalise a 512-px drawing, and to read and normalise a 12-Mpx photo."""
    drawing = picture_of(512, 512)
    photo = picture_of(4000, 3000)
    opened = read_picture(encoded(drawing, "PNG"))
    jpeg = encoded(photo, "JPEG")
    rows = [
        ["normalise 512 x 512", f"{median_ms(lambda: find_digits(opened)):.1f} ms"],
        [
            "decode and normalise 4000 x 3000 JPEG",
            f"{median_ms(lambda: find_digits(read_picture(jpeg))):.0f} ms",
        ],
    ]
    return table(["picture", f"median of {ROUNDS}"], rows)


def picture_of(width: int, height: int) -> Image.Image:
    """A pen's 3 on paper, in a light that falls off, with grain: what a phone would take."""
    import cv2

    page = np.full((height, width), 225, np.float32)
    unit = height / 10
    centre = (width // 2, height // 2)
    for turn in (-1, 1):
        middle = (centre[0], int(centre[1] + turn * 2 * unit))
        axes = (int(1.6 * unit), int(2 * unit))
        start, end = (-150, 90) if turn < 0 else (-90, 150)
        cv2.ellipse(page, middle, axes, 0, start, end, 60, max(1, int(unit / 3)), cv2.LINE_AA)
    page *= np.linspace(1, 0.6, width, dtype=np.float32)
    page += np.random.default_rng(0).normal(0, 4, page.shape)
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8)).convert("RGB")


def encoded(image: Image.Image, kind: str) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def median_ms(call: Callable[[], object]) -> float:
    """Median milliseconds of a call, after one that is not counted."""
    return 1000 * medians_of({"call": call}, ROUNDS)["call"]


def share(values: Iterable[bool]) -> float:
    """The share that is true."""
    return statistics.mean(map(float, values))
