"""What a check finds, of which place, and what checks of folders and of Milvus tell alike."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data.errors import DigitsError
from search.text import named

if TYPE_CHECKING:
    from indexer.milvus.address import Address


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at, in a word or two.
        status: `"problem"` is what must be mended; `"warning"` what may surprise.
        detail: what was found, in one line.
        remedy: the command, or the deed, that mends it; None where all is well.
    """

    check: str
    status: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str | None = None


@dataclass(frozen=True)
class Folder:
    """A folder that is used, and why: an option, a variable or the default."""

    folder: Path
    why: str

    def __str__(self) -> str:
        """The folder, whatever its name holds."""
        return named(self.folder)

    @property
    def quoted(self) -> str:
        """The folder as a word that a shell takes for one."""
        return shlex.quote(str(self))


@dataclass(frozen=True)
class Collection:
    """A collection that is used, and why; as :class:`Folder` of a folder."""

    address: Address
    why: str

    def __str__(self) -> str:
        """The address without credentials."""
        return named(str(self.address))

    @property
    def quoted(self) -> str:
        """The address as a word that a shell takes for one."""
        return shlex.quote(str(self))


def fault(exc: DigitsError) -> str:
    """What is wrong, without the advice at the end of a message: a remedy says more."""
    text = str(exc)
    return text.rpartition("; ")[0] or text


def of_dataset(facts: Mapping[str, Any]) -> str:
    """The option that names what an index was made of; where a file was, nobody remembers."""
    from data.convention import MNIST8M

    name = facts["name"]
    known = {
        "mnist": "",
        "optdigits": " --dataset optdigits",
        MNIST8M: f" --dataset {MNIST8M} --count {facts['count']}",
    }
    return known.get(name, f" --dataset FILE  # the file or folder that {name} was read from")


def check_pairing(wanted: str, place: Folder, again: str) -> Finding:
    """Whether the embedder in the folder is the one that the index carries with it."""
    from indexer.embedder import Embedder

    try:
        received = Embedder.open(place.folder).identity
    except DigitsError:
        return Finding("pairing", "ok", "the index carries its embedder with it")
    if received == wanted:
        return Finding("pairing", "ok", "the index was built with this embedder")
    detail = f"the index carries embedder {wanted[:12]}, {place} holds {received[:12]}"
    return Finding("pairing", "warning", detail, again)
