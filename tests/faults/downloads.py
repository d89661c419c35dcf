"""Row 13: mirrors that are down, slow, endless, cut off or somebody else, on loopback.

What is fetched is two small files in place of MNIST's four; that the content decides, and not the
server, is the same.
"""

from __future__ import annotations

import contextlib
import gzip
import http.server
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from data.mnist import IdxFile
from data.sets import idx
from tests.faults.child import FAILED, Outcome, run
from tests.faults.ground import Ground
from tests.faults.tally import Tally, try_all

PATIENCE = 2.0  # seconds
PIXELS = random.Random(0).randbytes(50 * 28 * 28)
ARRAYS = {
    "images-idx3-ubyte": np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8),
    "labels-idx1-ubyte": np.arange(50, dtype=np.uint8),
}
CONTENT = {name: idx.pack(array) for name, array in ARRAYS.items()}
FILES = tuple(
    IdxFile(name, idx.UINT8 | array.ndim, len(CONTENT[name]), sha256(CONTENT[name]).hexdigest())
    for name, array in ARRAYS.items()
)
GOOD = ("good", "redirected", "unzipped")
BAD = (
    "absent", "broken", "forbidden", "other", "flipped", "short", "cut", "empty", "page", "nested",
    "damaged", "bomb", "endless", "silent", "dripping", "circle", "file", "closed", "no-http",
)  # fmt: skip
SLOW = ("endless", "silent", "dripping")


def downloads(ground: Ground, tries: int, seed: int) -> Tally:
    """Every bad mirror, alone and before a good one; every good one."""
    cases = [(*before, way) for way in GOOD for before in ((), *((bad,) for bad in BAD))]
    cases += [(bad,) for bad in BAD] + [(bad, BAD[number - 1]) for number, bad in enumerate(BAD)]
    chosen = random.Random(seed).sample(cases, min(tries, len(cases)))
    for content in CONTENT.values():
        _bodies(content)  # now, and not while a client waits
    with _serving() as address:
        return try_all(chosen, partial(_attempt, ground, address))


def _attempt(ground: Ground, address: str, mirrors: Sequence[str]) -> str | None:
    addresses = [_address(address, mirror) for mirror in mirrors]
    with ground.scratch() as scratch:
        cache = scratch / "cache"
        outcome = run(_download, cache, addresses)
        held = {path.name: path.read_bytes() for path in cache.iterdir()}
    bad = [name for name, content in held.items() if not _is_good(name, content)]
    if bad:
        return f"the cache holds {bad}"
    if mirrors[-1] not in GOOD:
        return _complaint(outcome, addresses)
    if outcome.status or outcome.err or len(held) != len(FILES):
        return f"expected both files, received {sorted(held)} and {outcome.err[-300:]!r}"
    return None


def _complaint(outcome: Outcome, addresses: Sequence[str]) -> str | None:
    lines = outcome.err.splitlines()
    if outcome.status != FAILED or len(lines) != 1 or not lines[0].startswith("Error: "):
        return f"expected one line, received {outcome.status} and {outcome.err[-300:]!r}"
    named = all(part in lines[0] for part in (FILES[0].name, *addresses, "--dataset optdigits"))
    return None if named else f"expected file, mirrors and a way out, received {lines[0]!r}"


def _is_good(name: str, content: bytes) -> bool:
    good = CONTENT.get(name.removesuffix(".gz"))
    with contextlib.suppress(gzip.BadGzipFile):
        content = gzip.decompress(content)
    return content == good


def _address(address: str, mirror: str) -> str:
    if mirror == "closed":
        return "http://127.0.0.1:9/closed/"
    return f"nonsense://{mirror}/" if mirror == "no-http" else f"{address}{mirror}/"


def _download(folder: Path, mirrors: Sequence[str]) -> None:
    from data.errors import DigitsError
    from data.mnist import download_mnist
    from search.cli.console import note

    try:
        download_mnist(folder, mirrors, FILES, PATIENCE)
    except DigitsError as exc:
        note(f"Error: {exc}")
        sys.exit(FAILED)


class _Mirror(http.server.BaseHTTPRequestHandler):
    """Behaves as the first part of the path says."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer, or not."""
        way, _, packed = self.path.strip("/").partition("/")
        content = CONTENT[packed.removesuffix(".gz")]
        with contextlib.suppress(OSError):  # whom we answer may have gone
            self._answer(way, packed, content)

    def _answer(self, way: str, packed: str, content: bytes) -> None:
        statuses = {"absent": 404, "broken": 500, "forbidden": 403}
        redirects = {
            "redirected": f"/good/{packed}",
            "circle": f"/circle/{packed}",
            "file": "file:///etc/hostname",
        }
        if way in statuses:
            self.send_error(statuses[way])
        elif way in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[way])
            self.end_headers()
        elif way in SLOW:
            self._linger(way)
        else:
            self._send(*_body(way, content))

    def _send(self, body: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def _linger(self, way: str) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(1000):
            if way == "endless":
                self.wfile.write(bytes(1 << 20))
            else:
                time.sleep(0.1)
            if way == "dripping":
                self.wfile.write(b"x")


def _body(way: str, content: bytes) -> tuple[bytes, int]:
    """What is sent, and how much the server says it is."""
    bodies = _bodies(content)
    return bodies[way], len(bodies["good" if way == "cut" else way])


@cache
def _bodies(content: bytes) -> dict[str, bytes]:
    packed = gzip.compress(content)
    return {
        "good": packed,
        "unzipped": content,
        "other": gzip.compress(content[:-1] + b"?"),
        "flipped": packed[:-9] + bytes([packed[-9] ^ 1]) + packed[-8:],
        "short": packed[:-20],
        "cut": packed[:-20],
        "empty": b"",
        "page": b"<html>sign in</html>",
        "nested": gzip.compress(packed),
        "damaged": b"\x1f\x8b" + packed[12:],
        "bomb": gzip.compress(bytes(100 << 20), 1),
    }


@contextlib.contextmanager
def _serving() -> Iterator[str]:
    """The address of a server on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Mirror) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
