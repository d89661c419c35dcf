"""The API answers what the command line answers, and says what is wrong with what it is sent."""

import io
import json
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from PIL import Image, ImageOps

from search import DigitIndex, grow
from search.grow import add, open_to_change, with_label
from search.queries import Reader
from search.web.access import Access
from search.web.body import Sent
from search.web.failures import add_errors
from search.web.limits import Limits
from search.web.live import LiveIndex
from tests.drawings import draw_digit
from tests.samples import samples
from tests.search.web.serving import PATIENCE, Client, Reply, running, served

Run = Callable[..., list[Any]]


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def plain(label: int) -> np.ndarray:
    """A digit (28, 28) uint8 in the MNIST convention to the pixel, in which nothing is to be found.

    20 pixels long, on bare black, with its centre of mass at (14, 14).
    """
    drawn = ImageOps.invert(draw_digit(label).convert("L")).point(lambda grey: max(0, grey - 64))
    ink = drawn.crop(drawn.getbbox())
    ink.thumbnail((20, 20))
    greys = np.asarray(ink, float)
    centre = [
        np.average(np.arange(n), weights=greys.sum(1 - axis))
        for axis, n in enumerate(ink.size[::-1])
    ]
    digit = Image.new("L", (28, 28))
    digit.paste(ink, (round(14 - centre[1]), round(14 - centre[0])))
    return np.asarray(digit)


@pytest.fixture(scope="module")
def command(few_folder: Path) -> Run:
    """What the command line prints, as JSON lines."""

    def run(*arguments: object) -> list[Any]:
        done = subprocess.run(
            [sys.executable, "-m", "search.cli", *map(str, arguments), "--format", "jsonl"],
            env={**os.environ, "DIGITS_INDEX": str(few_folder)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, few_index: DigitIndex) -> list[Path]:
    """All kinds of bodies: pictures of one, of several and of no digits, arrays, and rubbish."""
    folder = tmp_path_factory.mktemp("bodies")
    chosen = ("3-pen.png", "7-photo.jpg", "2026-string.jpg", "tick.png")
    for name in chosen:
        samples()[name].save(folder / name)
    Image.new("L", (60, 60), 255).save(folder / "blank.png")
    Image.fromarray(few_index.images[4]).save(folder / "stored.png")
    np.save(folder / "stack.npy", few_index.images[:3])
    np.save(folder / "one.npy", few_index.images[7] / np.float32(255))
    (folder / "rubbish.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
    return sorted(folder.iterdir())


def as_a_body(rows: list[Any], file: Path) -> list[Any]:
    """Rows of the command line's about a file, as they would be had it come by stdin."""
    of_file = [row for row in rows if row["query"].startswith(str(file))]
    assert of_file
    return json.loads(json.dumps(of_file).replace(str(file), "-"))


def answered(reply: Any) -> list[Any]:
    return reply if isinstance(reply, list) else [reply]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("search", "-k", 4), "search?k=4"),
        (("search", "--single"), "search?single=true"),
        (("classify",), "classify"),
        (
            ("classify", "-k", 3, "--weights", "distance", "--explain"),
            "classify?k=3&weights=distance&explain=true",
        ),
    ],
)
def test_answers_are_the_command_lines(
    arguments: tuple[object, ...], path: str, command: Run, client: Client, files: list[Path]
) -> None:
    rows = command(*arguments, *files)
    for file in files:
        reply = client.post(f"/api/{path}", file.read_bytes())
        assert answered(reply.json) == as_a_body(rows, file)
        assert (reply.status == 200) == (file.name != "rubbish.png")


def test_stored_digits_answer_as_on_the_command_line(command: Run, client: Client) -> None:
    ids = ["few/train/5", "few/train/123"]
    for name in ("search", "classify"):
        rows = command(name, *(f"--id={one}" for one in ids))
        query = "&".join(f"id={one}" for one in ids)
        assert client.post(f"/api/{name}?{query}").json == rows
        assert client.post(f"/api/{name}?id={ids[0]}").json == rows[0]


def test_json_is_as_good_as_a_file(client: Client, few_index: DigitIndex) -> None:
    images = few_index.images[10:12]
    by_file = io.BytesIO()
    np.save(by_file, images)
    expected = client.post("/api/classify", by_file.getvalue()).json
    assert client.post("/api/classify", images.tolist()).json == expected
    fractions = (images / 255).tolist()
    assert client.post("/api/classify", fractions).json == expected
    unnamed = json.dumps(images.tolist()).encode()
    assert client.post("/api/classify", unnamed).json == expected
    one = client.post("/api/classify", images[0].tolist()).json
    assert one["neighbours"] == expected[0]["neighbours"]
    direct = few_index.classify(images)
    assert [row["label"] for row in expected] == direct.labels.tolist()


def test_two_pictures_are_compared_as_on_the_command_line(
    command: Run, client: Client, files: list[Path]
) -> None:
    left, right = (next(one for one in files if one.name == n) for n in ("3-pen.png", "stored.png"))
    (row,) = command("compare", left, right)
    form, kind = multipart({"a": left.read_bytes(), "b": right.read_bytes()})
    reply = client.ask("POST", "/api/compare", form, {"Content-Type": kind})
    assert reply.json == row | {"a": "a", "b": "b"}
    stack = client.post("/api/search?input=true", left.read_bytes()).json["input"]
    pair = client.post("/api/compare", [stack, stack]).json
    assert pair == {**row, "a": "-[0]", "b": "-[1]", "distance": 0.0, "verdict": "same"}


def test_what_cannot_be_compared(client: Client, files: list[Path]) -> None:
    by_name = {file.name: file.read_bytes() for file in files}
    three, string, blank = (by_name[n] for n in ("3-pen.png", "2026-string.jpg", "blank.png"))
    assert "two digits" in client.post("/api/compare", three).error(422)
    for pair, said in (
        ({"a": three, "b": string}, "expected one digit on b, received "),
        ({"a": three, "b": blank}, "b: expected a drawing"),
        ({"a": three}, "expected a form with the pictures a and b"),
        ({"a": three, "b": by_name["rubbish.png"]}, "b: "),
    ):
        form, kind = multipart(pair)
        reply = client.ask("POST", "/api/compare", form, {"Content-Type": kind})
        assert said in reply.error(422)
    whole, kind = multipart({"a": three, "b": three, "c": three})
    for form, said in (
        (whole, "a and b as files, and nothing else"),
        (whole.replace(b'; filename="a"', b""), "a and b as files, and nothing else"),
        (b"rubbish", "a and b as files, and nothing else"),
        (multipart({"a": b"", "b": three})[0], "a JSON array as a, received nothing"),
    ):
        reply = client.ask("POST", "/api/compare", form, {"Content-Type": kind})
        assert said in reply.error(400)
    assert "as the body, received nothing" in client.post("/api/compare").error(400)


def multipart(files: dict[str, bytes]) -> tuple[bytes, str]:
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files.items()
    ]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def test_info_is_the_command_lines(command: Run, client: Client, few_index: DigitIndex) -> None:
    facts = client.get("/api/info").json
    server = facts.pop("server")
    assert [facts] == command("info")
    assert server["writable"] is False
    assert facts["names"] == list(range(10))
    asked = client.post("/api/classify?id=few/train/17").json
    assert len(asked["neighbours"]) == facts["k"][server["weights"]]


def test_a_stored_digit_is_a_picture(client: Client, few_index: DigitIndex) -> None:
    reply = client.get("/api/items/few/train/17.png")
    assert reply.headers["content-type"] == "image/png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(reply.content))), few_index.images[17])
    for name in ("few/train/300", "few/train/-1", "..%2f..%2fetc/passwd", "few/train/%00"):
        assert "no item" in client.get(f"/api/items/{name}.png").error(404)
    assert "no item" in client.post("/api/search?id=nobody/1").error(404)


def test_what_the_model_saw_can_be_asked_about(client: Client) -> None:
    page = samples()["2026-string.jpg"]
    rows = client.post("/api/classify?input=true&place=true", png(page)).json
    again = client.post("/api/classify", [row["input"] for row in rows]).json
    assert [row["label"] for row in again] == [row["label"] for row in rows]
    assert [row["neighbours"][0]["id"] for row in again] == [
        row["neighbours"][0]["id"] for row in rows
    ]
    blank = client.post("/api/classify?input=true&place=true", png(Image.new("L", (50, 50)))).json
    assert (blank["reason"], blank["input"], blank["place"]) == ("blank", None, None)


def test_the_map_shows_as_many_of_each_class(client: Client, few_index: DigitIndex) -> None:
    columns = client.get("/api/map").json
    assert len({len(columns[name]) for name in ("x", "y", "label", "id")}) == 1
    positions = few_index.positions(columns["id"])
    assert columns["label"] == few_index.labels[positions].tolist()
    places = np.column_stack([columns["x"], columns["y"]])
    assert np.allclose(places, few_index.map_points(np.array(positions)), atol=1e-3)
    assert len(set(positions)) == len(positions) == len(few_index)
    digit = few_index.images[9]
    row = client.post("/api/search?place=true", [digit.tolist()]).json
    assert np.allclose(row["place"], few_index.map_points(np.array([9])), atol=1e-3)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "as the body, or ?id=, received nothing"),
        (b"no picture at all", 422, "expected one of PNG"),
        (png(draw_digit(3))[:400], 422, "damaged or cut short"),
        (b"[[0, 255], [1", 400, "it is no JSON"),
        (b"[[0, 255], [1]]", 400, "its rows differ in length"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b"[" + b"9" * 5_000 + b"]", 400, "a number of too many digits"),
        (b"[[0.5, NaN], [0, 0]]", 400, "it holds NaN"),
        (b'[["a", "b"]]', 400, "array of numbers"),
        (b"[[9999999999999999999999]]", 400, "from 0 to 255, received one of other values"),
        (b"[[1, null]]", 400, "array of numbers"),
        (b"[[true, 5], [0.5, false]]", 400, "array of numbers"),
        (b"[[0, 256]]", 400, "from 0 to 255, received 0 to 256"),
        (b"[[-1, 9]]", 400, "from 0 to 255"),
        (b"[[0, 1], [1, 0]]", 400, "may mean either"),
        (b"[[0.0, 1.5]]", 422, ""),
        (b"[" + b"9" * 400 + b"]", 400, ""),
        (b"[]", 422, ""),
        (json.dumps([[[9] * 28] * 28] * 300).encode(), 413, "at most 256 digits"),
    ],
)
def test_bad_bodies(body: bytes, status: int, said: str, client: Client) -> None:
    for name in ("search", "classify"):
        assert said in client.post(f"/api/{name}", body).error(status)


def test_json_that_is_no_array(client: Client) -> None:
    for value, said in ((3.5, "a single value"), (None, "a single value"), ({"a": 1}, "an object")):
        text = client.post("/api/search", value).error(400)
        assert text == f"expected a JSON array of pixels, received {said}"


def test_head_tells_what_get_would_send(client: Client) -> None:
    for path in (
        "/",
        "/docs",
        "/page/main.js",
        "/healthz",
        "/api/info",
        "/api/items/few/train/1.png",
    ):
        told, sent = client.ask("HEAD", path), client.get(path)
        assert told.content == b""
        assert (told.status, told.headers["content-length"]) == (200, str(len(sent.content)))
    assert client.ask("HEAD", "/nowhere").status == 404
    assert client.ask("HEAD", "/api/classify").status == 405


def test_files_come_whole(client: Client) -> None:
    whole = client.get("/page/main.js")
    for part in ("bytes=0-9", "bytes=999999-", "bytes=x"):
        reply = client.get("/page/main.js", Range=part)
        assert (reply.status, reply.content) == (200, whole.content)


def test_other_misuse(client: Client) -> None:
    three = png(draw_digit(3))
    for query, said in (
        ("k=0", "k: expected at least 1, received '0'"),
        ("k=many", "k: expected a whole number, received 'many'"),
        ("k=1.5", "k: expected a whole number, received '1.5'"),
        ("k=5000", "k: expected at most 1000, received '5000'"),
        ("k=1&k=2", "k: expected one value, received 2"),
        ("k=999", "expected k from 1 to 300"),
        ("single=perhaps", "single: expected true or false, received 'perhaps'"),
        ("weights=none", "weights: expected 'uniform' or 'distance', received 'none'"),
        ("sinlge=true", "expected parameters among single, input, k, id, place, weights, explain"),
    ):
        assert said in client.post(f"/api/classify?{query}", three).error(422)
    reply = client.ask("POST", "/api/search", three, {"Content-Type": "text/html"})
    assert "received 'text/html'" in reply.error(415)
    assert client.get("/api/search").error(405) == "expected POST for /api/search, received GET"
    assert client.ask("DELETE", "/").error(405) == "expected GET for /, received DELETE"
    assert "for /page/main.js, received POST" in client.post("/page/main.js").error(405)
    for path in ("/nowhere", "/../app.py", "/page/", "/docs/", "/api/search/", "/no%0awhere"):
        assert "/docs tells of all" in client.get(path).error(404)
    for path in ("/api/info?x=1", "/api/map?x=1", "/api/items/few/train/1.png?x=1"):
        assert client.get(path).error(422) == "expected no parameters, received 'x'"


def test_the_index_changes_only_where_it_may(client: Client) -> None:
    for path in ("items?label=3", "undo"):
        text = client.post(f"/api/{path}", png(draw_digit(3))).error(403)
        assert "--writable" in text


def test_what_is_added_answers_and_can_be_taken_back(few_folder: Path, tmp_path: Path) -> None:
    folder = copytree(few_folder, tmp_path / "index")
    three = png(draw_digit(3, 240, 9))
    with served(folder, writable=True) as client:
        assert client.get("/api/info").json["server"]["writable"] is True
        assert client.post("/api/undo").error(422).startswith("nothing to undo")
        assert client.post("/api/undo?to=1").error(422).startswith("expected parameters among gen")
        assert client.post("/api/items", three).error(422).startswith("label: expected a value")
        assert "as the body, received nothing" in client.post("/api/items?label=3").error(400)
        assert "expected labels among" in client.post("/api/items?label=x", three).error(422)
        row = client.post("/api/items?label=7", three).json
        assert (row["id"], row["label"], row["new"]) == ("added/0", 7, True)
        first = client.post("/api/search", three).json["neighbours"][0]
        assert (first["id"], first["label"]) == ("added/0", 7)
        assert first["distance"] < 0.01  # its pixels are stored as bytes
        assert first["file"] is None
        assert client.get("/api/items/added/0.png").status == 200
        assert client.post("/api/items?label=7", three).json["new"] is False
        refused = client.post("/api/items?label=3", three).error(422)
        assert refused.endswith("where the server runs, with: digits remove added/0")
        assert "blank" not in client.post("/api/items?label=3", png(Image.new("L", (9, 9)))).error(
            422
        )
        assert client.post("/api/undo").json["count"] == 300
        assert client.post("/api/search", three).json["neighbours"][0]["id"] != "added/0"
        drawn = np.flipud(DigitIndex.open(folder).images[5]).tolist()
        row = client.post("/api/items?label=7", drawn).json
        (added,) = client.post("/api/search", drawn).json["neighbours"][:1]
        assert (added["id"], added["file"]) == (row["id"], None)


def test_only_the_generation_that_is_meant_is_undone(few_folder: Path, tmp_path: Path) -> None:
    folder = copytree(few_folder, tmp_path / "index")
    with served(folder, writable=True) as client:
        mine, another = (
            client.post("/api/items?label=7", png(draw_digit(label, 240, 9))).json["generation"]
            for label in (3, 4)
        )
        for now in ("found 3", "found 4"):
            refused = client.post(f"/api/undo?generation={mine}").error(409)
            assert "the index has changed since" in refused
            assert now in refused
            client.post(f"/api/undo?generation={another}")
        assert client.get("/api/info").json["count"] == 301


def test_clients_that_change_the_index_at_once_wait_their_turn(
    few_folder: Path, tmp_path: Path
) -> None:
    folder = copytree(few_folder, tmp_path / "index")
    with served(folder, writable=True, threads=4) as client, ThreadPoolExecutor(4) as pool:
        pictures = [png(draw_digit(label, 240, 9)) for label in (2, 3, 4, 5)]
        replies = list(pool.map(lambda one: client.post("/api/items?label=7", one), pictures))
        assert sorted(reply.json["id"] for reply in replies) == [f"added/{n}" for n in range(4)]
        assert client.get("/api/info").json["count"] == 304


def test_changes_of_another_process_are_seen(few_folder: Path, tmp_path: Path) -> None:
    folder = copytree(few_folder, tmp_path / "index")
    three = png(draw_digit(3, 240, 9))
    with served(folder, writable=True) as client:
        with open_to_change(folder) as (writer, index):
            client.post("/api/items?label=7", three).error(409)
            queries = Reader(index).content("three", three)
            add(writer, index, with_label(index, queries, "3"))
        nearest = client.post("/api/search", three).json
        assert nearest["neighbours"][0]["id"] == "added/0"
        assert nearest["index"]["generation"] == index.manifest.generation + 1
        with open_to_change(folder) as (writer, _):
            writer.undo()
        quick = client.post("/api/search", png(Image.fromarray(plain(3)))).json
        assert quick["index"]["generation"] == index.manifest.generation + 2


def test_an_index_that_is_gone_is_missed_until_it_is_back(few_folder: Path, tmp_path: Path) -> None:
    folder = copytree(few_folder, tmp_path / "index")
    with served(folder) as client:
        folder.rename(tmp_path / "elsewhere")
        for body in (b"", png(Image.fromarray(plain(3)))):
            query = "" if body else "?id=few/train/1"
            assert "no index in" in client.post(f"/api/search{query}", body).error(503)
        (tmp_path / "elsewhere").rename(folder)
        assert client.post("/api/search?id=few/train/1").status == 200


def test_many_clients_at_once(client: Client, few_index: DigitIndex) -> None:
    digits = [plain(label) for label in range(10)]
    expected = few_index.search(np.stack(digits), 1).ids[:, 0].tolist()
    bodies = [[digit.tolist()] for digit in digits], [png(Image.fromarray(d)) for d in digits]

    def ask(number: int) -> tuple[int, str]:
        reply = client.post("/api/search?k=1", bodies[number // 10 % 2][number % 10])
        return reply.status, reply.json["neighbours"][0]["id"]

    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(ask, range(160)))
    assert replies == [(200, few_index.name(expected[number % 10])) for number in range(160)]


def with_part(kind: bytes, body: bytes, content: bytes) -> bytes:
    """A PNG file with one more part before its pixels."""
    part = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return content[:33] + part + content[33:]


def test_a_digit_is_plain_where_nothing_has_to_be_found() -> None:
    digit = Image.fromarray(plain(3))
    content = png(digit)
    for picture in (digit, digit.convert("RGB"), digit.convert("RGBA"), ImageOps.invert(digit)):
        read = Sent(png(picture), "").digit
        assert read is not None
        assert np.allclose(read.grey, np.asarray(picture.convert("L")) / 255)
    assert Sent(content, "application/json").digit is None
    header = content[16:29]
    larger = struct.pack(">II", 4000, 4000) + header[8:]
    for kind, body in (
        (b"IHDR", larger),  # the last one would count
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 20))),
        (b"eXIf", b"MM\0*" + bytes(20)),
    ):
        assert Sent(with_part(kind, body, content), "").digit is None
    assert Sent(with_part(b"tEXt", b"Comment\0none", content), "").digit is not None
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    for other in (
        content[:60],
        content[:20],
        with_part(b"tEXt", b"Comment\0" + bytes(4096), content),
        png(Image.fromarray(noise)),
        png(Image.new("L", (28, 28))),
        png(digit.resize((29, 28))),
        png(digit.crop((0, 0, 20, 20))),
        json.dumps(plain(3).tolist()).encode(),
        b"",
    ):
        assert Sent(other, "").digit is None


def alike(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same but for the last digits of fractions."""
    if isinstance(one, float):
        return abs(one - other) <= 1e-6
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def test_a_plain_digit_is_answered_as_any_other(client: Client) -> None:
    for label in range(10):
        content = png(Image.fromarray(plain(label)))
        long = with_part(b"tEXt", b"Comment\0" + bytes(4096), content)
        for path in ("search?k=3", "classify?explain=true&input=true&place=true&weights=distance"):
            quick, slow = (client.post(f"/api/{path}", body).json for body in (content, long))
            assert alike(quick, slow)
            assert quick["box"] == [0, 0, 28, 28]


def test_only_an_open_generation_is_at_hand(few_folder: Path, tmp_path: Path) -> None:
    folder = copytree(few_folder, tmp_path / "index")
    live = LiveIndex(folder)
    assert live.at_hand() is live.current()
    with open_to_change(folder) as (writer, index):
        queries = Reader(index).content("three", png(draw_digit(3, 240, 9)))
        add(writer, index, with_label(index, queries, "3"))
    assert live.at_hand() is None
    assert live.current().manifest.generation == index.manifest.generation + 1
    assert live.at_hand() is live.current()


def test_errors_name_nothing_that_only_the_command_line_has(client: Client) -> None:
    vast = png(Image.new("1", (6000, 5000)))
    text = client.post("/api/search", vast).error(422)
    assert "at most 25,000,000 pixels" in text
    assert "--" not in text
    three, two = png(draw_digit(3)), samples()["2026-string.jpg"]
    form, kind = multipart({"a": three, "b": png(two)})
    text = client.ask("POST", "/api/compare", form, {"Content-Type": kind}).error(422)
    assert "single=true" in text
    assert "--" not in text
    reply = client.ask("POST", "/api/compare?single=true", form, {"Content-Type": kind})
    assert reply.status == 200


def test_a_lack_of_memory_passes() -> None:
    app = FastAPI()
    add_errors(app)

    @app.get("/")
    async def greedy() -> None:
        bytearray(1 << 62)

    with running(app, Limits()) as client:
        reply = client.get("/")
    assert "expected more memory" in reply.error(503)
    assert reply.headers["retry-after"] == "1"


def test_every_route_is_described(client: Client) -> None:
    description = client.get("/openapi.json").json
    assert {"/api/search", "/api/classify", "/api/compare", "/api/items/{id}.png", "/api/info",
            "/healthz"} <= set(description["paths"])  # fmt: skip
    for methods in description["paths"].values():
        for operation in methods.values():
            assert operation["description"]
    told = description["paths"]["/api/classify"]["post"]["parameters"]
    standard = {one["name"]: one["schema"].get("default", "none") for one in told}
    assert standard == {
        **dict.fromkeys(("single", "input", "place", "explain"), False),
        "k": "none",
        "id": [],
        "weights": "distance",
    }
    (label,) = (
        one for one in description["paths"]["/api/items"]["post"]["parameters"] if one["required"]
    )
    assert label["name"] == "label"
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")


class Described:
    """What OpenAPI says of a server, read strictly: an answer has no other fields than are told."""

    def __init__(self, client: Client) -> None:
        self.client, self.told = client, client.get("/openapi.json").json
        for schema in self.told["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        self.seen: set[tuple[str, int]] = set()

    def check(self, method: str, path: str, reply: Reply, status: int) -> None:
        """That an answer has this status and is described."""
        assert reply.status == status, (path, reply.content)
        path = path.partition("?")[0]
        path = "/api/items/{id}.png" if path.startswith("/api/items/") else path
        response = self.told["paths"][path][method.lower()]["responses"][str(status)]
        content = response["content"][reply.headers["content-type"]]
        if reply.headers["content-type"] == "application/json":
            schema = content["schema"] | {"components": self.told["components"]}
            assert schema.keys() > {"components"}
            Draft202012Validator(schema).validate(reply.json)
        assert set(response.get("headers", ())) <= {name.lower() for name in reply.headers}
        self.seen.add((path, status))


def test_every_answer_is_described(few_folder: Path, tmp_path: Path, client: Client) -> None:
    three, string = png(draw_digit(3, 240, 9)), png(samples()["2026-string.jpg"])
    bodies = (three, string, png(Image.new("L", (60, 60))), png(Image.fromarray(plain(3))))
    form, kind = multipart({"a": three, "b": three})
    array = {"Content-Type": "application/json"}
    rich = "input=true&place=true"
    asked: list[tuple[int, str, str, bytes, dict[str, str]]] = [
        (200, "GET", "/healthz", b"", {}),
        (200, "GET", "/api/info", b"", {}),
        (200, "GET", "/api/map", b"", {}),
        (422, "GET", "/api/map?x=1", b"", {}),
        (200, "GET", "/api/items/few/train/1.png", b"", {}),
        (404, "GET", "/api/items/nobody.png", b"", {}),
        (403, "GET", "/api/info", b"", {"Host": "evil.example"}),
        (413, "GET", "/api/info", b"", {"Content-Length": "99999999"}),
        (200, "POST", "/api/compare?input=true", form, {"Content-Type": kind}),
        (200, "POST", "/api/compare", form, {"Content-Type": kind}),
        (422, "POST", "/api/compare", three, {}),
        (400, "POST", "/api/compare", b"", {}),
        (200, "POST", "/api/items?label=3", three, {}),
        (200, "POST", "/api/items?label=3", three, {}),
        (200, "POST", "/api/items?label=3", string, {}),
        (422, "POST", "/api/items?label=4", three, {}),
        (422, "POST", "/api/items", three, {}),
        (409, "POST", "/api/undo?generation=9", b"", {}),
        (200, "POST", "/api/undo", b"", {}),
        (422, "POST", "/api/undo?generation=x", b"", {}),
    ]
    for route in ("/api/search", "/api/classify", "/api/classify?explain=true"):
        more = f"{route}{'&' if '?' in route else '?'}"
        for options in ("", rich):
            asked += [(200, "POST", f"{more}{options}", body, {}) for body in bodies]
            asked.append((422, "POST", f"{more}{options}", b"rubbish", {}))
        asked += [
            (200, "POST", f"{more}id=few/train/1&id=nobody", b"", {}),
            (404, "POST", f"{more}id=nobody", b"", {}),
            (400, "POST", route, b"[[1, 2], [3]]", array),
            (413, "POST", route, json.dumps([[[9] * 28] * 28] * 300).encode(), array),
            (415, "POST", route, three, {"Content-Type": "text/html"}),
            (422, "POST", f"{more}k=0", three, {}),
        ]
    with served(Path(copytree(few_folder, tmp_path / "index")), writable=True) as writable:
        described = Described(writable)
        for status, method, path, body, headers in asked:
            described.check(method, path, writable.ask(method, path, body, headers), status)
    for path in ("/api/items?label=3", "/api/undo"):
        described.check("POST", path, client.post(path, three), 403)
    with served(few_folder, Access(token="a-token-of-the-tests")) as closed:  # noqa: S106
        for path, methods in described.told["paths"].items():
            method = next(iter(methods)).upper()
            status = 200 if path == "/healthz" else 401
            described.check(method, path, closed.ask(method, path), status)
    paths = {path for path, status in described.seen if status == 200}
    assert paths == set(described.told["paths"])
    assert {status for _, status in described.seen} >= {400, 401, 403, 404, 409, 413, 415, 422}
    assert "HTTPValidationError" not in described.told["components"]["schemas"]


def test_a_change_is_given_up_or_may_be_made(
    few_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_begun, may_go_on = threading.Event(), threading.Event()
    really_add = grow.add

    def slowly(*arguments: Any) -> Any:
        is_begun.set()
        assert may_go_on.wait(PATIENCE)
        return really_add(*arguments)

    monkeypatch.setattr(grow, "add", slowly)
    folder = Path(copytree(few_folder, tmp_path / "index"))
    limits = Limits(request_seconds=3)
    with (
        served(folder, limits=limits, writable=True, threads=1) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        first = pool.submit(client.post, "/api/items?label=3", png(draw_digit(3, 240, 9)))
        assert is_begun.wait(PATIENCE)
        second = pool.submit(client.post, "/api/items?label=4", png(draw_digit(4, 240, 9)))
        undone = pool.submit(client.post, "/api/undo")
        assert client.post("/api/search?id=few/train/1").status == 200  # who asks does not wait
        assert "may still be made" in first.result().error(503)
        for given_up in (second, undone):
            assert given_up.result().error(503) == "expected an answer within 3 s; try again"
        may_go_on.set()
        deadline = time.monotonic() + PATIENCE
        while (made := client.get("/api/info").json)["generation"] == 1:
            assert time.monotonic() < deadline
        assert made["count"] == 301
        again = client.post("/api/items?label=5", png(draw_digit(5, 240, 9))).json
        assert (again["id"], again["generation"]) == ("added/1", 3)  # the second was given up


def test_answers_tell_which_generation_is_in_place(few_folder: Path, tmp_path: Path) -> None:
    folder = Path(copytree(few_folder, tmp_path / "index"))
    with served(folder, writable=True) as client:

        def told(reply: Reply) -> str | None:
            return reply.headers["index-generation"]

        assert told(client.get("/api/map")) == "1"
        assert told(client.post("/api/items?label=3", png(draw_digit(3, 240, 9)))) == "2"
        with open_to_change(folder) as (writer, _):
            writer.undo()
        for body in (plain(3).tolist(), png(Image.fromarray(plain(3)))):
            assert told(client.post("/api/classify", body)) == "3"
        refused = client.post("/api/undo?generation=2")
        assert refused.status == 409
        assert told(refused) == "3"
