"""Take the time of calls, and run commands for their time and peak memory, as the system counts."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

from data.processors import processors

DIGITS = [str(Path(sys.executable).parent / "digits")]
# A program that people use has its bytecode in the cache, also where this one was told not to.
CACHED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Run:
    """One finished command: seconds of wall time, peak memory in GB, what it printed."""

    seconds: float
    memory: float
    output: str


def run(command: Sequence[str | Path]) -> Run:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; its last words are shown.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen([*map(str, command)], stdout=output, stderr=errors, env=CACHED)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{errors.read()[-2000:]}")
        return Run(seconds, usage.ru_maxrss / 1e6, output.read())


def medians(commands: dict[str, Sequence[str | Path]], rounds: int) -> dict[str, float]:
    """Median seconds of each command over `rounds` turns, after one turn that is not counted."""
    return _medians(
        {name: partial(_seconds, command) for name, command in commands.items()}, rounds
    )


def _seconds(command: Sequence[str | Path]) -> float:
    return run(command).seconds


def seconds_of(call: Callable[[], object]) -> float:
    """The wall time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def medians_of(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each call over `rounds` turns, after one turn that is not counted."""
    return _medians({name: partial(seconds_of, call) for name, call in calls.items()}, rounds)


def _medians(timed: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """All take turns, for a machine is not as fast all the time."""
    turns = [{name: one() for name, one in timed.items()} for _ in range(rounds + 1)]
    return {name: statistics.median(turn[name] for turn in turns[1:]) for name in timed}


def machine() -> str:
    """One line: when, where and with what."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    packages = ("keras", "tensorflow", "onnxruntime", "faiss-cpu", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{date.today()}, {processors()} cores of {model}, Python {platform.python_version()}, {versions}"  # noqa: E501


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
