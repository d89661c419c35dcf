"""Whether what is installed can carry this program: versions against floors, extras, processors.

Nothing is imported to find out: what is broken could not be, and Keras takes seconds. The floors
are those of pyproject.toml, as the installed package carries them.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import TYPE_CHECKING

from data.processors import processors
from search.doctor.findings import Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PROGRAM = "digit-search"
EXTRAS = {
    "train": "to train embedders and for the embedded optdigits",
    "tensorboard": "for digits train --tensorboard",
    "plot": "for --plots, maps and reports",
    "sklearn": "for estimators in scikit-learn, and maps by t-SNE",
    "umap": "for maps by UMAP",
    "parquet": "for datasets in Parquet, and to export as it",
    "web": "for digits serve",
    "browser": "to test the page",
    "milvus": "for indexes in Milvus",
    "ray": "to encode on a Ray cluster",
    "bench": "to measure this program beside others",
    "dev": "to work on this program",
}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def examine_installation() -> Iterator[Finding]:
    """Python, packages, extras and processors."""
    yield check_python(platform.python_version(), metadata(PROGRAM)["Requires-Python"])
    yield from check_packages(_requirements(None))
    for extra in metadata(PROGRAM).get_all("Provides-Extra", ()):
        yield check_extra(extra, EXTRAS[extra], _requirements(extra))
    yield check_threads(os.environ, processors())


def check_python(running: str, floor: str) -> Finding:
    """The interpreter's version against the floor, for example `3.12.1` against `>=3.11`."""
    from packaging.specifiers import SpecifierSet

    if not SpecifierSet(floor).contains(running, prereleases=True):
        remedy = f"make an environment with Python {floor}, and there: {_install(PROGRAM)}"
        return Finding("python", "problem", f"expected {floor}, received {running}", remedy)
    return Finding("python", "ok", f"{running} at {sys.executable}")


def check_packages(needed: list[Requirement]) -> Iterator[Finding]:
    """Each package that every command needs: those that will not do, then all the others."""
    well = []
    for one in needed:
        if said := _amiss(one):
            yield Finding("packages", "problem", said, _install(PROGRAM))
        else:
            well.append(f"{one.name} {version(one.name)}")
    if well:
        yield Finding("packages", "ok", ", ".join(well))


def check_extra(extra: str, purpose: str, needed: list[Requirement]) -> Finding:
    """An extra is installed or not, as anybody likes; a package of it that is too old is amiss."""
    name, what = f"extra {extra}", f"{PROGRAM}[{extra}]"
    absent = [one for one in needed if _installed(one.name) is None]
    old = [said for one in needed if one not in absent and (said := _amiss(one))]
    if old:
        return Finding(name, "warning", f"{'; '.join(old)}; needed {purpose}", _install(what))
    if absent:
        return Finding(name, "ok", f"not installed, only needed {purpose}: {_install(what)}")
    return Finding(name, "ok", f"installed: {purpose}")


def check_threads(environment: Mapping[str, str], usable: int) -> Finding:
    """Variables that bound the libraries' threads, against the processors there are."""
    given = {name: environment[name] for name in THREAD_VARIABLES if name in environment}
    shown = ", ".join(f"{name}={value}" for name, value in given.items())
    wrong = [name for name, value in given.items() if not _fits(value, usable)]
    if wrong:
        return Finding(
            "threads",
            "warning",
            f"{shown}, but this process may use {usable} processors",
            f"unset {' '.join(wrong)}",
        )
    return Finding("threads", "ok", f"{usable} processors; {shown or 'no variable bounds it'}")


def _requirements(extra: str | None) -> list[Requirement]:
    """What the base, or an extra alone, asks for on this machine."""
    from packaging.requirements import Requirement

    base, asked = {"extra": ""}, {"extra": extra or ""}
    found = []
    for line in requires(PROGRAM) or ():
        one = Requirement(line)
        always = one.marker is None or one.marker.evaluate(base)
        wanted = always if extra is None else not always
        if wanted and (one.marker is None or one.marker.evaluate(asked)):
            found.append(one)
    return found


def _amiss(needed: Requirement) -> str | None:
    """Why a package will not do, if so."""
    received = _installed(needed.name)
    if received is None:
        return f"{needed.name} is not installed"
    if not needed.specifier.contains(received, prereleases=True):
        return f"expected {needed.name}{needed.specifier}, received {received}"
    return None


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _install(what: str) -> str:
    return f"pip install --upgrade '{what}'"


def _fits(value: str, usable: int) -> bool:
    return value.isdecimal() and 1 <= int(value) <= usable
