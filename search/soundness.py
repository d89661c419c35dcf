"""Whether an index is what it says: of its embedder, and of the vectors that it stores.

Opening an index makes sure of its files. What is asked here takes longer, or another embedder.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from data.errors import EmbedderMismatch, IndexCorrupt
from indexer.embedder import CANARY_TOLERANCE, Embedder
from indexer.place import Place
from search.index import DigitIndex
from search.text import named

VERIFIED = 1000


def require_embedder(index: DigitIndex, folder: Path, place: Place) -> None:
    """Make sure that the embedder in `folder` is that of an index, which is at `place`.

    Raises:
        EmbedderMismatch: it is another one.
        EmbedderNotFound, EmbedderCorrupt: there is none that can be used.
    """
    expected, received = index.manifest.embedder, Embedder.open(folder).identity
    if received != expected:
        raise EmbedderMismatch(
            f"{folder}: expected embedder {expected[:12]}, which the index was built with,"
            f" received {received[:12]}; what mends it is told by: digits doctor"
            f" --index {shlex.quote(named(str(place)))} --embedder {shlex.quote(named(folder))}"
        )


def require_vectors(index: DigitIndex, place: Place) -> None:
    """Encode some stored digits again and compare; `place` is the one to blame.

    Raises:
        IndexCorrupt: the stored vectors are not what the embedder gives for the images.
    """
    index.vectors.verify()
    rounding = max(one.kind_options["rounding"] for one in index.manifest.segments)
    allowed = CANARY_TOLERANCE + rounding
    sample = index.live[np.unique(np.linspace(0, len(index) - 1, VERIFIED).astype(np.int64))]
    moved = np.abs(index.embed(index.images[sample]) - index.vectors.vectors(sample)).max()
    if not moved <= allowed:
        raise IndexCorrupt(
            f"{place}: stored vectors differ by {moved:.2g} from what the embedder gives for"
            f" their images (allowed: {allowed:g}); build the index again"
        )
