"""Speak to a person: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator

import click

from data.progress import Progress
from search.text import printable

STDERR = 2
FAILED, MISUSED, ABSTAINED = 1, 2, 3  # exit statuses


def say(lines: Iterable[str]) -> None:
    """Print results."""
    for line in lines:
        click.echo(line)


def note(text: str) -> None:
    """Print something that is not a result; where stderr takes nothing, nobody is to be told."""
    with contextlib.suppress(OSError):
        click.echo(printable(text), err=True)


def hush_libraries() -> None:
    """From now on only we speak on stderr; decoders print there what they think of a picture."""
    if not sys.stderr or sys.stderr.fileno() != STDERR:
        return
    sys.stderr.flush()
    ours = os.fdopen(os.dup(STDERR), "w", buffering=1, errors="backslashreplace")
    with open(os.devnull, "wb") as nobody:  # noqa: PTH123, a device
        os.dup2(nobody.fileno(), STDERR)
    sys.stderr = ours


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A bar with the time left on a terminal's stderr; silence elsewhere."""
    with click.progressbar(
        length=1,
        label=label,
        file=sys.stderr,
        hidden=not (sys.stderr and sys.stderr.isatty()),
        item_show_func=lambda text: text,
    ) as bar:

        def show(done: int, total: int, note: str = "") -> None:
            bar.length = total
            bar.update(done - bar.pos, note or None)

        yield show
