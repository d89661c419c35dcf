"""Watch a child's system calls with strace, or kill it at one of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.child import SECONDS, Outcome, command, started

PROGRAM = "strace"
# All by which the product changes what is on a disk; ? where not every processor has the call.
CHANGING = ",".join(
    f"?{name}"
    for name in (
        *("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "truncate", "fallocate"),
        *("rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat"),
        *("mkdir", "mkdirat", "rmdir", "fchmod", "flock"),
    )
)
HEX = r"((?:\\x[0-9a-f]{2})*)"
CALL = re.compile(r"(\w+)\((.*)\) += \d+")
GIVEN = re.compile(f'"{HEX}"')
OPEN = re.compile(rf"^\d+<{HEX}>")


@dataclass(frozen=True)
class Call:
    """A system call that succeeded.

    Attributes:
        name: of the call, without what tells its variants apart; `create` for an `openat` that may.
        paths: what it was given, or what is open under the number it was given.
        content: what was written.
    """

    name: str
    paths: tuple[Path, ...]
    content: bytes = b""


def killed_at(arguments: tuple[str, ...], number: int) -> bool:
    """Kill the command line at its `number`-th changing call (from 1); whether it came so far."""
    inject = f"inject={CHANGING}:signal=SIGKILL:when={number}"
    outcome, _ = traced(arguments, "-e", f"trace={CHANGING}", "-e", inject)
    return outcome.status == -signal.SIGKILL


def calls_in(folder: Path, arguments: tuple[str, ...]) -> list[Call]:
    """Run the command line; the calls by which it changed what is in `folder`, in order."""
    trace = f"trace=openat,{CHANGING}"
    options = ("-y", "-xx", "-s", str(1 << 24), "-e", trace, "-e", "status=successful")
    outcome, log = traced(arguments, *options)
    if outcome.status:
        raise RuntimeError(f"{' '.join(arguments)}: {outcome.err}")
    return [
        call
        for call in _parsed(log)
        if folder in call.paths or any(folder in path.parents for path in call.paths)
    ]


def traced(arguments: tuple[str, ...], *options: str) -> tuple[Outcome, str]:
    """Run the command line in a child under strace; how it ended, and the log."""
    with started(_stopped, *arguments) as child:
        log, pid = child.scratch / "strace", child.process.pid
        _await(lambda: _status(pid, "State").startswith("T"))
        watch = [PROGRAM, "-f", "-qq", "-o", str(log), "-p", str(pid), *options]
        with subprocess.Popen(watch, stderr=subprocess.PIPE, text=True) as tracer:
            _await(lambda: _status(pid, "TracerPid") != "0" or tracer.poll() is not None)
            if tracer.poll() is not None and tracer.stderr:
                raise RuntimeError(f"strace ended: {tracer.stderr.read()}")
            child.send(signal.SIGCONT)
            outcome = child.wait(6 * SECONDS)  # every call is watched
        return outcome, log.read_text()


def _stopped(*arguments: str) -> None:
    """The command line, once somebody says so."""
    os.kill(os.getpid(), signal.SIGSTOP)
    command(*arguments)


def _await(met: Callable[[], bool]) -> None:
    limit = time.monotonic() + SECONDS
    while not met():
        if time.monotonic() > limit:
            raise RuntimeError("a child did not stop to be watched")
        time.sleep(0.001)


def _status(pid: int, field: str) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return line.split(":", 1)[1].strip()
    return ""


def _parsed(log: str) -> Iterator[Call]:
    for name, arguments in _whole_calls(log):
        given = [_text(found) for found in GIVEN.findall(arguments)]
        opened = OPEN.match(arguments)
        if name == "openat":
            if "O_CREAT" in arguments:
                yield Call("create", (_path(given[0]),))
        elif opened:
            yield Call(name, (_path(_text(opened[1])),), given[0] if given else b"")
        elif given:
            variants = name.removesuffix("2").removesuffix("at")
            yield Call(variants, tuple(map(_path, given)))


def _whole_calls(log: str) -> Iterator[tuple[str, str]]:
    """Names and arguments of calls that succeeded; those that others came between are joined."""
    begun: dict[str, str] = {}
    for line in log.splitlines():
        pid, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            text = begun.pop(pid, "") + text.split(" resumed>", 1)[-1]
        if found := CALL.match(text):
            yield found[1], found[2]


def _text(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _path(text: bytes) -> Path:
    return Path(os.fsdecode(text))
