"""Row 11: little files that promise, or truly hold, far more than anybody should unpack.

Whatever is refused is refused before it is decoded, and what of it is answered (the first frame of
ten thousand, a digit beside 300,000 facts) is answered as if the rest were not there; either takes
little time and memory.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data import mnist
from tests.drawings import draw_digit
from tests.faults.child import FAILED
from tests.faults.ground import Ground
from tests.faults.measured import Job, Measured, complaint_of, measure_each
from tests.faults.pictures import PNG, originals
from tests.faults.tally import Tally

SECONDS, GROWN = 0.2, 50 << 20
SIDES = (12_000, 20_000)
FRAMES = 10_000
WEBP = Path(__file__).parent / "corpus" / "bombs" / "12000.webp.gz"
Make = Callable[[Path], Job]  # makes a bomb in a folder


def bombs(ground: Ground, tries: int, seed: int) -> Tally:
    """Every bomb: refused by name, or its first frame answered, in 200 ms and 50 MB."""
    made = _all_bombs()
    names = random.Random(seed).sample(sorted(made), min(tries, len(made)))
    with ground.scratch() as scratch:
        jobs = [_made(made[name], scratch / str(number)) for number, name in enumerate(names)]
        alone = scratch / "alone.png"
        _drawing().save(alone)
        warm = [scratch / f"{number}.picture" for number in range(len(originals()))]
        for path, content in zip(warm, originals(), strict=True):
            path.write_bytes(content)
        first, *done = measure_each(ground.index, [("classify", str(alone)), *jobs], warm)
    reasons = [
        _complaint(name, job, one, first.out)
        for name, job, one in zip(names, jobs, done, strict=True)
    ]
    pairs = zip(names, reasons, strict=True)
    return Tally(len(names), tuple(f"{name}: {why}" for name, why in pairs if why))


def _made(make: Make, folder: Path) -> Job:
    folder.mkdir()
    return make(folder)


def _complaint(name: str, job: Job, done: Measured, reference: str) -> str | None:
    """Why a bomb did harm, or was not refused."""
    if why := complaint_of(done, job[1], SECONDS):
        return why
    if done.grown > GROWN:
        return f"took {done.grown >> 20} MB"
    if "frames" in name or "exif" in name:
        same = _unnamed(done.out) == _unnamed(reference)
        return None if same else f"another answer than the first frame's: {done.out[:200]!r}"
    return None if done.status == FAILED else f"answered: {done.out[:200]!r}"


def _unnamed(out: str) -> list[object]:
    return [{**json.loads(line), "query": None} for line in out.splitlines()]


def _drawing() -> Image.Image:
    return draw_digit(3, 60, 6).convert("L")


def _all_bombs() -> dict[str, Make]:
    pictures: dict[str, Callable[[], bytes]] = {"webp of 12000 x 12000": _webp}
    for side in SIDES:
        for kind in (_png, _gif, _tiff, _bmp, _jpeg):
            pictures[f"{kind.__name__[1:]} of {side} x {side}"] = partial(kind, side)
    for kind in (_many_gif, _many_png, _many_webp, _many_tiff):
        pictures[f"{kind.__name__[6:]} of 10,000 frames"] = kind
    pictures |= {
        "text of 100 MB in a png": lambda: _png_with(
            b"zTXt", b"Comment\0\0" + _deflated(100 << 20)
        ),
        "profile of 100 MB in a png": lambda: _png_with(b"iCCP", b"icc\0\0" + _deflated(100 << 20)),
        "exif of 300,000 fractions in a png": _upside_down,
        "jpeg of 3,000 scans": lambda: _scans("JPEG"),
        "mpo of 3,000 scans": lambda: _scans("MPO", save_all=True, append_images=[_drawing()]),
        "npy that asks for 32 GiB": lambda: _npy("(4294967296,)", "<f8"),
        "npy that asks for 2^120 bytes": lambda: _npy(f"({('1099511627776, ' * 3)})", "<f8"),
        "npy of a side of 2^62": lambda: _npy("(4611686018427387904, 4)", "|u1"),
        "npy of 4 GiB of header": lambda: b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b"{" * 1000,
        "npy of nested brackets": lambda: _npy("(" * 9000, "|u1"),
    }
    made: dict[str, Make] = {name: partial(_picture, content) for name, content in pictures.items()}
    for side in SIDES:
        made[f"pgm of {side} x {side}, with holes"] = partial(
            _holes, b"P5 %d %d 255\n" % (side, side), side * side
        )
        made[f"npy of {side} x {side}, with holes"] = partial(
            _holes, _npy(f"({side}, {side})", "|u1"), side * side
        )
    made |= {
        "gzip 1000:1 of an idx": partial(_idx, lambda: _gzipped(mnist.IMAGES["train"].size)),
        "gzip 1000:1, 1 GB": partial(_idx, lambda: _gzipped(1 << 30)),
        "gzip in gzip": partial(_idx, lambda: gzip.compress(_gzipped(1 << 30))),
        "idx header that lies": partial(_idx, lambda: struct.pack(">4I", 2051, *[0xFFFFFFFF] * 3)),
        "idx of 4 GB, with holes": partial(_idx, lambda: struct.pack(">4I", 2051, 60_000, 28, 28)),
        "npz header that lies": partial(_npz, {"x_train": _npy("(4294967296,)", "<f8")}),
        "npz 1000:1, honest": partial(_npz, {"x_train": _zeros(200_000)}),
        "npz of many members": partial(_npz, {f"m{n}": _zeros(20_000) for n in range(20)}),
        "npz in npz": partial(_npz, {"x_train": b"PK\x03\x04" + bytes(1 << 20)}),
    }
    return made


def _picture(content: Callable[[], bytes], folder: Path) -> Job:
    (folder / "bomb.png").write_bytes(content())
    return "classify", str(folder / "bomb.png")


def _holes(start: bytes, length: int, folder: Path) -> Job:
    with (folder / "bomb.pgm").open("wb") as file:
        file.write(start)
        file.truncate(len(start) + length)
    return "classify", str(folder / "bomb.pgm")


def _idx(content: Callable[[], bytes], folder: Path) -> Job:
    for file in mnist.FILES:
        (folder / f"{file.name}.gz").write_bytes(b"")
    bomb = folder / f"{mnist.IMAGES['train'].name}.gz"
    bomb.write_bytes(content())
    if bomb.stat().st_size == 16:
        with bomb.open("ab") as opened:
            opened.truncate(4 << 30)
    return "mnist", str(folder)


def _npz(members: dict[str, bytes], folder: Path) -> Job:
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return "dataset", str(folder / "bomb.npz")


def _zeros(count: int) -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((count, 28, 28), np.uint8))
    return file.getvalue()


def _npy(shape: str, dtype: str) -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def _gzipped(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    whole, rest = divmod(size, 1 << 20)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(whole)]
    return b"".join([*parts, packer.compress(bytes(rest)), packer.flush()])


def _deflated(size: int) -> bytes:
    packer = zlib.compressobj(1)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = _deflated(side * (side // 8 + 1) + (1 << 20))
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    return PNG + chunks


def _png_with(kind: bytes, body: bytes) -> bytes:
    """A good PNG whose chunk before the pixels is a bomb."""
    content = _encoded("PNG")
    return content[:33] + _chunk(kind, body) + content[33:]


def _upside_down() -> bytes:
    """A digit to be turned, and fractions that take long to be written again without the turn."""
    fractions = struct.pack(">II", 2971215073, 1836311903) * 300_000
    entries = struct.pack(">HHHII", 2, 0x0112, 3, 1, 3 << 16)  # orientation 3
    entries += struct.pack(">HHIII", 0x9999, 5, len(fractions) // 8, 38, 0)
    exif = b"MM\0*" + struct.pack(">I", 8) + entries + fractions
    file = io.BytesIO()
    _drawing().transpose(Image.Transpose.ROTATE_180).save(file, "PNG", exif=exif)
    return file.getvalue()


def _encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    _drawing().save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def _gif(side: int) -> bytes:
    small = bytearray(_encoded("GIF"))
    small[6:10] = struct.pack("<HH", side, side)
    place = small.index(b",\0\0\0\0")
    small[place + 5 : place + 9] = struct.pack("<HH", side, side)
    return bytes(small)


def _tiff(side: int) -> bytes:
    strip = _deflated(side * (side // 8))
    return _ifd_file(side, side, 1, 8, strip, frames=1)


def _ifd_file(width: int, height: int, bits: int, way: int, strip: bytes, frames: int) -> bytes:
    """A TIFF of one strip that every frame shows."""
    tags = [(256, width), (257, height), (258, bits), (259, way), (262, 1), (273, 8)]
    tags += [(277, 1), (278, height), (279, len(strip))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    first, size = 8 + len(strip) + len(strip) % 2, 2 + len(entries) + 4
    ends = [first + number * size for number in range(1, frames)] + [0]
    directories = b"".join(
        struct.pack("<H", len(tags)) + entries + struct.pack("<I", end) for end in ends
    )
    return b"II*\0" + struct.pack("<I", first) + strip.ljust(first - 8, b"\0") + directories


def _bmp(side: int) -> bytes:
    rows = (b"\xff\x00" * (side // 255 + 1) + b"\x00\x00") * (side // 10) + b"\x00\x01"
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(rows), 0, 0, 256, 0)
    start = 14 + len(info) + 1024
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + bytes(1024) + rows


def _jpeg(side: int) -> bytes:
    content = bytearray(_encoded("JPEG"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", side, side)
    return bytes(content)


def _scans(kind: str, **options: object) -> bytes:
    """A progressive JPEG, the first of several or alone, whose last scan is repeated."""
    content = _encoded(kind, progressive=True, **options)
    end = content.index(b"\xff\xd9")
    scan = content[content.rindex(b"\xff\xda", 0, end) : end]
    return content[:end] + scan * 3_000 + content[end:]


def _webp() -> bytes:
    return gzip.decompress(WEBP.read_bytes())


def _many_gif() -> bytes:
    content = _encoded("GIF")
    place = content.index(b",\0\0\0\0")
    return content[:place] + content[place:-1] * FRAMES + content[-1:]


def _many_png() -> bytes:
    width, height = _drawing().size
    control = struct.pack(">II", FRAMES, 0)
    raw = b"".join(b"\0" + row.tobytes() for row in np.asarray(_drawing()))
    pixels, parts = zlib.compress(raw), []
    for number in range(FRAMES):
        order = 2 * number - 1 if number else 0
        frame = struct.pack(">IIIIIHHBB", order, width, height, 0, 0, 1, 10, 0, 0)
        body = _chunk(b"fdAT", struct.pack(">I", order + 1) + pixels) if number else b""
        parts.append(_chunk(b"fcTL", frame) + (body or _chunk(b"IDAT", pixels)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"acTL", control), *parts, _chunk(b"IEND", b""))
    return PNG + b"".join(chunks)


def _many_webp() -> bytes:
    file = io.BytesIO()
    first, second = _drawing().convert("RGB"), _drawing().rotate(90).convert("RGB")
    first.save(file, "WEBP", lossless=True, save_all=True, append_images=[second], kmax=1)
    content = file.getvalue()
    place = content.index(b"ANMF")
    (size,) = struct.unpack("<I", content[place + 4 : place + 8])
    frame = content[place : place + 8 + size + size % 2]
    body = content[8:place] + frame * FRAMES
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _many_tiff() -> bytes:
    width, height = _drawing().size
    return _ifd_file(width, height, 8, 1, np.asarray(_drawing()).tobytes(), FRAMES)
