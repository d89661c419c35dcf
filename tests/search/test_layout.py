import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from data.errors import MissingExtra, UsageError
from search import DigitIndex
from search.layout import lay_out
from search.plots import LOOKS, draw_map
from tests.conftest import Run
from tests.drawings import draw_digit


def test_the_plane_places_stored_digits_and_queries_alike(plain_index: DigitIndex) -> None:
    embeddings = plain_index.embed(plain_index.images[:5])
    layout = lay_out(plain_index, most=400, embeddings=embeddings)
    assert layout.positions.shape == (400,)
    assert len(np.unique(layout.positions)) == 400
    assert np.allclose(layout.points, plain_index.map_points(layout.positions))
    assert np.allclose(layout.queries, plain_index.map_points(np.arange(5)), atol=1e-4)


def test_tsne_keeps_neighbours_together_and_a_query_beside_its_twin(
    plain_index: DigitIndex,
) -> None:
    twin = lay_out(plain_index, most=60).positions[7]
    embeddings = plain_index.embed(plain_index.images[np.array([twin])])
    layout = lay_out(plain_index, "tsne", most=60, embeddings=embeddings)
    assert layout.points.shape == (60, 2)
    apart = np.linalg.norm(layout.points - layout.queries, axis=1)
    assert apart.argmin() == 7
    vectors = plain_index.vectors.vectors(layout.positions)
    before = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    after = np.linalg.norm(layout.points[:, None] - layout.points[None], axis=2)
    np.fill_diagonal(after, np.inf)
    nearest = after.argmin(axis=1)
    rank = (before < before[np.arange(60), nearest][:, None]).sum(axis=1)
    assert np.median(rank) <= 4  # the nearest on the map was among the few nearest


def test_what_cannot_be_laid_out_is_said(
    plain_index: DigitIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="pca, tsne, umap"):
        lay_out(plain_index, "mds")
    with pytest.raises(UsageError, match="at least 7 digits"):
        lay_out(plain_index, "tsne", most=3)
    monkeypatch.setitem(sys.modules, "umap", None)  # as if it were not installed
    with pytest.raises(MissingExtra, match=r"digit-search\[umap\]"):
        lay_out(plain_index, "umap", most=50)


def test_names_on_a_map_are_harmless_and_looks_that_are_shared_are_told(
    plain_index: DigitIndex,
) -> None:
    names = [f"\u202e{number}" for number in range(LOOKS)]
    for more, said in (([], "digits"), (["one more"], f"classes {LOOKS} apart look alike")):
        index = replace(plain_index, manifest=replace(plain_index.manifest, names=names + more))
        layout = lay_out(index, most=50, embeddings=index.embed(index.images[:1]))
        figure = draw_map(index, layout, ["\u2066query.png"])
        texts = [text.get_text() for text in figure.findobj(Text)]
        assert {"\\u202e3", "1  \\u2066query.png"} <= set(texts)
        assert not {"\u202e", "\u2066"} & set("".join(texts))
        assert figure.axes[0].get_title().endswith(said)


def test_a_map_from_the_command_line(digits: Run, plain_folder: Path, tmp_path: Path) -> None:
    draw_digit(3).save(tmp_path / "three.png")
    Image.new("L", (90, 90), 255).save(tmp_path / "blank.png")
    out = tmp_path / "map.png"
    queries = [part for name in ("three", "blank", "none") for part in ("--query", f"{name}.png")]
    chosen = ("--index", plain_folder, "--sample", 200, "--out", out)
    done = digits("map", *chosen, *queries, cwd=tmp_path)
    record = json.loads(done.stdout)
    assert record["digits"] == 200
    assert [one["query"] for one in record["queries"]] == ["three.png"]
    assert "blank.png has no place" in done.stderr
    assert "Error: none.png" in done.stderr
    assert done.returncode == 1
    with Image.open(out) as drawn:
        assert len(drawn.convert("RGB").getcolors(1 << 20) or ()) > 50
    assert digits("map", *chosen[:-1], tmp_path / "map.svg").returncode == 2
