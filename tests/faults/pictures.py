"""Row 10: real picture files of every allowed format, mutated.

Hypothesis draws which file is changed and how: bits flipped, parts cut, repeated and taken from
other files, numbers of headers set to extremes; the checksums of half the PNGs are made right
again, so that what lies behind them is reached. What failed once is kept in `corpus/pictures`; what
fails anew lies in a folder for temporary files, which the failure names.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from tests.drawings import draw_digit
from tests.faults.ground import Ground
from tests.faults.measured import Measured, complaint_of, measure_each
from tests.faults.tally import SIDE_BY_SIDE, Tally

CORPUS = Path(__file__).parent / "corpus" / "pictures"
SECONDS, MEMORY = 2, 512 << 20
HEADER = 64  # bytes in which the numbers are that decoders go by
PNG = b"\x89PNG\r\n\x1a\n"
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(ground: Ground, tries: int, number: int) -> Tally:
    """A result or a picture error, in under two seconds of processor time and 512 MB."""
    kept = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    contents = list(dict.fromkeys([*kept, *_drawn(tries, number)]))[: len(kept) + tries]
    with tempfile.TemporaryDirectory(dir=ground.folder) as name:
        folder = Path(name)
        files = [folder / f"{number:05}.png" for number in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        share = -(-len(files) // SIDE_BY_SIDE)
        parts = [files[start : start + share] for start in range(0, len(files), share)]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            found = pool.map(partial(_answers, ground.index), parts)
            done = [one for part in found for one in part]
        reasons = [_complaint(*pair) for pair in zip(files, done, strict=True)]
    failures = []
    for content, reason in zip(contents, reasons, strict=True):
        if reason:
            failures.append(f"{keep(content)}: {reason}")
    return Tally(len(contents), tuple(failures))


def keep(content: bytes) -> Path:
    """Put what did harm where it outlives the run: a person decides what enters a corpus."""
    folder = Path(tempfile.gettempdir()) / "digit-search-faults"
    folder.mkdir(exist_ok=True)
    path = folder / hashlib.sha256(content).hexdigest()[:16]
    path.write_bytes(content)
    return path


def _answers(index: Path, files: Sequence[Path]) -> list[Measured]:
    return measure_each(index, [("classify", str(file)) for file in files])


def _complaint(file: Path, done: Measured) -> str | None:
    if done.peak > MEMORY:
        return f"took {done.peak >> 20} MB"
    return complaint_of(done, str(file), SECONDS)


def originals() -> list[bytes]:
    """Small pictures of a digit in every allowed format, and in many a way to store it."""
    grey = draw_digit(3, 48, 5).convert("L")
    wide = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    alpha = grey.convert("RGBA")
    alpha.putalpha(Image.eval(grey, lambda value: 255 - value))
    frames = {"save_all": True, "append_images": [grey.rotate(90), grey.rotate(180)]}
    exif = Image.Exif()
    exif[0x0112] = 6
    ways: list[tuple[Image.Image, str, dict[str, object]]] = [
        *((grey.convert(mode), "PNG", {}) for mode in ("1", "L", "P", "LA", "RGB")),
        (alpha, "PNG", {"exif": exif}),
        (wide, "PNG", {}),
        (grey, "PNG", frames),
        (grey.convert("RGB"), "JPEG", {"exif": exif}),
        (grey, "JPEG", {"progressive": True}),
        (grey.convert("CMYK"), "JPEG", {}),
        (grey.convert("RGB"), "WEBP", {}),
        (alpha, "WEBP", {"lossless": True}),
        (grey.convert("RGB"), "WEBP", frames),
        *((grey.convert(mode), "BMP", {}) for mode in ("1", "P", "RGB")),
        (grey, "GIF", {}),
        (grey, "GIF", frames),
        *(
            (grey, "TIFF", {"compression": way})
            for way in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg")
        ),
        (grey.convert("1"), "TIFF", {"compression": "group4"}),
        (wide, "TIFF", {}),
        (Image.fromarray(np.asarray(grey, np.float32)), "TIFF", {}),
        (grey, "TIFF", frames),
        *((grey.convert(mode), "PPM", {}) for mode in ("1", "L", "RGB")),
    ]
    return [*(_encoded(*way) for way in ways), _run_length_bmp(), b"P2\n2 2\n255\n0 9 255 3\n"]


def _encoded(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def _run_length_bmp() -> bytes:
    """Pillow reads RLE8 and does not write it."""
    rows = b"\x10\x00\x10\xff\x00\x00" * 32 + b"\x00\x01"
    info = struct.pack("<IiiHHIIiiII", 40, 32, 32, 1, 8, 1, len(rows), 0, 0, 256, 0)
    palette = b"".join(bytes((value, value, value, 0)) for value in range(256))
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + palette + rows


_share = st.floats(0, 1, exclude_max=True)
change = st.one_of(
    st.tuples(st.just("flip"), _share, st.integers(0, 7)),
    st.tuples(st.just("cut"), _share, _share),
    st.tuples(st.just("drop"), _share, _share),
    st.tuples(st.just("repeat"), _share, _share),
    st.tuples(st.just("splice"), st.integers(0, 99), _share, _share),
    st.tuples(
        st.just("number"), _share, st.sampled_from(EXTREMES), st.sampled_from(["<", ">"]),
        st.sampled_from("BHI"), st.booleans(),
    ),
)  # fmt: skip


def _drawn(tries: int, number: int) -> list[bytes]:
    files = originals()
    drawn: list[bytes] = []

    @seed(number)
    @settings(
        max_examples=2 * tries,  # some come out the same
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(files), st.lists(change, min_size=1, max_size=4), st.booleans())
    def draw(content: bytes, changes: list[tuple[Any, ...]], reseal: bool) -> None:
        for one in changes:
            content = changed(content, one, files)
        drawn.append(resealed(content) if reseal else content)

    draw()
    return drawn


def changed(content: bytes, one: tuple[Any, ...], files: Sequence[bytes]) -> bytes:
    """`content` after one `change`; shares are of its length."""
    what, first, second, *rest = one
    if not content:
        return content
    if what == "number":
        return _renumbered(content, first, second, *rest)
    if what == "splice":
        other = files[first % len(files)]
        place, length = int(second * len(content)), int(rest[0] * len(other))
        return content[:place] + other[-length:] + content[place:]
    place = int(first * len(content))
    if what == "flip":
        return content[:place] + bytes([content[place] ^ 1 << second]) + content[place + 1 :]
    length = 1 + int(second * len(content) / 8)
    if what == "cut":
        return content[:place]
    if what == "drop":
        return content[:place] + content[place + length :]
    return content[: place + length] + content[place:]


def _renumbered(
    content: bytes, share: float, value: int, order: str, size: str, early: bool
) -> bytes:
    layout = order + size
    width = struct.calcsize(layout)
    place = int(share * (min(HEADER, len(content)) if early else len(content)))
    number = struct.pack(layout, value & ((1 << 8 * width) - 1))
    return content[:place] + number + content[place + width :]


def resealed(content: bytes) -> bytes:
    """A PNG with the right checksum on every chunk that is still one; others as they are."""
    if not content.startswith(PNG):
        return content
    parts, place = [PNG], len(PNG)
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        body = content[place + 4 : place + 8 + length]
        if len(body) < 4 + length:
            break
        parts.append(content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body)))
        place += 12 + length
    return b"".join([*parts, content[place:]])
