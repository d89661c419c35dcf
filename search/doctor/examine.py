"""All checks, in the order in which one thing rests on another."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from functools import partial

from data.errors import DatasetError, MissingExtra
from search.doctor.findings import Collection, Finding, Folder, fault
from search.doctor.folder import check_embedder, check_folder, check_index
from search.doctor.installation import examine_installation
from search.text import named


def examine(index: Folder | Collection, embedder: Folder) -> Iterator[Finding]:
    """Every check, in the order in which one thing rests on another."""
    yield from examine_installation()
    for name, check in (
        ("mnist", check_mnist),
        ("embedder", lambda: check_embedder(embedder)),
        ("index", lambda: _check_index_at(index, embedder)),
    ):
        yield from _told(name, check)
    for name, place in (("embedder", embedder), ("index", index)):
        if isinstance(place, Folder):
            yield from _told(f"{name} folder", partial(check_folder, name, place))


def _check_index_at(index: Folder | Collection, embedder: Folder) -> Iterator[Finding]:
    if isinstance(index, Folder):
        return check_index(index, embedder)
    from search.doctor.milvus import check_collection

    return check_collection(index, embedder)


def check_mnist() -> Iterator[Finding]:
    """Where MNIST lies, and that it is MNIST."""
    from data.mnist import SPLITS, VARIABLE, find_mnist, keras_cache, load_mnist, own_cache

    place = None
    try:
        place = find_mnist()
        if place is None:
            detail = "not on this machine; it is downloaded when a command first needs it"
            remedy = f"export {VARIABLE}=FOLDER  # to use a copy: its four files, or an npz"
            yield Finding("mnist", "warning", detail, remedy)
            return
        for split in SPLITS:
            load_mnist(split, place)
    except DatasetError as exc:
        remedy = f"export {VARIABLE}=FOLDER  # with a whole copy"
        if place and place in (keras_cache(), own_cache()):
            remedy = f"rm -r {shlex.quote(named(place))}  # it is downloaded when it is needed"
        yield Finding("mnist", "problem", fault(exc), remedy)
        return
    yield Finding("mnist", "ok", f"whole, at {named(place)}")


def _told(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; a package that is missing or broken is one, too."""
    try:
        yield from check()
    except (ImportError, MissingExtra) as exc:
        remedy = "pip install --upgrade --force-reinstall digit-search"
        yield Finding(name, "problem", f"could not be looked at: {exc}", remedy)
    except OSError as exc:
        if exc.filename is None:  # no name was looked at but that of the folder we are in
            yield Finding(name, "problem", f"the folder you are in: {exc.strerror}", "cd")
            return
        where = named(exc.filename)
        yield Finding(name, "problem", f"{where}: {exc.strerror}", f"ls -ld {shlex.quote(where)}")
