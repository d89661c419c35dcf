from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from data.errors import PictureError, PictureUnreadable
from data.picture import Picture, picture_from_array, read_picture
from data.scans import is_endless
from tests.data.drawings import draw, encode, pixels


def _png_promising(width: int, height: int) -> bytes:
    """A few kilobytes of PNG that hold a huge one-bit picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes((width // 8 + 1) * height), 9)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _refusal(content: bytes | Path) -> str:
    with pytest.raises(PictureUnreadable) as caught:
        read_picture(content)
    message = str(caught.value)
    assert "\n" not in message
    return message


def _grown(work: Callable[[], object]) -> int:
    """Bytes of memory that it takes at most, decoders' own included, beyond what is taken now.

    The least of three times, for threads that other tests left may take some, too.
    """
    taken = []
    for _ in range(3):
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is
        before = _peak()
        work()
        taken.append(_peak() - before)
    return min(taken)


def _peak() -> int:
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) << 10


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "PPM"])
def test_lossless_formats_give_the_same_greys(kind: str) -> None:
    image = draw(3)
    picture = read_picture(encode(image, kind))
    np.testing.assert_allclose(picture.grey, pixels(image) / 255, atol=1e-6)
    assert picture.size == (320, 320)
    assert picture.scale == 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_gives_the_same_greys(mode: str) -> None:
    image = draw(3)
    if mode in ("I;16", "I"):
        wide = pixels(image).astype(np.uint16) * 257
        stored = Image.fromarray(wide if mode == "I;16" else wide.astype(np.int32))
    else:
        stored = image.convert("RGB").convert(mode) if mode == "CMYK" else image.convert(mode)
    kind = "PNG" if mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16") else "TIFF"
    grey = read_picture(encode(stored, kind)).grey
    assert grey.dtype == np.float32
    assert grey.min() >= 0
    assert grey.max() <= 1
    np.testing.assert_allclose(grey, pixels(image) / 255, atol=1.5 / 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    upright = draw(7, canvas=(300, 200), size=120, at=(30, 20))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # to the Transpose that stores it so
    turned = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(turned, "PNG", exif=exif)
    assert ImageOps.exif_transpose(Image.open(io.BytesIO(content))).size == (300, 200)
    picture = read_picture(content)
    assert picture.size == (300, 200)
    np.testing.assert_allclose(picture.grey, pixels(upright) / 255, atol=1e-6)


def palette_without_colours() -> bytes:
    """Pillow asserts that there are some."""
    content = encode(draw(3).convert("P"), "PNG")
    start = content.index(b"PLTE") - 4
    length = int.from_bytes(content[start : start + 4])
    return content[:start] + content[start + 12 + length :]


def pixels_beyond_all_files() -> bytes:
    """A TIFF file whose pixels begin at 2^63, further than a file can be read."""
    content = encode(draw(3), "TIFF")
    entry = content.index(struct.pack("<HHI", 273, 4, 1))  # StripOffsets: one number of 4 bytes
    one_of_8 = struct.pack("<HHII", 273, 16, 1, len(content))
    return content[:entry] + one_of_8 + content[entry + 12 :] + struct.pack("<Q", 1 << 63)


@pytest.mark.parametrize("make", [palette_without_colours, pixels_beyond_all_files])
def test_what_pillow_itself_does_not_expect_is_damage(make: Callable[[], bytes]) -> None:
    with pytest.raises(PictureUnreadable, match="damaged or cut short"):
        read_picture(make())


def test_damaged_exif_does_not_hide_the_picture() -> None:
    content = encode(draw(3), "PNG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert read_picture(content).grey.shape == (320, 320)


@pytest.mark.parametrize(("colour", "ground"), [(0, 1.0), (255, 0.0)])
def test_ink_held_in_alpha_alone_becomes_visible(colour: int, ground: float) -> None:
    ink = 255 - pixels(draw(3))
    stored = np.dstack([np.full((*ink.shape, 3), colour, np.uint8), ink])
    grey = read_picture(encode(Image.fromarray(stored, "RGBA"))).grey
    np.testing.assert_allclose(grey, abs(ground - ink / 255), atol=1e-5)


def test_transparent_corners_of_a_page_take_its_shade() -> None:
    page = pixels(draw(3, paper=230))
    alpha = np.full(page.shape, 255, np.uint8)
    alpha[:30, :30] = 0
    grey = read_picture(encode(Image.fromarray(np.dstack([page, alpha]), "LA"))).grey
    np.testing.assert_allclose(grey, page / 255, atol=1e-5)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 300).astype(np.uint16).reshape(10, 30)
    grey = read_picture(encode(Image.fromarray(ramp))).grey
    np.testing.assert_allclose(grey, ramp / 65535, atol=1e-5)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_fewer_bits_in_sixteen_are_scaled_by_their_own_white(bits: int, kind: str) -> None:
    top = 2**bits - 1
    ramp = np.linspace(0, top, 300).astype(np.uint16).reshape(10, 30)
    grey = read_picture(encode(Image.fromarray(ramp), kind)).grey
    np.testing.assert_allclose(grey, ramp / top, atol=1e-5)


def test_thirty_two_bits_are_stretched() -> None:
    ramp = np.linspace(0, 2**30, 300).astype(np.int32).reshape(10, 30)
    grey = read_picture(encode(Image.fromarray(ramp), "TIFF")).grey
    np.testing.assert_allclose(grey, ramp / 2**30, atol=1e-5)


def test_floats_as_far_apart_as_can_be_are_stretched() -> None:
    ramp = np.linspace(-1, 1, 300).reshape(10, 30)
    grey = read_picture(encode(Image.fromarray((ramp * 3.4e38).astype(np.float32)), "TIFF")).grey
    np.testing.assert_allclose(grey, (ramp + 1) / 2, atol=1e-5)


def test_a_large_photo_is_reduced_and_remembers_its_size() -> None:
    picture = read_picture(encode(draw(3).resize((4000, 3000)), "JPEG"))
    assert picture.size == (4000, 3000)
    assert max(picture.grey.shape) <= 1280
    assert picture.scale == pytest.approx(4000 / picture.grey.shape[1])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 1000), (1280, 320)),
        ((1000, 6000), (320, 1920)),
        ((6000, 200), (6000, 200)),
        ((24_000, 1000), (6271, 261)),
    ],
)
def test_strips_keep_what_lies_across(size: tuple[int, int], expected: tuple[int, int]) -> None:
    picture = picture_from_array(np.zeros(size[::-1], np.uint8))
    assert picture.grey.shape[::-1] == expected
    assert picture.grey.size <= 1280**2 * 1.001
    assert picture.scale == pytest.approx(max(size) / max(expected))


def test_only_the_first_frame_is_read() -> None:
    frames = [draw(3), *(draw(8) for _ in range(3))]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(read_picture(content).grey, pixels(frames[0]) / 255, atol=1e-6)


def test_a_bomb_is_refused_before_decoding() -> None:
    for side in (6_000, 20_000):
        content = _png_promising(side, side)
        assert len(content) < 60_000
        assert _grown(partial(_refusal, content)) < 20_000_000


def _tiff(width: int, height: int, strip: int, count: int = 1) -> bytes:
    """A TIFF that is all header: one grey strip of so many bytes, or so many strips, none there."""
    tags = (
        (256, 1, width),
        (257, 1, height),
        (258, 1, 8),
        (259, 1, 1),
        (262, 1, 1),
        (273, count, 8),
        (277, 1, 1),
        (278, 1, height),
        (279, count, strip),
    )
    entries = b"".join(struct.pack("<HHII", tag, 4, n, value) for tag, n, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def test_headers_that_promise_too_much_cost_nothing() -> None:
    contents = (
        _tiff(2**31 - 1, 2**31 - 1, 1),
        _tiff(100, 100, 2**31 - 1),
        _tiff(100, 100, 8, count=2**30),
        _tiff(2**24, 1, 2**24),
        _png_promising(4_000, 4_000)[:60],
    )
    for content in contents:
        assert _grown(partial(_refusal, content)) < 20_000_000


def test_of_many_frames_only_one_is_decoded() -> None:
    frames = [draw(3, canvas=(40, 40), size=20, width=3, at=(9, 9)), draw(8, canvas=(40, 40))]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[::-1] * 1_000)
    np.testing.assert_allclose(read_picture(content).grey, pixels(frames[0]) / 255, atol=1e-6)


def test_the_limit_that_decides_is_named() -> None:
    content = _png_promising(20_000, 10_000)
    for asked, decides in ((500_000_000, "178,956,970"), (9_000_000, "9,000,000")):
        with pytest.raises(PictureUnreadable, match=f"at most {decides} pixels"):
            read_picture(content, max_pixels=asked)


def test_what_pillow_warns_of_is_not_heard_and_other_warnings_are(tmp_path: Path) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(encode(draw(3), "PNG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x09"))
    reading = """
import sys, warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from data.picture import read_picture
sys.setswitchinterval(1e-6)
before = list(warnings.filters)
with ThreadPoolExecutor(8) as threads:
    list(threads.map(read_picture, [Path(sys.argv[1])] * 100))
assert warnings.filters == before
"""
    subprocess.run([sys.executable, "-W", "error", "-c", reading, path], check=True)


def test_the_limit_can_be_raised_and_lowered() -> None:
    content = encode(draw(3))
    assert read_picture(content, max_pixels=320 * 320).size == (320, 320)
    with pytest.raises(PictureUnreadable, match="320 x 320"):
        read_picture(content, max_pixels=320 * 320 - 1)


def test_refusals_say_what_came(tmp_path: Path) -> None:
    assert "does not exist" in _refusal(tmp_path / "none.png")
    assert "not a regular file" in _refusal(tmp_path)
    assert "name too long" in _refusal(tmp_path / ("a" * 300)).lower()
    assert "PNG, JPEG" in _refusal(b"neither")
    assert "is empty" in _refusal(b"")
    text = tmp_path / "text.png"
    text.write_text("a digit, honestly")
    assert "PNG, JPEG" in _refusal(text)
    noisy = np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)
    photo = encode(Image.fromarray(noisy), "JPEG")
    assert "damaged or cut short" in _refusal(photo[: len(photo) // 2])
    assert "PNG, JPEG" in _refusal(encode(draw(3), "ICO"))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_of_every_dtype(dtype: type) -> None:
    unit = pixels(draw(3)) > 127
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    picture = picture_from_array((unit * top).astype(dtype))
    assert isinstance(picture, Picture)
    assert picture.grey.dtype == np.float32
    np.testing.assert_array_equal(picture.grey, unit)


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", "<f8", "f2", "?"])
def test_arrays_of_every_byte_order(dtype: str) -> None:
    unit = pixels(draw(3)) > 127
    array = (unit * (65535 if dtype.endswith("u2") else 1)).astype(dtype)
    np.testing.assert_array_equal(picture_from_array(array).grey, unit)


def test_colour_and_alpha_arrays() -> None:
    grey = pixels(draw(3))
    rgb = np.dstack([grey] * 3)
    np.testing.assert_allclose(picture_from_array(rgb).grey, grey / 255, atol=1e-5)
    rgba = np.dstack([np.zeros_like(rgb), 255 - grey])
    np.testing.assert_allclose(picture_from_array(rgba).grey, grey / 255, atol=1e-5)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((28, 28), np.nan), "NaN"),
        (np.full((28, 28), np.inf, np.float32), "infinity"),
        (np.full((28, 28), 255.0), "0, 1"),
        (np.full((28, 28), -0.1), "0, 1"),
        (np.zeros((28, 28), np.int64), "int64"),
        (np.array([["a"]]), "U1"),
        (np.zeros((3, 28, 28)), "(3, 28, 28)"),
        (np.zeros((28, 28, 2)), "(28, 28, 2)"),
        (np.zeros(28), "(28,)"),
        (np.zeros((0, 28)), "(0, 28)"),
        (np.array(3.0), "()"),
        (np.array([[None, 1], [2, 3]], object), "object"),
        (np.zeros((3, 3), complex), "complex128"),
        (np.zeros((3, 3), "datetime64[s]"), "datetime64"),
        (np.zeros((3, 3), "i4,f4"), "f0"),
        (np.broadcast_to(np.uint8(1), (10**5, 10**5)), "100000 x 100000"),
        (np.ma.masked_less(np.eye(9), 1), "without masked pixels"),
    ],
)
def test_arrays_that_cannot_be_pictures(array: np.ndarray, said: str) -> None:
    with pytest.raises(PictureUnreadable) as caught:
        picture_from_array(array)
    assert said in str(caught.value)


def test_a_ragged_list_is_refused() -> None:
    with pytest.raises(PictureUnreadable, match="expected a picture as an array"):
        picture_from_array([[1, 2], [3]])  # type: ignore[arg-type]


def test_any_damage_is_one_kind_of_error() -> None:
    generator = np.random.default_rng(0)
    contents = [
        encode(draw(3), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
    ]
    for content in contents:
        for _ in range(30):
            spoiled = bytearray(content)
            for place in generator.integers(0, len(content), 8):
                spoiled[place] = generator.integers(0, 256)
            try:
                read_picture(bytes(spoiled))
            except PictureError as error:
                assert str(error)  # noqa: PT017 - surviving is as good as being refused


@pytest.mark.parametrize("kind", ["JPEG", "MPO"])  # the latter is several, one after the other
def test_a_jpeg_of_thousands_of_scans_is_refused_before_decoding(kind: str) -> None:
    several = {"save_all": True, "append_images": [draw(8)]} if kind == "MPO" else {}
    content = encode(draw(3), kind, progressive=True, **several)
    assert read_picture(content).size == (320, 320)
    end = content.index(b"\xff\xd9")
    scan = content[content.index(b"\xff\xda") : end]
    with pytest.raises(PictureUnreadable, match="at most 100 scans"):
        read_picture(content[:end] + scan * 200 + content[end:])


def test_what_a_jpeg_carries_beside_its_pixels_is_not_taken_for_scans(tmp_path: Path) -> None:
    """A phone hides a film behind a photo, and a thumbnail before it."""
    content = encode(draw(3), "JPEG", progressive=True)
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + 400) + b"\xff\xda" * 200
    film = b"\xff\xda" * 200
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(content[:2] + thumbnail + content[2:] + film)
    os.truncate(photo, 1 << 30)
    assert _grown(lambda: read_picture(photo)) < 20_000_000
    np.testing.assert_array_equal(read_picture(photo).grey, read_picture(content).grey)


def test_scans_are_counted_where_a_decoder_finds_them() -> None:
    """Across pieces, after filling and rubbish, and behind what only looks like a segment."""
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(1_000)
    for between in (
        b"",
        b"\xff\xff\xff",
        b"rubbish",
        b"\xff\x00",
        b"\xff\xd0",
        b"\xff\x02\x7f\x7f",
    ):
        content = b"\xff\xd8" + (between + scan) * 20
        assert is_endless(io.BytesIO(content), 19, 99)
        assert not is_endless(io.BytesIO(content), 20, 99)
    assert is_endless(io.BytesIO(b"\xff\xd8" + b"\xff\xfe\0\2" * 101), 20, 99)


def test_fewer_bits_in_an_array_of_sixteen_are_scaled_by_their_own_white() -> None:
    ramp = np.linspace(0, 255, 300).astype(np.uint16).reshape(10, 30)
    np.testing.assert_allclose(picture_from_array(ramp).grey, ramp / 255, atol=1e-5)


def _deep_colours(top: int) -> bytes:
    """A TIFF of 16 bits in each of three colours, which Pillow reads the upper eight of."""
    wide = (pixels(draw(3)).astype(np.uint32) * top // 255).astype("<u2")
    height, width = wide.shape
    raw = np.repeat(wide[..., None], 3, axis=2).tobytes()
    bits = 8 + len(raw)
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 4, 1, 1)]
    tags += [(262, 4, 1, 2), (273, 4, 1, 8), (277, 4, 1, 3), (278, 4, 1, height)]
    tags += [(279, 4, 1, len(raw))]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head, middle = b"II*\0" + struct.pack("<I", bits + 6), struct.pack("<HHH", 16, 16, 16)
    return head + raw + middle + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_colours_in_the_lower_half_of_sixteen_bits_are_not_taken_for_a_black_page() -> None:
    assert read_picture(_deep_colours(65535)).grey.max() == 1
    assert "lower 8 of 16 bits" in _refusal(_deep_colours(255))
