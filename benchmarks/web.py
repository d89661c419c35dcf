"""`digits serve` at work: how long one question takes, how many clients it bears, what it holds.

`make bench PART=web`. Beside it, in the same run: the same question asked in-process, and a FastAPI
route that does nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.measure import DIGITS, seconds_of, table
from benchmarks.pictures import encoded
from data.datasets import load_dataset
from indexer.votes import DEFAULT_WEIGHTS
from search.answers import ClassifyAnswer, classify_answers
from search.index import DigitIndex
from search.queries import STDIN, Reader
from search.report import format_answers

QUESTIONS, WARM, TURN = 1000, 50, 100
CLIENTS, EACH = 16, 100
ROUNDS = 3
EMPTY = """
import socket, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.post("/api/classify")
async def nothing() -> dict[str, str]:
    return {}
sock = socket.create_server(("127.0.0.1", 0))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print(f"http://127.0.0.1:{sock.getsockname()[1]}/", flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[sock])
"""


def bench_web(folder: Path) -> None:
    """Print the tables for the index in `folder`."""
    images = load_dataset("mnist", "test").images[: QUESTIONS + WARM]
    bodies = [encoded(Image.fromarray(image), "PNG") for image in images]
    index = DigitIndex.open(folder, threads=1)
    with (
        served([sys.executable, "-c", EMPTY]) as (empty, _),
        served([*DIGITS, "serve", "--index", str(folder), "--port", "0"]) as (port, process),
    ):
        asks = {
            "in-process, picture to JSON": lambda body: answer(index, body),
            "an empty FastAPI route": Client(empty).ask,
            "POST /api/classify": Client(port).ask,
        }
        timed = in_turn(asks, bodies)
        crowds = [crowd(port, bodies, process) for _ in range(ROUNDS)]
    rows = [
        [name, f"{statistics.median(taken):.2f} ms", f"{percentile(taken, 99):.2f} ms"]
        for name, taken in timed.items()
    ]
    header = ["one 28x28 PNG after the other", "p50", "p99"]
    print(f"## Web, {len(index):,} digits\n\n{table(header, rows)}\n")
    header = [f"{CLIENTS} clients x {EACH} requests", "requests/s", "p99", "errors", "memory"]
    print(f"{table(header, crowds)}\n", flush=True)


def answer(index: DigitIndex, body: bytes) -> str:
    """What the server does for a question, without the server."""
    answers = classify_answers(index, Reader(index).content(STDIN, body), None, DEFAULT_WEIGHTS)
    return "".join(format_answers((one for _, one in answers), ClassifyAnswer, "jsonl"))


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        """Connect to this machine's `port`."""
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, body: bytes) -> int:
        """The status of one question."""
        self._link.request("POST", "/api/classify", body, {"Content-Type": "image/png"})
        response = self._link.getresponse()
        response.read()
        return response.status


def in_turn(
    asks: dict[str, Callable[[bytes], object]], bodies: Sequence[bytes]
) -> dict[str, list[float]]:
    """Milliseconds of each way to ask, all in turn: the machine is not as fast all the time."""
    taken: dict[str, list[float]] = {name: [] for name in asks}
    for start in range(0, QUESTIONS, TURN):
        for name, ask in asks.items():
            taken[name] += latencies(ask, bodies[start : start + WARM + TURN])
    return taken


def latencies(ask: Callable[[bytes], object], bodies: Sequence[bytes]) -> list[float]:
    """Milliseconds of each question after the first few."""
    return [1000 * seconds_of(partial(ask, body)) for body in bodies][WARM:]


def crowd(port: int, bodies: Sequence[bytes], process: subprocess.Popen[str]) -> list[str]:
    """Many clients at once: a row of the table, with the server's memory afterwards."""
    errors: list[int] = []

    def ask_all(number: int) -> list[float]:
        client = Client(port)

        def ask(body: bytes) -> None:
            status = client.ask(body)
            if status != http.client.OK:
                errors.append(status)

        own = [bodies[(number + turn) % len(bodies)] for turn in range(EACH)]
        return latencies(ask, [*own[:WARM], *own])

    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        taken = [one for part in pool.map(ask_all, range(CLIENTS)) for one in part]
    rate = CLIENTS * (WARM + EACH) / (time.perf_counter() - started)
    memory = f"{resident_megabytes(process.pid):.0f} MB"
    return ["", f"{rate:.0f}", f"{percentile(taken, 99):.0f} ms", str(len(errors)), memory]


def percentile(values: Sequence[float], share: int) -> float:
    """The value that `share` percent of `values` do not exceed."""
    return statistics.quantiles(values, n=100)[share - 1]


def resident_megabytes(pid: int) -> float:
    """What a process holds in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else float("nan")


@contextlib.contextmanager
def served(command: Sequence[str]) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A server that prints its address: its port and its process, until the end of the block."""
    with subprocess.Popen([*command], stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip() if process.stdout else ""
        try:
            yield int(address.rstrip("/").rpartition(":")[2]), process
        finally:
            process.terminate()
