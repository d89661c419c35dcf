"""`digits add`, `remove` and `undo`: change an index without building it again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from search.cli.console import FAILED, hush_libraries, note, say
from search.cli.options import (
    check_stdin,
    format_option,
    index_option,
    max_pixels_option,
    single_option,
    threads_option,
    with_options,
)
from search.text import counted, named

if TYPE_CHECKING:
    from indexer.manifest import Manifest
    from indexer.place import Place

changing = with_options(index_option, format_option)


@click.command(
    short_help="Add pictures to an index.",
    epilog="Example: digits add --label 7 mine.png other.png",
)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...|FOLDER...")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="What every digit on the pictures is.",
)
@with_options(max_pixels_option, single_option, threads_option)
@changing
def add(
    images: tuple[str, ...],
    labels: tuple[str, ...],
    max_pixels: int,
    single: bool,
    threads: int | None,
    index_place: Place,
    style: str,
) -> None:
    """Add the digits on each IMAGE to the index as NAME, or those in each FOLDER of LABEL/name.png.

    IMAGE is a picture, a folder of pictures, an .npy array, or - for stdin. What cannot be used is
    named; the rest is added.
    """
    from search.answers import FailedAnswer
    from search.grow import add as store
    from search.grow import from_folders, open_to_change, with_label
    from search.queries import Reader
    from search.report import format_additions

    if len(labels) > 1:
        raise click.UsageError(
            f"expected one --label, which is of all pictures, received {len(labels)}; add those of"
            " each label by a command of their own"
        )
    check_stdin(images)
    hush_libraries()
    with open_to_change(index_place, threads) as (change, index):
        reader = Reader(index, max_pixels, single)
        pictures = (
            with_label(index, reader.read(images, ()), *labels)
            if labels
            else from_folders(reader, images)
        )
        added = store(change, index, pictures, _option(index_place))
    say(format_additions(added.rows, style))
    failed = [row for row in added.rows if isinstance(row, FailedAnswer)]
    for row in failed:
        note(f"Error: {row.error}")
    if added.manifest.generation != index.manifest.generation:
        _tell_generation(added.manifest, index_place)
    if failed:
        raise click.exceptions.Exit(FAILED)


@click.command(
    short_help="Take digits out of an index.",
    epilog="Example: digits remove added/0 mnist/train/123",
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@changing
def remove(ids: tuple[str, ...], index_place: Place, style: str) -> None:
    """Take the stored digits with these IDs out, so that they never answer again.

    An ID that begins with a dash is given after --.
    """
    from search.facts import generation_facts
    from search.grow import open_to_change
    from search.grow import remove as take_out
    from search.report import format_facts

    with open_to_change(index_place) as (change, index):
        manifest = take_out(change, index, ids)
    facts = {"removed": len(index) - manifest.count, **generation_facts(manifest, index_place)}
    say(format_facts(facts, style))
    _tell_generation(manifest, index_place)


@click.command(
    short_help="Go back to the index before the last change.",
    epilog="Example: digits undo --index mnist-index",
)
@changing
def undo(index_place: Place, style: str) -> None:
    """Go back to the index before the last change; a second undo does that change again."""
    from search.facts import generation_facts
    from search.grow import undo as go_back
    from search.report import format_facts

    say(format_facts(generation_facts(go_back(index_place), index_place), style))


def _tell_generation(manifest: Manifest, place: Place) -> None:
    held = counted(manifest.count, "digit")
    note(
        f"Generation {manifest.generation} holds {held}; take the change back with: digits undo"
        f" {_option(place)}"
    )


def _option(place: Place) -> str:
    """The option that names an index, as a shell takes it."""
    return f"--index {shlex.quote(named(str(place)))}"
