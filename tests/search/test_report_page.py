import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.dataset import Dataset
from indexer.build import build_index
from search import DigitIndex, markup
from search.evaluate import Evaluation, evaluate, worst_mistakes
from search.report_page import report_page
from tests.conftest import Run
from tests.embedders import linear_embedder
from tests.search.test_grow import put, take

VOID = {"meta", "img", "source", "br"}


class Page(HTMLParser):
    """Elements with their attributes, and all text; what was opened must be closed."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", list[str]()
        self.feed(page.decode())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def few(test_set: Dataset) -> Dataset:
    return Dataset("optdigits", "test", test_set.images[:150], test_set.labels[:150])


@pytest.fixture(scope="module")
def evaluation(plain_index: DigitIndex, few: Dataset) -> Evaluation:
    return evaluate(plain_index, few, k=5, weights="uniform", threshold=1.0, seed=0)


@pytest.fixture(scope="module")
def page(plain_index: DigitIndex, evaluation: Evaluation, few: Dataset) -> bytes:
    return report_page(plain_index, evaluation, few)


def test_the_page_needs_nothing_but_itself(page: bytes) -> None:
    read = Page(page)
    policy = next(
        str(one["content"])
        for one in read.all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search(r"<style>(.*?)</style>", page.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    for tag, attributes in read.elements:
        assert tag not in ("script", "link", "iframe", "object")
        assert not {"style", "href", "onclick", "onload"} & attributes.keys()
        for name in ("src", "srcset"):
            assert attributes.get(name, "data:image/png;").startswith("data:image/png;")
    assert "http" not in page.decode().replace("http-equiv", "")


def test_every_picture_is_one_and_says_what_it_shows(page: bytes) -> None:
    pictures = Page(page).all("img")
    assert len(pictures) > 60
    for one in pictures:
        assert one["alt"]
        content = base64.b64decode(str(one["src"]).partition(",")[2])
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
    assert len(Page(page).all("source")) >= 2  # for dark screens


def test_numbers_of_any_unit_are_put_to_the_right() -> None:
    shown = markup.table([], [["0.2 kB", "13.5 MB", "1,200", "99.5 %", "3 of 4"]])
    assert re.findall(r"<td>(.*?)</td>", shown) == ["3 of 4"]


def test_it_is_printed_as_on_a_light_screen(page: bytes) -> None:
    style = re.search(r"<style>(.*?)</style>", page.decode(), re.DOTALL)
    assert style is not None
    told = re.findall(r"@media ([^{]*prefers-color-scheme: dark)", style[1])
    told += [str(one["media"]) for one in Page(page).all("source")]
    assert len(told) >= 3
    assert all(one.startswith("screen and") for one in told)


def test_the_page_says_what_was_measured(
    page: bytes, evaluation: Evaluation, few: Dataset, plain_index: DigitIndex
) -> None:
    read = Page(page)
    assert f"{evaluation.knn_accuracy:.2%}" in read.text
    wrong = int((evaluation.classification.labels != few.labels).sum())
    assert f"Named wrongly: {wrong:,} of 150" in read.text
    cells = re.findall(r'<td class="number (?:diagonal|s\d)">(\d*)</td>', page.decode())
    assert [int(cell or 0) for cell in cells] == evaluation.confusion.ravel().tolist()
    assert f"holds {len(plain_index):,} digits" in read.text


def test_names_are_text_and_nothing_else(
    plain_index: DigitIndex, evaluation: Evaluation, few: Dataset
) -> None:
    evil = ["<script>alert(1)</script>", '"><img src=x>', *map(str, range(2, 10))]
    named = replace(plain_index, manifest=replace(plain_index.manifest, names=evil))
    files = [f'"><script>{row}.png' for row in range(len(few))]
    page = report_page(named, evaluation, replace(few, names=tuple(evil), files=files))
    read = Page(page)
    assert not read.all("script")
    assert all(str(one["src"]).startswith("data:") for one in read.all("img"))
    assert "<script>alert(1)</script>" in read.text
    worst = int(worst_mistakes(evaluation.classification, few.labels, 1)[0])
    titles = [str(one["title"]) for one in read.all("img") if "title" in one]
    assert any(title.endswith(f", {files[worst]}") for title in titles)


def test_without_a_mistake_from_the_command_line(
    digits: Run, plain_folder: Path, train_set: Dataset, tmp_path: Path
) -> None:
    known = {"x_test": train_set.images[:60], "y_test": train_set.labels[:60]}
    np.savez(tmp_path / "known.npz", x_train=train_set.images, y_train=train_set.labels, **known)
    out = tmp_path / "report.html"
    asked = ("--index", plain_folder, "--dataset", tmp_path / "known.npz", "-k", 1)
    done = digits("report", *asked, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "every test digit was named rightly" in Page(out.read_bytes()).text
    assert digits("report", "--out", tmp_path / "none" / "x.html").returncode == 2


def test_growth_tells_what_was_added_from_what_was_built(
    train_set: Dataset, few: Dataset, tmp_path: Path
) -> None:
    built = replace(train_set, images=train_set.images[:30], labels=train_set.labels[:30])
    build_index(built, linear_embedder(), tmp_path, 0)
    put(tmp_path, few.images[:12], few.labels[:12])
    take(tmp_path, [f"optdigits/train/{number}" for number in range(30)])
    index = DigitIndex.open(tmp_path)
    evaluation = evaluate(index, few, k=3, weights="uniform", threshold=1.0, seed=0)
    shown = report_page(index, evaluation, few).decode()
    growth = shown[shown.index(">Growth<") :]
    assert len(re.findall(">added<", growth)) == len(index.manifest.segments)
    assert ">built<" not in growth
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", growth[growth.index("of these added") :])
    assert sum(int(one) for one in cells[2::3]) == 12
